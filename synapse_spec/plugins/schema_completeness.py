"""Whether the JSON Schema of a params model says all that the model itself would. Called by `schemas`.

Only what is known to be told in full counts: plain types with bounds, collections and models of them. A validator, a
schema changed by hand, or a setting that is not listed here may refuse what the schema takes, so the model is asked.
"""

from collections.abc import Callable, Iterator
from pathlib import PurePath
from typing import Any

from pydantic import BaseModel

# Core schema type -> its keys that may be set; any other may narrow what is taken.
_KEYS: dict[str, set[str]] = {
    "any": set(),
    "none": set(),
    "bool": set(),
    "int": {"ge", "gt", "le", "lt"},
    "float": {"ge", "gt", "le", "lt", "allow_inf_nan"},
    "str": {"min_length", "max_length"},
    "literal": {"expected"},
    "enum": {"cls", "members", "sub_type"},
    "list": {"items_schema", "min_length", "max_length"},
    "tuple": {"items_schema", "variadic_item_index"},
    "dict": {"keys_schema", "values_schema", "min_length", "max_length"},
    "nullable": {"schema"},
    "union": {"choices", "mode"},
    "tagged-union": {"choices", "discriminator", "strict", "from_attributes"},
    "default": {"schema", "default", "default_factory", "default_factory_takes_data"},
    "model": {"cls", "schema", "config", "custom_init", "root_model", "generic_origin"},
    "model-fields": {"fields", "model_name", "computed_fields"},
    "model-field": {"schema", "validation_alias", "serialization_alias", "serialization_exclude", "frozen"},
    "definitions": {"schema", "definitions"},
    "definition-ref": {"schema_ref"},
}
_EVERYWHERE = {"type", "ref", "metadata", "serialization"}
_INNER = ("schema", "items_schema", "keys_schema", "values_schema", "choices", "fields", "definitions")
# Settings of a model that change nothing of what it takes, or that the schema tells.
_SETTINGS = {
    "arbitrary_types_allowed",
    "extra",
    "frozen",
    "protected_namespaces",
    "title",
    "use_attribute_docstrings",
    "use_enum_values",
    "validate_assignment",
}
_WORDS_FOR_PEOPLE = {"title", "description", "examples", "deprecated"}
_PLAIN_FACTORIES = (dict, list, str, int, float, bool)


def says_all(model: type[BaseModel]) -> bool:
    """Whether the model takes whatever fits its schema, in so far as that can be known.

    Whole numbers that are written with a point and are 2**63 or more are left out of this: the model takes none.
    """
    pending: list[Any] = [model.__pydantic_core_schema__]
    while pending:
        schema = pending.pop()
        if not _is_path(schema):
            if not _is_known(schema):
                return False
            pending += _inner(schema)
    return True


def _is_known(schema: dict[str, Any]) -> bool:
    kind = schema["type"]
    test = _TESTS.get(kind)
    return (
        kind in _KEYS
        and schema.keys() <= _KEYS[kind] | _EVERYWHERE
        and _is_untouched(schema.get("metadata", {}))
        and (test is None or test(schema))
    )


def _inner(schema: dict[str, Any]) -> Iterator[Any]:
    for name in _INNER:
        inner = schema.get(name, ())
        if isinstance(inner, dict) and isinstance(inner.get("type"), str):  # a mapping of fields may have a "type" too
            yield inner
        else:
            yield from inner.values() if isinstance(inner, dict) else inner


def _is_untouched(metadata: dict[str, Any]) -> bool:
    """Whether nobody but pydantic has a say in the JSON Schema, descriptions aside."""
    return (
        metadata.keys() <= {"pydantic_js_functions", "pydantic_js_updates"}
        and metadata.get("pydantic_js_updates", {}).keys() <= _WORDS_FOR_PEOPLE
        and all(_is_pydantics(function) for function in metadata.get("pydantic_js_functions", ()))
    )


def _is_pydantics(function: Any) -> bool:
    return getattr(function, "__module__", "") in ("pydantic.main", "pydantic._internal._generate_schema")


def _is_path(schema: dict[str, Any]) -> bool:
    """Whether it is that of a path, as pydantic makes it: it takes any text."""
    *first, last = schema.get("lax_schema", {}).get("choices") or [{}]
    return (
        schema["type"] == "lax-or-strict"
        and [item.get("type") for item in first] == ["json-or-python"]
        and issubclass(first[0]["python_schema"]["cls"], PurePath)
        and _is_pydantics(last.get("function", {}).get("function"))
    )


def _is_plain_model(schema: dict[str, Any]) -> bool:
    cls = schema["cls"]
    return (
        not schema.get("custom_init")
        and not schema.get("root_model")
        and cls.model_config.keys() <= _SETTINGS
        and cls.model_validate.__func__ is BaseModel.model_validate.__func__  # type: ignore[attr-defined]
    )


_TESTS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "literal": lambda schema: all(isinstance(value, str) for value in schema["expected"]),
    "enum": lambda schema: all(isinstance(member.value, str) for member in schema["members"]),
    "dict": lambda schema: schema.get("keys_schema") in (None, {"type": "str"}),
    "tagged-union": lambda schema: isinstance(schema["discriminator"], str) and not schema.get("strict"),
    "default": lambda schema: schema.get("default_factory", dict) in _PLAIN_FACTORIES,
    "model": _is_plain_model,
    "model-field": lambda schema: isinstance(schema.get("validation_alias", ""), str),
}
