"""The one type of diagnostic, its codes, and how it is shown. Renderers here know nothing of checking."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from typing import Any
from unicodedata import category, east_asian_width

from synapse_spec.plugins.yaml import Span, source_lines

CODES = {
    "SS001": "a file cannot be read",
    "SS002": "the text is not valid YAML",
    "SS003": "the document is not a Run",
    "SS004": "synapse.toml cannot be used",
    "SS101": "a value is not what its field takes",
    "SS102": "a required field is missing",
    "SS103": "an unknown field",
    "SS104": "an unknown param",
    "SS105": "a required param is missing",
    "SS106": "a param has a value it cannot take",
    "SS107": "the params model refuses the params",
    "SS108": "two runs have the same name",
    "SS109": "a value may be meant otherwise",
    "SS110": "an unknown cluster",
    "SS111": "nothing uses a key of the matrix",
    "SS112": "a field is without effect",
    "SS201": "the plugin is not found",
    "SS202": "the plugin's config.yaml cannot be used",
    "SS203": "the plugin has no such action",
    "SS204": "the plugin's code does not load",
    "SS205": "there is no fresh exported schema",
    "SS206": "a key of the plugin's config.yaml may be misspelt",
    "SS207": "the plugin needs synapse-sdk, which is not installed",
    "SS208": "the plugin asks for versions that are not here",
    "SS301": "a reference is not well formed",
    "SS302": "a reference names nothing that exists",
    "SS303": "runs depend on each other in a circle",
    "SS304": "a reference does not fit where it is used",
    "SS305": "the source of a secret is missing",
    "SS401": "a status file cannot be used",
    "SS402": "the plan is no longer true",
}

MORE = "there are more problems than are told; mend these first"

_WIDE = 100
_LONGEST = 5000  # of each half of a message
_NO_WIDTH = ("Mn", "Me", "Cf")
_LONG_WORD = re.compile(r"([^\s/]{60})[^\s/]{20,}?([\"']?[:,]?)(?=[\s/]|$)")


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One problem: where, what, and the way out.

    Attributes:
        code: A key of CODES.
        message: One line.
        path: The file as the user named it.
        span: Where in the file, 1-based; None for the file as a whole.
        hint: The way out, shown under the caret; may have several lines.
        pointer: JSON pointer into the document.
        severity: "error" or "warning".
    """

    code: str
    message: str
    path: str
    span: Span | None = None
    hint: str | None = None
    pointer: str | None = None
    severity: str = "error"

    @property
    def order(self) -> tuple[Any, ...]:
        span = self.span or Span(0, 0, 0, 0)
        return (self.path, span.line, span.column, self.code, self.message)

    def to_record(self) -> dict[str, Any]:
        span = self.span or Span(1, 1, 1, 1)
        return {
            "path": self.path,
            "line": span.line,
            "column": span.column,
            "endLine": span.end_line,
            "endColumn": span.end_column,
            "code": self.code,
            "severity": self.severity,
            "message": self.message,
            "hint": self.hint,
            "pointer": self.pointer,
        }


def at_most(number: int, found: Iterator[Diagnostic]) -> list[Diagnostic]:
    """The first of them; where there are more, the next one says only that."""
    kept, left = list(islice(found, number)), next(found, None)
    return kept if left is None else [*kept, replace(left, message=MORE, hint=None)]


def legible(message: str) -> str:
    """One line, with names and keys cut that are longer than anybody would read; paths stay whole."""
    if len(message) > 2 * _LONGEST:
        message = f"{message[:_LONGEST]}…{message[-_LONGEST:]}"
    return _LONG_WORD.sub(r"\1…\2", " ".join(message.split()))


class InvalidSpec(Exception):
    """Something is invalid, so nothing runs; carries the diagnostics."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = sorted(diagnostics, key=lambda item: item.order)
        super().__init__(f"{len(self.diagnostics)} problem(s)")


def render_text(diagnostic: Diagnostic, source: str | None, style: Callable[[str, str], str]) -> str:
    """The diagnostic as people read it: place, code, message, then the line with a caret under the place.

    Args:
        diagnostic: What to show.
        source: The file's text, or None to leave the excerpt out.
        style: Takes a text and a name ("error", "warning", "place", "hint") and may colour it.
    """
    span = diagnostic.span
    place = f"{diagnostic.path}:{span.line}:{span.column}:" if span else f"{diagnostic.path}:"
    label = style(f"{diagnostic.severity}[{diagnostic.code}]:", diagnostic.severity)
    head = f"{style(place, 'place')} {label} {_printable(diagnostic.message)}"
    hints = [style(_printable(line), "hint") for line in (diagnostic.hint or "").split("\n") if line]
    lines = _lines(source) if source is not None and span is not None else []
    if span is None or span.line > len(lines) or not lines[span.line - 1]:
        return "\n      ".join([head, *hints])
    start, end = span.column - 1, span.end_column - 1 if span.end_line == span.line else span.column
    text, start, end = _window(lines[span.line - 1], start, max(end, start + 1))
    carets = "^" * max(1, width(text[start:end]))
    under = " " * width(text[:start]) + style(carets, diagnostic.severity)
    near = len(hints) == 1 and width(text[:start]) + len(carets) + len(diagnostic.hint or "") <= _WIDE
    below = [f"{under} {hints[0]}"] if near else [under, *hints]
    return "\n      | ".join([f"{head}\n{span.line:>5} | {text}", *below])


@lru_cache(maxsize=1)
def _lines(source: str) -> list[str]:
    """Many diagnostics are of one file, which may be large."""
    return source_lines(source)


def _window(text: str, start: int, end: int) -> tuple[str, int, int]:
    """What to show of a line that is too long, with the place moved along."""
    if len(text) <= _WIDE:
        return _printable(text), start, end
    left = max(0, min(start - _WIDE // 3, len(text) - _WIDE))
    shown = _printable(text[left : left + _WIDE])
    shown = ("…" + shown[1:] if left else shown) + ("…" if left + _WIDE < len(text) else "")
    return shown, start - left, min(end - left, _WIDE)


def _printable(text: str) -> str:
    """Without what a terminal would obey: escapes, control characters; a tab is shown, as it is often the cause."""
    shown = {"\t": "→", "\u200d": "\u200d"}  # the joiner of emoji is harmless
    return "".join(char if char.isprintable() else shown.get(char, "\ufffd") for char in text)


def width(text: str) -> int:
    """Columns that a terminal takes for it."""
    if text.isascii():
        return len(text)
    return sum(0 if category(char) in _NO_WIDTH else 2 if east_asian_width(char) in "WF" else 1 for char in text)
