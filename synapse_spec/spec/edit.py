"""Changes values in the text of a run spec and leaves every other byte as it is. Pure; called by `set`.

ruamel.yaml says where things stand, and what is written is spliced into the text, one change at a time. What the text
means is read by the reader of all specs, so a splice that did anything else than it should would be refused.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from synapse_spec.plugins import yaml
from synapse_spec.plugins.errors import PluginError
from synapse_spec.plugins.yaml import KeyPath
from synapse_spec.spec import layout
from synapse_spec.spec.check import dotted
from synapse_spec.spec.layout import Node, colon, column, end_of_line, line_end, start_of_line
from synapse_spec.spec.references import dig

MISSING = object()

_BOM = "\ufeff"
_STEP = re.compile(r":[ \t]*[\r\n]+( +)[^\s#-]")
_COMMA = re.compile(r"\s*,[ \t]*")
# What a double-quoted text cannot hold as it is, besides what JSON escapes.
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


class EditError(PluginError):
    """The text cannot be changed in this way without changing more."""


@dataclass(frozen=True, slots=True)
class _Writer:
    """Puts what is wanted into words: lines as the text has them, plain values as they were typed."""

    wanted: list[Any]
    typed: Mapping[KeyPath, str]
    newline: str
    step: int

    def line(self, path: KeyPath, style: str = "", *, inside: bool = False) -> str:
        """A value in one line; `inside` a flow collection, commas and brackets have to be quoted."""
        value = dig(self.wanted, path)
        if isinstance(value, dict):
            entries = (f"{_text(key, inside=True)}: {self.line((*path, key), inside=True)}" for key in value)
            return "{" + ", ".join(entries) + "}"
        if isinstance(value, list):
            return "[" + ", ".join(self.line((*path, index), inside=True) for index in range(len(value))) + "]"
        if isinstance(value, str):
            return _text(value, style, inside=inside)
        return self.typed.get(path) or yaml.dump(value).rstrip("\n")

    def below(self, path: KeyPath, indent: int) -> str:
        """What follows the colon of a new key: a mapping in lines of its own, with that indentation."""
        value = dig(self.wanted, path)
        if not isinstance(value, dict) or not value:
            return f" {self.line(path)}"
        start = self.newline + " " * indent
        return "".join(f"{start}{_text(key)}:{self.below((*path, key), indent + self.step)}" for key in value)


def assign(documents: list[Any], path: KeyPath, value: Any) -> None:
    """Set or, if it is MISSING, take away a value; mappings and lists that lead to it are made where there are none.

    Raises:
        LookupError: The path leads through a value that has no such parts; the message says which.
    """
    holder: Any = documents
    for depth, part in enumerate(path):
        child = _child(holder, path, depth)
        if child is MISSING and value is MISSING:
            return
        if depth + 1 < len(path):
            child = child if child not in (MISSING, None) else [] if isinstance(path[depth + 1], int) else {}
        else:
            child = value
        if child is MISSING:
            del holder[part]
        elif part == len(holder) and isinstance(holder, list):
            holder.append(child)
        else:
            holder[part] = child
        holder = child


def _child(holder: Any, path: KeyPath, depth: int) -> Any:
    """What a mapping or list holds at a part of the path; one more item than it has is MISSING."""
    part = path[depth]
    if isinstance(holder, dict) and isinstance(part, str):
        return holder.get(part, MISSING)
    if isinstance(holder, list) and part == len(holder):
        return MISSING
    try:
        return dig(holder, (part,))
    except LookupError as error:
        raise LookupError(f"{dotted(path[1:depth])} {error}") from None


def changes(old: Any, new: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any, Any]]:
    """The smallest parts that differ: path, old and new value; MISSING stands for none."""
    if isinstance(old, dict) and isinstance(new, dict) and new:
        for key in [*new, *(key for key in old if key not in new)]:
            yield from changes(old.get(key, MISSING), new.get(key, MISSING), (*path, key))
    elif isinstance(old, list) and isinstance(new, list) and new:
        kept = min(_alike(old[::-1], new[::-1]), len(new) - _alike(old, new)) if len(new) < len(old) else 0
        ends = len(old) - kept, len(new) - kept
        for index in [*range(ends[1]), *reversed(range(*reversed(ends)))]:
            before, after = (
                items[index] if index < end else MISSING for items, end in zip((old, new), ends, strict=True)
            )
            yield from changes(before, after, (*path, index))
    elif type(old) is not type(new) or old != new:
        yield path, old, new


def _alike(old: list[Any], new: list[Any]) -> int:
    """How many items at the start are the same."""
    pairs = zip(old, new, strict=False)
    return sum(1 for _ in takewhile(lambda pair: next(changes(*pair), None) is None, pairs))


def rewritten(data: bytes, wanted: list[Any], typed: Mapping[KeyPath, str]) -> bytes:
    """The text with as little of it changed as makes it mean `wanted`; comments, order and layout stay.

    Args:
        data: YAML that `yaml.parse` takes.
        wanted: What the documents are to mean.
        typed: How to write plain values at these paths (from the list of documents on), where they are new.

    Raises:
        EditError: There is no way to do so in place.
    """
    text = data.decode("utf-8")
    mark = _BOM if text.startswith(_BOM) else ""
    text = text.removeprefix(_BOM)
    step = _STEP.search(text)
    writer = _Writer(wanted, typed, line_end(text, 0)[0] or "\n", len(step[1]) if step else 2)
    path: KeyPath = ()
    done: set[str] = set()
    try:
        while (change := next(changes(yaml.parse(text.encode("utf-8")), wanted), None)) is not None:
            path = change[0]
            if repr(change) in done:
                raise ValueError("it stays as it is")
            done.add(repr(change))
            text = _spliced(text, path, change[2], writer)
    except (ValueError, LookupError, RecursionError, yaml.YamlError):
        raise EditError(f"{dotted(path[1:])} cannot be changed without changing more; edit the file by hand") from None
    return (mark + text).encode("utf-8")


def _spliced(text: str, path: KeyPath, value: Any, writer: _Writer) -> str:
    """The text with one change, at `path`.

    Raises:
        ValueError, LookupError: There is no such place.
    """
    node = owner = layout.documents(text, int(path[0]))
    place = 0
    for depth, part in enumerate(path):
        if node.kind == "alias":  # what it stands for is written out in its place
            return _replaced(text, owner, place, writer.line(path[:depth]))
        found = node.find(part)
        if found is None:
            return _added(text, node, path[: depth + 1], writer)
        owner, place, node = node, found, node.items[found]
    if value is MISSING:
        return _removed(text, owner, place)
    if isinstance(value, dict) and value and node.start == node.end and owner.keys and not owner.flow:
        at = end_of_line(text, node.end)[0]
        return text[:at] + writer.below(path, column(text, owner.keys[place].head) + writer.step) + text[at:]
    return _replaced(text, owner, place, writer.line(path, node.style, inside=owner.flow))


def _replaced(text: str, owner: Node, place: int, fragment: str) -> str:
    node = owner.items[place]
    before = owner.keys[place].end if owner.keys else node.start
    if node.items and not node.flow and line_end(text, before).start() < node.start:
        # A block that begins below its key gives way to a value beside the key.
        anchor = text[node.head : node.start].split()
        at = node.head + len(anchor[0]) if anchor else colon(text, before)
        first, last = start_of_line(text, node.start), end_of_line(text, node.end)[1]
        return f"{text[:at]} {fragment}{text[at:first]}{text[last:]}"
    end = node.start + len(text[node.start : node.end].rstrip())
    return text[: node.start] + (" " if node.start == node.end else "") + fragment + text[end:]


def _added(text: str, node: Node, path: KeyPath, writer: _Writer) -> str:
    """A new entry at the end of a mapping or list, before comments that follow it."""
    key = f"{_text(path[-1], inside=node.flow)}:" if isinstance(path[-1], str) else ""
    if node.flow:
        entry = f"{key} {writer.line(path, inside=True)}".lstrip()
        at = node.items[-1].end if node.items else node.start + 1
        return f"{text[:at]}{', ' if node.items else ''}{entry}{text[at:]}"
    indent = column(text, node.start)
    entry = key + writer.below(path, indent + writer.step) if key else f"- {writer.below(path, indent + 2).lstrip()}"
    at, after = end_of_line(text, node.end)
    if at == after and text[at - 1] in "\r\n":
        return f"{text[:at]}{' ' * indent}{entry}{writer.newline}{text[at:]}"
    return f"{text[:at]}{writer.newline}{' ' * indent}{entry}{text[at:]}"


def _removed(text: str, owner: Node, place: int) -> str:
    """Without an entry that is not the only one: with its lines, but not with the comments above it."""
    start, end = _start(text, owner, place), owner.items[place].end
    is_last = place + 1 == len(owner.items)
    line = start_of_line(text, start)
    if owner.flow:
        comma = _COMMA.match(text, end)
        before = owner.items[place - 1].end
        if comma and not is_last:
            end = comma.end()
        elif is_last and "#" not in text[before:start]:
            start = before
    elif not text[line:start].strip():
        start, (at, end) = line, end_of_line(text, end)
        if at == end == len(text):  # the last line has no end: then the one before is to have none
            start = len(text[:line].removesuffix("\n").removesuffix("\r"))
    elif not is_last:
        end = _start(text, owner, place + 1)
    return text[:start] + text[end:]


def _start(text: str, owner: Node, place: int) -> int:
    """Where an entry begins: its key, or the dash before it."""
    if owner.keys:
        return owner.keys[place].head
    head = owner.items[place].head
    return head if owner.flow else text.rindex("-", owner.items[place - 1].end if place else owner.start, head)


def _text(text: str, style: str = "", *, inside: bool = False) -> str:
    """A string in its style; without quotes if that is its style and all readers take it for a string."""
    if style == "'" and text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    is_plain = yaml.dump(text) == f"{text}\n" and text.isprintable() and not (inside and set(text) & set(",[]{}"))
    if is_plain and style != '"':
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", quoted)
