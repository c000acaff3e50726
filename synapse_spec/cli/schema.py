"""`synapse schema export|check`: JSON Schemas for editors, for CI and for machines that cannot import the plugins."""

import os
from dataclasses import dataclass
from pathlib import Path

import click

from synapse_spec.cli.exits import INVALID, OK
from synapse_spec.cli.output import emit, format_option, only_ours_on_stdout, say, show_diagnostics
from synapse_spec.plugins.errors import PluginNotFoundError
from synapse_spec.plugins.scan import action_modules
from synapse_spec.plugins.source import CONFIG_NAME, PluginSource
from synapse_spec.spec.diagnostics import Diagnostic, InvalidSpec
from synapse_spec.spec.export import Export, Target, exported_plugins
from synapse_spec.spec.export import export as exported
from synapse_spec.spec.load import load
from synapse_spec.spec.model import PluginRef
from synapse_spec.spec.settings import read_settings
from synapse_spec.spec.staleness import Stale, stale
from synapse_spec.spec.workspace import Workspace, plugin_folders


@click.group("schema")
def command() -> None:
    """Export JSON Schemas, or check that they are fresh."""


_target = click.argument("paths", nargs=-1, type=click.Path(allow_dash=True), metavar="[PLUGIN|SPEC|FOLDER]...")
_folder = click.option(
    "--to", "folder", type=click.Path(file_okay=False), help="Folder; that of synapse.toml, else schemas/, by default."
)


@command.command("export")
@_target
@_folder
def export(paths: tuple[str, ...], folder: str | None) -> int:
    """Write the schemas of these plugins, or of those that the specs name; of all in the workspace by default."""
    asked = _asked(paths, folder)
    with only_ours_on_stdout():
        found = exported(asked.refs, asked.target, whole=asked.whole)
    for path, text in found.files.items():
        if path.is_file() and path.read_text(encoding="utf-8", errors="replace") == text:
            say(f"{os.path.relpath(path)} is fresh")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
            say(f"wrote {os.path.relpath(path)}")
    return _ended(asked, found)


def _ended(asked: "_Asked", found: Export) -> int:
    for path in found.gone:
        path.unlink()
        say(f"removed {os.path.relpath(path)}: its plugin is gone")
    for subject, why in found.problems:
        say(f"{click.style('error:', fg='red', bold=True)} not exported: {subject}: {why}")
    show_diagnostics(asked.problems)
    return INVALID if found.problems or asked.problems else OK


@command.command("check")
@_target
@_folder
@format_option("text", "json", "yaml")
def check(paths: tuple[str, ...], folder: str | None, form: str) -> int:
    """Say which exported schemas are stale or missing, and why; exit 3 if one is."""
    asked = _asked(paths, folder)
    with only_ours_on_stdout():
        found = stale(asked.refs, asked.target, whole=asked.whole)
    if form != "text":
        emit({"stale": [_record(item) for item in found]}, form)
    for item in found if form == "text" else ():
        say(f"{item.subject or os.path.relpath(item.file)}: {item.why}")
    if found and form == "text":
        say("'synapse schema export' writes them anew")
    show_diagnostics(asked.problems)
    return INVALID if found or asked.problems else OK


def _record(item: Stale) -> dict[str, str | None]:
    return {"file": os.path.relpath(item.file), "subject": item.subject, "why": item.why}


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the command line asks for.

    Attributes:
        refs: The plugins.
        whole: They are all of the workspace.
        problems: Of specs whose plugin could not be made out.
    """

    target: Target
    refs: list[PluginRef]
    whole: bool
    problems: list[Diagnostic]


def _asked(paths: tuple[str, ...], folder: str | None) -> _Asked:
    start = next((Path(path) for path in paths if path and Path(path).exists()), Path.cwd())
    root = Workspace.of(start).root
    settings, wrong = read_settings(root)
    if wrong:
        raise InvalidSpec(wrong)
    target = Target(Path(os.path.abspath(folder)) if folder else settings.schemas, root)
    problems: list[Diagnostic] = []
    if paths:
        refs = [ref for path in paths for ref in _plugins(path, root, problems)]
    else:
        refs = _in_folder(os.path.relpath(root), problems)
    if not refs and (paths or not exported_plugins(target.folder)):
        raise InvalidSpec(problems)
    return _Asked(target, refs, not paths, problems if refs else [])


def _plugins(path: str, root: Path, problems: list[Diagnostic]) -> list[PluginRef]:
    """The plugins at a path, or that the specs there name; `problems` gets what is wrong with these."""
    if not path:
        raise click.UsageError("an empty name is no plugin, spec or folder")
    place = Path(path)
    if place.name == CONFIG_NAME and place.is_file():
        place = place.parent
    if (place / CONFIG_NAME).is_file():
        return [_folder_ref(place)]
    if place.is_dir():
        found: list[Diagnostic] = []
        refs = _in_folder(path, found)
        bare = not refs and action_modules(place)
        problems += [] if bare else found
        return [_folder_ref(place)] if bare else refs
    if not place.exists() and all(part.isidentifier() for part in path.split(".")):
        return [_module_ref(path, root)]
    return _in_specs(path, problems)


def _in_folder(path: str, problems: list[Diagnostic]) -> list[PluginRef]:
    found: list[Diagnostic] = []
    refs = [_folder_ref(folder) for folder in plugin_folders(Path(path))] + _in_specs(path, found)
    if not refs and [item.code for item in found] == ["SS001"]:
        found = [Diagnostic("SS001", "neither a plugin nor a run spec in this folder", path)]
    problems += [item for item in found if item.code != "SS001" or not refs]
    return refs


def _in_specs(path: str, problems: list[Diagnostic]) -> list[PluginRef]:
    """What specs name, mistakes in them or not."""
    loaded = load([path])
    if loaded.hidden or not loaded.runs:
        problems += loaded.diagnostics
    return [run.plugin for run in loaded.runs]


def _folder_ref(folder: Path) -> PluginRef:
    return PluginRef(path=Path(os.path.abspath(folder)))


def _module_ref(name: str, root: Path) -> PluginRef:
    try:
        PluginSource.from_module(name, (root,))
    except PluginNotFoundError:
        message = "no such plugin: neither a file nor a folder nor a module"
        raise InvalidSpec([Diagnostic("SS001", message, name)]) from None
    return PluginRef(module=name)
