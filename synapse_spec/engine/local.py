"""Performs local runs on the main thread, and lets signals reach into an action at work. Used by the reconciler.

KeyboardInterrupt is raised inside an action and nowhere else: what synapse itself is at, such as writing a status, is
done to its end, and an interrupted attempt is an Outcome like any other.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from synapse_spec.engine.backends import Work
from synapse_spec.engine.status import INTERRUPTED
from synapse_spec.plugins.outcome import ErrorInfo, Outcome

# What we send ourselves to end one run: ignored by default, and no library uses it (Go's runtime chose it likewise).
_OWN_SIGNAL = signal.SIGURG

# Some send a signal twice (`timeout`, a terminal's group and its shell); who insists does so later.
_INSISTS_AFTER = 2.0

_WORDS = {
    "TimedOut": "the run took longer than its timeout",
    "Cancelled": "the run was stopped on request",
    INTERRUPTED: "synapse was stopped while the run was at work",
}


def ended(why: str, metrics: dict[str, Any]) -> Outcome:
    """The outcome of an attempt that was not let go on."""
    return Outcome(why, error=ErrorInfo(why, _WORDS[why]), metrics=metrics)


@dataclass(slots=True)
class _AtWork:
    """The action that the main thread is in; `why` is the reason of its outcome, once it is to end."""

    name: str
    deadline: float | None
    why: str | None = None


class MainThread:
    """The main thread: performs local runs, and takes the signals.

    Attributes:
        stopped: The user wants the whole to end (Ctrl-C, SIGTERM).
    """

    def __init__(self) -> None:
        self.stopped = False
        self._stopped_at = 0.0
        self._at_work: _AtWork | None = None
        self._wake: Callable[[], None] = lambda: None
        self._process = os.getpid()
        self._before: dict[int, Any] = {}

    def perform(self, work: Work) -> Outcome:
        """The attempt's outcome; once it is to end, that is its reason, whatever the action makes of the interrupt."""
        from synapse_spec.plugins.capture import captured

        deadline = None if work.run.timeout is None else time.monotonic() + work.run.timeout
        at_work = _AtWork(work.run.name, deadline)
        with captured(work.emit) as emit:
            try:
                outcome = self._interruptible(at_work, work, emit)
            except KeyboardInterrupt:
                self._at_work = None
                outcome = Outcome("ActionFailed", error=ErrorInfo("KeyboardInterrupt", "raised by the action itself"))
        if at_work.why is None:
            return outcome
        return ended(at_work.why, outcome.metrics)

    def _interruptible(self, at_work: _AtWork, work: Work, emit: Any) -> Outcome:
        from synapse_spec.plugins.execution import perform

        assert work.invocation is not None
        self._at_work = at_work
        # From here on signals are heeded; what was asked for before has had none.
        if self.stopped:
            at_work.why = INTERRUPTED
        elif work.cancelled.is_set():
            at_work.why = work.cancelled.reason
        if at_work.why is not None:
            raise KeyboardInterrupt
        outcome = perform(work.invocation, emit)
        self._at_work = None
        return outcome

    def end(self, name: str, why: str) -> None:
        """End the run if it is at work here; called from other threads."""
        at_work = self._at_work
        if at_work is not None and at_work.name == name:
            at_work.why = at_work.why or why
            self.take_signals_back()

    def take_signals_back(self) -> None:
        """From a thread that has become a driver of Ray: that sets handlers of its own, which print its stack."""
        signal.pthread_kill(threading.main_thread().ident or 0, _OWN_SIGNAL)

    def end_late(self) -> None:
        """End the run at work if its time is over; called from other threads."""
        at_work = self._at_work
        if at_work is not None and at_work.deadline is not None and time.monotonic() > at_work.deadline:
            at_work.deadline = None
            self.end(at_work.name, "TimedOut")

    @contextmanager
    def signals(self, wake: Callable[[], None]) -> Iterator[None]:
        """Take the signals meanwhile; `wake` is called by a handler, so it may take no lock."""
        self._wake = wake
        handlers: dict[int, Any] = {
            signal.SIGINT: self._on_stop,
            signal.SIGTERM: self._on_stop,
            _OWN_SIGNAL: self._on_end,
        }
        try:
            for number, handler in handlers.items():
                self._before[number] = signal.signal(number, handler) or signal.SIG_DFL
            yield
        finally:
            for number, old in self._before.items():
                signal.signal(number, old)

    def _on_stop(self, number: int, frame: object) -> None:
        if os.getpid() != self._process:  # a process that the action has forked does as if we were not there
            signal.signal(number, self._before[number])
            os.kill(os.getpid(), number)
            return
        again = self.stopped and time.monotonic() - self._stopped_at > _INSISTS_AFTER
        if not self.stopped:
            self.stopped, self._stopped_at = True, time.monotonic()
        self._wake()
        if self._at_work is not None:
            self._at_work.why = self._at_work.why or INTERRUPTED
        if self._at_work is not None or again:
            raise KeyboardInterrupt

    def _on_end(self, number: int, frame: object) -> None:
        if os.getpid() == self._process and signal.getsignal(signal.SIGTERM) == self._on_stop:
            signal.signal(signal.SIGTERM, self._on_stop)
        if self._at_work is not None and self._at_work.why is not None:
            raise KeyboardInterrupt
