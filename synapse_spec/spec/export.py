"""Exports JSON Schemas: one file a plugin, and one for the Run document that editors use. Called by `schema`."""

import json
from pathlib import Path
from typing import Any

from synapse_spec.plugins.errors import PluginError
from synapse_spec.spec.catalog import Catalog
from synapse_spec.spec.envelope import DIALECT, RUN
from synapse_spec.spec.model import PluginRef

EDITOR_FILE = "synapse.schema.json"


def plugin_schema(ref: PluginRef, catalog: Catalog) -> dict[str, Any]:
    """Params and result of each action of a plugin, with the digest of the code they were taken from.

    Raises:
        PluginError: The plugin or an action of it does not load.
    """
    plugin = catalog.plugin(ref)
    actions = {}
    for name in sorted(plugin.entrypoints):
        facts = catalog.action(ref, name)
        actions[name] = {
            "code": facts.code,
            "description": facts.description,
            "params": facts.params,
            "result": facts.result,
        }
    return {"$schema": DIALECT, "title": f"Plugin {plugin.code}", "plugin": plugin.code, "actions": actions}


def editor_schema(plugins: dict[str, list[tuple[PluginRef, dict[str, Any]]]]) -> dict[str, Any]:
    """The Run document; params are checked by plugin and action, so that an editor completes the right ones.

    Args:
        plugins: For each code the references by which specs name the plugin, with its exported schema.
    """
    rules = []
    for code in sorted(plugins):
        for ref, schema in plugins[code]:
            for name, action in schema["actions"].items():
                rules.append(_rule(ref, name, action["params"]))
    run = {"$schema": DIALECT, **RUN}
    if rules:
        run["allOf"] = rules
    return run


def _rule(ref: PluginRef, action: str, params: dict[str, Any]) -> dict[str, Any]:
    if ref.path is not None:
        plugin: dict[str, Any] = {"path": {"type": "string", "pattern": f"(^|/){ref.path.name}/?$"}}
    else:
        plugin = {"module": {"const": ref.module}}
    match = {"plugin": {"properties": plugin, "required": list(plugin)}, "action": {"const": action}}
    condition = {"properties": {"spec": {"properties": match, "required": ["plugin", "action"]}}, "required": ["spec"]}
    return {"if": condition, "then": {"properties": {"spec": {"properties": {"params": _open_to_references(params)}}}}}


def _open_to_references(schema: dict[str, Any]) -> dict[str, Any]:
    """Each param may also be a `${{ }}` string, whose value is known only at run time."""
    reference = {"type": "string", "pattern": r"\$\{\{.*\}\}"}
    properties = {
        name: {"anyOf": [field, reference]} | _shown(field) for name, field in schema.get("properties", {}).items()
    }
    return schema | ({"properties": properties} if properties else {})


def _shown(field: dict[str, Any]) -> dict[str, Any]:
    return {key: field[key] for key in ("description", "default") if key in field}


def render(schema: dict[str, Any]) -> str:
    """The same bytes for the same schema."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def exported_files(refs: list[PluginRef], catalog: Catalog, folder: Path) -> dict[Path, str]:
    """What the folder of schemas should hold for these plugins.

    Raises:
        PluginError: A plugin does not load, or two different plugins have the same code.
    """
    plugins: dict[str, list[tuple[PluginRef, dict[str, Any]]]] = {}
    for ref in dict.fromkeys(refs):
        schema = plugin_schema(ref, catalog)
        same = plugins.setdefault(schema["plugin"], [])
        if same and same[0][1] != schema:
            raise PluginError(f"plugins {same[0][0]} and {ref} have the same code {schema['plugin']!r}")
        same.append((ref, schema))
    files = {folder / f"{code}.schema.json": render(found[0][1]) for code, found in plugins.items()}
    return files | {folder / EDITOR_FILE: render(editor_schema(plugins))}
