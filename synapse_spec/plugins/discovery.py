"""PluginDiscovery: what a plugin offers, from its config.yaml or from its code.

Used by `run_plugin`, by the schema export and by the command line. Only the action that is asked for is imported, so
one dead entrypoint does not hide the others.
"""

import ast
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import BaseModel

from synapse_spec.plugins import loader
from synapse_spec.plugins.action import (
    ActionLike,
    description_of,
    entrypoint_of,
    is_class_action,
    is_function_action,
    params_model_of,
    result_model_of,
)
from synapse_spec.plugins.config import ActionConfig, PluginConfig, read_config
from synapse_spec.plugins.enums import PluginCategory, RunMethod
from synapse_spec.plugins.errors import ActionNotFoundError, PluginNotFoundError
from synapse_spec.plugins.execution import load_action
from synapse_spec.plugins.source import CONFIG_NAME, PluginSource

_NOT_SCANNED = frozenset({"__pycache__", "tests", "test", "node_modules", "site-packages", "build", "dist"})


class PluginDiscovery:
    """The actions of one plugin.

    Attributes:
        config: Its config; made from the code where there is none.
        source: Where the code is; None for a module object that is not importable by name.
    """

    def __init__(self, config: PluginConfig, source: PluginSource | None = None) -> None:
        self.config = config
        self.source = source
        self._loaded: dict[str, ActionLike] = {}

    @classmethod
    def from_path(cls, path: Path | str) -> "PluginDiscovery":
        """The plugin in a folder (or of a config file); without config.yaml or without `actions` the code is scanned.

        Raises:
            PluginNotFoundError: No such folder, or neither a config nor an action in it.
            PluginConfigError: The config cannot be used.
            PluginLoadError: The code had to be scanned and does not import.
        """
        source = PluginSource.from_path(path)
        if source.config_path.is_file():
            config = read_config(source.config_path)
            if not config.actions:
                config = config.model_copy(update={"actions": _scanned(source)})
            return cls(config, source)
        actions = _scanned(source)
        if not actions:
            raise PluginNotFoundError(f"{path} is no plugin: it has neither {CONFIG_NAME} nor an action in its code")
        return cls(PluginConfig(name=source.folder.name, code=source.folder.name, actions=actions), source)

    @classmethod
    def from_module(
        cls,
        module: ModuleType | str,
        *,
        name: str | None = None,
        category: PluginCategory = PluginCategory.CUSTOM,
    ) -> "PluginDiscovery":
        """The plugin that is a module, or the importable name of one.

        Raises:
            PluginNotFoundError: No such module.
            PluginLoadError: It does not import.
        """
        if isinstance(module, str):
            return cls.from_source(PluginSource.from_module(module), name=name, category=category)
        return cls._of_module(module, _source_of_module(module), name, category)

    @classmethod
    def from_source(
        cls, source: PluginSource, *, name: str | None = None, category: PluginCategory = PluginCategory.CUSTOM
    ) -> "PluginDiscovery":
        """The plugin at a place that was looked up already.

        Raises:
            PluginConfigError: Its config cannot be used.
            PluginLoadError: Its module does not import.
        """
        if source.module is None:
            return cls.from_path(source.folder)
        return cls._of_module(loader.load_module(source, source.module), source, name, category)

    @classmethod
    def _of_module(
        cls, module: ModuleType, source: PluginSource | None, name: str | None, category: PluginCategory
    ) -> "PluginDiscovery":
        title = name or module.__name__
        config = PluginConfig(
            name=title, code=title.replace(".", "-"), category=category, actions=_actions_in(module, all_names=True)
        )
        return cls(config, source)

    @staticmethod
    def discover_actions(folder: Path | str) -> dict[str, dict[str, Any]]:
        """Actions in the code of a folder: name -> {entrypoint, description, input_type, output_type, params_model}.

        Only files whose syntax tree mentions BaseAction or @action are imported.

        Raises:
            PluginNotFoundError: No such folder.
            PluginLoadError: Such a file does not import.
        """
        source = PluginSource.from_path(folder)
        return {
            name: config.model_dump(include={"entrypoint", "description", "input_type", "output_type"})
            | {"params_model": config.params_schema}
            for name, config in _scanned(source).items()
        }

    def list_actions(self) -> list[str]:
        return list(self.config.actions)

    def has_action(self, name: str) -> bool:
        return name in self.config.actions

    def get_action_config(self, name: str) -> ActionConfig:
        """Raises ActionNotFoundError, whose details list the actions there are."""
        if name not in self.config.actions:
            offered = self.list_actions()
            raise ActionNotFoundError(
                f"plugin {self.config.code!r} has no action {name!r}; it has {', '.join(offered) or 'none'}", offered
            )
        return self.config.actions[name]

    def get_action_method(self, name: str) -> RunMethod:
        return self.get_action_config(name).method

    def get_action_entrypoint(self, name: str) -> str:
        """`module:qualname`; the config's dot form is normalised."""
        entrypoint = self.get_action_config(name).entrypoint
        if ":" in entrypoint or "." not in entrypoint:
            return entrypoint
        module, _, qualname = entrypoint.rpartition(".")
        return f"{module}:{qualname}"

    def get_action_class(self, name: str) -> ActionLike:
        """The BaseAction subclass or @action function.

        Raises:
            ActionNotFoundError: No action of that name.
            PluginLoadError: Its code does not import, or its entrypoint does not exist.
        """
        entrypoint = self.get_action_entrypoint(name)
        if name not in self._loaded:
            source = self.source or PluginSource(Path(), Path(), entrypoint.partition(":")[0])
            self._loaded[name] = load_action(source, entrypoint)
        return self._loaded[name]

    def get_action_params_model(self, name: str) -> type[BaseModel] | None:
        return params_model_of(self.get_action_class(name))

    def get_action_result_model(self, name: str) -> type[BaseModel] | None:
        return result_model_of(self.get_action_class(name))

    def get_action_input_type(self, name: str) -> str | None:
        return self._data_type(name, "input_type")

    def get_action_output_type(self, name: str) -> str | None:
        return self._data_type(name, "output_type")

    def _data_type(self, name: str, which: str) -> str | None:
        """The code's word goes before the config's: it is what really happens."""
        declared = getattr(self.get_action_class(name), which, None)
        return _type_name(declared) or getattr(self.get_action_config(name), which)

    def to_config_dict(self) -> dict[str, Any]:
        """The config as plain data, with each action's types and params schema from the code."""
        from synapse_spec.plugins.schemas import params_schema

        config = self.config.model_dump(mode="json", exclude_defaults=True, exclude={"actions"})
        config = {"name": self.config.name, "code": self.config.code, "version": self.config.version} | config
        config["actions"] = {}
        for name, action in self.config.actions.items():
            entry = {"entrypoint": self.get_action_entrypoint(name), "method": str(action.method)}
            entry |= action.model_dump(mode="json", exclude_defaults=True, exclude={"name", "entrypoint", "method"})
            types = {"input_type": self.get_action_input_type(name), "output_type": self.get_action_output_type(name)}
            entry |= {key: value for key, value in types.items() if value}
            config["actions"][name] = entry | {"params_schema": params_schema(self.get_action_class(name))}
        return config

    def to_yaml(self) -> str:
        from synapse_spec.plugins import yaml

        return yaml.dump(self.to_config_dict())


