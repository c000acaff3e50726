"""`${{ dotted.path[0] }}`: finding, checking the form of, and resolving references. Pure."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from synapse_spec.plugins.yaml import KeyPath
from synapse_spec.spec.child_names import end_of

_ANY = re.compile(r"\$\{\{((?:[^}]++|\}(?!\}))*+)(\}\}|\Z)")
_FORM = re.compile(r"[A-Za-z_][\w-]*(?:\.[\w-]+|\[\d+\])*")
_OF_CHILD = re.compile(r"runs\.([\w-]+)(?=\[)")  # runs.train[lr=0.1]
LONGEST = 1000  # characters of one
_PART = re.compile(r"\.?([\w-]+)|\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class Reference:
    """One `${{ }}`.

    Attributes:
        text: What stands between the braces, without blanks at its ends.
        parts: The path: names and indices; empty when the form is wrong.
        closed: Whether there is a `}}`.
    """

    text: str
    parts: KeyPath
    closed: bool = True

    def __str__(self) -> str:
        return f"${{{{ {self.text}{' }}' if self.closed else ''}"

    @property
    def run(self) -> str | None:
        """The run whose result it takes, if it is one of `runs.NAME.result…` or `runs.NAME.results…`."""
        if len(self.parts) >= 3 and self.parts[0] == "runs" and self.parts[2] in ("result", "results"):
            return str(self.parts[1])
        return None

    @property
    def gathers(self) -> bool:
        """Whether it takes the results of all children of a matrix, as a list."""
        return self.run is not None and self.parts[2] == "results"

    @property
    def of_matrix(self) -> bool:
        """Whether it takes a value of the run's own matrix."""
        return len(self.parts) > 1 and self.parts[0] == "matrix"


def parse(text: str) -> Reference:
    """The reference that stands between `${{` and `}}`."""
    text = text.strip()
    if len(text) > LONGEST:
        return Reference(text, ())
    child = _OF_CHILD.match(text)
    end = child and end_of(text, child.end())
    if not child or not end:
        return Reference(text, _parts(text))
    rest = text[end:]
    parts = _parts(f"runs{rest}") if rest.startswith((".", "[")) else ()
    return Reference(text, (*parts[:1], text[child.start(1) : end], *parts[1:]) if parts else ())


def _parts(text: str) -> KeyPath:
    """Of a path without children; none if it is not well formed."""
    return tuple(int(index) if index else name for name, index in _PART.findall(text)) if _FORM.fullmatch(text) else ()


def may_be_in(text: bytes) -> bool:
    """Whether there may be any in the strings of a YAML text; escapes could hide them."""
    return b"${{" in text or b"\\" in text


def find(value: Any) -> Iterator[tuple[KeyPath, Reference]]:
    """Each reference in the strings of `value`, as they are written, with the key path of the string."""
    pending: list[tuple[KeyPath, Any]] = [((), value)] if _mentions(value) else []
    while pending:
        path, item = pending.pop()
        if isinstance(item, str):
            for match in _ANY.finditer(item):
                yield path, parse(match[1]) if match[2] else Reference(match[1].strip(), (), closed=False)
        elif isinstance(item, dict):
            pending.extend(reversed([((*path, key), child) for key, child in item.items()]))
        elif isinstance(item, list):
            pending.extend(reversed([((*path, index), child) for index, child in enumerate(item)]))


def _mentions(value: Any) -> bool:
    """Whether there is any; most specs have none, and without places that is soon known."""
    pending = [value]
    while pending:
        item = pending.pop()
        kind = type(item)
        if kind is str:
            if "${{" in item:
                return True
        elif kind is dict:
            pending.extend(item.values())
        elif kind is list:
            pending.extend(item)
    return False


def is_whole(text: str) -> bool:
    """Whether the string is one reference and nothing else, so that the value keeps its type."""
    return _inside(text) is not None


def _inside(text: str) -> str | None:
    """What stands between the braces of a string that is one reference."""
    text = text.strip()
    is_one = text.startswith("${{") and text.find("}}", 3) == len(text) - 2
    return text[3:-2] if is_one else None


def resolve(value: Any, lookup: Callable[[Reference], Any]) -> Any:
    """`value` with every reference replaced; inside a longer string the value is formatted.

    Args:
        value: JSON-compatible.
        lookup: Gives a reference's value; what it raises passes through.
    """
    # A loop rather than recursion: 1,000 levels are allowed.
    root = [value]
    pending: list[tuple[Any, Any]] = [(root, 0)]
    while pending:
        holder, key = pending.pop()
        item = holder[key]
        if isinstance(item, str):
            holder[key] = _resolved(item, lookup)
        elif isinstance(item, dict):
            holder[key] = copy = dict(item)
            pending.extend((copy, name) for name in reversed(item))
        elif isinstance(item, list):
            holder[key] = items = list(item)
            pending.extend((items, index) for index in reversed(range(len(items))))
    return root[0]


def _resolved(text: str, lookup: Callable[[Reference], Any]) -> Any:
    if "${{" not in text:
        return text
    inside = _inside(text)
    if inside is not None:
        return lookup(parse(inside))
    return _ANY.sub(lambda match: _formatted(lookup(parse(match[1]))) if match[2] else match[0], text)


def dig(value: Any, parts: KeyPath) -> Any:
    """The value at `parts` inside `value`.

    Raises:
        LookupError: There is none; the message says what there is instead.
    """
    for part in parts:
        is_item = isinstance(value, list) and isinstance(part, int) and part < len(value)
        if not is_item and not (isinstance(value, dict) and part in value):
            raise LookupError(f"has no {part!r}; it has {_offer(value)}")
        value = value[part]
    return value


def _offer(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(value) or "no keys"
    if isinstance(value, list):
        return f"{len(value)} {'item' if len(value) == 1 else 'items'}"
    return f"the value {value!r}"


def _formatted(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
