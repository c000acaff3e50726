"""One actor of the task pool, seen from the driver: its start, its calls, its end. Used by `actor_pool`."""

import os
import pickle
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from synapse_spec.plugins.capture import read_rest
from synapse_spec.plugins.events import Emit, from_wire
from synapse_spec.plugins.executors.ray.actor import EVENTS, Batch, PluginActor
from synapse_spec.plugins.outcome import ErrorInfo, Outcome

GLANCE_SECONDS = 0.2  # how soon a cancellation is seen
# What takes longer has its events streamed, which costs as much as another call.
_BRIEF_SECONDS = 0.02
_RAYS_PREFIXES = ("The actor died unexpectedly", "class_name:", "actor_id:", "pid:", "namespace:", "ip:")
_NO_WORD, _DETAIL = "connection error code 2", "Worker exit detail: "


class Ended(Exception):
    """The run is over before the action said so."""

    def __init__(self, reason: str, kind: str, message: str) -> None:
        super().__init__(message)
        self.outcome = Outcome(reason, error=ErrorInfo(kind, message))


@dataclass(frozen=True, slots=True)
class Limits:
    """What may end a run from outside: a request, or its time (seconds, from now on)."""

    cancelled: threading.Event
    timeout: float | None
    began: float = field(default_factory=time.monotonic)

    def check(self) -> None:
        """Raises Ended."""
        if self.cancelled.is_set():
            raise Ended("Cancelled", "Cancelled", "the worker process was ended on request")
        if self.timeout is not None and time.monotonic() > self.began + self.timeout:
            raise Ended("TimedOut", "TimedOut", f"the task took longer than {self.timeout:g} s")


@dataclass(eq=False, slots=True)
class Worker:
    """An actor.

    Attributes:
        key: What it is like: workers of one key stand in for each other.
        actor: Ray's handle.
        starting: What Ray resolves once its process is up, until that is so.
        environ: What it was sent of our environment.
        calls: How many it has had.
        near: It is on this machine.
        process: Its number, once it is up.
        expiry: Ends it when it has been idle for long.
    """

    key: str
    actor: Any
    starting: Any
    environ: dict[Any, Any] | None = None
    calls: int = 0
    near: bool = False
    process: int = 0
    expiry: threading.Timer | None = None

    @classmethod
    def start(cls, key: str, arguments: dict[str, Any], *, near: bool) -> "Worker":
        """Ask Ray for one, with these options of actors; returns before there is one. Raises Ended."""
        import ray

        remote: Any = ray.remote
        try:
            actor = remote(concurrency_groups={EVENTS: 1})(PluginActor).options(**arguments).remote()
        except (ValueError, TypeError) as error:
            raise Ended("WorkerDied", type(error).__name__, f"Ray does not take its options: {error}") from None
        return cls(key, actor, actor.process.remote(), near=near)

    def call(self, payload: dict[str, Any], emit: Emit, limits: Limits, crowded: Callable[[float], None]) -> Outcome:
        """Perform an invocation.

        Args:
            payload: The invocation as `PluginActor.perform` takes it.
            emit: Takes the events while it runs, on the calling thread.
            limits: Looked at meanwhile.
            crowded: Called while the process does not come up, with the seconds that it has taken so far.

        Raises:
            Ended: The process died, or is to be ended. What it has written is emitted, if it is on this machine and has
                been at it for a moment.
        """
        import ray

        try:
            self._await_start(limits, crowded)
            self.calls += 1
            reference = self.actor.perform.remote(pickle.dumps(payload | {"number": self.calls}))
            try:
                answer = ray.get(reference, timeout=_BRIEF_SECONDS)
            except ray.exceptions.GetTimeoutError:
                answer = self._followed(reference, emit, limits)
        except ray.exceptions.RayError as error:
            raise Ended("WorkerDied", type(error).__name__, _reason(error)) from None
        events, outcome = pickle.loads(answer)
        _emit_all(events, emit)
        return Outcome.from_wire(outcome)

    def end(self) -> None:
        """End the process, whatever it is at."""
        import ray

        if self.expiry is not None:
            self.expiry.cancel()
        with suppress(ray.exceptions.RayError, ValueError):
            ray.kill(self.actor, no_restart=True)

    def _followed(self, reference: Any, emit: Emit, limits: Limits) -> Any:
        """The answer of the call at work; its events are emitted as they come."""
        import ray

        heard, tape = 0, self._tape()
        stream = self.actor.events.options(concurrency_group=EVENTS, num_returns="streaming").remote(self.calls)
        try:
            while True:
                limits.check()
                if not ray.wait([stream], timeout=GLANCE_SECONDS, fetch_local=False)[0]:
                    continue
                batch = next(stream, None)
                if batch is None:
                    return ray.get(reference)
                events = ray.get(batch)
                heard += sum(event["kind"] == "output" for event in events)
                _emit_all(events, emit)
        except (Ended, ray.exceptions.RayError):
            if tape is not None:
                read_rest(tape, heard, emit)
            raise
        finally:
            if tape is not None:
                os.close(tape)

    def _tape(self) -> int | None:
        """The nameless file that the call at work writes to, which stays when its process dies."""
        if not self.near:
            return None
        try:
            descriptor = os.open(f"/proc/{self.process}/fd/1", os.O_RDONLY)
        except OSError:
            return None
        if os.fstat(descriptor).st_nlink == 0:
            return descriptor
        os.close(descriptor)  # the call has just ended
        return None

    def _await_start(self, limits: Limits, crowded: Callable[[float], None]) -> None:
        import ray

        asked = time.monotonic()
        while self.starting is not None:
            if ray.wait([self.starting], timeout=GLANCE_SECONDS)[0]:
                self.process, self.starting = ray.get(self.starting), None
                return
            limits.check()
            crowded(time.monotonic() - asked)


def _emit_all(events: Batch, emit: Emit) -> None:
    for event in events:
        emit(from_wire(event))


def _reason(error: Exception) -> str:
    """Ray's own words, without the addresses and ids before and the guesses after them."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if type(error).__name__ == "RuntimeEnvSetupError":
        why = [line for line in lines if line.lower().startswith("error")] or lines[-1:]
        return "the environment of the worker could not be made: " + " ".join(why)
    if "creation task" in lines[0]:  # then the rest is the trace of what kept it from starting
        return f"the worker process could not start: {lines[-1]}"
    if _NO_WORD in lines[-1]:
        return "the worker process died: it crashed, left by itself or was killed, perhaps for want of memory"
    told = " ".join(line for line in lines if not line.startswith(_RAYS_PREFIXES))
    return "the worker process died: " + (told.rpartition(_DETAIL)[2] or type(error).__name__)
