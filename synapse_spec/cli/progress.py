"""Shows runs at work: progress bars on a terminal, plain lines elsewhere. The observer of `apply`."""

import sys
import threading
import time
from contextlib import AbstractContextManager, suppress
from typing import IO, TYPE_CHECKING, Any

import click

from synapse_spec.cli.output import duration, own_stderr, padded, style
from synapse_spec.engine.status import TERMINAL, RunStatus
from synapse_spec.plugins.events import Event, Metrics, Progress, render
from synapse_spec.spec.model import Run

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

# Without a terminal, one line of progress for each run and this many seconds is enough.
_QUIET_SECONDS = 2.0


def observer(width: int) -> "PlainLines | LiveBars":
    """The way to show runs on this stderr; `width` is the longest run name."""
    return LiveBars(width) if sys.stderr.isatty() else PlainLines(width)


class PlainLines(AbstractContextManager["PlainLines"]):
    """One line for each thing that happens, with the run's name before it."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._stream: Any = own_stderr()
        self._lock = threading.Lock()
        self._quiet_until: dict[str, float] = {}

    def __exit__(self, *_: object) -> None:
        if self._stream is not sys.stderr:
            with suppress(OSError):  # what could not be shown
                self._stream.close()

    def phase(self, run: Run, status: RunStatus) -> None:
        self.line(run.name, phase_words(status, run))

    def note(self, run: Run, text: str) -> None:
        self.line(run.name, text)

    def event(self, run: Run, event: Event) -> None:
        if isinstance(event, Progress | Metrics) and not self._due(run.name, event):
            return
        self.line(run.name, f"| {render(event)}")

    def line(self, name: str, text: str) -> None:
        with self._lock, suppress(OSError):  # that nobody looks any more is no reason to stop
            click.echo(f"{padded(name, self._width)} {text}", file=self._stream)

    def _due(self, name: str, event: Progress | Metrics) -> bool:
        if isinstance(event, Progress) and event.current == event.total:
            return True
        key = f"{name}/{type(event).__name__}"
        now = time.monotonic()
        if now < self._quiet_until.get(key, 0.0):
            return False
        self._quiet_until[key] = now + _QUIET_SECONDS
        return True


class LiveBars(AbstractContextManager["LiveBars"]):
    """A bar for each run at work, under the lines that they print."""

    def __init__(self, width: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self._width = width
        self._stream: IO[str] = own_stderr()  # type: ignore[assignment]
        context = click.get_current_context(silent=True)
        plain = context is not None and context.color is False
        console = Console(file=self._stream, no_color=plain, highlight=False, markup=False, emoji=False)
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[told]}", markup=False),
        )
        self._bars: Bars = Progress(
            *columns, TimeElapsedColumn(), console=console, transient=True, redirect_stdout=False, redirect_stderr=False
        )
        self._tasks: dict[str, TaskID] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> "LiveBars":
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._bars.stop()
            self._stream.close()

    def phase(self, run: Run, status: RunStatus) -> None:
        with self._lock:
            if status.phase == "Running" and run.name not in self._tasks:
                self._tasks[run.name] = self._bars.add_task(padded(run.name, self._width), total=None, told="")
            if status.phase in TERMINAL and run.name in self._tasks:
                self._bars.remove_task(self._tasks.pop(run.name))
        self._print(run.name, phase_words(status, run))

    def note(self, run: Run, text: str) -> None:
        self._print(run.name, text)

    def event(self, run: Run, event: Event) -> None:
        task = self._tasks.get(run.name)
        if task is not None and isinstance(event, Progress):
            step = f"{event.step} " if event.step else ""
            told = f"{step}{event.current}/{event.total}"
            self._bars.update(task, completed=event.current, total=event.total or None, told=told)
        elif not isinstance(event, Metrics):
            self._print(run.name, f"| {render(event)}")

    def _print(self, name: str, text: str) -> None:
        from rich.text import Text

        with suppress(OSError):
            self._bars.console.print(Text.from_ansi(f"{padded(name, self._width)} {text}"), soft_wrap=True)


def phase_words(status: RunStatus, run: Run) -> str:
    """What a line says of a phase: `Succeeded in 1.2s`."""
    words = style(status.phase, status.phase)
    if status.phase == "Running":
        number = f", attempt {status.attempt.number}" if status.attempt and status.attempt.number > 1 else ""
        return f"{words} ({run.mode}{number})"
    if status.phase in TERMINAL:
        seconds = status.attempt.seconds if status.attempt else None
        why = f": {status.message}" if status.message else ""
        return f"{words} in {duration(seconds)}{why}"
    return f"{words}: {status.message}"
