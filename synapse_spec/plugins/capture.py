"""Captures what an action writes: prints, logging, and its children's output, in whatever process it runs.

File descriptors 1 and 2 are pointed at an anonymous file that a thread reads back as Output events: unlike a pipe,
a file never blocks the writer nor waits for a child that outlives the action. Used around local runs by the engine
and in the Ray actor.
"""

import io
import logging
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from synapse_spec.plugins.events import Emit, Event, Output

_POLL_SECONDS = 0.05
_CHUNK = 1 << 16


@contextmanager
def captured(emit: Emit) -> Iterator[Emit]:
    """Turn everything written to stdout and stderr into Output events.

    Yields:
        An `emit` that keeps order: lines written before an event come out before it.
    """
    with tempfile.TemporaryFile() as file:
        reader = _Reader(file.fileno(), emit)
        thread = threading.Thread(target=reader.follow, name="synapse-capture", daemon=True)
        with _redirected(file.fileno()) as stream, logging_to(stream):
            thread.start()
            try:
                yield reader.emit
            finally:
                stream.flush()
                reader.stop.set()
        thread.join()
        reader.finish()


@contextmanager
def logging_to(stream: io.TextIOBase) -> Iterator[None]:
    """Let log records of INFO and above reach `stream`."""
    root = logging.getLogger()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    level = root.level
    root.addHandler(handler)
    root.setLevel(min(level, logging.INFO) or logging.INFO)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


@contextmanager
def _redirected(target: int) -> Iterator[io.TextIOWrapper]:
    """Point descriptors 1 and 2 and sys.stdout/sys.stderr at `target`."""
    streams = (sys.stdout, sys.stderr)
    saved = [os.dup(1), os.dup(2)]
    raw = open(target, "ab", buffering=0, closefd=False)  # noqa: SIM115 - closed with its wrapper below
    stream = io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", write_through=True)
    try:
        for old in streams:
            with suppress(ValueError, OSError, AttributeError):
                old.flush()
        os.dup2(target, 1)
        os.dup2(target, 2)
        sys.stdout = sys.stderr = stream
        yield stream
    finally:
        for old in streams:  # what a library wrote through a handle it kept still belongs to the action
            with suppress(ValueError, OSError, AttributeError):
                old.flush()
        sys.stdout, sys.stderr = streams
        for descriptor, copy in zip((1, 2), saved, strict=True):
            os.dup2(copy, descriptor)
            os.close(copy)


class _Reader:
    """Reads the file as it grows and emits its lines."""

    def __init__(self, descriptor: int, emit: Emit) -> None:
        self._descriptor = descriptor
        self._emit = emit
        self._offset = 0
        self._rest = b""
        self._lock = threading.RLock()
        self.stop = threading.Event()

    def emit(self, event: Event) -> None:
        with self._lock:
            self._drain()
            self._emit(event)

    def follow(self) -> None:
        while not self.stop.wait(_POLL_SECONDS):
            with self._lock:
                self._drain()

    def finish(self) -> None:
        with self._lock:
            self._drain()
            if self._rest:
                self._line(self._rest)
                self._rest = b""

    def _drain(self) -> None:
        while chunk := os.pread(self._descriptor, _CHUNK, self._offset):
            self._offset += len(chunk)
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            for line in lines:
                self._line(line)

    def _line(self, raw: bytes) -> None:
        # A progress bar rewrites its line by carriage returns: only its last state is worth keeping.
        text = raw.rstrip(b"\r").rpartition(b"\r")[2].decode("utf-8", errors="replace")
        self._emit(Output(text))
