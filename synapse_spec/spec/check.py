"""Holds a document against a JSON Schema: jsonschema-rs decides, jsonschema explains.

Used by `load` for the envelope and by `validate` for params. A reference stands for a value that is not known yet,
so what is said about the place of a reference is left out.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import jsonschema_rs

from synapse_spec.plugins.yaml import KeyPath
from synapse_spec.spec.references import find

if TYPE_CHECKING:
    from jsonschema import ValidationError


@dataclass(frozen=True, slots=True)
class Problem:
    """What does not fit: at `path` (its key when `on_key`), of `kind` "value", "missing" or "unknown"."""

    path: KeyPath
    kind: str
    message: str
    hint: str | None = None
    on_key: bool = False


class Checker:
    """A compiled schema."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self._schema = schema
        self._validator = jsonschema_rs.Draft202012Validator(schema)

    def problems(self, instance: Any) -> list[Problem]:
        """All that does not fit, by place; [] means valid."""
        if self._validator.is_valid(instance):
            return []
        open_paths = {path for path, _ in find(instance)}
        if open_paths and all(
            _excused(tuple(e.instance_path), open_paths) for e in self._validator.iter_errors(instance)
        ):
            return []
        return _explain(self._schema, instance, open_paths)


def _excused(path: KeyPath, open_paths: set[KeyPath]) -> bool:
    """Whether the problem may vanish once the references at or below its place have values."""
    return any(open_path[: len(path)] == path for open_path in open_paths) if path else False


def _explain(schema: dict[str, Any], instance: Any, open_paths: set[KeyPath]) -> list[Problem]:
    from jsonschema import Draft202012Validator

    found: dict[tuple[KeyPath, str, str], Problem] = {}
    for error in Draft202012Validator(schema).iter_errors(instance):
        path = tuple(error.absolute_path)
        structural = error.validator in ("required", "additionalProperties")
        if not structural and _excused(path, open_paths):
            continue
        for problem in _problems(error, open_paths):
            found.setdefault((problem.path, problem.kind, problem.message), problem)
    return sorted(found.values(), key=lambda item: [str(part) for part in item.path])


def _problems(error: "ValidationError", open_paths: set[KeyPath]) -> Iterator[Problem]:
    path = tuple(error.absolute_path)
    match error.validator:
        case "required":
            missing = [name for name in error.validator_value if name not in error.instance]
            for name in missing:
                yield Problem(path, "missing", f"{name!r} is required", _described(error.schema, name))
        case "additionalProperties" if error.validator_value is False:
            known = list(error.schema.get("properties", {}))
            for name in error.instance:
                if name not in known:
                    yield Problem(
                        (*path, name), "unknown", repr(name), _suggest(name, known, error.schema), on_key=True
                    )
        case "anyOf" | "oneOf" if error.context:
            yield from _of_best_branch(error, open_paths)
        case _:
            yield Problem(path, "value", _said(error), _described(error.schema))


def _of_best_branch(error: "ValidationError", open_paths: set[KeyPath]) -> Iterator[Problem]:
    """The branch that came closest, not an essay on all of them."""
    branches: dict[Any, list[ValidationError]] = {}
    for item in error.context or ():
        branches.setdefault(item.schema_path[0], []).append(item)
    nested = [items for items in branches.values() if any(len(item.path) for item in items)]
    if len(nested) == 1:
        for item in nested[0]:
            yield from _problems(item, open_paths)
        return
    wanted = dict.fromkeys(_wanted(items[0].schema) for items in branches.values())
    yield Problem(tuple(error.absolute_path), "value", f"{_short(error.instance)} is not {' or '.join(wanted)}")


def _said(error: "ValidationError") -> str:
    value, limit = _short(error.instance), error.validator_value
    words = {
        "type": lambda: f"{value} is not {_type_words(limit)}",
        "enum": lambda: f"{value} is none of {', '.join(map(_short, limit))}{_near(error.instance, limit)}",
        "const": lambda: f"{value} must be {_short(limit)}",
        "minimum": lambda: f"{value} is less than the minimum of {limit}",
        "maximum": lambda: f"{value} is greater than the maximum of {limit}",
        "exclusiveMinimum": lambda: f"{value} must be greater than {limit}",
        "exclusiveMaximum": lambda: f"{value} must be less than {limit}",
        "pattern": lambda: f"{value} does not match {limit}",
        "minLength": lambda: f"{value} is shorter than {limit} characters",
        "minProperties": lambda: f"one of {', '.join(error.schema.get('properties', {}))} must be given",
        "maxProperties": lambda: f"only one of {', '.join(error.schema.get('properties', {}))} may be given",
    }
    return words[str(error.validator)]() if error.validator in words else error.message


def _suggest(name: str, known: list[str], schema: dict[str, Any]) -> str:
    near = get_close_matches(name, known, 1, 0.6)
    if near:
        detail = _described(schema, near[0])
        return f"did you mean {near[0]!r}?" + (f" ({detail})" if detail else "")
    return f"known here: {', '.join(known)}" if known else "nothing is taken here"


def _described(schema: Any, name: str | None = None) -> str | None:
    """`number, default 0.001`, then the description, as far as the schema says so."""
    field = schema.get("properties", {}).get(name, {}) if name else schema
    if not isinstance(field, dict):
        return None
    facts = [str(field["type"])] if isinstance(field.get("type"), str) and name else []
    if "default" in field:
        facts.append(f"default {_short(field['default'])}")
    words = [", ".join(facts), field.get("description")]
    return ": ".join(word for word in words if word) or None


def _near(value: Any, options: list[Any]) -> str:
    near = get_close_matches(str(value), [str(option) for option in options], 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _wanted(schema: Any) -> str:
    if isinstance(schema, dict) and "type" in schema:
        return _type_words(schema["type"])
    return "of the form it should have"


def _type_words(kinds: str | list[str]) -> str:
    names = {"integer": "an integer", "object": "a mapping", "array": "a list", "null": "null"}
    listed = [kinds] if isinstance(kinds, str) else kinds
    return " or ".join(names.get(kind, f"a {kind}") for kind in listed)


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
