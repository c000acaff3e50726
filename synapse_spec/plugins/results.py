"""Makes results JSON-compatible, so that each mode gives the same value; called by `execution.perform`."""

import dataclasses
import datetime
import decimal
import enum
import math
import uuid
from pathlib import PurePath
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from synapse_spec.plugins.errors import ValidationError

_MAX_DEPTH = 200
_MAX_BITS = 14_000
# Their JSON form is pydantic's, so that a value is the same inside a model and outside.
_AS_PYDANTIC = (
    PurePath,
    uuid.UUID,
    decimal.Decimal,
    datetime.date,
    datetime.time,
    datetime.timedelta,
)


def to_json(value: Any, place: str = "result", depth: int = 0) -> Any:
    """`value` as None, bool, int, float, str, list or dict with string keys.

    pydantic models, dataclasses, paths, dates, enums, UUIDs, sets and numpy values are converted.

    Raises:
        ValidationError: Something in it has no JSON form; names the place, such as `result.scores[3]`.
    """
    if depth > _MAX_DEPTH:
        place = f"{place[:60]}…"
        raise ValidationError(f"{place} is nested deeper than {_MAX_DEPTH} levels, or contains itself")
    match value:
        case enum.Enum():
            return to_json(value.value, place, depth + 1)
        case None | bool():
            return value
        case str():
            return _text(str(value), place)
        case int():
            return _writable(int(value), place)
        case float():
            return _finite(float(value), place)
        case dict():
            return _mapping(value, place, depth)
        case list() | tuple():
            return [to_json(item, f"{place}[{index}]", depth + 1) for index, item in enumerate(value)]
        case BaseModel():
            return to_json(_dumped(value, place, depth), place, depth + 1)
    return _converted(value, place, depth)


def _converted(value: Any, place: str, depth: int) -> Any:
    if isinstance(value, _AS_PYDANTIC):
        return _text(str(to_jsonable_python(value, fallback=str)), place)
    if isinstance(value, set | frozenset):
        return [to_json(item, place, depth + 1) for item in sorted(value, key=repr)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return to_json(fields, place, depth + 1)
    if hasattr(value, "tolist"):  # numpy arrays and scalars, torch tensors
        return to_json(value.tolist(), place, depth + 1)
    raise ValidationError(f"{place} is of type {type(value).__name__}, which has no JSON form")


def _dumped(model: BaseModel, place: str, depth: int) -> Any:
    """As the model's JSON Schema has it; what pydantic cannot serialize is converted as elsewhere."""
    try:
        return model.model_dump(mode="json", by_alias=True, fallback=lambda item: to_json(item, place, depth + 1))
    except (ValueError, RecursionError) as error:
        raise ValidationError(f"{place} has no JSON form: {error}") from None


def _mapping(value: dict[Any, Any], place: str, depth: int) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for key, item in value.items():
        name = _key(key, place)
        if name in plain:
            raise ValidationError(f"{place} has two keys {name!r}, once as text and once as a number")
        plain[name] = to_json(item, f"{place}.{name}", depth + 1)
    return plain


def _writable(number: int, place: str) -> int:
    if number.bit_length() > _MAX_BITS:  # Python refuses to write longer ones as decimal text
        raise ValidationError(f"{place} is an integer of more than 4,200 digits")
    return number


def _finite(number: float, place: str) -> float:
    if not math.isfinite(number):
        raise ValidationError(f"{place} is {number}, which has no JSON form")
    return number


def _text(text: str, place: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValidationError(f"{place} is text with a lone surrogate, which has no JSON form") from None
    return text


def _key(key: Any, place: str) -> str:
    if isinstance(key, enum.Enum):
        key = key.value
    if hasattr(key, "item"):  # numpy's scalars
        key = key.item()
    if isinstance(key, bool) or not isinstance(key, str | int):
        raise ValidationError(f"{place} has a key {key!r} of type {type(key).__name__}; JSON keys are strings")
    return _text(str(key), f"{place} has a key {key!r}, which")
