"""What plugins offer, as data: config, schemas and code digests, without importing their code where that is known.

Facts come from the cache in `.synapse/` when no file they depend on has changed, else from schemas exported to
`schemas/` when their code digest is current, else from importing the plugin. Used by `validate` and by the engine.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synapse_spec.plugins.errors import ActionNotFoundError, PluginError
from synapse_spec.plugins.files import State, fingerprint, watched_files
from synapse_spec.plugins.source import PluginSource
from synapse_spec.spec.cache import is_settled, made_by, write
from synapse_spec.spec.facts import NEEDS, ActionFacts, PluginFacts
from synapse_spec.spec.model import PluginRef
from synapse_spec.spec.settings import read_settings

if TYPE_CHECKING:
    from synapse_spec.plugins.code import CodeDigest
    from synapse_spec.spec.diagnostics import Diagnostic


class SchemasNotFresh(PluginError):
    """Only exported schemas may be used, and there are none that are current."""


class Catalog:
    """Looks plugins up, each once.

    Args:
        workspace: The workspace folder; its cache is read, and written by `save`.
        schemas: Folder of exported schemas; the one of the settings by default.
        offline: Never import a plugin's code.
        live: Take nothing from the cache or from exported schemas.

    Attributes:
        settings: Those of the workspace.
    """

    def __init__(
        self, workspace: Path, *, schemas: Path | None = None, offline: bool = False, live: bool = False
    ) -> None:
        self.settings, self._wrong_settings = read_settings(workspace)
        self._workspace = workspace
        self._cache = workspace / ".synapse" / "cache" / "plugins"
        self._schemas = schemas or self.settings.schemas
        self._offline = offline
        self._live = live
        self._plugins: dict[PluginRef, PluginFacts | PluginError] = {}
        self._actions: dict[tuple[PluginRef, str], ActionFacts | PluginError] = {}
        self._bases: dict[tuple[PluginRef, str], str] = {}
        self._contents: dict[str, dict[str, Any]] = {}

    @property
    def diagnostics(self) -> "list[Diagnostic]":
        """What is wrong with the settings, and warnings of the configs of the plugins that were looked up."""
        found = list(self._wrong_settings)
        for plugin in self._plugins.values():
            if isinstance(plugin, PluginFacts) and plugin.notes:
                from synapse_spec.spec.config_checks import diagnosed

                found += diagnosed(plugin.source.folder, plugin.notes)
        return found

    def plugin(self, ref: PluginRef) -> PluginFacts:
        """The plugin behind a reference.

        Raises:
            PluginError: It is not found, or its config cannot be used.
        """
        known = self._plugins.get(ref)
        if known is None:
            try:
                known = self._look_up(ref)
            except PluginError as error:
                known = error
            self._plugins[ref] = known
        if isinstance(known, PluginError):
            raise known
        return known

    def action(self, ref: PluginRef, name: str) -> ActionFacts:
        """One action of it.

        Raises:
            ActionNotFoundError: The plugin has none of that name.
            PluginLoadError: Its code does not import.
            SchemasNotFresh: Offline, and nothing exported is current.
        """
        known = self._actions.get((ref, name))
        if known is None:
            try:
                known = self._action(self.plugin(ref), name)
            except PluginError as error:
                known = error
            self._actions[ref, name] = known
        if isinstance(known, PluginError):
            raise known
        return known

    def basis(self, ref: PluginRef, name: str) -> str:
        """Digest of what an action and its plugin add to a run: what was found of the run itself stays so with it.

        Raises:
            PluginError: As `action`.
        """
        known = self._bases.get((ref, name))
        if known is None:
            action, plugin = self.action(ref, name), self.plugin(ref)
            facts = [action.params, action.entrypoint, plugin.env, plugin.runtime_env]
            known = self._bases[ref, name] = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]
        return known

    def _action(self, plugin: PluginFacts, name: str) -> ActionFacts:
        if name not in plugin.actions:
            plugin.actions[name] = self._examine(plugin, name)
            plugin.changed = True
        return plugin.actions[name]

    def code_of(self, ref: PluginRef, name: str) -> "CodeDigest":
        """The code of an action, without importing it.

        Raises:
            ActionNotFoundError: The plugin has none of that name.
            PluginLoadError: A file of it is not valid Python, or missing.
        """
        from synapse_spec.plugins.code import CodeDigest, code_digest

        plugin = self.plugin(ref)
        if name in plugin.actions:
            known = plugin.actions[name]
            return CodeDigest(known.code, known.files, known.dynamic)
        return code_digest(plugin.source, _entrypoint(plugin, name), self._workspace)

    def known_files(self, digest: str) -> dict[str, str] | None:
        """The files that made up a code digest seen here earlier, or None."""
        try:
            files = json.loads(self._files_path(digest).read_bytes())
        except (OSError, ValueError):
            return None
        return files if isinstance(files, dict) else None

    def save(self) -> None:
        """Keep what was found out for the next time."""
        for plugin in self._plugins.values():
            if isinstance(plugin, PluginFacts) and plugin.changed:
                self._store(plugin)
                plugin.changed = False

    def _look_up(self, ref: PluginRef) -> PluginFacts:
        if ref.module is not None:
            source = PluginSource.from_module(ref.module, (self._workspace,))
        else:
            source = PluginSource.from_path(ref.path or "")
        state = fingerprint(watched_files(source))
        cached = self._cached(source, state)
        if cached is not None:
            return cached
        from synapse_spec.plugins.requires import asked_for
        from synapse_spec.spec.config_checks import misspelt_keys

        discovery = self._discover(source)
        config = discovery.config
        return PluginFacts(
            source=source,
            code=config.code,
            version=config.version,
            env=config.env,
            **{name: getattr(config, name) for name in NEEDS},
            entrypoints={name: discovery.get_action_entrypoint(name) for name in discovery.list_actions()},
            state=state,
            notes=misspelt_keys(source, config),
            requires=asked_for(config.requires),
        )

    def _discover(self, source: PluginSource) -> Any:
        """The plugin's config; its code is only imported where neither that nor exported schemas list the actions."""
        from synapse_spec.plugins.config import PluginConfig, read_config
        from synapse_spec.plugins.discovery import PluginDiscovery
        from synapse_spec.spec.exported import entries

        name = source.module.replace(".", "-") if source.module else source.folder.name
        config = PluginConfig(name=name, code=name)
        if source.module is None and source.config_path.is_file():
            config = read_config(source.config_path)
        actions = config.actions or entries(self._exported(config.code), source, self._workspace)
        if actions:
            return PluginDiscovery(config.model_copy(update={"actions": actions}), source)
        if self._offline:
            raise SchemasNotFresh(f"the code of {name!r} would have to be imported to find its actions")
        return PluginDiscovery.from_source(source)

    def _exported(self, plugin: str) -> dict[str, Any]:
        """What was exported for a plugin; with no actions where that cannot be believed."""
        from synapse_spec.spec.exported import ENDING, NotUsable, read

        if plugin not in self._contents:
            try:
                content = {} if self._live else read(self._schemas / f"{plugin}{ENDING}")
            except NotUsable:
                content = {}
            self._contents[plugin] = content if content.get("plugin") == plugin else {"actions": {}}
        return self._contents[plugin]

    def _examine(self, plugin: PluginFacts, name: str) -> ActionFacts:
        from synapse_spec.plugins.code import code_digest
        from synapse_spec.spec.exported import known_action

        entrypoint = _entrypoint(plugin, name)
        digest = code_digest(plugin.source, entrypoint, self._workspace)
        files = (Path(os.path.normpath(plugin.source.folder / file)) for file in digest.files)
        plugin.state.update(fingerprint(path for path in files if str(path) not in plugin.state))
        known = known_action(self._exported(plugin.code), name, entrypoint, digest.digest)
        if known is None:
            if self._offline:
                raise SchemasNotFresh(f"no exported schema of {plugin.code}:{name} is current")
            from synapse_spec.plugins.schemas import facts_of

            known = facts_of(plugin.source, entrypoint)
        return ActionFacts(entrypoint, code=digest.digest, files=digest.files, dynamic=digest.dynamic, **known)

    def _cache_path(self, source: PluginSource) -> Path:
        key = hashlib.sha256(json.dumps(source.to_wire()).encode()).hexdigest()[:24]
        return self._cache / f"{key}.json"

    def _cached(self, source: PluginSource, state: dict[str, State]) -> PluginFacts | None:
        if self._live:
            return None
        try:
            stored = json.loads(self._cache_path(source).read_bytes())
            if stored["version"] != made_by() or not state.items() <= stored["state"].items():
                return None
            outside = stored["state"].keys() - state.keys()
            if fingerprint(map(Path, outside)) != {path: stored["state"][path] for path in outside}:
                return None
            return PluginFacts.from_stored(source, stored["state"], stored["facts"])
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return None  # none, not ours, or one of the files that the code depended on is gone

    def _files_path(self, digest: str) -> Path:
        return self._cache.parent / "code" / f"{digest.removeprefix('sha256:')[:24]}.json"

    def _store(self, plugin: PluginFacts) -> None:
        for action in plugin.actions.values():
            write(self._files_path(action.code), json.dumps(action.files))
        if not all(map(is_settled, plugin.state.values())):
            return
        kept = {"version": made_by(), "state": plugin.state, "facts": plugin.to_stored()}
        write(self._cache_path(plugin.source), json.dumps(kept))


def _entrypoint(plugin: PluginFacts, name: str) -> str:
    if name not in plugin.entrypoints:
        offered = list(plugin.entrypoints)
        listed = ", ".join(offered) or "none"
        raise ActionNotFoundError(f"plugin {plugin.code!r} has no action {name!r}; it has {listed}", offered)
    return plugin.entrypoints[name]
