"""PluginDiscovery: what a plugin offers, from its config.yaml or from its code.

Used by `run_plugin`, by the schema export and by the command line. Only the action that is asked for is imported, so
one dead entrypoint does not hide the others.
"""

from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import BaseModel

from synapse_spec.plugins import loader, sdk
from synapse_spec.plugins.action import (
    ActionLike,
    description_of,
    is_class_action,
    is_function_action,
    params_model_of,
    result_model_of,
)
from synapse_spec.plugins.config import ActionConfig, PluginConfig, read_config
from synapse_spec.plugins.enums import PluginCategory, RunMethod
from synapse_spec.plugins.errors import (
    ActionNotFoundError,
    PluginConfigError,
    PluginLoadError,
    PluginNotFoundError,
)
from synapse_spec.plugins.execution import load_action
from synapse_spec.plugins.scan import action_modules
from synapse_spec.plugins.source import CONFIG_NAME, PluginSource


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
        title, found = name or module.__name__, _actions_in(module, all_names=True)
        actions = {name: _config_of(name, thing, entrypoint) for name, (entrypoint, thing) in found.items()}
        config = PluginConfig(name=title, code=title.replace(".", "-"), category=category, actions=actions)
        discovery = cls(config, source)
        discovery._loaded = {name: thing for name, (_, thing) in found.items()}
        return discovery

    @staticmethod
    def discover_actions(folder: Path | str) -> dict[str, dict[str, Any]]:
        """Actions in the code of a folder: name -> {entrypoint, description, input_type, output_type, params_model}.

        Only files that define actions by their syntax are imported.

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
        if not entrypoint:
            raise PluginLoadError(f"action {name!r} has no entrypoint in the config of plugin {self.config.code!r}")
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
    """Actions that the folder's code defines."""
    actions: dict[str, ActionConfig] = {}
    for module in action_modules(source.folder):
        for name, (entrypoint, thing) in _actions_in(loader.load_module(source, module)).items():
            if name in actions:
                raise _two_named(name, actions[name].entrypoint, entrypoint)
            actions[name] = _config_of(name, thing, entrypoint)
    return actions


def _actions_in(module: ModuleType, *, all_names: bool = False) -> dict[str, tuple[str, ActionLike]]:
    """The module's actions with their entrypoints; without `all_names` only those defined in it."""
    actions: dict[str, tuple[str, ActionLike]] = {}
    for attribute, thing in vars(module).items():
        if attribute.startswith("_") or not (is_class_action(thing) or is_function_action(thing)):
            continue
        if thing.__module__ != module.__name__ and (not all_names or sdk.is_of_package(thing)):
            continue
        name, entrypoint = _own_name(thing) or attribute, f"{module.__name__}:{attribute}"
        first, same = actions.setdefault(name, (entrypoint, thing))
        if same is not thing:
            raise _two_named(name, first, entrypoint)
    return actions


def _own_name(action: Any) -> str | None:
    """The name the code gives it; not one that a class inherits from another action."""
    if is_function_action(action):
        return str(action._action_name)
    home = next((base for base in action.__mro__ if vars(base).get("action_name")), action)
    return None if home is not action and is_class_action(home) else action.action_name


def _two_named(name: str, first: str, second: str) -> PluginConfigError:
    return PluginConfigError(
        f"two actions are named {name!r}: {first} and {second}; rename one, or name both in {CONFIG_NAME}"
    )


def _config_of(name: str, action: ActionLike, entrypoint: str) -> ActionConfig:
    return ActionConfig(
        name=name,
        description=description_of(action),
        entrypoint=entrypoint,
        method=getattr(action, "method", RunMethod.TASK),
        params_schema=params_model_of(action),
        input_type=_type_name(getattr(action, "input_type", None)),
        output_type=_type_name(getattr(action, "output_type", None)),
    )


def _source_of_module(module: ModuleType) -> PluginSource | None:
    try:
        return PluginSource.from_module(module.__name__)
    except PluginNotFoundError:
        return None
