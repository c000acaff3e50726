"""Exports JSON Schemas: one file a plugin, one for the Run document, and those of config.yaml and synapse.toml.

Called by `schema`. The same plugins give the same bytes, wherever the workspace lies.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synapse_spec.plugins.config_schema import config_schema
from synapse_spec.plugins.errors import PluginError, PluginLoadError, PluginNotFoundError
from synapse_spec.spec import exported, settings
from synapse_spec.spec.catalog import Catalog
from synapse_spec.spec.editor import EDITOR_FILE, editor_schema
from synapse_spec.spec.envelope import DIALECT
from synapse_spec.spec.model import PluginRef

CONFIG_FILE = f"synapse.config{exported.ENDING}"
SETTINGS_FILE = f"synapse.toml{exported.ENDING}"


@dataclass(frozen=True, slots=True)
class Target:
    """Where schemas are exported to: the folder, and the workspace (both absolute)."""

    folder: Path
    root: Path

    def file(self, plugin: str) -> Path:
        return self.folder / f"{plugin}{exported.ENDING}"


@dataclass(slots=True)
class Export:
    """What the folder should hold.

    Attributes:
        files: Texts by path.
        gone: Files of plugins that are no more.
        problems: What could not be exported, and why.
    """

    files: dict[Path, str] = field(default_factory=dict)
    gone: list[Path] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)


def export(refs: Iterable[PluginRef], target: Target, *, whole: bool = False) -> Export:
    """The files of these plugins, with the editors' file of all plugins in the folder.

    Where an action does not load, what was exported of it stays as long as its code is the same.

    Args:
        refs: The plugins.
        target: Where to.
        whole: They are all there are, so that files of others may be those of plugins that are gone.
    """
    done, there = Export(), exported_plugins(target.folder)
    catalog = Catalog(target.root, live=True)
    known = Catalog(target.root, schemas=target.folder, offline=True)
    fresh: dict[str, dict[str, Any]] = {}
    for plugin, group in grouped(refs, there, catalog, target, done.problems).items():
        contents = [plugin_content(ref, catalog, known, done.problems) for ref in group]
        if all(content == contents[0] for content in contents):
            named = sorted((exported.reference(ref, target.root) for ref in group), key=str)
            fresh[plugin] = contents[0] | {"references": named}
        else:
            listed = " and ".join(_named(ref, target.root) for ref in group)
            done.problems.append((plugin, f"{listed} have the same code; give one another"))
    done.files = {target.file(plugin): exported.write(content) for plugin, content in fresh.items()}
    others = {plugin: content for plugin, content in there.items() if plugin not in fresh}
    gone = {plugin for plugin, content in others.items() if whole and is_gone(content, known, target.root)}
    done.gone = [target.file(plugin) for plugin in sorted(gone)]
    left = {plugin: content for plugin, content in others.items() if plugin not in gone}
    done.files |= common_files(left | fresh, target)
    return done


def grouped(
    refs: Iterable[PluginRef],
    there: dict[str, dict[str, Any]],
    catalog: Catalog,
    target: Target,
    problems: list[tuple[str, str]],
) -> dict[str, list[PluginRef]]:
    """The plugins by code, each with the other references under which it was exported and still is."""
    found: dict[str, list[PluginRef]] = {}
    for ref in sorted(set(refs), key=str):
        try:
            plugin = catalog.plugin(ref).code
            check_code(plugin)
            found.setdefault(plugin, []).append(ref)
        except PluginError as error:
            missing = ref.path is not None and not ref.path.exists()
            problems.append((_named(ref, target.root), "there is no such folder" if missing else error.message))
    for plugin, group in found.items():
        earlier = exported.references(there[plugin], target.root) if plugin in there else []
        group += [ref for ref in earlier if ref not in group and _code(ref, catalog) == plugin]
    return dict(sorted(found.items()))


def plugin_content(ref: PluginRef, catalog: Catalog, known: Catalog, problems: list[tuple[str, str]]) -> dict[str, Any]:
    """Params and result of each action of a plugin, with what tells later whether they are still true.

    Args:
        ref: The plugin.
        catalog: Imports it.
        known: Has what was exported earlier.
        problems: Takes the actions that are left out.
    """
    plugin = catalog.plugin(ref)
    files: dict[str, str] = {}
    actions = {}
    for name in sorted(plugin.entrypoints):
        try:
            facts = catalog.action(ref, name)
        except PluginLoadError as error:
            try:
                facts = known.action(ref, name)
            except PluginError:
                problems.append((f"{plugin.code}:{name}", error.message))
                continue
        files |= exported.marks(plugin.source, facts.files)
        actions[name] = {
            "entrypoint": facts.entrypoint,
            "code": facts.code,
            "description": facts.description,
            "complete": facts.complete,
            "params": facts.params,
            "result": facts.result,
        }
    return {
        "$schema": DIALECT,
        "title": f"Plugin {plugin.code}",
        "synapse": exported.WRITER,
        "plugin": plugin.code,
        "references": [],
        "files": dict(sorted(files.items())),
        "actions": actions,
    }


def exported_plugins(folder: Path) -> dict[str, dict[str, Any]]:
    """The plugins whose files in the folder are as synapse wrote them, by code."""
    found = {}
    for path in sorted(folder.glob(f"*{exported.ENDING}")):
        try:
            content = exported.read(path)
        except exported.NotUsable:
            continue
        if path.name == f"{content['plugin']}{exported.ENDING}":
            found[content["plugin"]] = content
    return found


def is_gone(content: dict[str, Any], catalog: Catalog, root: Path) -> bool:
    """Whether none of the places of a plugin is a plugin of that code any more."""
    return all(_code(ref, catalog) not in (content["plugin"], "") for ref in exported.references(content, root))


def common_files(plugins: dict[str, dict[str, Any]], target: Target) -> dict[Path, str]:
    """The files that are not of one plugin."""
    schemas = {
        EDITOR_FILE: editor_schema(_for_editors(plugins, target.root)),
        CONFIG_FILE: config_schema(),
        SETTINGS_FILE: settings.SCHEMA,
    }
    return {target.folder / name: exported.render(schema) for name, schema in schemas.items()}


def check_code(plugin: str) -> None:
    """Raises PluginError for a code that cannot name a file of schemas."""
    if not re.fullmatch(r"\w[\w.-]*", plugin):
        raise PluginError(f"the code {plugin!r} cannot name a file of schemas; use letters, digits, '-', '_' and '.'")
    if plugin.casefold().partition(".")[0] == "synapse":
        raise PluginError(f"the code {plugin!r} is kept for synapse's own schemas; give the plugin another one")


def _for_editors(plugins: dict[str, dict[str, Any]], root: Path) -> dict[str, list[tuple[PluginRef, dict[str, Any]]]]:
    """Each plugin with the references by which specs may name it: paths by as much of their end as tells them apart."""
    named = {plugin: exported.references(content, root) for plugin, content in plugins.items()}
    paths = {ref.path for refs in named.values() for ref in refs if ref.path is not None}
    shared = Counter(ending for path in paths for ending in _endings(path, root))
    return {
        plugin: [(short, plugins[plugin]) for ref in refs for short in _shortened(ref, root, shared)]
        for plugin, refs in named.items()
    }


def _shortened(ref: PluginRef, root: Path, shared: Counter[Path]) -> list[PluginRef]:
    if ref.path is None:
        return [ref]
    endings = _endings(ref.path, root)
    if not endings:  # the workspace itself, which specs in it name by dots alone
        return [PluginRef(path=Path(".")), PluginRef(path=Path(".."))]
    return [PluginRef(path=next((ending for ending in endings if shared[ending] == 1), endings[-1]))]


def _endings(path: Path, root: Path) -> list[Path]:
    """`digits`, `plugins/digits`, …"""
    parts = [part for part in Path(exported.reference(PluginRef(path=path), root)["path"]).parts if part != ".."]
    return [Path(*parts[start:]) for start in reversed(range(len(parts)))]


def _code(ref: PluginRef, catalog: Catalog) -> str | None:
    """The plugin's code now; None where it is gone, "" where that cannot be told."""
    try:
        return catalog.plugin(ref).code
    except PluginNotFoundError:
        return None
    except PluginError:
        return ""


def _named(ref: PluginRef, root: Path) -> str:
    return str(next(iter(exported.reference(ref, root).values())))
