"""What a Ray job runs: `python -m synapse_spec.plugins.executors.ray.entry PAYLOAD`.

The payload file holds the invocation, secrets included, so it is deleted as soon as it is read. Events and the outcome
go to stdout (`wire`). It may be all that a cluster has of us: it needs pydantic and the standard library only.
"""

import json
import os
import sys
import threading
from dataclasses import replace
from io import TextIOBase
from pathlib import Path
from typing import Any, TextIO, cast

from synapse_spec.plugins.capture import logging_to
from synapse_spec.plugins.events import Event
from synapse_spec.plugins.execution import Invocation, perform
from synapse_spec.plugins.executors.ray.wire import event_line, outcome_line

PACKED_FILES = "_plugin_files"
_EXIT_SECONDS = 5.0


def main() -> None:
    path = Path(sys.argv[1])
    payload = json.loads(path.read_bytes())
    path.unlink()
    nonce = payload["nonce"]
    for stream in (sys.stdout, sys.stderr):
        _line_buffered(stream)
    write = _Writer()

    def emit(event: Event) -> None:
        write(event_line(nonce, event))

    with logging_to(cast(TextIOBase, sys.stderr)):
        outcome = perform(invocation_of(payload, Path.cwd()), emit)
    write(outcome_line(nonce, outcome))
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
