"""synapse.toml: the settings of a workspace, and what is wrong with them. Read by the catalog and by `schema`.

An empty file only marks the workspace, and nothing is imported for it.
"""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synapse_spec.plugins.yaml import KeyPath, Span
    from synapse_spec.spec.diagnostics import Diagnostic

FILE_NAME = "synapse.toml"

SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "synapse.toml",
    "description": "The settings of a workspace.",
    "type": "object",
    "properties": {
        "schemas": {
            "type": "object",
            "description": "Exported JSON Schemas.",
            "properties": {
                "folder": {
                    "type": "string",
                    "minLength": 1,
                    "default": "schemas",
                    "description": "Where they are written to and looked for, relative to this file.",
                }
            },
            "additionalProperties": False,
        }
    },
    "additionalProperties": False,
}

# Of the design, but not in this version.
LATER = frozenset({"clusters", "limits"})


@dataclass(frozen=True, slots=True)
class Settings:
    """What synapse.toml says, with defaults for what it leaves out.

    Attributes:
        schemas: Folder of exported schemas; absolute.
    """

    schemas: Path


def read_settings(root: Path) -> "tuple[Settings, list[Diagnostic]]":
    """The settings of the workspace at `root` (absolute); the defaults where there is something wrong with them."""
    path, defaults = root / FILE_NAME, Settings(root / "schemas")
    try:
        data = path.read_bytes() if path.exists() else b""
    except OSError as error:
        return defaults, [_diagnostic(path, f"cannot be read: {error.strerror}")]
    if not data.strip():
        return defaults, []
    try:
        text = data.decode("utf-8-sig")
        content = _parse(text)
    except ValueError as error:  # TOMLDecodeError and UnicodeDecodeError are ones
        return defaults, [_not_toml(error, data, path)]
    problems = _problems(content, text, path)
    if problems:
        return defaults, problems
    return Settings(root / content.get("schemas", {}).get("folder", "schemas")), []


def _parse(text: str) -> dict[str, Any]:
    """The document; raises ValueError where it is not TOML, or JSON could not hold it."""
    import tomllib

    try:
        content = tomllib.loads(text)
        json.dumps(content, allow_nan=False)
    except RecursionError:
        raise ValueError("it has too many levels") from None
    except tomllib.TOMLDecodeError:
        raise
    except (TypeError, ValueError):
        raise ValueError("dates, nan and inf are not taken") from None
    return content


def _not_toml(error: ValueError, data: bytes, path: Path) -> "Diagnostic":
    if isinstance(error, UnicodeDecodeError):
        start = data.rfind(b"\n", 0, error.start) + 1
        line, column = data.count(b"\n", 0, error.start) + 1, len(data[start : error.start].decode()) + 1
        said = f"invalid UTF-8: the byte 0x{data[error.start]:02x}"
    else:
        said, _, place = str(error).removesuffix(")").partition(" (at ")
        numbers = [int(number) for number in re.findall(r"\d+", place)]
        rows = data.decode("utf-8-sig").rstrip().splitlines()
        line, column = numbers if len(numbers) == 2 else (len(rows), len(rows[-1]) + 1) if place else (1, 1)
    return _diagnostic(path, f"not valid TOML: {said[:1].lower()}{said[1:]}", _span(line, column))


def _problems(content: dict[str, Any], text: str, path: Path) -> "list[Diagnostic]":
    from synapse_spec.spec.check import Checker, dotted

    found = []
    for item in Checker(SCHEMA, references=False).problems(content):
        message, hint = f"{dotted(item.path)}: {item.text}", item.hint
        if item.kind == "unknown":
            inside = f" in [{dotted(item.path[:-1])}]" if item.path[1:] else ""
            message = f"unknown setting {item.text!r}{inside}"
            hint = "not supported by this version" if item.path[0] in LATER else hint
        found.append(_diagnostic(path, message, _place(text, item.path), hint))
    return sorted(found, key=lambda item: item.order)


def _place(text: str, path: "KeyPath") -> "Span":
    """Where a key is given: the statement with which the text, read from its start, first has it."""
    rows, name = text.splitlines(), str(path[-1])
    start = 0
    for end in range(1, len(rows) + 1):
        content = _parsed(rows[:end])
        if content is not None:
            if _has(content, path):
                break
            start = end
    column = rows[start].find(name) + 1
    return _span(start + 1, column, len(name)) if column else _span(start + 1, 1)


def _parsed(rows: list[str]) -> dict[str, Any] | None:
    try:
        return _parse("\n".join(rows))
    except ValueError:  # the last statement is not at its end
        return None


def _has(content: Any, path: "KeyPath") -> bool:
    for part in path:
        if not isinstance(content, dict) or part not in content:
            return False
        content = content[part]
    return True


def _span(line: int, column: int, length: int = 1) -> "Span":
    from synapse_spec.plugins.yaml import Span

    return Span(line, column, line, column + length)


def _diagnostic(path: Path, message: str, span: "Span | None" = None, hint: str | None = None) -> "Diagnostic":
    from synapse_spec.spec.diagnostics import Diagnostic

    near = os.path.relpath(path)
    return Diagnostic("SS004", message, str(path) if near.startswith(os.pardir) else near, span, hint)
