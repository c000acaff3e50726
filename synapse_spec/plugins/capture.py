"""Captures what an action writes: prints, logging, and its children's output, in whatever process it runs.

File descriptors 1 and 2 are pointed at an anonymous file that a thread reads back as Output events: unlike a pipe,
a file never blocks the writer nor waits for a child that outlives the action. Used around local runs by the engine
and, without that thread, in the Ray actor.
"""

import io
import logging
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from queue import SimpleQueue

from synapse_spec.plugins.events import Emit, Event, Output

POLL_SECONDS = 0.05
_CHUNK = 1 << 16
_LONGEST_LINE = 1 << 20


@contextmanager
def captured(emit: Emit) -> Iterator[Emit]:
    """Turn everything written to stdout and stderr into Output events.

    Args:
        emit: Takes them; what it writes to stdout or stderr itself would be captured again.

    Yields:
        An `emit` that keeps order: lines written before an event come out before it.
    """
    with own_streams(), closing(Recorder()) as recorder:
        reader, ended = recorder.begin(emit), threading.Event()
        thread = threading.Thread(target=_follow, args=(reader, ended), name="synapse-capture", daemon=True)
        try:
            thread.start()
            yield reader.emit
        finally:
            ended.set()
            thread.join()
            recorder.end()


class Recorder:
    """Captures one action after another, inside `own_streams`; lines come out by `Reader.drain`, before events, and at
    the end.

    Args:
        ahead: Make the file of the next action as soon as one has ended, in a thread; it takes as long as the rest.
    """

    def __init__(self, *, ahead: bool = False) -> None:
        self._own = os.dup(1), os.dup(2)
        self._files = _SpareFiles() if ahead else None

    def begin(self, emit: Emit) -> "Reader":
        """Point descriptors 1 and 2 at a file, until `end`."""
        descriptor = self._files.take() if self._files is not None else _nameless_file()
        root = logging.getLogger()
        self._kept = sys.stdout, sys.stderr, root.level, list(root.handlers)
        _flush(sys.stdout, sys.stderr)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        self._reader = Reader(descriptor, emit)
        return self._reader

    def end(self) -> None:
        """Emit the rest; descriptors, streams and logging are as they were."""
        out, err, level, handlers = self._kept
        # What a library wrote through a handle it kept still belongs to the action.
        _flush(*{sys.stdout, sys.stderr, out, err})
        sys.stdout, sys.stderr = out, err
        os.dup2(self._own[0], 1)
        os.dup2(self._own[1], 2)
        root = logging.getLogger()
        root.handlers[:] = handlers
        _set_level(root, level)
        self._reader.finish()
        if self._files is not None:
            self._files.put_back(self._reader.descriptor)
        else:
            os.close(self._reader.descriptor)

    def close(self) -> None:
        for descriptor in self._own:
            os.close(descriptor)


class _SpareFiles:
    """Files made, and removed, while nobody waits for that."""

    def __init__(self) -> None:
        self._used: SimpleQueue[int | None] = SimpleQueue()
        self._fresh: SimpleQueue[int | OSError] = SimpleQueue()
        self._used.put(None)
        threading.Thread(target=self._provide, name="spare-files", daemon=True).start()

    def take(self) -> int:
        """A new one; to be given back by `put_back`. Raises OSError."""
        descriptor = self._fresh.get()
        if isinstance(descriptor, OSError):
            self._used.put(None)  # there may be room for one next time
            raise descriptor
        return descriptor

    def put_back(self, descriptor: int) -> None:
        self._used.put(descriptor)

    def _provide(self) -> None:
        while True:
            used = self._used.get()
            try:
                if used is not None:
                    os.close(used)
                self._fresh.put(_nameless_file())
            except OSError as error:
                self._fresh.put(error)


def read_rest(descriptor: int, heard: int, emit: Emit) -> None:
    """Emit the lines of such a file but the first `heard`, when who wrote them cannot any more."""
    lines = 0

    def unheard(event: Event) -> None:
        nonlocal lines
        lines += 1
        if lines > heard:
            emit(event)

    Reader(descriptor, unheard).finish()