def _type_name(declared: Any) -> str | None:
    if declared is None or isinstance(declared, str):
        return declared
    return str(getattr(declared, "name", None) or getattr(declared, "__name__", declared))


def _scanned(source: PluginSource) -> dict[str, ActionConfig]:
    """Actions in those files of the folder whose syntax tree looks as if it defined some."""
    actions: dict[str, ActionConfig] = {}
    for path in sorted(source.folder.rglob("*.py")):
        parts = path.relative_to(source.folder).with_suffix("").parts
        if any(part in _NOT_SCANNED or part.startswith((".", "test_")) for part in parts) or not _defines_action(path):
            continue
        module = parts[:-1] if parts[-1] == "__init__" else parts
        for name, config in _actions_in(loader.load_module(source, ".".join(module))).items():
            actions.setdefault(name, config)
    return actions


def _defines_action(path: Path) -> bool:
    """Whether the file imports BaseAction or `action` from a `plugins` package and uses it; nothing is run."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return False
    names = {
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and "plugins" in (node.module or "")
        for alias in node.names
    }
    return bool(names & {"BaseAction", "action"})


def _actions_in(module: ModuleType, *, all_names: bool = False) -> dict[str, ActionConfig]:
    """The module's actions; without `all_names` only those defined in it, not those it imports."""
    actions: dict[str, ActionConfig] = {}
    for attribute, thing in vars(module).items():
        if attribute.startswith("_") or not (is_class_action(thing) or is_function_action(thing)):
            continue
        if not all_names and thing.__module__ != module.__name__:
            continue
        name = getattr(thing, "_action_name", None) or getattr(thing, "action_name", None) or attribute
        actions[name] = ActionConfig(
            name=name,
            description=description_of(thing),
            entrypoint=f"{module.__name__}:{attribute}" if all_names else entrypoint_of(thing),
            method=getattr(thing, "method", RunMethod.TASK),
            params_schema=params_model_of(thing),
            input_type=_type_name(getattr(thing, "input_type", None)),
            output_type=_type_name(getattr(thing, "output_type", None)),
        )
    return actions


def _source_of_module(module: ModuleType) -> PluginSource | None:
    try:
        return PluginSource.from_module(module.__name__)
    except PluginNotFoundError:
        return None
