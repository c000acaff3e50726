"""JSON Schema of an action's params and result, draft 2020-12. Used by discovery and by the schema export above."""

from collections.abc import Iterator
from typing import Any

from synapse_spec.plugins.action import ActionLike, params_model_of, result_model_of


def params_schema(action: ActionLike) -> dict[str, Any]:
    """What a spec may write under `params`; unknown names are refused, at any depth, unless a model takes extras."""
    model = params_model_of(action)
    if model is None:
        return {"type": "object"}
    schema = _with_root(model.model_json_schema(mode="validation"))
    for part in _parts(schema):
        if "properties" in part or "patternProperties" in part:
            part.setdefault("additionalProperties", False)
    return schema


def result_schema(action: ActionLike) -> dict[str, Any] | None:
    """What the result looks like, or None where the action declares nothing."""
    model = result_model_of(action)
    return None if model is None else _with_root(model.model_json_schema(mode="serialization"))


def _parts(schema: Any) -> Iterator[dict[str, Any]]:
    """The schema and all schemas inside it."""
    if not isinstance(schema, dict):
        return
    yield schema
    for word in ("properties", "patternProperties", "$defs"):
        for inner in schema.get(word, {}).values():
            yield from _parts(inner)
    for word in ("anyOf", "oneOf", "prefixItems"):
        for inner in schema.get(word, ()):
            yield from _parts(inner)
    for word in ("items", "additionalProperties"):
        yield from _parts(schema.get(word))


def _with_root(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a recursive model is a mere `$ref`; its keywords belong at the root, where readers look."""
    name = str(schema.get("$ref", "")).removeprefix("#/$defs/")
    return {**schema["$defs"][name], "$defs": schema["$defs"]} if name in schema.get("$defs", {}) else schema
