"""What plugins offer, as data: config, schemas and code digests, without importing their code where that is known.

Facts come from the cache in `.synapse/` when no file they depend on has changed, else from schemas exported to
`schemas/` when their code digest is current, else from importing the action. Used by `validate` and by the engine.
"""

import hashlib
import json
import os
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import synapse_spec
from synapse_spec.plugins import code
from synapse_spec.plugins.errors import ActionNotFoundError, PluginError
from synapse_spec.plugins.source import PluginSource
from synapse_spec.spec.model import PluginRef

_VERSION = f"{synapse_spec.__version__}/{sys.version_info.major}.{sys.version_info.minor}/1"
# A file that was written less than this before it was looked at may be written again without its times changing.
_RACY_SECONDS = 0.1


class SchemasNotFresh(PluginError):
    """Only exported schemas may be used, and there are none that are current."""


@dataclass(frozen=True, slots=True)
class ActionFacts:
    """What is known of one action."""

    entrypoint: str
    description: str
    code: str
    files: dict[str, str]
    params: dict[str, Any]
    result: dict[str, Any] | None = None
    dynamic: bool = False


@dataclass(slots=True)
class PluginFacts:
    """What is known of one plugin; `actions` is filled as they are asked for."""

    source: PluginSource
    code: str
    version: str
    env: dict[str, str]
    runtime_env: dict[str, Any]
    entrypoints: dict[str, str]
    state: dict[str, list[int]]
    actions: dict[str, ActionFacts] = field(default_factory=dict)
    changed: bool = False


class Catalog:
    """Looks plugins up, each once.

    Args:
        workspace: The workspace folder; its cache is read, and written by `save`.
        schemas: Folder of exported schemas, or None.
        offline: Never import a plugin's code.
    """

    def __init__(self, workspace: Path, *, schemas: Path | None = None, offline: bool = False) -> None:
        self._workspace = workspace
        self._cache = workspace / ".synapse" / "cache" / "plugins"
        self._schemas = schemas or workspace / "schemas"
        self._offline = offline
        self._plugins: dict[PluginRef, PluginFacts | PluginError] = {}

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
        plugin = self.plugin(ref)
        if name not in plugin.entrypoints:
            offered = list(plugin.entrypoints)
            listed = ", ".join(offered) or "none"
            raise ActionNotFoundError(f"plugin {plugin.code!r} has no action {name!r}; it has {listed}", offered)
        if name not in plugin.actions:
            plugin.actions[name] = self._examine(plugin, name)
            plugin.changed = True
        return plugin.actions[name]

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
        state = code.fingerprint(self._watched(source))
        cached = self._cached(source, state)
        if cached is not None:
            return cached
        config = _discover(source, offline=self._offline)
        actions = {name: config.get_action_entrypoint(name) for name in config.list_actions()}
        return PluginFacts(
            source,
            config.config.code,
            config.config.version,
            config.config.env,
            config.config.runtime_env,
            actions,
            state,
        )

    def _watched(self, source: PluginSource) -> Any:
        yield from code.plugin_files(source)
        if source.config_path.is_file():
            yield source.config_path

    def _examine(self, plugin: PluginFacts, name: str) -> ActionFacts:
        entrypoint = plugin.entrypoints[name]
        digest = code.code_digest(plugin.source, entrypoint, self._workspace)
        files = (Path(os.path.normpath(plugin.source.folder / file)) for file in digest.files)
        plugin.state.update(code.fingerprint(path for path in files if str(path) not in plugin.state))
        exported = self._exported(plugin, name, digest.digest)
        if exported is not None:
            description, params, result = exported
        elif self._offline:
            raise SchemasNotFresh(f"no exported schema of {plugin.code}:{name} is current")
        else:
            description, params, result = _imported(plugin.source, entrypoint)
        return ActionFacts(entrypoint, description, digest.digest, digest.files, params, result, digest.dynamic)

    def _exported(self, plugin: PluginFacts, name: str, digest: str) -> tuple[str, dict[str, Any], Any] | None:
        try:
            exported = json.loads((self._schemas / f"{plugin.code}.schema.json").read_bytes())
            action = exported["actions"][name]
            fresh = action["code"] == digest and isinstance(action["params"], dict)
            return (action["description"], action["params"], action["result"]) if fresh else None
        except (OSError, ValueError, LookupError, TypeError):
            return None

    def _cache_path(self, source: PluginSource) -> Path:
        key = hashlib.sha256(json.dumps(source.to_wire()).encode()).hexdigest()[:24]
        return self._cache / f"{key}.json"

    def _cached(self, source: PluginSource, state: dict[str, list[int]]) -> PluginFacts | None:
        try:
            stored = json.loads(self._cache_path(source).read_bytes())
            if stored["version"] != _VERSION or not state.items() <= stored["state"].items():
                return None
            outside = stored["state"].keys() - state.keys()
            if code.fingerprint(map(Path, outside)) != {path: stored["state"][path] for path in outside}:
                return None
            facts = stored["facts"]
            actions = {name: ActionFacts(**action) for name, action in facts.pop("actions").items()}
            return PluginFacts(source=source, state=stored["state"], actions=actions, **facts)
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return None  # none, not ours, or one of the files that the code depended on is gone

    def _files_path(self, digest: str) -> Path:
        return self._cache.parent / "code" / f"{digest.removeprefix('sha256:')[:24]}.json"

    def _store(self, plugin: PluginFacts) -> None:
        for action in plugin.actions.values():
            _write(self._files_path(action.code), action.files)
        newest = max((times[1] for times in plugin.state.values()), default=0) / 1e9
        if time.time() - newest < _RACY_SECONDS:
            return
        facts = {name: getattr(plugin, name) for name in ("code", "version", "env", "runtime_env", "entrypoints")}
        facts["actions"] = {name: asdict(action) for name, action in plugin.actions.items()}
        _write(self._cache_path(plugin.source), {"version": _VERSION, "state": plugin.state, "facts": facts})


def _write(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(f".{time.time_ns()}.tmp")
    beside.write_text(json.dumps(content))
    beside.replace(path)


def _discover(source: PluginSource, *, offline: bool) -> Any:
    from synapse_spec.plugins.config import read_config
    from synapse_spec.plugins.discovery import PluginDiscovery

    if not offline:
        return PluginDiscovery.from_source(source)
    if source.module is None and source.config_path.is_file():
        config = read_config(source.config_path)
        if config.actions:
            return PluginDiscovery(config, source)
    name = source.module or source.folder.name
    raise SchemasNotFresh(f"the code of {name!r} would have to be imported to find its actions")


def _imported(source: PluginSource, entrypoint: str) -> tuple[str, dict[str, Any], dict[str, Any] | None]:
    """Description and schemas of an action, from its code."""
    from synapse_spec.plugins.action import description_of
    from synapse_spec.plugins.execution import load_action
    from synapse_spec.plugins.schemas import params_schema, result_schema

    action = load_action(source, entrypoint)
    return description_of(action), params_schema(action), result_schema(action)
