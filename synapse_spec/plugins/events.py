"""What an action tells while it runs: progress, metrics, log entries and the lines it prints.

Events are emitted by the RuntimeContext and by output capture, cross process borders in
their wire form, and are consumed by the log file, the terminal and the status.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Progress:
    """`current` of `total` units; total 0 means an empty data set."""

    current: int
    total: int
    step: str | None = None


@dataclass(frozen=True, slots=True)
class Metrics:
    """Values measured in `step`, such as {"loss": 0.03} in "train"."""

    values: dict[str, Any]
    step: str


@dataclass(frozen=True, slots=True)
class Log:
    """A structured entry (`event` with `data`), or a message for people (event "message")."""

    event: str
    data: dict[str, Any] = field(default_factory=dict)
    file: str | None = None
    level: str = "info"


@dataclass(frozen=True, slots=True)
class Output:
    """One line that the action, its children or a library wrote; no line end."""

    text: str


Event = Progress | Metrics | Log | Output
Emit = Callable[[Event], None]

_KINDS: dict[str, type[Progress] | type[Metrics] | type[Log] | type[Output]] = {
    "progress": Progress,
    "metrics": Metrics,
    "log": Log,
    "output": Output,
}
_NAMES = {cls: name for name, cls in _KINDS.items()}


def storable(text: str) -> str:
    """`text` as UTF-8 can hold it: undecodable parts of file names, say, are written out."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def to_wire(event: Event) -> dict[str, Any]:
    return {"kind": _NAMES[type(event)], **asdict(event)}


def from_wire(wire: dict[str, Any]) -> Event:
    fields = dict(wire)
    return _KINDS[fields.pop("kind")](**fields)


def render(event: Event) -> str:
    """The event as one line of a log file."""
    match event:
        case Output(text):
            return text
        case Progress(current, total, step):
            share = f" ({100 * current // total}%)" if total else ""
            return f"progress {step + ' ' if step else ''}{current}/{total}{share}"
        case Metrics(values, step):
            return f"metrics {step} " + " ".join(f"{key}={value}" for key, value in values.items())
        case Log("message", data, _, level):
            return f"{level}: {data.get('message', '')}" if level != "info" else str(data.get("message", ""))
        case Log(name, data, file, _):
            return f"{name} {json.dumps(data, default=str, ensure_ascii=False)}" + (f" file={file}" if file else "")
