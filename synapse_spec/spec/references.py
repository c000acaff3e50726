"""`${{ dotted.path[0] }}`: finding, checking the form of, and resolving references. Pure."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from synapse_spec.plugins.yaml import KeyPath

_TEMPLATE = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_FORM = re.compile(r"[A-Za-z_][\w-]*(?:\.[\w-]+|\[\d+\])*")
_PART = re.compile(r"\.?([\w-]+)|\[(\d+)\]")

ROOTS = ("runs", "run", "spec", "workspace", "git")


@dataclass(frozen=True, slots=True)
class Reference:
    """One `${{ }}`.

    Attributes:
        text: What stands between the braces, without blanks at its ends.
        parts: The path: names and indices; empty when the form is wrong.
    """

    text: str
    parts: KeyPath

    @property
    def run(self) -> str | None:
        """The run whose result it takes, if it is one of `runs.NAME.result…`."""
        if len(self.parts) >= 3 and self.parts[0] == "runs" and self.parts[2] == "result":
            return str(self.parts[1])
        return None


def parse(text: str) -> Reference:
    """The reference that stands between `${{` and `}}`."""
    text = text.strip()
    if not _FORM.fullmatch(text):
        return Reference(text, ())
    parts = tuple(int(index) if index else name for name, index in _PART.findall(text))
    return Reference(text, parts)


def find(value: Any) -> Iterator[tuple[KeyPath, Reference]]:
    """Each reference in the strings of `value`, with the key path of the string."""
    pending: list[tuple[KeyPath, Any]] = [((), value)]
    while pending:
        path, item = pending.pop()
        if isinstance(item, str):
            if "${{" in item:
                yield from ((path, parse(match)) for match in _TEMPLATE.findall(item))
        elif isinstance(item, dict):
            pending.extend(((*path, key), child) for key, child in item.items())
        elif isinstance(item, list):
            pending.extend(((*path, index), child) for index, child in enumerate(item))


def is_whole(text: str) -> bool:
    """Whether the string is one reference and nothing else, so that the value keeps its type."""
    match = _TEMPLATE.fullmatch(text.strip())
    return match is not None


def resolve(value: Any, lookup: Callable[[Reference], Any]) -> Any:
    """`value` with every reference replaced; inside a longer string the value is formatted.

    Args:
        value: JSON-compatible.
        lookup: Gives a reference's value; what it raises passes through.
    """
    if isinstance(value, dict):
        return {key: resolve(item, lookup) for key, item in value.items()}
    if isinstance(value, list):
        return [resolve(item, lookup) for item in value]
    if not isinstance(value, str) or "${{" not in value:
        return value
    if is_whole(value):
        return lookup(parse(_TEMPLATE.fullmatch(value.strip())[1]))  # type: ignore[index]
    return _TEMPLATE.sub(lambda match: _formatted(lookup(parse(match[1]))), value)


def dig(value: Any, parts: KeyPath) -> Any:
    """The value at `parts` inside `value`.

    Raises:
        LookupError: There is none; the message says what there is instead.
    """
    for part in parts:
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            raise LookupError(f"has no {part!r}; it has {_offer(value)}")
    return value


def _offer(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(value) or "no keys"
    return f"{len(value)} items" if isinstance(value, list) else f"the value {value!r}"


def _formatted(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
