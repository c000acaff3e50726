"""synapse.toml: the settings of a workspace, and what is wrong with them. Read by the catalog and by `schema`.

An empty file only marks the workspace, and nothing is imported for it.
"""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synapse_spec.spec.quantities import DURATION_PATTERN, seconds

if TYPE_CHECKING:
    from synapse_spec.plugins.yaml import KeyPath, Span
    from synapse_spec.spec.diagnostics import Diagnostic

FILE_NAME = "synapse.toml"

_TEXT: dict[str, Any] = {"type": "string", "minLength": 1}
_TOKEN_FORMS = 'write token = {env = "NAME"} or {file = "path"}'


def _elsewhere(description: str, **more: Any) -> dict[str, Any]:
    """A value, or where it is kept: secrets do not stand in the file."""
    places = {
        "env": _TEXT | {"description": "Name of a variable in the environment of synapse."},
        "file": _TEXT | {"description": "A file that holds the value, relative to this one."},
    }
    either = {"additionalProperties": False, "minProperties": 1, "maxProperties": 1}
    return {"type": "object", "properties": places} | either | {"description": description} | more


_CLUSTER: dict[str, Any] = {
    "type": "object",
    "properties": {
        "address": _TEXT
        | {
            "pattern": r"^(\[[0-9A-Fa-f:.]+\]|[^\s/:@\[\]]+):[0-9]{1,5}$",
            "patternErrorMessage": "must be host:port of the cluster's GCS, usually port 6379",
            "description": "host:port of the cluster's GCS: serves tasks, and jobs if there is a dashboard.",
        },
        "dashboard": _TEXT
        | {
            "pattern": r"^https?://[^\s/@]+(/\S*)?$",
            "patternErrorMessage": "must be http://host:port or https://host:port, usually port 8265",
            "description": "http(s)://host:port of the cluster's dashboard; alone it serves jobs only.",
        },
        "token": _elsewhere('The token that the cluster asks for: {env = "NAME"} or {file = "path"}.'),
        "namespace": _TEXT | {"description": "Ray's namespace for the actors that tasks make by name."},
        "headers": {
            "type": "object",
            "additionalProperties": _elsewhere(
                'A text, {env = "NAME"} or {file = "path"}.', type=["string", "object"], minLength=1
            ),
            "description": "HTTP headers for the dashboard, such as a proxy in front of it wants.",
        },
    },
    "additionalProperties": False,
    "anyOf": [{"required": ["address"]}, {"required": ["dashboard"]}],
}

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
        },
        "clusters": {
            "type": "object",
            "description": "Ray clusters, by the names that `spec.cluster` has.",
            "additionalProperties": _CLUSTER,
        },
        "jobs": {
            "type": "object",
            "description": "Jobs on clusters that stay.",
            "properties": {
                "keep": {
                    "type": "string",
                    "pattern": DURATION_PATTERN,
                    "patternErrorMessage": "must be a duration such as '12h' or '30d'",
                    "default": "7d",
                    "description": "How long Ray's record of a job stays after its result has been fetched.",
                }
            },
            "additionalProperties": False,
        },
        "limits": {
            "type": "object",
            "description": "How much is run at once.",
            "properties": {
                "tasks": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": 1000,
                    "description": "Tasks at once on one cluster; by default as many as this machine has CPUs.",
                }
            },
            "additionalProperties": False,
        },
    },
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class Settings:
    """What synapse.toml says, with defaults for what it leaves out.

    Attributes:
        schemas: Folder of exported schemas; absolute.
        clusters: Tables of Ray clusters, as written, by their names; None where the file cannot be used.
        tasks: The most at once on one cluster, or None.
        keep: How long Ray's records of fetched jobs stay, in seconds.
    """

    schemas: Path
    clusters: dict[str, dict[str, Any]] | None = None
    tasks: int | None = None
    keep: float = 7 * 86400.0


def read_settings(root: Path) -> "tuple[Settings, list[Diagnostic]]":
    """The settings of the workspace at `root` (absolute); the defaults where there is something wrong with them."""
    path, unknown = root / FILE_NAME, Settings(root / "schemas")
    try:
        data = path.read_bytes() if path.exists() else b""
    except OSError as error:
        return unknown, [_diagnostic(path, f"cannot be read: {error.strerror}")]
    if not data.strip():
        return Settings(root / "schemas", {}), []
    try:
        text = data.decode("utf-8-sig")
        content = _parse(text)
    except ValueError as error:  # TOMLDecodeError and UnicodeDecodeError are ones
        return unknown, [_not_toml(error, data, path)]
    problems = _problems(content, text, path)
    if problems:
        return unknown, problems
    folder = root / content.get("schemas", {}).get("folder", "schemas")
    keep = seconds(content.get("jobs", {}).get("keep", "7d"))
    return Settings(folder, content.get("clusters", {}), content.get("limits", {}).get("tasks"), keep), []


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
        place: Span | None = _place(text, item.path)
        if item.kind == "missing":
            message = f"{dotted(item.path)}: 'address' or 'dashboard' is required"
            hint = 'address = "host:6379" for tasks and jobs, dashboard = "http://host:8265" for jobs'
        elif item.path[2:3] == ("token",):
            message, hint = f"{dotted(item.path[:3])}: the token itself does not stand here", _TOKEN_FORMS
            place = None  # else the line would be shown
        elif item.kind == "unknown":
            inside = f" in [{dotted(item.path[:-1])}]" if item.path[1:] else ""
            message = f"unknown setting {item.text!r}{inside}"
        found.append(_diagnostic(path, message, place, hint))
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
    found = re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", rows[start])
    return _span(start + 1, found.start() + 1, len(name)) if found else _span(start + 1, 1)


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
