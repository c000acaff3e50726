"""The one place that reads and writes YAML: strict JSON-compatible YAML 1.2, with positions.

Owns yamlrocks. Used for config.yaml here, and for run specs and status files by the floors above.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any

import yamlrocks

from synapse_spec.plugins.errors import PluginError

MAX_BYTES = 10 * 1024 * 1024
MAX_VALUES = 50_000
MAX_DIGITS = 4300  # Python, and so json, reads no longer integers

KeyPath = tuple[str | int, ...]


class YamlError(PluginError):
    """The text is not YAML that we take; `line` and `column` are 1-based."""

    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        super().__init__(message, {"line": line, "column": column})
        self.line, self.column = line, column


class TooLarge(YamlError):
    """There is more of it than is read."""


@dataclass(frozen=True, slots=True)
class Span:
    """A range of the text; 1-based, the end is one past the last character."""

    line: int
    column: int
    end_line: int
    end_column: int


_START, _NESTED, _PLAIN = Span(1, 1, 1, 1), (dict, list), (int, bool, type(None))
_INTEGER = re.compile(r"[-+]?[1-9][0-9]*")
_LONG_HEX_OR_OCTAL = re.compile(rb"[-+]?0(?:[xX](?=[0-9A-Fa-f]{3572})|[oO](?=[0-7]{4762}))")  # as MAX_DIGITS decimal
_TOO_LONG = f"an integer of more than {MAX_DIGITS:,} digits is not read"
_WIDE, _MOST_STEPS = 10_000, 10**10
# With one of these before each value, there are no more values than these are.
_SEPARATORS = (b"\n", b"\r", b",", b"[", b"{", b": ", b"- ", b"? ", b"&", b"*", b"!", b"\n---", b"${{")
_NAMES = {b"\n": "lines", b"\r": "lines", b"\n---": "documents", b"${{": "references"}
_WEIGHTS = {b"\n---": 20, b"${{": 4}  # as many values does one stand for in the time that it takes
_MOST_TEXT = 2 * MAX_BYTES  # of all that aliases stand for


def parse(data: bytes, most_values: int | None = None, *, most_bytes: int | None = MAX_BYTES) -> list[Any]:
    """The documents of a YAML stream; an empty document is None.

    Args:
        data: The text, as UTF-8.
        most_values: How many lines, values of one form and values behind all aliases it may have; None: any number.
        most_bytes: How long it may be; None: of any length.

    Raises:
        TooLarge: More than `most_bytes`, or than `most_values`.
        YamlError: Syntax, duplicate keys, tags, non-string keys, NaN, infinities, integers of more than 4,300 digits,
            an alias bomb or more than 1,000 levels; with its place.
    """
    _refuse_too_large(data, most_values, most_bytes)
    try:
        _refuse_no_text(data)
        _refuse_long_integers(data)
        if most_values is not None and may_have_aliases(data):
            _refuse_alias_bomb(data, most_values)
        documents = _load(data, yamlrocks.OPT_DUPLICATE_KEYS_ERROR)
        problem = None if _is_json(documents) else next(_not_json(documents, data), None)
        if problem is None and b"!!" in data:
            # Core tags, such as !!set, are dropped silently; as tags of another name they are kept.
            problem = next(_not_json(_load(data.replace(b"!!", b"!_")), data), None)
    except yamlrocks.YAMLRocksDecodeError as error:
        said = error.message.rpartition(" at line ")[0] or error.message
        raise YamlError(said, error.line or 1, error.column or 1) from None
    if problem is not None:
        raise _placed(data, *problem)
    return documents


def may_have_aliases(data: bytes) -> bool:
    """Whether parts of the text may stand for others."""
    return b"&" in data and re.search(rb"[\s\[{,:-]\*[^\s,\[\]{}]", data) is not None


def _refuse_too_large(data: bytes, most_values: int | None, most_bytes: int | None) -> None:
    """Told from the bytes: reading them could take any amount of time and memory."""
    if most_bytes is not None and len(data) > most_bytes:
        raise TooLarge(f"the file has more than {most_bytes:,} bytes; that is not read")
    if most_values is None or len(data) <= most_values // max(_WEIGHTS.values()):
        return
    for separator in _SEPARATORS:
        most = most_values // _WEIGHTS.get(separator, 1)
        if data.count(separator) > most:
            raise TooLarge(f"the file has more than {most:,} {_NAMES.get(separator, 'values')}; that is not read")


def _refuse_no_text(data: bytes) -> None:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _at(f"invalid UTF-8: the byte 0x{data[error.start]:02x}", data[: error.start]) from None
    if b"\0" in data:
        raise _at("disallowed control character U+0000", data[: data.index(b"\0")])


def _at(message: str, before: bytes) -> YamlError:
    """The error at the place that these bytes lead to."""
    above = source_lines(before.decode("utf-8"))
    return YamlError(message, len(above), len(above[-1]) + 1)


def dump(value: Any) -> str:
    """`value` as one YAML document, which readers of YAML 1.1 read alike."""
    return yamlrocks.dumps(value, option=yamlrocks.OPT_NULL_AS_KEYWORD | yamlrocks.OPT_YAML_1_1).decode()


def locate(data: bytes, document: int, path: KeyPath, *, key: bool = False) -> Span:
    """Where the value (or its key) at `path` stands; the nearest parent that exists when it does not."""
    documents, keys = _annotated(data)
    node = documents[document] if document < len(documents) else None
    found, key_span, reached = _span(node), None, 0
    for part in path:
        if isinstance(node, dict) and part in node:
            if id(node) not in keys:
                keys[id(node)] = {name: name for name in node}
            key_span, node = _span(keys[id(node)][part]), node[part]
        elif isinstance(node, list) and isinstance(part, int) and part < len(node):
            key_span, node = None, node[part]
        else:
            break
        found, reached = _span(node) or key_span or found, reached + 1
    if key and key_span is not None and reached == len(path):
        return key_span
    if reached and _span(node) is None and documents:
        found = _constant_span(data, document, path[:reached]) or found
    return found or _START


def written(data: bytes, span: Span) -> str:
    """The text at a place, as it stands in the file; "" for one of several lines."""
    lines = _lines(data)
    if span.end_line != span.line or span.line > len(lines):
        return ""
    return lines[span.line - 1][span.column - 1 : span.end_column - 1]


def source_lines(text: str) -> list[str]:
    """The lines of a file as YAML counts them."""
    return re.split(r"\r\n|\r|\n", text.removeprefix("\ufeff"))


def _span(value: Any) -> Span | None:
    if not hasattr(value, "__line__"):
        return None
    line, column, end_line, end_column = value.__line__, value.__column__, value.__end_line__, value.__end_column__
    # An empty list or mapping is said to end where it begins.
    return Span(line, column, end_line, end_column + 2 * ((line, column) == (end_line, end_column)))


def _is_wide(data: bytes) -> bool:
    """Whether values stand in lines so long that to find them takes minutes: the reader counts columns for each."""
    wide = (line for line in data.split(b"\n") if len(line) > _WIDE)
    return sum(len(line) * sum(map(line.count, _SEPARATORS)) for line in wide) > _MOST_STEPS


# A file with many problems is asked for many places.
@lru_cache(maxsize=2)
def _annotated(data: bytes) -> tuple[list[Any], dict[int, dict[Any, Any]]]:
    """The documents with places; and, to be filled, the keys that carry places by the mappings that they are in."""
    if _is_wide(data):
        return [], {}
    return list(yamlrocks.loads_all(data, option=yamlrocks.OPT_ANNOTATED | yamlrocks.OPT_ANNOTATE_NUMBERS)), {}


@lru_cache(maxsize=2)
def _lines(data: bytes) -> list[str]:
    return source_lines(data.decode("utf-8", errors="replace"))


@lru_cache(maxsize=2)
def _round_trip(data: bytes) -> list[Any]:
    return list(yamlrocks.loads_all(data, option=yamlrocks.OPT_ROUND_TRIP))


def _constant_span(data: bytes, document: int, path: KeyPath) -> Span | None:
    """Where a true, false or null stands, which carry no annotation; None for a null that is not written out."""
    if not all(isinstance(part, str | int) for part in path):
        return None
    node = _round_trip(data)[document].locate(path)
    span = Span(*node.range()) if node is not None else _START
    return None if span == _START else span


def _load(data: bytes, option: int = 0) -> list[Any]:
    return list(yamlrocks.loads_all(data, option=option | yamlrocks.OPT_PASSTHROUGH_TAG))


def _refuse_alias_bomb(data: bytes, most_values: int) -> None:
    """Told from the annotated documents: in them aliases share what they stand for, elsewhere each has a copy."""
    if _is_wide(data):
        raise TooLarge("aliases in a line so long are not read")
    pending: list[Any] = [_annotated(data)[0]]
    values, text = most_values, _MOST_TEXT
    while pending:
        items = pending.pop()
        values -= len(items)
        for item in chain(items, items.values()) if isinstance(items, dict) else items:
            if isinstance(item, str):
                text -= len(item)
            elif isinstance(item, _NESTED):
                pending.append(item)
        if min(values, text) < 0:
            raise TooLarge("alias bomb")


def _is_json(documents: list[Any]) -> bool:
    """Whether JSON surely holds the documents; quick, since nearly always it does. No recursion: see below."""
    pending: list[Any] = [documents]
    while pending:
        value = pending.pop()
        if type(value) is dict:
            for key in value:
                if type(key) is not str:
                    return False
            value = value.values()
        for item in value:
            kind = type(item)
            if kind is str:
                if len(item) > MAX_DIGITS:
                    return False
            elif kind is dict or kind is list:
                pending.append(item)
            elif not (kind in _PLAIN or (kind is float and math.isfinite(item))):
                return False
    return True


def _not_json(documents: list[Any], data: bytes) -> Iterator[tuple[KeyPath, bool, str]]:
    """What JSON could not hold: path, whether it is the key there, and what is wrong.

    A loop rather than recursion: 1,000 levels are allowed.
    """
    pending: list[tuple[KeyPath, Any]] = [((), documents)]
    while pending:
        path, container = pending.pop()
        is_mapping = isinstance(container, dict)
        for key, item in container.items() if is_mapping else enumerate(container):
            if is_mapping and not isinstance(key, str):
                tagged = getattr(key, "value", None)
                yield (*path, tagged if isinstance(tagged, str) else key), True, _why_no_key(key)
            if isinstance(item, dict | list):
                pending.append(((*path, key), item))
            elif isinstance(item, yamlrocks.YAMLRocksTag):
                yield (*path, key), False, _why_no_tag(item)
            elif isinstance(item, float) and not math.isfinite(item):
                yield (*path, key), False, f"{item} is not a JSON number"
            elif isinstance(item, str) and len(item) > MAX_DIGITS and _is_integer(data, (*path, key)):
                yield (*path, key), False, _TOO_LONG


def _refuse_long_integers(data: bytes) -> None:
    """Hexadecimal and octal ones, which take the reader time by their square: as tags they are told from text."""
    if len(data) > 3572 and _LONG_HEX_OR_OCTAL.search(data):
        tagged = _LONG_HEX_OR_OCTAL.sub(lambda match: b"!".ljust(len(match[0]), b"0"), data)
        for path, is_key, message in _not_json(_load(tagged), tagged):
            if message.startswith("the tag !0"):
                raise _at(_TOO_LONG, tagged[: tagged.index(message.split()[2].encode())])
            raise _placed(tagged, path, is_key, message)


def _placed(data: bytes, path: KeyPath, is_key: bool, message: str) -> YamlError:
    span = locate(data, int(path[0]), path[1:], key=is_key)
    return YamlError(message, span.line, span.column)


def _is_integer(data: bytes, path: KeyPath) -> bool:
    """Whether a string is an integer, written without quotes, that the reader found too long to make one of."""
    return _INTEGER.fullmatch(written(data, locate(data, int(path[0]), path[1:]))) is not None


def _why_no_key(key: Any) -> str:
    if isinstance(key, yamlrocks.YAMLRocksTag):
        return _why_no_tag(key)
    return f"a key must be a string, and {key!r} is not; quote it"


def _why_no_tag(tag: yamlrocks.YAMLRocksTag) -> str:
    name = f"!!{tag.tag[2:]}" if tag.tag.startswith("!_") else tag.tag
    return f"the tag {name} is not allowed: values are plain JSON"
