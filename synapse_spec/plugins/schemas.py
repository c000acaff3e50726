"""JSON Schema of an action's params and result, draft 2020-12. Used by discovery and by the schema export above."""

from typing import Any

from synapse_spec.plugins.action import ActionLike, params_model_of, result_model_of


def params_schema(action: ActionLike) -> dict[str, Any]:
    """What a spec may write under `params`; unknown names are refused unless the model takes extras."""
    model = params_model_of(action)
    if model is None:
        return {"type": "object"}
    schema = model.model_json_schema(mode="validation")
    if model.model_config.get("extra") != "allow":
        schema.setdefault("additionalProperties", False)
    return schema


def result_schema(action: ActionLike) -> dict[str, Any] | None:
    """What the result looks like, or None where the action declares nothing."""
    model = result_model_of(action)
    return None if model is None else model.model_json_schema(mode="serialization")
