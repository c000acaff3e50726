"""`synapse schema export|check`: JSON Schemas for editors, for CI and for machines that cannot import the plugins."""

import os
from pathlib import Path

import click

from synapse_spec.cli.exits import INVALID, OK
from synapse_spec.cli.output import only_ours_on_stdout, say
from synapse_spec.spec.catalog import Catalog
from synapse_spec.spec.diagnostics import InvalidSpec
from synapse_spec.spec.export import exported_files
from synapse_spec.spec.load import load
from synapse_spec.spec.model import PluginRef
from synapse_spec.spec.workspace import Workspace


@click.group("schema")
def command() -> None:
    """Export JSON Schemas, or check that they are fresh."""


_target = click.argument("paths", nargs=-1, required=True, type=click.Path(allow_dash=True), metavar="PATH...")
_folder = click.option(
    "--to", "folder", type=click.Path(file_okay=False), help="Folder; schemas/ of the workspace by default."
)


@command.command("export")
@_target
@_folder
def export(paths: tuple[str, ...], folder: str | None) -> int:
    """Write the schemas of the plugins at PATH, or of those that the specs at PATH name."""
    for path, text in _wanted(paths, folder).items():
        if _content(path) == text:
            say(f"{os.path.relpath(path)} is fresh")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            say(f"wrote {os.path.relpath(path)}")
    return OK


@command.command("check")
@_target
@_folder
def check(paths: tuple[str, ...], folder: str | None) -> int:
    """Say which exported schemas are missing or stale; exit 3 if one is."""
    stale = 0
    for path, text in _wanted(paths, folder).items():
        content = _content(path)
        if content is None:
            say(f"{os.path.relpath(path)}: missing; 'synapse schema export' writes it")
        elif content != text:
            say(f"{os.path.relpath(path)}: stale; 'synapse schema export' writes it anew")
        else:
            continue
        stale += 1
    return INVALID if stale else OK


def _content(path: Path) -> str | None:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None


def _wanted(paths: tuple[str, ...], folder: str | None) -> dict[Path, str]:
    start = next((Path(path) for path in paths if Path(path).exists()), Path.cwd())
    workspace = Workspace.of(start)
    target = Path(folder) if folder else workspace.root / "schemas"
    # Freshness is what is asked about, so the exported schemas themselves are no source here.
    catalog = Catalog(workspace.root, schemas=workspace.root / ".synapse" / "none")
    with only_ours_on_stdout():
        return exported_files(_plugins(paths), catalog, target)


def _plugins(paths: tuple[str, ...]) -> list[PluginRef]:
    refs: list[PluginRef] = []
    for path in paths:
        if Path(path, "config.yaml").is_file():
            refs.append(PluginRef(path=Path(os.path.abspath(path))))
        elif not Path(path).exists() and all(part.isidentifier() for part in path.split(".")):
            refs.append(PluginRef(module=path))
        else:
            loaded = load([path])
            if loaded.diagnostics:
                raise InvalidSpec(loaded.diagnostics)
            refs.extend(run.plugin for run in loaded.runs)
    return refs