def _nameless_file() -> int:
    """A temporary file; appending, since scripts may empty it (`echo hm > /dev/stderr`), and no hole is to be left."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC
    with suppress(OSError, AttributeError):  # not every system, nor every file system, has files without a name
        return os.open(tempfile.gettempdir(), flags | os.O_TMPFILE, 0o600)
    with tempfile.NamedTemporaryFile() as file:
        return os.open(file.name, flags)


@contextmanager
def own_streams() -> Iterator[None]:
    """Let sys.stdout and sys.stderr write to descriptors 1 and 2 by each line, and log records reach them too."""
    streams = (sys.stdout, sys.stderr)
    _flush(*streams)
    sys.stdout, sys.stderr = _stream(1), _stream(2)
    try:
        with logging_to(sys.stderr):
            yield
    finally:
        _flush(sys.stdout, sys.stderr)
        sys.stdout, sys.stderr = streams


def _follow(reader: "Reader", ended: threading.Event) -> None:
    while not ended.wait(POLL_SECONDS):
        reader.drain()


@contextmanager
def logging_to(stream: io.TextIOBase) -> Iterator[None]:
    """Let log records of INFO and above reach `stream`; how logging is set up is as it was afterwards."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    try:
        if not any(_on_terminal(handler) for handler in root.handlers):
            handler = logging.StreamHandler(stream)
            handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
            root.addHandler(handler)
        _set_level(root, min(root.level, logging.INFO) or logging.INFO)
        yield
    finally:
        root.handlers[:] = handlers
        _set_level(root, level)


def _set_level(root: logging.Logger, level: int) -> None:
    if root.level != level:  # else every logger would forget what it has found out
        root.setLevel(level)


def _on_terminal(handler: logging.Handler) -> bool:
    """Whether it writes to descriptor 1 or 2, and so is captured anyway."""
    try:
        return handler.stream.fileno() in (1, 2)  # type: ignore[attr-defined]
    except (AttributeError, OSError, ValueError):
        return False


def _stream(descriptor: int) -> io.TextIOWrapper:
    """A stream that outlives the capture, for logging handlers that keep it: the descriptor is always there."""
    raw = io.FileIO(descriptor, "w", closefd=False)
    return io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", line_buffering=True)


def _flush(*streams: object) -> None:
    for stream in streams:
        with suppress(ValueError, OSError, AttributeError):
            stream.flush()  # type: ignore[attr-defined]


class Reader:
    """Reads the file as it grows and emits its lines; from any thread."""

    def __init__(self, descriptor: int, emit: Emit) -> None:
        self.descriptor = descriptor
        self._emit = emit
        self._offset = 0
        self._last = b""
        self._rest = b""
        self._lock = threading.RLock()
        self._finished = False

    def emit(self, event: Event) -> None:
        with self._lock:
            self.drain()
            self._emit(event)

    def drain(self) -> None:
        """Emit the lines that have been written so far."""
        with self._lock:
            if not self._finished:
                self._drain()

    def finish(self) -> None:
        with self._lock:
            self._drain()
            self._finished = True
            if self._rest:
                self._line(self._rest)
                self._rest = b""

    def _drain(self) -> None:
        """Emit the lines that are there by now, not those that come meanwhile: a child may never stop writing."""
        if os.pread(self.descriptor, len(self._last), self._offset - len(self._last)) != self._last:
            self._offset, self._last = 0, b""  # what was read is there no more: the file was emptied
        end = os.fstat(self.descriptor).st_size
        while chunk := os.pread(self.descriptor, min(_CHUNK, end - self._offset), self._offset):
            self._offset += len(chunk)
            self._last = chunk[-32:]
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            if len(self._rest) > _LONGEST_LINE:
                lines, self._rest = [*lines, self._rest], b""
            for line in lines:
                self._line(line)

    def _line(self, raw: bytes) -> None:
        # A progress bar rewrites its line by carriage returns: only its last state is worth keeping.
        text = raw.rstrip(b"\r").rpartition(b"\r")[2].decode("utf-8", errors="replace")
        self._emit(Output(text))
