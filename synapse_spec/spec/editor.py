"""The JSON Schema of the Run document for editors: it checks and explains the params of the action that a spec names.

Called by `export`; pure. Its form is what language servers do well with: if/then leads from plugin and action to the
params, patterns tell actions apart (a constant also fits while it is half typed), and each key is described once.
"""

import re
from collections.abc import Iterable
from typing import Any

from synapse_spec.spec.describe import default_text, type_text
from synapse_spec.spec.envelope import DIALECT, RUN, SPEC
from synapse_spec.spec.model import PluginRef
from synapse_spec.spec.wording import followed

EDITOR_FILE = "synapse.schema.json"

# Other tools take these for RFC 3339, which is stricter than what Python's types read: a time needs a zone there.
_LENIENT_FORMATS = frozenset({"date-time", "time", "duration"})
_DEFS = "#/$defs/"
_NOTES = frozenset({"title", "description", "default", "examples", "deprecated"})
# A list of one type, because editors join single ones: 'Expected "integer | string"'.
_REFERENCE = {"title": "Reference", "type": ["string"], "pattern": r"\$\{\{"}
_ANY_PARAMS = {"properties": {"params": SPEC["properties"]["params"]}}


def editor_schema(plugins: dict[str, list[tuple[PluginRef, dict[str, Any]]]]) -> dict[str, Any]:
    """The Run document; params are checked by plugin and action, so that an editor completes the right ones.

    Nothing is claimed of other plugins.

    Args:
        plugins: For each code the references by which specs name the plugin, with its exported schema; a path is the
            end of the paths meant.
    """
    run = {"$schema": DIALECT, **RUN}
    definitions: dict[str, Any] = {"Reference": _REFERENCE}
    rules: list[dict[str, Any]] = []
    known: list[PluginRef] = []
    for code in sorted(plugins):
        refs = [ref for ref, _ in plugins[code]]
        if actions := plugins[code][0][1]["actions"]:
            rules.append({"if": _is_plugin(refs), "then": _of_plugin(code, actions, definitions)})
            known += refs
    if not rules:
        return run
    rules.append({"if": _is_plugin(known), "else": _ANY_PARAMS})
    # What `params` may be stands in the rules alone: editors would offer it twice.
    spec = SPEC | {"properties": SPEC["properties"] | {"params": True}, "allOf": rules}
    return run | {"properties": RUN["properties"] | {"spec": spec}, "$defs": definitions}


def _is_plugin(refs: list[PluginRef]) -> dict[str, Any]:
    """A spec that names one of these."""
    paths = {ref.path.as_posix() for ref in refs if ref.path is not None}
    modules = {ref.module for ref in refs if ref.module is not None}
    plugin = {
        "type": "object",
        "properties": {
            "path": _text(paths, "(^|/)", "/?$") if paths else False,
            "module": _text(modules, "^", "$") if modules else False,
        },
        "additionalProperties": False,
        "minProperties": 1,
    }
    return {"properties": {"plugin": plugin}, "required": ["plugin"]}


def _is_action(names: Iterable[str]) -> dict[str, Any]:
    return {"properties": {"action": _text(names, "^", "$")}, "required": ["action"]}


def _text(names: Iterable[str], begin: str, end: str) -> dict[str, Any]:
    """One of the names; only what the regular expressions of all editors take escaped is."""
    literal = (re.sub(r"([.*+?^${}()|\[\]\\/])", r"\\\1", name) for name in sorted(names))
    return {"type": "string", "pattern": f"{begin}({'|'.join(literal)}){end}"}


def _of_plugin(code: str, actions: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """What a spec of this plugin holds; the definitions that its params need are added to `definitions`."""
    rules = []
    for name, action in actions.items():
        prefix = f"{code}.{re.sub(r'[^\w.-]', '_', name)}."
        params = _moved(action["params"], prefix)
        root = {"$defs": {prefix + inner: item for inner, item in params.pop("$defs", {}).items()}}
        definitions.update({inner: _open(item, root) for inner, item in root["$defs"].items()})
        about = {"description": action["description"]} if action["description"] else {}
        opened = _open(params, root) | {"title": f"params of {code}:{name}"} | about
        then: dict[str, Any] = {"properties": {"params": opened}}
        if "required" in followed(params, root):
            then["allOf"] = [{"required": ["params"]}]  # beside `properties` it would be offered twice
        rules.append({"if": _is_action([name]), "then": then})
    rules.append({"if": _is_action(actions), "else": _ANY_PARAMS})
    descriptions = [action["description"] for action in actions.values()]
    return {"properties": {"action": {"enum": list(actions), "enumDescriptions": descriptions}}, "allOf": rules}


def _moved(schema: Any, prefix: str) -> Any:
    """The schema with its `$ref`s pointing at definitions whose names begin with `prefix`."""
    if isinstance(schema, list):
        return [_moved(item, prefix) for item in schema]
    if isinstance(schema, dict):
        return {key: _moved(item, prefix) for key, item in schema.items()}
    if isinstance(schema, str) and schema.startswith(_DEFS):
        return _DEFS + prefix + schema.removeprefix(_DEFS)
    return schema


def _open(schema: Any, root: dict[str, Any]) -> Any:
    """Each value inside may also be a string with `${{ }}`, whose value is known only at run time."""
    if not isinstance(schema, dict):
        return schema
    opened = {key: item for key, item in schema.items() if key != "format" or item not in _LENIENT_FORMATS}
    required = schema.get("required", ())
    if "properties" in schema:
        opened["properties"] = {
            name: _openable(_described(name, field, root, name in required), root)
            for name, field in schema["properties"].items()
        }
    if "patternProperties" in schema:
        opened["patternProperties"] = {
            name: _openable(item, root) for name, item in schema["patternProperties"].items()
        }
    for word in ("items", "additionalProperties"):
        if word in schema:
            opened[word] = _openable(schema[word], root)
    if "prefixItems" in schema:
        opened["prefixItems"] = [_openable(item, root) for item in schema["prefixItems"]]
    for word in ("anyOf", "oneOf", "allOf"):
        if word in schema:
            opened[word] = [_open(branch, root) for branch in schema[word]]
    return opened


def _openable(field: Any, root: dict[str, Any]) -> Any:
    """The value itself may be one too. `anyOf` is what editors complete values from."""
    if not isinstance(field, dict):
        return field
    notes = {key: value for key, value in field.items() if key in _NOTES}
    rules = _open({key: value for key, value in field.items() if key not in _NOTES}, root)
    if not rules or "const" in rules or rules == {"type": "string"}:
        return field
    forms = rules["anyOf"] if rules.keys() == {"anyOf"} else [rules]
    return notes | {"anyOf": [*forms, {"$ref": f"{_DEFS}Reference"}]}


def _described(name: str, field: Any, root: dict[str, Any], is_required: bool) -> Any:
    """The field with its type, limits and default in its description, where editors show them."""
    if not isinstance(field, dict):
        return field
    facts = [type_text(field, root)]
    if is_required:
        facts.append("required")
    elif field.get("default") is not None:
        facts.append(f"default {default_text(field['default'])}")
    about = [field["description"].strip()] if field.get("description") else []
    # pydantic makes up a title for each field, which says nothing.
    made_up = field.get("title") == name.title().replace("_", " ").strip()
    dropped = {"title"} if made_up else set()
    if not isinstance(field.get("default"), str | int | float):
        dropped.add("default")
    kept = {key: value for key, value in field.items() if key not in dropped}
    return kept | {"description": "\n\n".join([*about, ", ".join(facts)])}
