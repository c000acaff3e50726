"""JSON Schema of an action's params and result, draft 2020-12. Used by discovery and by the schema export above."""

from typing import Any, Literal

from pydantic import BaseModel
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic_core import PydanticOmit

from synapse_spec.plugins import sdk
from synapse_spec.plugins.action import ActionLike, description_of, params_model_of, result_model_of
from synapse_spec.plugins.errors import PluginLoadError
from synapse_spec.plugins.schema_completeness import says_all
from synapse_spec.plugins.schema_generator import ParamsSchema
from synapse_spec.plugins.source import PluginSource


def facts_of(source: PluginSource, entrypoint: str) -> dict[str, Any]:
    """What the code of an action says of it: description, params, result, and whether the params are complete.

    Raises:
        PluginLoadError: The code does not import, or a schema cannot be made.
    """
    from synapse_spec.plugins.execution import load_action

    action = load_action(source, entrypoint)
    return {
        "description": description_of(action),
        "params": params_schema(action),
        "result": result_schema(action),
        "complete": is_complete(action),
    }


def params_schema(action: ActionLike) -> dict[str, Any]:
    """What a spec may write under `params`; unknown names are refused, at any depth, unless a model says otherwise.

    Raises:
        PluginLoadError: A param is required that YAML has no values for.
    """
    model = params_model_of(action)
    if model is None:
        return {"type": "object"}
    schema = _schema_of(model, "validation")
    if sdk.fills_params(action, model):
        schema.pop("required", None)
    return schema


def result_schema(action: ActionLike) -> dict[str, Any] | None:
    """What the result looks like, or None where the action declares nothing.

    Raises:
        PluginLoadError: A field of it has no form in JSON.
    """
    model = result_model_of(action)
    # Results of the SDK's actions have their fields by name.
    return None if model is None else _schema_of(model, "serialization", by_alias=not sdk.owns(action))


def is_complete(action: ActionLike) -> bool:
    """Whether the params model takes all that fits `params_schema`, so that it need not be asked."""
    model = params_model_of(action)
    return model is None or says_all(model)


def _schema_of(
    model: type[BaseModel], mode: Literal["validation", "serialization"], *, by_alias: bool = True
) -> dict[str, Any]:
    try:
        return _with_root(model.model_json_schema(by_alias=by_alias, mode=mode, schema_generator=ParamsSchema))
    except (PydanticInvalidForJsonSchema, PydanticOmit) as error:
        raise PluginLoadError(f"{model.__name__}: {getattr(error, 'message', 'it has no form in JSON')}") from None


def _with_root(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a recursive model is a mere `$ref`; its keywords belong at the root, where readers look."""
    name = str(schema.get("$ref", "")).removeprefix("#/$defs/")
    return {**schema["$defs"][name], "$defs": schema["$defs"]} if name in schema.get("$defs", {}) else schema
