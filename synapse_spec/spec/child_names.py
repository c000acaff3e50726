"""The names of a matrix's children, `train[lr=0.1,size=s]`: made, read in any spelling, and as names of files. Pure.

Called by `matrix` for the names it gives, and wherever people or references name a child.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from synapse_spec.plugins import yaml

_PLAIN = re.compile(r"[A-Za-z_][\w.+@-]*")
_CONSTANTS = frozenset({"true", "false", "null"})
_LONGEST = 80  # characters of a value
# With the run's name and an ending, a label is a file's name, which has at most 255 bytes.
_LONGEST_LABEL = 150

_TOKEN = re.compile(r""""(?:[^"\\]|\\.)*+"|'(?:[^']|'')*+'|[^\[\]{},"']++|.""", re.DOTALL)
_PAIR = re.compile(r"\s*([A-Za-z_][\w-]*)\s*=(.*)", re.DOTALL)
_WHOLE_DIGEST = re.compile(r"#[0-9a-f]{8}")


def shown(value: Any) -> str:
    """A value as a child's name has it: as written where that is short and plain, else JSON, else a digest."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value not in _CONSTANTS and len(value) <= _LONGEST:
        return value
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    legible = "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)
    # Two braces would end the reference that names it.
    return legible if len(legible) <= _LONGEST and "}}" not in legible else _digest(text)


def label(values: Mapping[str, Any]) -> str:
    """What tells a child from the others, `lr=0.1,size=s`, keys sorted; a digest of that where it is too long."""
    return _joined({name: shown(value) for name, value in values.items()})


def _joined(pairs: Mapping[str, str]) -> str:
    text = ",".join("=".join(pair) for pair in sorted(pairs.items()))
    return text if len(as_file(text).encode()) <= _LONGEST_LABEL else _digest(text)


def _digest(text: str) -> str:
    return f"#{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def as_file(name: str) -> str:
    """The name of a run as that of a file or folder: a slash is `%2F`."""
    return name.replace("%", "%25").replace("/", "%2F")


def of_file(name: str) -> str:
    """The run that a file or folder is named after."""
    return name.replace("%2F", "/").replace("%25", "%")


def end_of(text: str, start: int) -> int | None:
    """Where the brackets of a child end that open at `start`; None if they are not those of one."""
    found = _pieces(text, start)
    if found is None:
        return None
    pieces, end = found
    is_child = all(map(_PAIR.fullmatch, pieces)) or (len(pieces) == 1 and _WHOLE_DIGEST.fullmatch(pieces[0]))
    return end if is_child else None


def _pieces(text: str, start: int) -> tuple[list[str], int] | None:
    """What commas part between the brackets that open at `start`, and where these end."""
    pieces, depth, begin = [], 0, start + 1
    for token in _TOKEN.finditer(text, start):
        depth += (token[0] in ("[", "{")) - (token[0] in ("]", "}"))
        if depth == 0 or (depth == 1 and token[0] == ","):
            pieces.append(text[begin : token.start()])
            begin = token.end()
        if depth == 0:
            return pieces, begin
    return None


def pairs_of(name: str) -> dict[str, str] | None:
    """Keys and values of a child's name, however they are spelled, with the values as `shown`; None for a digest."""
    start = name.find("[")
    pieces, end = (start >= 0 and _pieces(name, start)) or ([], 0)
    found = [pair for piece in pieces if (pair := _PAIR.fullmatch(piece))]
    pairs = {pair[1]: _read(pair[2].strip()) for pair in found}
    return pairs if len(pairs) == len(pieces) and end == len(name) else None


def canonical(name: str) -> str:
    """A child's name with its keys sorted and its values as `shown`; other names as they are."""
    pairs = pairs_of(name)
    return f"{name.partition('[')[0]}[{_joined(pairs)}]" if pairs else name


def is_same(name: str, child: str) -> bool:
    """Whether a name means a child of which nothing but the name is known."""
    named = canonical(name)
    pairs = pairs_of(named)
    same_parent = name.partition("[")[0] == child.partition("[")[0]
    return child in (name, named) or (same_parent and pairs is not None and pairs == pairs_of(child))


def _read(text: str) -> str:
    """A value as `shown`, of the text that stands for it in a name: YAML, or the digest of a value."""
    if text.startswith("#"):
        return text
    try:
        if text.startswith(('"', "[", "{")):
            return shown(json.loads(text))
    except (ValueError, RecursionError):
        pass  # YAML has more forms
    try:
        documents = yaml.parse(text.encode("utf-8", "surrogatepass"))
    except yaml.YamlError:
        return text
    return shown(documents[0]) if len(documents) == 1 else text


class Siblings:
    """The children of one matrix, to be found by any spelling of their names.

    Args:
        children: The values of each by its name.
    """

    def __init__(self, children: Mapping[str, Mapping[str, Any]]) -> None:
        self._children = children

    @property
    def names(self) -> list[str]:
        return list(self._children)

    @cached_property
    def _shown(self) -> dict[str, dict[str, str]]:
        return {name: {key: shown(value) for key, value in values.items()} for name, values in self._children.items()}

    def find(self, name: str) -> str | None:
        """The child that is meant."""
        if name in self._children:
            return name
        pairs = pairs_of(name)
        if pairs is None:
            return None
        fitting = (child for child, known in self._shown.items() if pairs.items() <= known.items())
        return next((child for child in fitting if self._is_whole(child, pairs)), None)

    def _is_whole(self, child: str, pairs: dict[str, str]) -> bool:
        """Whether the pairs are those of the child's name: others may have been added to its values."""
        named = {key: value for key, value in self._children[child].items() if key in pairs}
        return child.endswith(f"[{label(named)}]")
