"""The one place that reads and writes YAML: strict JSON-compatible YAML 1.2, with positions.

Owns yamlrocks. Used for config.yaml here, and for run specs and status files by the floors above.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yamlrocks

from synapse_spec.plugins.errors import PluginError

MAX_BYTES = 10 * 1024 * 1024

KeyPath = tuple[str | int, ...]


class YamlError(PluginError):
    """The text is not YAML that we take; `line` and `column` are 1-based."""

    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        super().__init__(message, {"line": line, "column": column})
        self.line = line
        self.column = column


@dataclass(frozen=True, slots=True)
class Span:
    """A range of the text; 1-based, the end is one past the last character."""

    line: int
    column: int
    end_line: int
    end_column: int


def parse(data: bytes) -> list[Any]:
    """The documents of a YAML stream; an empty document is None.

    Raises:
        YamlError: Syntax, duplicate keys, tags, non-string keys, NaN or infinities, an alias bomb, more than 1,000
            levels or more than 10 MiB; with its place.
    """
    if len(data) > MAX_BYTES:
        raise YamlError(f"the file has {len(data):,} bytes; more than {MAX_BYTES:,} are not read")
    try:
        documents = yamlrocks.loads_all(data, option=yamlrocks.OPT_DUPLICATE_KEYS_ERROR)
    except yamlrocks.YAMLRocksDecodeError as error:
        raise _decode_error(error, data) from None
    problem = next(_not_json(documents), None)
    if problem is not None:
        path, message = problem
        span = locate(data, int(path[0]), path[1:], key=message.startswith("a key"))
        raise YamlError(message, span.line, span.column)
    if b"!" in data:
        _refuse_tags(data)
    return list(documents)


def dump(value: Any) -> str:
    """`value` as one YAML document, which readers of YAML 1.1 read alike."""
    option = yamlrocks.OPT_NULL_AS_KEYWORD | yamlrocks.OPT_YAML_1_1
    return yamlrocks.dumps(value, option=option).decode()


def locate(data: bytes, document: int, path: KeyPath, *, key: bool = False) -> Span:
    """Where the value (or its key) at `path` stands; the nearest parent that exists when it does not."""
    annotated = yamlrocks.loads_all(data, option=yamlrocks.OPT_ANNOTATED | yamlrocks.OPT_ANNOTATE_NUMBERS)
    plain = yamlrocks.loads_all(data, option=yamlrocks.OPT_ROUND_TRIP)[document]
    node, found, name = annotated[document], _span(annotated[document]), None
    for depth, part in enumerate(path):
        if isinstance(node, dict):
            name = next((item for item in node if item == part), None)
            if name is None:
                break
            key_span, node = _span(name), node[name]
        elif isinstance(node, list) and isinstance(part, int) and part < len(node):
            key_span, node = None, node[part]
        else:
            break
        at = plain.locate(path[: depth + 1])
        value_span = _span(node) or (Span(*at.range()) if at is not None else None)
        last = depth == len(path) - 1
        found = (key_span if last and key else None) or value_span or key_span or found
    return found or Span(1, 1, 1, 1)


def _span(value: Any) -> Span | None:
    if not hasattr(value, "__line__"):
        return None
    return Span(value.__line__, value.__column__, value.__end_line__, value.__end_column__)


def _decode_error(error: yamlrocks.YAMLRocksDecodeError, data: bytes) -> YamlError:
    message = error.message.rpartition(" at line ")[0] or error.message
    if error.line is None:  # the only one without a place: bytes that are not UTF-8
        line = data.count(b"\n", 0, getattr(_unicode_error(data), "start", 0)) + 1
        return YamlError(message, line, 1)
    return YamlError(message, error.line, error.column or 1)


def _unicode_error(data: bytes) -> UnicodeDecodeError | None:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        return error
    return None


def _not_json(documents: list[Any]) -> Iterator[tuple[KeyPath, str]]:
    """Places that JSON could not hold. A loop rather than recursion: 1,000 levels are allowed."""
    pending: list[tuple[KeyPath, Any]] = [((index,), document) for index, document in enumerate(documents)]
    while pending:
        path, value = pending.pop()
        if isinstance(value, dict):
            for key, item in value.items():
                if not isinstance(key, str):
                    yield (*path, key), f"a key must be a string, and {key!r} is not; quote it"
                pending.append(((*path, key), item))
        elif isinstance(value, list):
            pending.extend(((*path, index), item) for index, item in enumerate(value))
        elif isinstance(value, float) and not math.isfinite(value):
            yield path, f"{value} is not a JSON number"


def _refuse_tags(data: bytes) -> None:
    """yamlrocks drops tags silently; only its round-trip form still shows them."""
    for document in yamlrocks.loads_all(data, option=yamlrocks.OPT_ROUND_TRIP):
        for path, _ in [((), None), *document.walk()]:
            node = document.locate(path)
            if node is not None and node.tag:
                raise YamlError(f"the tag {node.tag} is not allowed: values are plain JSON", node.line, node.column)
