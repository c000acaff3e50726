"""Exports JSON Schemas: one file a plugin, and one for the Run document that editors use. Called by `schema`."""

import json
import re
from pathlib import Path
from typing import Any

from synapse_spec.plugins.errors import PluginError
from synapse_spec.spec.catalog import Catalog
from synapse_spec.spec.editor import EDITOR_FILE, editor_schema
from synapse_spec.spec.envelope import DIALECT
from synapse_spec.spec.model import PluginRef


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


def render(schema: dict[str, Any]) -> str:
    """The same bytes for the same schema."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def exported_files(refs: list[PluginRef], catalog: Catalog, folder: Path) -> dict[Path, str]:
    """What the folder of schemas should hold for these plugins.

    Raises:
        PluginError: A plugin does not load, its code is no name for a file, or another plugin has the same.
    """
    plugins: dict[str, list[tuple[PluginRef, dict[str, Any]]]] = {}
    for ref in dict.fromkeys(refs):
        schema = plugin_schema(ref, catalog)
        code = schema["plugin"]
        if not re.fullmatch(r"\w[\w.-]*", code) or code == "synapse":
            raise PluginError(f"plugin {ref}: the code {code!r} cannot name a file of schemas")
        same = plugins.setdefault(code, [])
        if same and same[0][1] != schema:
            raise PluginError(f"plugins {same[0][0]} and {ref} have the same code {code!r}")
        same.append((ref, schema))
    files = {folder / f"{code}.schema.json": render(found[0][1]) for code, found in plugins.items()}
    return files | {folder / EDITOR_FILE: render(editor_schema(plugins))}
