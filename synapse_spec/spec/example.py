"""Values that fit a schema. Pure; called by `scaffold`, and by `explain` of the command line."""

from collections.abc import Iterator
from typing import Any

from synapse_spec.plugins import yaml
from synapse_spec.spec import references
from synapse_spec.spec.check import compiled
from synapse_spec.spec.describe import branches, choices, merged, required_names

_FORMATS = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00",
    "duration": "PT1H",
    "email": "name@example.org",
    "uri": "https://example.org",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "path": "some/path",
    "file-path": "some/file",
    "directory-path": "some/folder",
}


def fits(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    """Whether a spec may give the value as it stands."""
    if any(references.find(value)):
        return False
    try:
        if yaml.parse(yaml.dump(value).encode()) != [value]:
            return False
        return compiled({**schema, "$defs": root.get("$defs", {})}).is_valid(value)
    except (ValueError, yaml.YamlError):  # no valid schema; what YAML does not hold, such as an infinity
        return False


def example(schema: dict[str, Any], root: dict[str, Any]) -> list[Any]:
    """One value that fits, in a list; [] where none is known, as for most patterns."""
    return next(([value] for value in _candidates(schema, root, frozenset()) if fits(value, schema, root)), [])


def _candidates(schema: Any, root: dict[str, Any], seen: frozenset[str]) -> Iterator[Any]:
    if not isinstance(schema, dict) or schema.get("$ref") in seen:
        return
    seen = seen | {schema["$ref"]} if "$ref" in schema else seen
    schema = merged(schema, root)
    if schema.get("default") is not None:
        yield schema["default"]
    if isinstance(schema.get("examples"), list):
        yield from schema["examples"]
    yield from choices(schema)
    for branch in branches(schema):
        yield from _candidates(branch, root, seen)
    kinds = schema.get("type", "string" if "pattern" in schema else ())
    for kind in [kinds] if isinstance(kinds, str) else kinds:
        yield from _of_kind(kind, schema, root, seen)


def _of_kind(kind: str, schema: dict[str, Any], root: dict[str, Any], seen: frozenset[str]) -> Iterator[Any]:
    match kind:
        case "boolean":
            yield True
        case "null":
            yield None
        case "integer" | "number":
            yield from _numbers(schema)
        case "string":
            least, most = schema.get("minLength", 0), schema.get("maxLength", 1000)
            yield _FORMATS.get(schema.get("format", ""), "text".ljust(least, "x")[:most])
        case "array":
            parts = [*schema.get("prefixItems", ()), *[schema.get("items", {})] * max(schema.get("minItems", 1), 1)]
            count = schema["maxItems"] if "prefixItems" in schema and "maxItems" in schema else len(parts)
            items = [next(_candidates(part, root, seen), "value") for part in parts[:count]]
            yield items
            yield [*range(1, len(items) + 1)] if schema.get("uniqueItems") else []
        case "object":
            yield _mapping(schema, root, seen)


def _numbers(schema: dict[str, Any]) -> Iterator[Any]:
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below, step = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum"), schema.get("multipleOf")
    yield 1
    yield from (bound for bound in (low, high, step) if bound is not None)
    yield from (bound + 1 for bound in (above,) if bound is not None)
    yield from (bound - 1 for bound in (below,) if bound is not None)
    if above is not None and below is not None:
        yield (above + below) / 2


def _mapping(schema: dict[str, Any], root: dict[str, Any], seen: frozenset[str]) -> dict[str, Any]:
    """What is required; a pair to show the form where all keys are free."""
    known = schema.get("properties", {})
    found = {name: next(_candidates(known.get(name), root, seen), "value") for name in required_names(schema)}
    free = schema.get("additionalProperties")
    if not known and isinstance(free, dict):
        found["key"] = next(_candidates(free, root, seen), "value")
    return found
