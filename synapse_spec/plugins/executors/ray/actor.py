"""What a worker of the task pool is: the actor class, as it lives in its own process. Made by `worker`."""

import os
import pickle
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from synapse_spec.plugins import loader, namespace
from synapse_spec.plugins.action import ActionLike
from synapse_spec.plugins.capture import POLL_SECONDS, Reader, Recorder, own_streams
from synapse_spec.plugins.events import Event, to_wire
from synapse_spec.plugins.execution import Invocation, error_info, load_action, perform
from synapse_spec.plugins.executors.ray.entry import invocation_of
from synapse_spec.plugins.outcome import ErrorInfo, Outcome

EVENTS = "events"  # the concurrency group of what is called while an action is at work
Batch = list[dict[str, Any]]


class PluginActor:
    """Performs invocations of one plugin, one at a time: plain data comes and goes, no classes of users."""

    def __init__(self) -> None:
        self._here = Path.cwd()
        self._own_environ = frozenset(os.environ)
        self._reader: Reader | None = None
        self._events: deque[Event] = deque()
        self._more, self._taking = threading.Event(), threading.Lock()
        self._ended = 0
        self._plugin, self._actions = ExitStack(), dict[str, ActionLike]()
        self._streams = own_streams()
        self._streams.__enter__()  # until the process ends
        self._recorder = Recorder(ahead=True)
        from ray import cloudpickle

        # The plugin's functions and classes go whole to the workers of tasks that an action starts on Ray itself, which
        # do not know where plugins are.
        namespace.on_import.append(cloudpickle.register_pickle_by_value)

    def process(self) -> int:
        """Its number; there once the process is up."""
        return os.getpid()

    def perform(self, pickled: bytes) -> bytes:
        """Run an invocation.

        Args:
            pickled: A payload as `entry` has it. `environ`, if given, also holds for the calls after this one; `number`
                is one more than that of the call before. Ray takes a tenth of a call longer for what it has to pickle
                itself, on each way.

        Returns:
            Pickled, the events that `events` has not given, and the outcome.
        """
        payload: dict[str, Any] = pickle.loads(pickled)
        try:
            self._lay_under(payload.pop("environ", None))
            self._reader = self._recorder.begin(self._put)
            try:
                packed = payload.get("packed")
                invocation = (
                    invocation_of(payload, self._here) if packed else Invocation.from_wire(payload["invocation"])
                )
                outcome = self._performed(invocation, self._reader)
            finally:
                self._recorder.end()
        except BaseException as error:  # a defect: the driver must hear of it
            outcome = Outcome("WorkerDied", error=error_info(error, None))
        self._ended = payload["number"]
        self._more.set()
        return pickle.dumps((self._taken(), outcome.to_wire()))

    def events(self, number: int) -> Iterator[Batch]:
        """The events of that call as they come, until it ends."""
        while self._ended < number:
            self._more.wait(POLL_SECONDS)
            self._more.clear()
            if self._reader is not None:
                self._reader.drain()
            if batch := self._taken():
                yield batch

    def _performed(self, invocation: Invocation, reader: Reader) -> Outcome:
        source, entrypoint = invocation.source, invocation.entrypoint
        kept = source if source is not None and source.module is None else None
        if kept is not None and not loader.is_active(kept):
            # It stays the active one between calls: to change that takes as long as a short action.
            self._plugin.close()
            self._plugin.enter_context(loader.active(kept))
            self._actions.clear()
        try:
            outcome = perform(invocation, reader.emit, action=self._actions.get(entrypoint))
        except KeyboardInterrupt:  # nobody else raises it here
            return Outcome("ActionFailed", error=ErrorInfo("KeyboardInterrupt", "raised by the action itself"))
        if kept is not None and outcome.ok and entrypoint not in self._actions:
            self._actions[entrypoint] = load_action(kept, entrypoint)
        return outcome

    def _put(self, event: Event) -> None:
        self._events.append(event)
        self._more.set()

    def _taken(self) -> Batch:
        with self._taking:
            return [to_wire(self._events.popleft()) for _ in range(len(self._events))]

    def _lay_under(self, environ: dict[str, str] | None) -> None:
        """Make our environment the sender's, but for what Ray has given this process."""
        if environ is not None:
            for name in os.environ.keys() - self._own_environ - environ.keys():
                del os.environ[name]
            os.environ.update({name: value for name, value in environ.items() if name not in self._own_environ})
