"""Why exported schemas are stale. Called by `schema check`; imports a plugin only to say what changed in its params."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synapse_spec.plugins.errors import PluginError
from synapse_spec.spec import exported
from synapse_spec.spec.catalog import Catalog
from synapse_spec.spec.export import Target, common_files, exported_plugins, grouped, is_gone
from synapse_spec.spec.model import PluginRef


@dataclass(frozen=True, slots=True)
class Stale:
    """One reason why a file would be written anew.

    Attributes:
        file: The exported file; for a plugin that cannot be looked at, the folder.
        subject: `digits:train`, `digits`, the place of a plugin, or None for the file itself.
        why: In words.
    """

    file: Path
    subject: str | None
    why: str


def stale(refs: Iterable[PluginRef], target: Target, *, whole: bool) -> list[Stale]:
    """What `schema export` would change or complain of.

    Args:
        refs: The plugins to look at.
        target: Where they are exported to.
        whole: They are all there are, so that files of others may be those of plugins that are gone.
    """
    there, catalog = exported_plugins(target.folder), Catalog(target.root, schemas=target.folder)
    problems: list[tuple[str, str]] = []
    groups = grouped(refs, there, catalog, target, problems)
    found = [Stale(target.folder, *problem) for problem in problems]
    for plugin, group in groups.items():
        found += _of_plugin(plugin, group, catalog, target)
    if whole:
        others = {plugin: content for plugin, content in there.items() if plugin not in groups}
        gone = [plugin for plugin, content in others.items() if is_gone(content, catalog, target.root)]
        found += [Stale(target.file(plugin), plugin, "the plugin is gone") for plugin in gone]
    plugins_are_fresh = not found
    for path, text in common_files(there, target).items():
        if not path.is_file():
            found.append(Stale(path, None, "missing"))
        elif plugins_are_fresh and path.read_text(encoding="utf-8", errors="replace") != text:
            found.append(Stale(path, None, "not what synapse makes of the schemas beside it"))
    return found


def _of_plugin(plugin: str, group: list[PluginRef], catalog: Catalog, target: Target) -> Iterator[Stale]:
    path = target.file(plugin)
    try:
        content = exported.read(path)
    except exported.NotUsable as error:
        yield Stale(path, None, str(error))
        return
    if path.read_text(encoding="utf-8") != exported.write(content):
        yield Stale(path, None, "edited by hand")
    named = sorted((exported.reference(ref, target.root) for ref in group), key=str)
    if content["references"] != named:
        places = " and ".join(place for item in named for place in item.values())
        yield Stale(path, plugin, f"it is now at {places}")
    for ref in group:
        for subject, why in _of_actions(content, ref, catalog, target.root):
            yield Stale(path, subject, why)


def _of_actions(content: dict[str, Any], ref: PluginRef, catalog: Catalog, root: Path) -> Iterator[tuple[str, str]]:
    plugin, live = catalog.plugin(ref), Catalog(root, live=True)
    for name in sorted(content["actions"].keys() - plugin.entrypoints.keys()):
        yield f"{plugin.code}:{name}", "the plugin has no such action any more"
    for name, entrypoint in sorted(plugin.entrypoints.items()):
        subject, known = f"{plugin.code}:{name}", content["actions"].get(name)
        try:
            code = catalog.code_of(ref, name)
        except PluginError as error:
            yield subject, error.message
            continue
        if known is None:
            yield subject, "missing"
            continue
        if known["entrypoint"] != entrypoint:
            yield subject, f"entrypoint changed: {known['entrypoint']} -> {entrypoint}"
        now = exported.marks(plugin.source, code.files)
        changed = sorted(file for file, mark in now.items() if content["files"].get(file) != mark)
        if known["code"] != code.digest:
            changed += [f"{file} is gone" for file in content["files"] if not (plugin.source.folder / file).exists()]
            yield subject, f"code changed: {', '.join(changed) or 'other files are part of it'}"
            yield from ((subject, why) for why in _of_schemas(known, live, ref, name))
        elif changed:
            yield subject, f"docstrings changed: {', '.join(changed)}"


def _of_schemas(known: dict[str, Any], live: Catalog, ref: PluginRef, name: str) -> Iterator[str]:
    """What changed in params and result, where the code can be imported."""
    try:
        facts = live.action(ref, name)
    except PluginError as error:
        yield f"it does not load here: {error.message}"
        return
    for word, old, new in (("params", known["params"], facts.params), ("result", known["result"], facts.result)):
        if old != new:
            yield f"{word} changed: {_difference(old or {}, new or {})}"


def _difference(old: dict[str, Any], new: dict[str, Any]) -> str:
    before, now = old.get("properties", {}), new.get("properties", {})
    parts = [f"{name} added" for name in now if name not in before]
    parts += [f"{name} removed" for name in before if name not in now]
    parts += [f"{name} changed" for name in now if name in before and before[name] != now[name]]
    return ", ".join(parts) or "inside"
