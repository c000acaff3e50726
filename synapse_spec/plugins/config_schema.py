"""The JSON Schema of config.yaml, for editors: it takes what the model takes. Called by the schema export."""

from typing import Any

from synapse_spec.plugins.config import PluginConfig

_SCALARS = {"type": ["string", "number", "boolean", "null"]}


def config_schema() -> dict[str, Any]:
    """The schema, draft 2020-12; unknown keys are taken, as plugins may have keys for other tools."""
    schema = PluginConfig.model_json_schema(mode="validation")
    definitions, properties = schema["$defs"], schema["properties"]
    action = definitions["ActionConfig"]
    action["required"] = []
    action["properties"]["name"] = {"description": action["properties"]["name"]["description"]}
    action["properties"]["params_schema"] |= {"anyOf": [{"type": "object"}, {"type": "null"}]}
    properties["version"]["type"] = ["string", "number"]
    properties["env"]["additionalProperties"] = _SCALARS
    types = properties["supported_data_types"]
    types |= {"type": ["array", "string"]}
    properties["supported_data_type"] = types | {"description": "The same as supported_data_types."}
    properties["actions"]["additionalProperties"] = {
        "description": "An action: its entrypoint, or a mapping with it.",
        "anyOf": [{"type": "string"}, {"$ref": "#/$defs/ActionConfig"}],
    }
    for part, required in ((schema, schema["required"]), (action, ())):
        for name, item in part["properties"].items():
            item.pop("title", None)
            if name not in required:
                part["properties"][name] = _or_left_empty(item)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "config.yaml",
        "description": "A plugin: what it is called, and which actions it has.",
    }


def _or_left_empty(schema: dict[str, Any]) -> dict[str, Any]:
    """A key with nothing after it counts as left out."""
    if "type" in schema:
        types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        return schema | {"type": [*types, "null"]}
    if "$ref" in schema:
        notes = {key: value for key, value in schema.items() if key != "$ref"}
        return notes | {"anyOf": [{"$ref": schema["$ref"]}, {"type": "null"}]}
    return schema
