"""What a Ray job runs: `python -m synapse_spec.plugins.executors.ray.entry PAYLOAD`.

The payload file holds the invocation, secrets included, so it is deleted as soon as it is read. Events and the outcome
go to stdout (`wire`), the outcome where it is asked for also into the cluster's store (`records`). It may be all that a
cluster has of us: it needs pydantic and the standard library only.
"""

import json
import math
import os
import signal
import sys
import threading
import time
from dataclasses import replace
from io import TextIOBase
from pathlib import Path
from typing import Any, TextIO, cast

from synapse_spec.plugins.capture import logging_to
from synapse_spec.plugins.events import Emit, Event
from synapse_spec.plugins.execution import Invocation, perform
from synapse_spec.plugins.executors.ray import records
from synapse_spec.plugins.executors.ray.wire import event_line, kept_line, outcome_line
from synapse_spec.plugins.outcome import ErrorInfo, Outcome

PACKED_FILES = "_plugin_files"
_EXIT_SECONDS = 5.0
_GRACE_SECONDS = 10.0
_POLL_SECONDS = 0.2
_LONGEST_LINE = 1 << 20  # of an outcome that is kept elsewhere


def main() -> None:
    path = Path(sys.argv[1])
    payload = json.loads(path.read_bytes())
    path.unlink()
    nonce, limit = payload["nonce"], _Limit(payload.get("timeout"))
    if limit.seconds is not None:
        _guarded(nonce, limit)
    for stream in (sys.stdout, sys.stderr):
        _line_buffered(stream)
    write = _Writer()

    def emit(event: Event) -> None:
        write(event_line(nonce, event))

    with logging_to(cast(TextIOBase, sys.stderr)):
        outcome = _Work(limit).perform(invocation_of(payload, Path.cwd()), emit)
    write(_told(nonce, outcome, **payload["keep"]))
    code = 0 if outcome.ok else 1
    _end_within(_EXIT_SECONDS, code)
    sys.exit(code)


def invocation_of(payload: dict[str, Any], here: Path) -> Invocation:
    """The invocation of a payload, fitted to this machine.

    Args:
        payload: `invocation`; with `environ` what the sender's environment adds to ours; with `packed` its paths are
            relative to the folder that the plugin's files were unpacked to.
        here: Where a package was unpacked.
    """
    invocation = Invocation.from_wire(payload["invocation"])
    if payload.get("packed"):
        invocation = _unpacked(invocation, here / PACKED_FILES)
    missing = {name: value for name, value in payload.get("environ", {}).items() if name not in os.environ}
    return replace(invocation, env=missing | invocation.env)


def _unpacked(invocation: Invocation, root: Path) -> Invocation:
    source = invocation.source
    if source is not None:
        source = replace(source, folder=root / source.folder, import_root=root)
    working_dir = invocation.working_dir
    if working_dir is not None:
        working_dir = str(root / working_dir)
    return replace(invocation, source=source, working_dir=working_dir)


class _Limit:
    """How long the job may take, from now on; for any number of seconds if they are None."""

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        self.deadline = math.inf if seconds is None else time.monotonic() + seconds

    @property
    def error(self) -> ErrorInfo:
        return ErrorInfo("TimedOut", f"the job took longer than {self.seconds:g} s")


class _Work:
    """The action at work, which SIGTERM interrupts as Ctrl-C would: from `cancel`, and when the time is over."""

    def __init__(self, limit: _Limit) -> None:
        self._process = os.getpid()
        self._limit = limit
        self._at_work = False
        self._why: ErrorInfo | None = None

    def perform(self, invocation: Invocation, emit: Emit) -> Outcome:
        signal.signal(signal.SIGTERM, self._on_term)
        self._at_work = True
        try:
            outcome = perform(invocation, emit)
            self._at_work = False
        except KeyboardInterrupt:
            outcome = Outcome("ActionFailed", error=ErrorInfo("KeyboardInterrupt", "raised by the action itself"))
        if self._why is None:
            return outcome
        return Outcome(self._why.type, error=self._why, metrics=outcome.metrics)

    def _on_term(self, number: int, frame: object) -> None:
        if os.getpid() != self._process:  # a process that the action has forked does as if we were not there
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        late = time.monotonic() >= self._limit.deadline
        self._why = self._why or (self._limit.error if late else ErrorInfo("Cancelled", "the job was stopped"))
        if self._at_work:
            self._at_work = False  # once is enough: what the action does about it is not to be interrupted
            raise KeyboardInterrupt


def _guarded(nonce: str, limit: _Limit) -> None:
    """Go on in a child; this process ends it, and all of the job, once its time is over.

    The action must have no say in it: it may be in code that no signal reaches.
    """
    child = os.fork()
    if child == 0:
        return
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # of a job that is stopped, the child has got it too
    code = _awaited(child, limit.deadline)
    if code is None:
        os.kill(child, signal.SIGTERM)
        code = _awaited(child, time.monotonic() + _GRACE_SECONDS)
        if code is None:
            os.write(1, outcome_line(nonce, Outcome("TimedOut", error=limit.error)))
        os.killpg(0, signal.SIGKILL)  # Ray has made the job a group of its own
    os._exit(code if code is not None and code >= 0 else 1)


def _awaited(child: int, deadline: float) -> int | None:
    """The exit code of the child, negative for a signal; None if it has not ended by then."""
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= deadline:
            return None
        time.sleep(min(_POLL_SECONDS, max(deadline - time.monotonic(), 0.001)))


def _told(nonce: str, outcome: Outcome, name: str = "", address: str | None = None) -> bytes:
    """The line of the outcome; of a long one only that it is kept, under this name in the store of the cluster."""
    line = outcome_line(nonce, outcome)
    addresses = [address, os.environ.get("RAY_ADDRESS", address)] if address is not None else []
    kept = records.put(filter(None, addresses), name, line)
    return kept_line(nonce) if kept and len(line) > _LONGEST_LINE else line


class _Writer:
    """Writes whole lines to stdout, after what the action has printed so far."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stream, self._descriptor = sys.stdout, os.dup(1)

    def __call__(self, line: bytes) -> None:
        with self._lock:
            self._stream.flush()
            while line:
                line = line[os.write(self._descriptor, line) :]


def _end_within(seconds: float, code: int) -> None:
    """Threads that the action left running must not keep a job that has its outcome."""
    timer = threading.Timer(seconds, os._exit, [code])
    timer.daemon = True
    timer.start()


def _line_buffered(stream: TextIO) -> None:
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(line_buffering=True, errors="backslashreplace")


if __name__ == "__main__":
    main()
