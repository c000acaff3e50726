"""What a Ray job runs: `python -m synapse_spec.plugins.executors.ray.entry PAYLOAD`.

The payload file holds the invocation, secrets included, so it is deleted as soon as it is read. The action runs in a
child; this process writes what comes from there (`relay`), without secrets, to stdout, which is the log that Ray shows
to all who may use the cluster. It outlives what ends the child, and ends the child when its time is over. Events and
the outcome are lines of that log (`wire`); the outcome is put into the cluster's store too where it is asked for
(`records`). It may be all that a cluster has of us: it needs pydantic and the standard library only.
"""

import json
import math
import os
import select
import signal
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from synapse_spec.plugins.capture import own_streams
from synapse_spec.plugins.events import Emit
from synapse_spec.plugins.execution import Invocation, perform
from synapse_spec.plugins.executors.ray import records
from synapse_spec.plugins.executors.ray.leftovers import adopt_orphans
from synapse_spec.plugins.executors.ray.relay import Relay, Sender
from synapse_spec.plugins.executors.ray.wire import event_line, kept_line, outcome_line
from synapse_spec.plugins.masking import Masker
from synapse_spec.plugins.outcome import ErrorInfo, Outcome

PACKED_FILES = "_plugin_files"
_EXIT_SECONDS = 5.0
_GRACE_SECONDS = 10.0
_POLL_SECONDS = 0.05
_CHUNK = 1 << 20  # more than a pipe holds
_LONGEST_LINE = 1 << 20  # of an outcome that is kept elsewhere


def main() -> None:
    path = Path(sys.argv[1])
    payload = json.loads(path.read_bytes())
    path.unlink()
    nonce, limit = payload["nonce"], _Limit(payload.get("timeout"))
    invocation = invocation_of(payload, Path.cwd())
    secrets = {name: invocation.env[name] for name in invocation.secrets}
    # Who prints our nonce wants to forge a record.
    send = _in_child(nonce, limit, Relay(Masker(secrets | {"": nonce}), _write_out))
    masker = Masker(secrets)
    emit = masker.emit(lambda event: send(event_line(nonce, event)))
    with own_streams():
        outcome = masker.outcome(_Work(limit).perform(invocation, emit))
    send(_told(nonce, outcome, **payload["keep"]))
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


def _in_child(nonce: str, limit: _Limit, relay: Relay) -> Sender:
    """Go on in a child, with what sends its records; this process never returns, but ends as the child does.

    The action must have no say in what is written, nor in when its time is over: it may be in code that no signal
    reaches.
    """
    source, sink = os.pipe()
    adopt_orphans()
    child = os.fork()
    if child == 0:
        os.close(source)
        os.dup2(sink, 1)
        os.dup2(sink, 2)
        return Sender(sink, relay.mark)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # of a job that is stopped, the child has got it too
    code = _relayed(child, source, relay, limit.deadline)
    late = code is None
    if late:
        os.kill(child, signal.SIGTERM)
        code = _relayed(child, source, relay, time.monotonic() + _GRACE_SECONDS)
    relay.finish()
    if code is None:
        code = 1
        _write_out(outcome_line(nonce, Outcome("TimedOut", error=limit.error)))
    if late and sys.platform == "linux":
        _end_all_below()
    elif late:
        os.killpg(0, signal.SIGKILL)  # Ray has made the job a group of its own
    os._exit(code if code >= 0 else 128 - code)  # as a shell tells of a signal


def _end_all_below() -> None:
    """End what the action has started, whatever group or session it is in: as orphans they have become our children."""
    while below := _children():
        for process in below:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG) != (0, 0):
                pass
        time.sleep(_POLL_SECONDS)


def _children() -> list[int]:
    return [int(word) for word in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


def _relayed(child: int, source: int, relay: Relay, deadline: float) -> int | None:
    """The exit code of the child, negative for a signal; None if it has not ended by then."""
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if select.select([source], [], [], 0 if ended else _POLL_SECONDS)[0]:
            relay.feed(os.read(source, _CHUNK))
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() >= deadline:
            return None


def _write_out(data: bytes) -> None:
    while data:
        data = data[os.write(1, data) :]


def _told(nonce: str, outcome: Outcome, name: str = "", address: str | None = None) -> bytes:
    """The line of the outcome; of a long one only that it is kept, under this name in the store of the cluster."""
    line = outcome_line(nonce, outcome)
    addresses = [address, os.environ.get("RAY_ADDRESS", address)] if address is not None else []
    kept = records.put(filter(None, addresses), name, line)
    return kept_line(nonce) if kept and len(line) > _LONGEST_LINE else line


def _end_within(seconds: float, code: int) -> None:
    """Threads that the action left running must not keep a job that has its outcome."""
    timer = threading.Timer(seconds, os._exit, [code])
    timer.daemon = True
    timer.start()


if __name__ == "__main__":
    main()
