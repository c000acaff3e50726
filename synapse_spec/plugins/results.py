"""Makes results JSON-compatible, so that each mode gives the same value; called by `execution.perform`."""

import dataclasses
import datetime
import enum
import math
import uuid
from pathlib import PurePath
from typing import Any

from pydantic import BaseModel

from synapse_spec.plugins.errors import ValidationError

_MAX_DEPTH = 200


def to_json(value: Any, place: str = "result", depth: int = 0) -> Any:
    """`value` as None, bool, int, float, str, list or dict with string keys.

    pydantic models, dataclasses, paths, dates, enums, UUIDs, sets and numpy values are converted.

    Raises:
        ValidationError: Something in it has no JSON form; names the place, such as `result.scores[3]`.
    """
    if depth > _MAX_DEPTH:
        raise ValidationError(f"{place} is nested deeper than {_MAX_DEPTH} levels, or contains itself")
    match value:
        case enum.Enum():
            return to_json(value.value, place, depth + 1)
        case None | bool() | str():
            return value if value is None or isinstance(value, bool) else str(value)
        case int():
            return int(value)
        case float():
            return _finite(float(value), place)
        case dict():
            return {_key(key, place): to_json(item, f"{place}.{key}", depth + 1) for key, item in value.items()}
        case list() | tuple():
            return [to_json(item, f"{place}[{index}]", depth + 1) for index, item in enumerate(value)]
        case BaseModel():
            return to_json(value.model_dump(by_alias=True), place, depth + 1)
    return _converted(value, place, depth)


def _converted(value: Any, place: str, depth: int) -> Any:
    if isinstance(value, PurePath | uuid.UUID):
        return str(value)
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, set | frozenset):
        return [to_json(item, place, depth + 1) for item in sorted(value, key=repr)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return to_json(fields, place, depth + 1)
    if hasattr(value, "tolist"):  # numpy arrays and scalars, torch tensors
        return to_json(value.tolist(), place, depth + 1)
    raise ValidationError(f"{place} is of type {type(value).__name__}, which has no JSON form")


def _finite(number: float, place: str) -> float:
    if not math.isfinite(number):
        raise ValidationError(f"{place} is {number}, which has no JSON form")
    return number


def _key(key: Any, place: str) -> str:
    if isinstance(key, enum.Enum):
        key = key.value
    if isinstance(key, bool) or not isinstance(key, str | int):
        raise ValidationError(f"{place} has a key {key!r} of type {type(key).__name__}; JSON keys are strings")
    return str(key)
