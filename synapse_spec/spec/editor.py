"""The JSON Schema of the Run document that editors use: it checks the params of the action that a spec names. Pure.

Called by `export`.
"""

import re
from typing import Any

from synapse_spec.spec.envelope import DIALECT, RUN
from synapse_spec.spec.model import PluginRef

EDITOR_FILE = "synapse.schema.json"
_DEFS = "#/$defs/"
_NOTES = frozenset({"title", "description", "default", "examples", "deprecated"})
_REFERENCE = {"type": "string", "pattern": r"\$\{\{"}


def editor_schema(plugins: dict[str, list[tuple[PluginRef, dict[str, Any]]]]) -> dict[str, Any]:
    """The Run document; params are checked by plugin and action, so that an editor completes the right ones.

    Args:
        plugins: For each code the references by which specs name the plugin, with its exported schema.
    """
    rules, definitions = [], {}
    for code in sorted(plugins):
        for ref, schema in plugins[code]:
            for name, action in schema["actions"].items():
                params, prefix = dict(action["params"]), f"{code}.{name}."
                for inner, definition in params.pop("$defs", {}).items():
                    definitions[prefix + inner] = _open_to_references(_moved(definition, prefix))
                rules.append(_rule(ref, name, _open_to_references(_moved(params, prefix))))
    run = {"$schema": DIALECT, **RUN}
    return run | ({"allOf": rules} if rules else {}) | ({"$defs": definitions} if definitions else {})


def _rule(ref: PluginRef, action: str, params: dict[str, Any]) -> dict[str, Any]:
    if ref.path is not None:
        folder = re.sub(r"([.*+?^${}()|\[\]\\/])", r"\\\1", ref.path.name)
        plugin: dict[str, Any] = {"path": {"type": "string", "pattern": f"(^|/){folder}/?$"}}
    else:
        plugin = {"module": {"const": ref.module}}
    match = {
        "plugin": {"type": "object", "properties": plugin, "required": list(plugin)},
        "action": {"const": action},
    }
    spec = {"type": "object", "properties": match, "required": ["plugin", "action"]}
    then: dict[str, Any] = {"properties": {"params": params}}
    if params.get("required"):
        then["required"] = ["params"]
    return {"if": {"properties": {"spec": spec}, "required": ["spec"]}, "then": {"properties": {"spec": then}}}


def _moved(schema: Any, prefix: str) -> Any:
    """The schema with its `$ref`s pointing at definitions whose names begin with `prefix`."""
    if isinstance(schema, list):
        return [_moved(item, prefix) for item in schema]
    if isinstance(schema, dict):
        return {key: _moved(item, prefix) for key, item in schema.items()}
    if isinstance(schema, str) and schema.startswith(_DEFS):
        return _DEFS + prefix + schema.removeprefix(_DEFS)
    return schema


def _open_to_references(schema: dict[str, Any]) -> dict[str, Any]:
    """Each value inside may also be a string with `${{ }}`, whose value is known only at run time."""
    opened = dict(schema)
    for word in ("properties", "patternProperties"):
        if word in opened:
            opened[word] = {name: _openable(field) for name, field in opened[word].items()}
    for word in ("items", "additionalProperties"):
        if isinstance(opened.get(word), dict):
            opened[word] = _openable(opened[word])
    if "prefixItems" in opened:
        opened["prefixItems"] = [_openable(item) for item in opened["prefixItems"]]
    for word in ("anyOf", "oneOf", "allOf"):
        if word in opened:
            opened[word] = [_open_to_references(item) for item in opened[word]]
    return opened


def _openable(field: Any) -> Any:
    """`else` rather than `anyOf`: what is wrong with a value is then said as if there were no references."""
    if not isinstance(field, dict) or "const" in field or not field.keys() - _NOTES:
        return field
    notes = {key: value for key, value in field.items() if key in _NOTES}
    return notes | {"if": _REFERENCE, "else": _open_to_references(field)}
