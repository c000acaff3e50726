"""config.yaml as models: what a plugin says of itself. Read by discovery."""

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

    name: str
    description: str = ""
    entrypoint: str = ""
    method: RunMethod = RunMethod.TASK
    params_schema: type[BaseModel] | dict[str, Any] | None = Field(default=None, exclude=True)
    input_type: str | None = None
    output_type: str | None = None
    serve_options: dict[str, Any] | None = None


class PluginRequires(BaseModel):
    """Versions a plugin asks for, as PEP 440 specifiers."""

    model_config = _OPEN

    sdk: str | None = None
    python: str | None = None
    cuda: str | None = None


class PluginConfig(BaseModel):
    """A whole config.yaml; fields we do not know are kept."""

    model_config = _OPEN

    name: str = Field(min_length=1)
    code: str = Field(min_length=1)
    version: str = "0.1.0"
    variant: str | None = None
    category: PluginCategory = PluginCategory.CUSTOM
    description: str = ""
    readme: str = "README.md"
    package_manager: PackageManager = PackageManager.PIP
    package_manager_options: list[str] = Field(default_factory=list)
    wheels_dir: str = "wheels"
    env: dict[str, str] = Field(default_factory=dict)
    runtime_env: dict[str, Any] = Field(default_factory=dict)
    data_type: DataType | None = None
    tasks: list[str] | None = None
    supported_data_types: list[str] = Field(
        default_factory=list, validation_alias=AliasChoices("supported_data_types", "supported_data_type")
    )
    supported_annotation_tools: list[str] | None = None
    annotation_category: str | None = None
    annotation_type: str | None = None
    smart_tool: str | None = None
    requires: PluginRequires | None = None
    dependencies: dict[str, str] = Field(default_factory=dict)
    tags: list[str] = Field(default_factory=list)
    actions: dict[str, ActionConfig] = Field(default_factory=dict)

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


def read_config(path: Path) -> PluginConfig:
    """The config at `path`.

    Raises:
        PluginConfigError: Not there, not YAML, empty, no mapping, or not as the model wants it; `details` has
            {path, line, column}.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PluginConfigError(f"{path} cannot be read: {error.strerror}", _place(path)) from None
    try:
        documents = yaml.parse(data)
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
        first = error.errors(include_url=False, include_context=False)[0]
        span = yaml.locate(data, 0, first["loc"])
        message = f"{path.name}: {'.'.join(map(str, first['loc'])) or 'config'}: {first['msg']}"
        raise PluginConfigError(message, _place(path, span.line, span.column)) from None


def _place(path: Path, line: int = 1, column: int = 1) -> dict[str, Any]:
    return {"path": str(path), "line": line, "column": column}
