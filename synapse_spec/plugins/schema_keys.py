"""What fits a JSON Schema, as the key of a mapping. Pure; called by `schema_generator`."""

from collections.abc import Callable
from typing import Any

Schema = dict[str, Any]

_BOUNDS = {
    "minimum": "formatMinimum",
    "maximum": "formatMaximum",
    "exclusiveMinimum": "formatExclusiveMinimum",
    "exclusiveMaximum": "formatExclusiveMaximum",
}


def as_key(schema: Schema, resolve: Callable[[Schema], Schema]) -> Schema | bool:
    """The schema of a string that pydantic reads as such a value; False where it reads none.

    Args:
        schema: Of the value.
        resolve: Follows a `$ref`.
    """
    whole = resolve(schema)
    branches = whole.get("anyOf", whole.get("oneOf"))
    if branches is not None:
        keys = [key for key in (as_key(branch, resolve) for branch in branches) if key is not False]
        return {"anyOf": keys} if keys else False
    if "enum" in whole or "const" in whole:
        given = whole.get("enum", [whole.get("const")])
        texts = _texts(given, of_enum="title" in whole)
        return (schema if texts == given else {"enum": texts}) if texts else False
    kinds = whole.get("type")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    if "string" in kinds:
        return {word: value for word, value in whole.items() if word not in ("type", "title", *_BOUNDS)}
    if kinds[0] in ("integer", "number", "boolean"):
        return {"format": kinds[0]} | {_BOUNDS[word]: str(whole[word]) for word in _BOUNDS if word in whole}
    return {} if whole == {} else False


def _texts(values: list[Any], *, of_enum: bool) -> list[str]:
    """pydantic reads the whole numbers of an enum from keys, but not those of a Literal."""
    texts = [str(value) if of_enum and type(value) is int else value for value in values]
    return [text for text in texts if isinstance(text, str)]
