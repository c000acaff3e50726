"""config.yaml as models: what a plugin says of itself. Read by discovery."""

import time
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic import ValidationError as ModelError

from synapse_spec.plugins import yaml
from synapse_spec.plugins.enums import DataType, PackageManager, PluginCategory, RunMethod
from synapse_spec.plugins.errors import PluginConfigError

_OPEN = ConfigDict(extra="allow", arbitrary_types_allowed=True)


class ActionConfig(BaseModel):
    """One entry of `actions`; fields we do not know are kept."""

    model_config = _OPEN

    name: str = Field(description="The key in `actions`, whatever is written here.")
    description: str = Field(default="", description="What the action does, for people.")
    entrypoint: str = Field(default="", description="The class or function: `package.module:Name`, or with dots alone.")
    method: RunMethod = Field(
        default=RunMethod.TASK, description="How the platform runs it; a spec's `mode` is its own."
    )
    params_schema: type[BaseModel] | dict[str, Any] | None = Field(
        default=None, exclude=True, description="JSON Schema of the params; the code's own params model counts."
    )
    input_type: str | None = Field(default=None, description="Kind of data that the action takes.")
    output_type: str | None = Field(default=None, description="Kind of data that the action gives.")
    serve_options: dict[str, Any] | None = Field(default=None, description="Options of a Ray Serve deployment.")


class PluginRequires(BaseModel):
    """Versions a plugin asks for, as PEP 440 specifiers."""

    model_config = _OPEN

    sdk: str | None = Field(default=None, description="Versions of the SDK, such as `>=2026.1`.")
    python: str | None = Field(default=None, description="Versions of Python, such as `>=3.12`.")
    cuda: str | None = Field(default=None, description="Versions of CUDA.")


