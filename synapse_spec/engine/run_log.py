"""The log file of one attempt. Written by `attempt`, and by `collect` for jobs that ended unwatched."""

import threading
from pathlib import Path

from synapse_spec.plugins.events import Emit, Event, render
from synapse_spec.plugins.outcome import Outcome


class RunLog:
    """The log file of one attempt, written anew."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("w", encoding="utf-8", errors="backslashreplace", buffering=1)
        self._lock = threading.Lock()

    def __enter__(self) -> "RunLog":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, line: str) -> None:
        with self._lock:
            self._file.write(f"{line.rstrip()}\n")

    def end(self, outcome: Outcome) -> None:
        """Write what went wrong, if anything did."""
        if outcome.error is not None:
            self.write(outcome.error.traceback or f"{outcome.error.type}: {outcome.error.message}")

    def tee(self, emit: Emit) -> Emit:
        """An `emit` that writes the event here first."""

        def both(event: Event) -> None:
            self.write(render(event))
            emit(event)

        return both
