"""`synapse init PLUGIN ACTION`: a new spec, with all that is known of the action's params as comments."""

import os
import re
from pathlib import Path

import click

from synapse_spec.cli.exits import OK
from synapse_spec.cli.output import only_ours_on_stdout, say
from synapse_spec.plugins.enums import ExecutionMode
from synapse_spec.spec.model import PluginRef


@click.command("init")
@click.argument("plugin")
@click.argument("action")
@click.option("--name", help="The run's name; by default made of the action's.")
@click.option("--to", "target", type=click.Path(path_type=Path), metavar="FILE", help="Write a new file; else stdout.")
@click.option("-m", "--mode", type=click.Choice([str(mode) for mode in ExecutionMode]), help="The mode to run in.")
def command(plugin: str, action: str, name: str | None, target: Path | None, mode: str | None) -> int:
    """Write a run spec for ACTION of PLUGIN (a folder or a module).

    Each param is there with its description, type, bounds and default as comments; the required ones are left to be
    filled in.
    """
    from synapse_spec.cli.plugin import Plugin
    from synapse_spec.spec.describe import required_names
    from synapse_spec.spec.scaffold import NewRun, run_name, scaffold

    check(name, target)
    with only_ours_on_stdout():
        found = Plugin.named(plugin)
        facts = found.action(action)
    folder = Path(os.path.abspath(target.parent if target else Path.cwd()))
    new = NewRun(
        name=name or run_name(action),
        plugin=_reference(found.ref, folder),
        action=action,
        params=facts.params,
        description=facts.description,
        mode=mode,
        modeline=_modeline(folder) if target else None,
    )
    text = scaffold(new)
    if target is None:
        click.echo(text, nl=False)
    else:
        write(target, text)
        if required := required_names(facts.params):
            left = f"fill in {', '.join(required)}"
        else:  # where the model asks for more than its schema says, only it can tell
            left = "it is valid as it is" if facts.complete else f"what is missing, if anything: validate {target}"
        say(f"wrote {target}; {left}")
    return OK


def check(name: str | None, target: Path | None) -> None:
    """Raises UsageError where a run may not have that name, or a new spec may not be there."""
    from synapse_spec.spec.envelope import RUN

    rule = RUN["properties"]["metadata"]["properties"]["name"]
    if name is not None and not re.fullmatch(rule["pattern"], name):
        raise click.UsageError(f"--name {rule['patternErrorMessage']}")
    if target is not None and target.exists():
        raise click.UsageError(f"{target} exists; init writes new files only")
    if target is not None and (target.suffix not in (".yaml", ".yml") or target.stem.endswith(".status")):
        raise click.UsageError(f"{target} is no name for a spec; it ends with .yaml, and not with .status.yaml")


def _reference(ref: PluginRef, folder: Path) -> dict[str, str]:
    if ref.path is None:
        return {"module": str(ref.module)}
    return {"path": Path(os.path.relpath(ref.path, folder)).as_posix()}


def _modeline(folder: Path) -> str | None:
    """Where the schema for editors is, if it is exported."""
    from synapse_spec.spec.editor import EDITOR_FILE
    from synapse_spec.spec.settings import read_settings
    from synapse_spec.spec.workspace import Workspace

    existing = next(place for place in (folder, *folder.parents) if place.is_dir())
    settings, _ = read_settings(Workspace.of(existing).root)
    schema = settings.schemas / EDITOR_FILE
    return Path(os.path.relpath(schema, folder)).as_posix() if schema.is_file() else None


def write(target: Path, text: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("x", encoding="utf-8") as file:
        file.write(text)
