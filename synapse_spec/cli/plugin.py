"""The PLUGIN and ACTION of a command line, looked up, with the way out where there is none.

Used by `init`, `explain` and `inspect`.
"""

import os
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from synapse_spec.plugins.errors import ActionNotFoundError, PluginNotFoundError
from synapse_spec.plugins.source import CONFIG_NAME
from synapse_spec.spec import exported
from synapse_spec.spec.catalog import Catalog
from synapse_spec.spec.facts import ActionFacts, PluginFacts
from synapse_spec.spec.model import PluginRef
from synapse_spec.spec.settings import read_settings
from synapse_spec.spec.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin that is there; the catalog knows it."""

    ref: PluginRef
    catalog: Catalog

    @classmethod
    def named(cls, word: str) -> "Plugin":
        """The plugin at a folder or at its config.yaml, else the one that is a module; nothing is imported yet.

        Raises:
            PluginNotFoundError: It is neither a path that exists nor the name of a module.
        """
        path = Path(word).expanduser()
        if word and path.exists():
            folder = Path(os.path.abspath(path.parent if path.name == CONFIG_NAME else path))
            return cls(PluginRef(path=folder), Catalog(Workspace.of(folder).root))
        if not all(part.isidentifier() for part in word.split(".")):
            raise PluginNotFoundError(f"no plugin folder at {word!r}{_near(path)}")
        return cls(PluginRef(module=word), Catalog(Workspace.of(Path.cwd()).root))

    @property
    def facts(self) -> PluginFacts:
        """Raises PluginError where the plugin cannot be used."""
        try:
            return self.catalog.plugin(self.ref)
        except PluginNotFoundError as error:
            raise PluginNotFoundError(f"{error}{_near(Path(str(self.ref)))}") from None

    @property
    def code(self) -> str:
        return self.facts.code

    @property
    def offered(self) -> list[str]:
        return list(self.facts.entrypoints)

    def action(self, name: str) -> ActionFacts:
        """The action, with the config's description before that of the code.

        Raises:
            ActionNotFoundError: There is none; the message names one that comes close.
            PluginError: The plugin or the action cannot be used.
        """
        _check_offered(self, name)
        facts = self.catalog.action(self.ref, name)
        return replace(facts, description=self._configured(name) or facts.description)

    def _configured(self, name: str) -> str:
        from synapse_spec.plugins.config import read_config

        path = self.facts.source.config_path
        config = read_config(path) if self.ref.module is None and path.is_file() else None
        return config.actions[name].description if config and name in config.actions else ""


@dataclass(frozen=True, slots=True)
class ExportedPlugin:
    """What was exported of a plugin, which itself need not be there."""

    code: str
    actions: dict[str, Any]

    @classmethod
    def named(cls, code: str) -> "ExportedPlugin | None":
        """The one with that code in the workspace's folder of schemas, whether it is fresh or not."""
        settings, _ = read_settings(Workspace.of(Path.cwd()).root)
        try:
            return cls(code, exported.read(settings.schemas / f"{code}{exported.ENDING}")["actions"])
        except exported.NotUsable:
            return None

    @property
    def offered(self) -> list[str]:
        return list(self.actions)

    def action(self, name: str) -> ActionFacts:
        """As that of `Plugin`."""
        _check_offered(self, name)
        action = self.actions[name]
        return ActionFacts("", action["description"], action["code"], {}, action["params"], action["result"])


def known_plugin(word: str) -> Plugin | ExportedPlugin:
    """The plugin at a path, else the exported one with that code, else the one that is a module.

    Raises:
        PluginNotFoundError: It cannot be any of these.
    """
    known = None if Path(word).expanduser().exists() else ExportedPlugin.named(word)
    return known or Plugin.named(word)


def _check_offered(plugin: Plugin | ExportedPlugin, name: str) -> None:
    offered = plugin.offered
    if name not in offered:
        near = get_close_matches(name, offered, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(offered) or 'none'}"
        raise ActionNotFoundError(f"plugin {plugin.code!r} has no action {name!r}; {hint}", offered)


def _near(path: Path) -> str:
    """A plugin folder whose name comes close, in that place or one below."""
    base = next((place for place in path.parents if place.is_dir()), Path())
    places = [config.parent for depth in ("*", "*/*") for config in base.glob(f"{depth}/{CONFIG_NAME}")]
    near = get_close_matches(path.name, [place.name for place in places], 1)
    found = next((place for place in places if place.name in near), None)
    return f"; did you mean {str(found)!r}?" if found else ""
