"""`synapse inspect PLUGIN`: what a plugin offers."""

from typing import TYPE_CHECKING, Any

import click

from synapse_spec.cli.exits import INVALID, OK
from synapse_spec.cli.output import emit, format_option, only_ours_on_stdout, say, table

if TYPE_CHECKING:
    from synapse_spec.plugins.discovery import PluginDiscovery


@click.command("inspect")
@click.argument("plugin")
@format_option()
def command(plugin: str, form: str) -> int:
    """Show the actions of PLUGIN (a folder or a module), their params and their results."""
    from synapse_spec.plugins.runner import find_plugin

    with only_ours_on_stdout():
        discovery = find_plugin(plugin)
        actions = [_facts(discovery, name) for name in discovery.list_actions()]
    if form != "text":
        emit(
            {
                "plugin": {
                    "name": discovery.config.name,
                    "code": discovery.config.code,
                    "version": discovery.config.version,
                },
                "actions": actions,
            },
            form,
        )
    else:
        click.echo(f"{discovery.config.name} ({discovery.config.code} {discovery.config.version})")
        for action in actions:
            _show(action)
    return INVALID if any(action.get("error") for action in actions) else OK


def _facts(discovery: "PluginDiscovery", name: str) -> dict[str, Any]:
    """One action; one whose code does not load says so and leaves the others be."""
    from synapse_spec.plugins.action import description_of
    from synapse_spec.plugins.errors import PluginLoadError
    from synapse_spec.plugins.schemas import params_schema, result_schema

    config = discovery.get_action_config(name)
    facts = {"name": name, "entrypoint": discovery.get_action_entrypoint(name), "method": str(config.method)}
    try:
        action = discovery.get_action_class(name)
    except PluginLoadError as error:
        return facts | {"error": error.message}
    described = config.description or description_of(action)
    return facts | {"description": described, "params": params_schema(action), "result": result_schema(action)}


def _show(action: dict[str, Any]) -> None:
    about = "does not load" if "error" in action else action["description"]
    click.echo(f"\n{click.style(action['name'], bold=True)}  {about}".rstrip())
    if "error" in action:
        say(f"error: action {action['name']!r}: {action['error']}")
        return
    schema = action["params"]
    rows = [
        _param(name, field, schema, required=name in schema.get("required", ()))
        for name, field in schema.get("properties", {}).items()
    ]
    if rows:
        for line in table(("PARAM", "TYPE", "DEFAULT", "DESCRIPTION"), rows).splitlines():
            click.echo(f"  {line}")
    result = action["result"] or {}
    if result.get("properties"):
        fields = (f"{name} ({_type(field, result)})" for name, field in result["properties"].items())
        click.echo(f"  gives {', '.join(fields)}")


def _param(name: str, field: dict[str, Any], schema: dict[str, Any], *, required: bool) -> tuple[str, str, str, str]:
    import json

    default = "required" if required else json.dumps(field["default"]) if "default" in field else "-"
    return name, _type(field, schema), default, " ".join(field.get("description", "").split())


def _type(field: Any, schema: dict[str, Any]) -> str:
    """The type in a word or two; `schema` is where its `$ref`s lead."""
    if not isinstance(field, dict):
        return "any"
    if "$ref" in field:
        name = str(field["$ref"]).rpartition("/")[2]
        target = schema.get("$defs", {}).get(name, {})
        return name if "properties" in target else _type(target, schema)
    branches = field.get("anyOf") or field.get("oneOf")
    if branches:
        return " or ".join(dict.fromkeys(_type(item, schema) for item in branches))
    if "const" in field or "enum" in field:
        return " | ".join(map(str, field.get("enum", [field.get("const")])))
    if field.get("type") == "array" and "items" in field:
        return f"list of {_type(field['items'], schema)}"
    return {"array": "list", "object": "mapping"}.get(str(field.get("type")), str(field.get("type", "any")))