class PluginConfig(BaseModel):
    """A whole config.yaml; fields we do not know are kept."""

    model_config = _OPEN

    name: str = Field(min_length=1, description="The plugin's name, for people.")
    code: str = Field(min_length=1, description="The plugin's short name, for tools; schemas are exported under it.")
    version: str = Field(default="0.1.0", description="The plugin's version.")
    variant: str | None = Field(default=None, description="Tells variants of one plugin apart.")
    category: PluginCategory = Field(default=PluginCategory.CUSTOM, description="What the plugin is for.")
    description: str = Field(default="", description="What the plugin does, for people.")
    readme: str = Field(default="README.md", description="Its page for people, relative to this folder.")
    package_manager: PackageManager = Field(
        default=PackageManager.PIP, description="What installs requirements.txt for tasks and jobs."
    )
    package_manager_options: list[str] = Field(
        default_factory=list, description="Further options of the package manager."
    )
    wheels_dir: str = Field(default="wheels", description="Folder of wheels that are shipped with the plugin.")
    env: dict[str, str] = Field(
        default_factory=dict, description="Environment variables of all actions; a spec's `env` goes before it."
    )
    runtime_env: dict[str, Any] = Field(
        default_factory=dict, description="Ray runtime_env of tasks and jobs; a spec's `runtimeEnv` goes before it."
    )
    data_type: DataType | None = Field(default=None, description="Kind of data that the plugin works on.")
    tasks: list[str] | None = Field(default=None, description="What its models do, such as `image.object_detection`.")
    supported_data_types: list[str] = Field(
        default_factory=list,
        validation_alias=AliasChoices("supported_data_types", "supported_data_type"),
        description="Kinds of data that it can work on.",
    )
    supported_annotation_tools: dict[str, list[str]] | list[str] | None = Field(
        default=None, description="Annotation tools that it can work with."
    )
    annotation_category: str | None = Field(default=None, description="Category of the annotations that it makes.")
    annotation_type: str | None = Field(default=None, description="Type of the annotations that it makes.")
    smart_tool: str | None = Field(default=None, description="Kind of smart tool.")
    requires: PluginRequires | None = Field(default=None, description="Versions that the plugin needs.")
    dependencies: dict[str, str] = Field(
        default_factory=dict, description="Other plugins that it needs: code to versions."
    )
    tags: list[str] = Field(default_factory=list, description="Words to find the plugin by.")
    actions: dict[str, ActionConfig] = Field(
        default_factory=dict, description="What can be run, by name; without any the code is searched for actions."
    )

    @field_validator("version", mode="before")
    @classmethod
    def _version_as_text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value

    @field_validator("env", mode="before")
    @classmethod
    def _env_as_text(cls, value: Any) -> Any:
        """An environment holds strings; numbers and booleans are written as YAML writes them."""
        if not isinstance(value, dict):
            return value
        return {name: item if isinstance(item, dict | list) else text_of(item) for name, item in value.items()}

    @field_validator("supported_data_types", mode="before")
    @classmethod
    def _one_as_list(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @model_validator(mode="before")
    @classmethod
    def _action_forms(cls, data: Any) -> Any:
        """`train: plugin.train:Train` is short for an entry with that entrypoint; the key is the name."""
        data = _without_blanks(data, cls)
        if not isinstance(data, dict) or not isinstance(data.get("actions"), dict):
            return data
        actions: dict[str, Any] = {}
        for name, entry in data["actions"].items():
            if isinstance(entry, str):
                entry = {"entrypoint": entry}
            if isinstance(entry, dict):
                entry = _without_blanks(entry, ActionConfig) | {"name": name}
            actions[name] = entry
        return data | {"actions": actions}


def _without_blanks(data: Any, model: type[BaseModel]) -> Any:
    """`tags:` with nothing after it is as if it were left out; unknown fields stay as they are."""
    if not isinstance(data, dict):
        return data
    known = {*model.model_fields, "supported_data_type"}
    return {key: value for key, value in data.items() if value is not None or key not in known}


def text_of(value: Any) -> str:
    """An environment value as text: true and false in lower case, nothing for null."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


_known: dict[Path, tuple[tuple[int, ...], PluginConfig]] = {}
_SETTLED_NS = 1_000_000_000


def read_config(path: Path) -> PluginConfig:
    """The config at `path`.

    Raises:
        PluginConfigError: Not there, not YAML, empty, no mapping, or not as the model wants it; `details` has
            {path, line, column}.
    """
    try:
        state = _state(path)
        known = _known.get(path)
        if known is not None and known[0] == state:
            return known[1].model_copy()
        data = path.read_bytes()
    except OSError as error:
        raise PluginConfigError(f"{path} cannot be read: {error.strerror}", _place(path)) from None
    config = _parsed(path, data)
    if time.time_ns() - state[0] > _SETTLED_NS:  # an edit within one tick of the clock would not show
        _known[path] = state, config
    return config.model_copy()


def _state(path: Path) -> tuple[int, ...]:
    info = path.stat()
    return (info.st_ctime_ns, info.st_mtime_ns, info.st_size, info.st_ino)


def _parsed(path: Path, data: bytes) -> PluginConfig:
    try:
        documents = yaml.parse(data, yaml.MAX_VALUES)
    except yaml.YamlError as error:
        message = f"{path.name} is not valid YAML: {error.message}"
        raise PluginConfigError(message, _place(path, error.line, error.column)) from None
    if len(documents) > 1:
        line = yaml.locate(data, 1, ()).line
        raise PluginConfigError(f"{path.name} has {len(documents)} documents; it must have one", _place(path, line))
    content = documents[0] if documents else None
    if not isinstance(content, dict):
        found = "empty" if content is None else f"a {type(content).__name__}"
        message = f"{path.name} is {found}; it must be a mapping with name, code and actions"
        raise PluginConfigError(message, _place(path))
    try:
        return PluginConfig.model_validate(content)
    except ModelError as error:
        from synapse_spec.plugins.config_words import place_and_words

        place, words = place_and_words(error.errors(include_url=False)[0], content)
        span = yaml.locate(data, 0, place)
        raise PluginConfigError(f"{path.name}: {words}", _place(path, span.line, span.column)) from None


def _place(path: Path, line: int = 1, column: int = 1) -> dict[str, Any]:
    return {"path": str(path), "line": line, "column": column}
