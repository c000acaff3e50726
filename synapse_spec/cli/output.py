"""How results and messages are printed: data on stdout, words for people on stderr. Used by every verb."""

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from io import TextIOBase
from pathlib import Path
from typing import Any

import click

from synapse_spec.spec.diagnostics import Diagnostic, render_text, width

FORMATS = ("text", "json", "yaml")

_STYLES: dict[str, dict[str, Any]] = {
    "error": {"fg": "red", "bold": True},
    "warning": {"fg": "yellow", "bold": True},
    "place": {"bold": True},
    "hint": {"fg": "cyan"},
    "Succeeded": {"fg": "green"},
    "Failed": {"fg": "red"},
    "Cancelled": {"fg": "yellow"},
    "Blocked": {"fg": "yellow"},
    "Running": {"fg": "blue"},
    "Suspended": {"dim": True},
    "removed": {"fg": "red"},
    "added": {"fg": "green"},
}


def style(text: str, name: str) -> str:
    """Colour by meaning; click takes it away where the stream is no terminal."""
    return click.style(text, **_STYLES[name]) if name in _STYLES else text


def format_option(*formats: str) -> Callable[[Any], Any]:
    choices = click.Choice(formats or FORMATS)
    return click.option("-o", "--output", "form", type=choices, default="text", help="Form of what goes to stdout.")


def emit(document: dict[str, Any], form: str) -> None:
    """Print one versioned document on stdout."""
    text = json.dumps({"version": 1, **document}, indent=2, ensure_ascii=False) + "\n"
    if form == "yaml":
        from synapse_spec.plugins import yaml

        text = yaml.dump(json.loads(text.encode("utf-8", "replace")))
    put(text)


def put(text: str) -> None:
    """Print text for programs on stdout: as UTF-8, whatever the terminal's encoding is."""
    try:
        click.echo(text.encode("utf-8", "replace"), nl=False)
    except BrokenPipeError:
        no_more_output()


def no_more_output() -> None:
    """Whoever read our output (`| head`) has seen enough: what is left of it goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say(text: str) -> None:
    """Tell a person; that nobody listens any more (`2>&1 | head`) is no reason to stop."""
    with contextlib.suppress(BrokenPipeError):
        click.echo(text, err=True)


def show_diagnostics(diagnostics: Iterable[Diagnostic]) -> None:
    """Print diagnostics with their source lines on stderr, and how many there were."""
    listed = list(diagnostics)
    sources: dict[str, str | None] = {}
    for item in listed:
        if item.path not in sources:
            sources[item.path] = source_text(item.path)
        say(render_text(item, sources[item.path], style))
    warnings = sum(item.severity == "warning" for item in listed)
    if len(listed) > warnings:
        also = f", {counted(warnings, 'warning')}" if warnings else ""
        say(f"{counted(len(listed) - warnings, 'problem')}{also}; nothing was run")


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def source_text(path: str) -> str | None:
    """What a file holds, for excerpts; None where that cannot be read, or only once, as a pipe."""
    if not os.path.isfile(path):
        return None
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], styled: int | None = None) -> str:
    """Plain columns; column `styled` is coloured by its own words."""
    columns = [_aligned(column) for column in zip(heads, *rows, strict=True)]
    if styled is not None:
        plain = columns[styled]
        columns[styled] = [plain[0], *map(style, plain[1:], [row[styled] for row in rows])]
    return "\n".join("  ".join(cells).rstrip() for cells in zip(*columns, strict=True))


def _aligned(column: Sequence[str]) -> list[str]:
    """The cells of a column, each as wide as the widest; there may be many thousands, and nearly all are ASCII."""
    measure = len if "".join(column).isascii() else width
    widest = max(map(measure, column))
    return [cell.ljust(widest + len(cell) - measure(cell)) for cell in column]


def padded(text: str, columns: int) -> str:
    """With blanks behind it, up to so many columns of a terminal: some characters take two."""
    return text + " " * (columns - width(text))


def duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{rest:02}s"


def own_stderr() -> TextIOBase:
    """A handle on stderr that stays ours while an action's output is being captured."""
    try:
        return os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding="utf-8", errors="replace", buffering=1)
    except (OSError, ValueError, AttributeError):  # not backed by a file, as under a test runner
        return sys.stderr  # type: ignore[return-value]


@contextlib.contextmanager
def only_ours_on_stdout() -> Iterator[None]:
    """Plugin code and libraries print as they like, and their children too: meanwhile that goes to stderr."""
    sys.stdout.flush()
    saved = os.dup(1)
    try:
        os.dup2(2, 1)
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(saved, 1)
        os.close(saved)
