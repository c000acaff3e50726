"""pydantic's JSON Schema of a params model, made to take what the model takes from YAML. Called by `schemas`.

pydantic's own schema is for people: it leaves out the bounds of dates, keys that are no strings, other names of a field
and more. Here a value fits the schema where the model takes it as strict JSON, but for this: a duration may also be a
number of seconds; names a model does not know are refused unless it says what to do with `extra`; what is in a set is
given once; a param whose type has no values in YAML, such as a function, is left out.

What JSON Schema has no keyword for has one of ours, which `spec/formats.py` asserts and other tools pass over.
"""

import json
import re
from collections.abc import Sequence
from enum import Flag
from typing import Any

from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import PydanticOmit, SchemaError, SchemaValidator, ValidationError, to_jsonable_python

from synapse_spec.plugins.schema_keys import as_key
from synapse_spec.plugins.schema_names import rename

Schema = dict[str, Any]

_BOUNDS = {
    "ge": "formatMinimum",
    "le": "formatMaximum",
    "gt": "formatExclusiveMinimum",
    "lt": "formatExclusiveMaximum",
    "tz_constraint": "timeZone",
}
_NUMBER_BOUNDS = {"ge": "minimum", "le": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum"}
_DIGITS = {"decimal_places": "decimalPlaces", "max_digits": "maxDigits"}
_ANY: Any = {"type": "any"}


class ParamsSchema(GenerateJsonSchema):
    """pydantic's generator; in mode "serialization", for results, what it makes is mostly left as it is."""

    def render_warning_message(self, kind: Any, detail: str) -> None:
        """No warnings: what is left out can be seen."""

    # What has no values in YAML

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> Schema:
        if self.mode == "serialization":
            return super().handle_invalid_for_json_schema(schema, error_info)
        raise PydanticOmit

    def is_subclass_schema(self, schema: Any) -> Schema:
        return self.handle_invalid_for_json_schema(schema, "a class")

    def function_plain_schema(self, schema: Any) -> Schema:
        known = self.mode == "serialization" or "json_schema_input_schema" in schema
        return super().function_plain_schema(schema) if known else {}

    # Scalars

    def str_schema(self, schema: Any) -> Schema:
        found = super().str_schema(schema)
        pattern = schema.get("pattern")
        flags = "".join(letter for letter in "imsx" if getattr(pattern, "flags", 0) & getattr(re, letter.upper()))
        if flags:
            found["pattern"] = f"(?{flags}){found['pattern']}"
        strips = schema.get("strip_whitespace", self._config.str_strip_whitespace)
        if strips and found.get("minLength") and "pattern" not in found:
            found |= {"pattern": r"\S", "patternErrorMessage": "must not be blank"}
        return found

    def bytes_schema(self, schema: Any) -> Schema:
        read_as = self._config.val_json_bytes
        found = super().bytes_schema(schema)
        if self.mode == "serialization":
            return found
        found = {"type": "string", "format": "binary" if read_as == "utf8" else f"bytes-{read_as}"}
        return found | _words({"min_length": "minBytes", "max_length": "maxBytes"}, schema)

    def date_schema(self, schema: Any) -> Schema:
        return self._bounded(super().date_schema(schema), schema)

    def time_schema(self, schema: Any) -> Schema:
        return self._bounded(super().time_schema(schema), schema)

    def datetime_schema(self, schema: Any) -> Schema:
        return self._bounded(super().datetime_schema(schema), schema)

    def timedelta_schema(self, schema: Any) -> Schema:
        found = self._bounded(super().timedelta_schema(schema), schema)
        if self.mode == "serialization":
            return found
        seconds = {
            word: _number(schema[name].total_seconds()) for name, word in _NUMBER_BOUNDS.items() if name in schema
        }
        return found | {"type": ["string", "number"]} | seconds

    def decimal_schema(self, schema: Any) -> Schema:
        if self.mode == "serialization":
            return super().decimal_schema(schema)
        numbers = {word: _number(schema[name]) for name, word in _NUMBER_BOUNDS.items() if schema.get(name) is not None}
        found = {"type": ["number", "string"], "format": "decimal"} | numbers | _words(_DIGITS, schema)
        if schema.get("multiple_of") is not None:
            found["decimalMultipleOf"] = str(schema["multiple_of"])
        return self._bounded(found, schema)

    def complex_schema(self, schema: Any) -> Schema:
        return {"type": ["number", "string"], "format": "complex"} if self.mode == "validation" else {"type": "string"}

    def uuid_schema(self, schema: Any) -> Schema:
        return super().uuid_schema(schema) | {"format": f"uuid{schema.get('version', '')}"}

    def url_schema(self, schema: Any) -> Schema:
        return super().url_schema(schema) | _words({"allowed_schemes": "schemes"}, schema)

    def multi_host_url_schema(self, schema: Any) -> Schema:
        return super().multi_host_url_schema(schema) | _words({"allowed_schemes": "schemes"}, schema)

    def json_schema(self, schema: Any) -> Schema:
        found = super().json_schema(schema)
        return found | {"format": "json-string"} if self.mode == "validation" else found

    def float_schema(self, schema: Any) -> Schema:
        found = super().float_schema(schema)
        if "multipleOf" in found:
            found["multipleOf"] = float(found["multipleOf"])
        return found

    def literal_schema(self, schema: Any) -> Schema:
        return self._without_strangers(super().literal_schema(schema), schema)

    def enum_schema(self, schema: Any) -> Schema:
        found = super().enum_schema(schema)
        if self.mode == "serialization" or not issubclass(schema["cls"], Flag):
            return self._without_strangers(found, schema)
        del found["enum"]
        together = sum(member.value for member in schema["cls"])  # which goes through the single bits
        bounds = {} if issubclass(schema["cls"], int) else {"minimum": 0, "maximum": together}
        return found | {"type": "integer"} | bounds

    def _bounded(self, found: Schema, schema: Any) -> Schema:
        if self.mode == "serialization":
            return found
        return found | {word: str(bound) for word, bound in _words(_BOUNDS, schema).items()}

    def _without_strangers(self, found: Schema, schema: Any) -> Schema:
        """Without those values that the model does not know again when they come as JSON, such as tuples."""
        given = found.get("enum", [found["const"]] if "const" in found else [])
        try:
            reader = SchemaValidator({key: value for key, value in schema.items() if key != "ref"})
        except SchemaError:
            return found
        known = [value for value in given if _takes(reader, value)]
        if known == given or self.mode == "serialization":
            return found
        if not known:
            raise PydanticOmit
        rest = {key: value for key, value in found.items() if key not in ("enum", "const", "type")}
        return rest | {"enum": known}

    # Lists and mappings

    def dict_schema(self, schema: Any) -> Schema:
        if self.mode == "serialization":
            return super().dict_schema(schema)
        found: Schema = {"type": "object"}
        keys = as_key(self.generate_inner(schema.get("keys_schema", _ANY)), self.resolve_ref_schema)
        if keys != {}:
            found["propertyNames"] = keys
        found["additionalProperties"] = self.generate_inner(schema.get("values_schema", _ANY)) or True
        self.update_with_validations(found, schema, self.ValidationsMapping.object)
        return found

    counter_schema = ordered_dict_schema = frozendict_schema = dict_schema

    def named_tuple_schema(self, schema: Any) -> Schema:
        found = super().named_tuple_schema(schema)
        return self._by_name_too(found, [field["name"] for field in schema["fields"]])

    def p_arguments_schema(self, arguments: Any, var_args_schema: Any) -> Schema:  # named tuples of older pydantics
        found = super().p_arguments_schema(arguments, var_args_schema)
        return self._by_name_too(found, [argument["name"] for argument in arguments])

    def tagged_union_schema(self, schema: Any) -> Schema:
        found = super().tagged_union_schema(schema)
        if callable(schema["discriminator"]):  # more than one may fit; the function says which is meant
            found["anyOf"] = found.pop("oneOf")
        elif "discriminator" in found:  # pydantic asks for the name even where it has a default
            found["required"] = [found["discriminator"]["propertyName"]]
        return found

    def _by_name_too(self, found: Schema, names: Sequence[str]) -> Schema:
        if self.mode == "serialization":
            return found
        fields = dict(zip(names, found.get("prefixItems", ()), strict=False))
        by_name = {"type": "object", "properties": fields, "additionalProperties": False}
        needed = list(fields)[: found.get("minItems", 0)]
        return {"anyOf": [found, by_name | ({"required": needed} if needed else {})]}

    # Models

    def model_schema(self, schema: Any) -> Schema:
        return self._closed(super().model_schema(schema), schema["cls"].model_config)

    def dataclass_schema(self, schema: Any) -> Schema:
        return self._closed(super().dataclass_schema(schema), getattr(schema["cls"], "__pydantic_config__", None))

    def typed_dict_schema(self, schema: Any) -> Schema:
        found = self._named(super().typed_dict_schema(schema), schema["fields"].items(), schema.get("total", True))
        return self._closed(found, getattr(schema.get("cls"), "__pydantic_config__", None))

    def model_fields_schema(self, schema: Any) -> Schema:
        return self._named(super().model_fields_schema(schema), schema["fields"].items())

    def dataclass_args_schema(self, schema: Any) -> Schema:
        found = super().dataclass_args_schema(schema)
        return self._named(found, [(field["name"], field) for field in schema["fields"]])

    def _closed(self, found: Schema, config: Any) -> Schema:
        if self.mode == "validation" and "properties" in found:
            found.setdefault("additionalProperties", "extra" in (config or {}))
        return found

    def _named(self, found: Schema, fields: Any, total: bool = True) -> Schema:
        """With all names by which each field may be given."""
        if self.mode == "serialization":
            return found
        for name, field in fields:
            paths = self._paths(name, field)
            shown = next(
                (path[0] for path in [*paths, [name]] if len(path) == 1 and path[0] in found["properties"]), None
            )
            needed = self.field_is_required(field, total)
            if shown is None:
                if needed:
                    message = f"the param {name!r} is required, and YAML has no values of its type"
                    raise PydanticInvalidForJsonSchema(message)
            elif paths != [[shown]]:
                once = self._config.config_dict.get("extra", "forbid") == "forbid"
                rename(found, shown, paths, needed=needed, once=once)
        return found

    def _paths(self, name: str, field: Any) -> list[list[str | int]]:
        """The places where pydantic looks for a field's value, first things first."""
        alias = field.get("validation_alias") if self._config.validate_by_alias is not False else None
        if alias is None:
            return [[name]]
        paths: list[list[str | int]] = [[alias]] if isinstance(alias, str) else list(alias)
        if isinstance(alias, list) and isinstance(alias[0], str):
            paths = [alias]
        by_name = self._config.validate_by_name or self._config.populate_by_name
        return [*paths, [name]] if by_name and [name] not in paths else paths


def _words(names: dict[str, str], schema: Any) -> Schema:
    """The constraints of a core schema under other names, as JSON."""
    return {word: to_jsonable_python(schema[name]) for name, word in names.items() if schema.get(name) is not None}


def _number(value: Any) -> int | float:
    return int(value) if value == int(value) else float(value)


def _takes(reader: SchemaValidator, value: Any) -> bool:
    try:
        reader.validate_json(json.dumps(value), strict=True)
    except ValidationError:
        return False
    return True
