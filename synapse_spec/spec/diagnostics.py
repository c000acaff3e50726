"""The one type of diagnostic, its codes, and how it is shown. Renderers here know nothing of checking."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from synapse_spec.plugins.yaml import Span

CODES = {
    "SS001": "a file cannot be read",
    "SS002": "the text is not valid YAML",
    "SS003": "the document is not a Run",
    "SS101": "a value is not what its field takes",
    "SS102": "a required field is missing",
    "SS103": "an unknown field",
    "SS104": "an unknown param",
    "SS105": "a required param is missing",
    "SS106": "a param has a value it cannot take",
    "SS107": "the params model refuses the params",
    "SS108": "two runs have the same name",
    "SS201": "the plugin is not found",
    "SS202": "the plugin's config.yaml cannot be used",
    "SS203": "the plugin has no such action",
    "SS204": "the plugin's code does not load",
    "SS205": "there is no fresh exported schema",
    "SS301": "a reference is not well formed",
    "SS302": "a reference names nothing that exists",
    "SS303": "runs depend on each other in a circle",
    "SS304": "a reference does not fit where it is used",
    "SS305": "the source of a secret is missing",
    "SS401": "a status file cannot be used",
    "SS402": "the plan is no longer true",
}


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One problem: where, what, and the way out.

    Attributes:
        code: A key of CODES.
        message: One line.
        path: The file as the user named it.
        span: Where in the file, 1-based; None for the file as a whole.
        hint: The way out, shown under the caret.
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
    head = f"{style(place, 'place')} {label} {diagnostic.message}"
    if span is None or source is None:
        return head + (f"\n   {style(diagnostic.hint, 'hint')}" if diagnostic.hint else "")
    lines = source.splitlines()
    if span.line > len(lines):
        return head
    text = lines[span.line - 1].replace("\t", " ")
    number = f"{span.line:>5}"
    end = span.end_column if span.end_line == span.line else len(text) + 1
    caret = "^" * max(1, end - span.column)
    under = " " * (span.column - 1) + style(caret, diagnostic.severity)
    hint = f" {style(diagnostic.hint, 'hint')}" if diagnostic.hint else ""
    return f"{head}\n{number} | {text}\n{' ' * 5} | {under}{hint}"
