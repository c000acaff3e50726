"""Fields of several names, or whose value stands deeper, in a JSON Schema. Pure; called by `schema_generator`."""

import re
from copy import deepcopy
from typing import Any

Schema = dict[str, Any]
Path = list[str | int]


def rename(schema: Schema, shown: str, paths: list[Path], *, needed: bool, once: bool) -> None:
    """Let a field of an object's schema be given at any of these paths, instead of under one name.

    Args:
        schema: Of the object; changed in place.
        shown: The property that it has now.
        paths: Keys and indexes that lead to the value.
        needed: Whether it has to be given.
        once: Whether it may be given by one of its names only.
    """
    names = [str(path[0]) for path in paths if len(path) == 1]
    deep = [path for path in paths if len(path) > 1]
    field = schema["properties"][shown]
    if shown not in names:
        del schema["properties"][shown]
    for index, name in enumerate(names):
        if index == 0 or shown == name:
            schema["properties"].setdefault(name, field)
        else:  # no property, so that editors offer one name
            schema.setdefault("patternProperties", {})[f"^{_escaped(name)}$"] = deepcopy(field)
    for path in deep:
        schema["properties"].setdefault(str(path[0]), {})
        schema.setdefault("allOf", []).append(_leading_to(path, deepcopy(field)))
    if shown in schema.get("required", ()):
        schema["required"].remove(shown)
    _require(schema, [_given(path) for path in paths], needed=needed, once=once and not deep)
    if not schema.get("required", True):
        del schema["required"]


def _require(schema: Schema, given: list[Schema], *, needed: bool, once: bool) -> None:
    """That one of these fits, or none if it is not needed."""
    if len(given) == 1 and needed and len(given[0]) == 1:
        schema.setdefault("required", []).extend(given[0]["required"])
    elif len(given) == 1 and needed:
        schema.setdefault("allOf", []).append(given[0])
    elif len(given) > 1 and (needed or once):
        forms = given if needed else [*given, {"not": {"anyOf": given}}]
        schema.setdefault("allOf", []).append({"oneOf" if once else "anyOf": forms})


def _escaped(name: str) -> str:
    return re.sub(r"([.*+?^${}()|\[\]\\/])", r"\\\1", name)


def _leading_to(path: Path, leaf: Any) -> Any:
    """What stands at a path, if something does, fits `leaf`."""
    for part in reversed(path):
        if isinstance(part, str):
            leaf = {"properties": {part: leaf}}
        elif part >= 0:
            leaf = {"prefixItems": [*[{}] * part, leaf]}
        else:  # counted from the end, for which there is no word
            leaf = {}
    return leaf


def _given(path: Path) -> Schema:
    """Something stands at a path."""
    first, *rest = path
    inner = _given(rest) if rest else {}
    if isinstance(first, str):
        found: Schema = {"required": [first]}
        return found | ({"properties": {first: {"type": _kind(rest[0])} | inner}} if rest else {})
    found = {"minItems": first + 1 if first >= 0 else -first}
    return found | ({"prefixItems": [*[{}] * first, {"type": _kind(rest[0])} | inner]} if rest and first >= 0 else {})


def _kind(part: str | int) -> str:
    return "object" if isinstance(part, str) else "array"
