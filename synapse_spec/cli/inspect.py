"""`synapse inspect PLUGIN`: what a plugin offers."""

from typing import TYPE_CHECKING, Any

import click

from synapse_spec.cli.exits import INVALID, OK
from synapse_spec.cli.output import emit, format_option, only_ours_on_stdout, say

if TYPE_CHECKING:
    from synapse_spec.cli.plugin import Plugin
    from synapse_spec.plugins.config import PluginConfig


@click.command("inspect")
@click.argument("plugin")
@format_option()
def command(plugin: str, form: str) -> int:
    """Show the actions of PLUGIN (a folder or a module), their params and their results."""
    from synapse_spec.cli.plugin import Plugin
    from synapse_spec.plugins.discovery import PluginDiscovery

    with only_ours_on_stdout():
        found = Plugin.named(plugin)
        config = PluginDiscovery.from_source(found.facts.source).config
        actions = [_facts(found, config, name) for name in config.actions]
    if form == "text":
        _show(config, actions)
    else:
        about = config.model_dump(mode="json", include={"name", "code", "version", "category", "description", "env"})
        emit({"plugin": about, "actions": actions}, form)
    return INVALID if any(action.get("error") for action in actions) else OK


def _facts(plugin: "Plugin", config: "PluginConfig", name: str) -> dict[str, Any]:
    """One action; one whose code does not load says so and leaves the others be."""
    from synapse_spec.plugins.errors import PluginError

    facts = {"name": name, "entrypoint": plugin.facts.entrypoints[name], "method": str(config.actions[name].method)}
    try:
        action = plugin.action(name)
    except PluginError as error:
        return facts | {"error": error.message}
    return facts | {"description": action.description, "params": action.params, "result": action.result}


def _show(config: "PluginConfig", actions: list[dict[str, Any]]) -> None:
    from synapse_spec.cli.tables import indented, show_action
    from synapse_spec.spec.describe import flow

    title = click.style(f"{config.name} ({config.code} {config.version})", bold=True)
    click.echo(f"{title}  {config.category}")
    if config.description:
        click.echo(indented(config.description))
    if config.env:
        click.echo(f"  env: {flow(config.env)}")
    for action in actions:
        click.echo(f"\n{click.style(action['name'], bold=True)}  {action['method']}, {action['entrypoint']}")
        if "error" in action:
            click.echo("  does not load")
            say(f"error: action {action['name']!r}: {action['error']}")
        else:
            show_action(action["description"], action["params"], action["result"])
