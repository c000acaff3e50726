"""What a worker of the task pool is: the actor class, as it lives in its own process. Made by `actor_pool`."""

import queue
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from synapse_spec.plugins.capture import captured
from synapse_spec.plugins.events import Event, to_wire
from synapse_spec.plugins.execution import error_info, perform
from synapse_spec.plugins.executors.ray.entry import invocation_of
from synapse_spec.plugins.outcome import Outcome


class PluginActor:
    """Performs invocations of one plugin, one at a time."""

    def __init__(self) -> None:
        self._here = Path.cwd()

    def perform(self, payload: dict[str, Any]) -> Iterator[tuple[list[dict[str, Any]], dict[str, Any] | None]]:
        """Yield events as they come, in batches, and with the last batch the outcome: plain data, no users' classes."""
        events: queue.SimpleQueue[Event | Outcome] = queue.SimpleQueue()
        thread = threading.Thread(target=_run, args=(payload, self._here, events), name="synapse-action", daemon=True)
        thread.start()
        outcome: Outcome | None = None
        while outcome is None:
            batch: list[dict[str, Any]] = []
            item = events.get()
            while not isinstance(item, Outcome):
                batch.append(to_wire(item))
                if events.empty():
                    break
                item = events.get()
            else:
                outcome = item
            yield batch, outcome.to_wire() if outcome is not None else None
        thread.join()


def _run(payload: dict[str, Any], here: Path, events: "queue.SimpleQueue[Event | Outcome]") -> None:
    try:
        with captured(events.put) as emit:
            outcome = perform(invocation_of(payload, here), emit)
    except BaseException as error:  # a defect: the actor must tell it, not hang
        outcome = Outcome("WorkerDied", error=error_info(error, None))
    events.put(outcome)
