"""What a schema's formats and patterns take, read by pydantic's own readers, so that schema and params model agree.

Called by `check` and `explain`, which assert the same with jsonschema-rs and jsonschema. A format that is not here says
what a value is for, not which are valid: whether a path exists depends on where the action runs. Besides what JSON
Schema knows, `plugins/schemas.py` writes bounds on strings (`formatMinimum: "2024-01-01"`), digits of decimal numbers,
schemes of URLs, the bytes of a text, and whether a time has a time zone.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

Test = Callable[[Any], bool]

# Formats that are a type of pydantic_core, as its schemas write them.
_CORE: dict[str, dict[str, Any]] = {
    "date": {"type": "date"},
    "date-time": {"type": "datetime"},
    "time": {"type": "time"},
    "duration": {"type": "timedelta"},
    "decimal": {"type": "decimal"},
    "complex": {"type": "complex"},
    "uuid": {"type": "uuid"},
    **{f"uuid{version}": {"type": "uuid", "version": version} for version in (1, 3, 4, 5, 6, 7, 8)},
    "uri": {"type": "url"},
    "multi-host-uri": {"type": "multi-host-url"},
    "binary": {"type": "bytes"},
    "bytes-base64": {"type": "bytes", "config": {"val_json_bytes": "base64"}},
    "bytes-hex": {"type": "bytes", "config": {"val_json_bytes": "hex"}},
}
# What a number or truth value is as the key of a mapping.
_KEYS = {"integer": {"type": "int"}, "number": {"type": "float"}, "boolean": {"type": "bool"}}
# Formats that pydantic reads by a function: module and name.
_FUNCTIONS = {
    "ipv4": ("ipaddress", "IPv4Address"),
    "ipv6": ("ipaddress", "IPv6Address"),
    "ipv4network": ("ipaddress", "IPv4Network"),
    "ipv6network": ("ipaddress", "IPv6Network"),
    "ipv4interface": ("ipaddress", "IPv4Interface"),
    "ipv6interface": ("ipaddress", "IPv6Interface"),
    "ipvanyaddress": ("ipaddress", "ip_address"),
    "ipvanynetwork": ("ipaddress", "ip_network"),
    "ipvanyinterface": ("ipaddress", "ip_interface"),
    "fraction": ("fractions", "Fraction"),
    "regex": ("re", "compile"),
    "base64": ("base64", "b64decode"),
    "base64url": ("base64", "urlsafe_b64decode"),
    "json-string": ("json", "loads"),
    "email": ("pydantic", "validate_email"),
    "name-email": ("pydantic", "validate_email"),
}
# Keywords that constrain a format -> the constraint's name in pydantic_core.
_CONSTRAINTS = {
    "formatMinimum": "ge",
    "formatMaximum": "le",
    "formatExclusiveMinimum": "gt",
    "formatExclusiveMaximum": "lt",
    "decimalMultipleOf": "multiple_of",
    "decimalPlaces": "decimal_places",
    "maxDigits": "max_digits",
    "minBytes": "min_length",
    "maxBytes": "max_length",
    "schemes": "allowed_schemes",
    "timeZone": "tz_constraint",
}
_NAMES = {
    "date": "a date, such as '2024-01-31'",
    "date-time": "a date and time, such as '2024-01-31T10:30:00Z'",
    "time": "a time, such as '10:30:00'",
    "duration": "a duration: a number of seconds, or such as 'PT1H30M' or '01:30:00'",
    "decimal": "a decimal number, such as '1.50'",
    "fraction": "a fraction, such as '1/3'",
    "complex": "a complex number, such as '1+2j'",
    "uri": "a URL, such as 'https://example.org'",
    "multi-host-uri": "a URL",
    "regex": "a regular expression",
    "json-string": "a text of JSON",
    "uuid": "a UUID",
    "base64": "Base64",
    "base64url": "Base64",
    "bytes-base64": "Base64",
    "bytes-hex": "hexadecimal",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "ipv4": "an IPv4 address",
    "ipv6": "an IPv6 address",
    "email": "an email address",
}
_REFUSALS = {
    "formatMinimum": "is less than the minimum of {}",
    "formatMaximum": "is greater than the maximum of {}",
    "formatExclusiveMinimum": "must be greater than {}",
    "formatExclusiveMaximum": "must be less than {}",
    "decimalMultipleOf": "is not a multiple of {}",
    "decimalPlaces": "has more decimal places than {}",
    "maxDigits": "has more digits than {}",
    "minBytes": "is shorter than {} bytes",
    "maxBytes": "is longer than {} bytes",
}
_OF_NUMBERS_TOO = {"decimalMultipleOf", "decimalPlaces", "maxDigits"}


@dataclass(frozen=True, slots=True)
class Assertions:
    """What has to be asserted of a schema beyond JSON Schema's own keywords.

    Attributes:
        formats: Each format that the schema names, and whether a string is of it.
        keywords: Keywords that are not JSON Schema's, or that pydantic reads its own way.
    """

    formats: dict[str, Callable[[str], bool]]
    keywords: frozenset[str]

    def __bool__(self) -> bool:
        return bool(self.formats or self.keywords)


def assertions(schema: Any) -> Assertions:
    """Those of a schema. Imports nothing; the readers are made when the first value asks for them."""
    formats: dict[str, Callable[[str], bool]] = {}
    keywords: set[str] = set()
    for part in _mappings(schema):
        keywords.update(part.keys() & _CONSTRAINTS.keys())
        if isinstance(part.get("format"), str):
            formats[part["format"]] = _format_test(part["format"])
        # Both engines read other patterns alike; these classes hold more letters and digits in pydantic's.
        if isinstance(part.get("pattern"), str) and re.search(r"\\[A-Za-z]|\(\?", part["pattern"]):
            keywords.add("pattern")
        if isinstance(part.get("multipleOf"), float):
            keywords.add("multipleOf")
    return Assertions(formats, frozenset(keywords))


def keyword_test(keyword: str, limit: Any, schema: Any) -> Test:
    """Whether a value is what `keyword: limit`, as part of a schema, asks for.

    Raises:
        ValueError: The limit is none for this keyword.
    """
    from pydantic_core import SchemaError

    try:
        if keyword == "pattern":
            return _pattern_test(limit)
        if keyword == "multipleOf":
            return _multiple_test(limit)
        limits, name = {keyword: limit}, str(schema.get("format"))
        if keyword == "maxDigits" and "decimalPlaces" in schema:  # which, used or not, leave fewer before the point
            limits["decimalPlaces"] = schema["decimalPlaces"]
        return _constraint_test(keyword, json.dumps(limits), name)
    except SchemaError as error:
        raise ValueError(f"{limit!r} is no {keyword}: {error}") from None


def refusal(keyword: str, limit: Any) -> str | None:
    """What is wrong with a value that a format or a keyword of this module refuses; None where it is none of ours."""
    if keyword == "format":
        return f"is not {_NAMES.get(limit) or f'of the format {limit!r}'}"
    if keyword == "schemes":
        return f"must begin with {' or '.join(f'{scheme}:' for scheme in limit)}"
    if keyword == "timeZone":
        return "needs a time zone, such as a Z at its end" if limit == "aware" else "must have no time zone"
    return _REFUSALS[keyword].format(limit) if keyword in _REFUSALS else None


def _mappings(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from _mappings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _mappings(item)


@cache
def _format_test(name: str) -> Callable[[str], bool]:
    if name in _FUNCTIONS:
        return lambda text: _is_read(text, *_FUNCTIONS[name])
    if name in _CORE or name in _KEYS:
        return lambda text: _fits(_plain_reader(name), _instance(name, text))
    return lambda _: True


def _is_read(text: str, module: str, function: str) -> bool:
    from importlib import import_module

    try:
        getattr(import_module(module), function)(text.encode() if module == "base64" else text)
    except ImportError:  # email-validator need not be here for a model of another machine
        return True
    except Exception:
        return False
    return True


@cache
def _pattern_test(pattern: str) -> Test:
    from pydantic_core import SchemaError

    try:
        reader = _validator({"type": "str", "pattern": pattern})
    except SchemaError:
        reader = _validator({"type": "str", "pattern": pattern}, regex_engine="python-re")
    return lambda value: not isinstance(value, str) or _fits(reader, value)


@cache
def _multiple_test(step: Any) -> Test:
    reader = _validator({"type": "float", "multiple_of": step})

    def test(value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return True
        return _fits(reader, value) if isinstance(step, float) else bool(value % step == 0)

    return test


@cache
def _constraint_test(keyword: str, limits: str, name: str) -> Test:
    if name not in _CORE and name not in _KEYS:
        return lambda _: True
    given = {word: _limit(word, limit, name) for word, limit in json.loads(limits).items()}
    reader = _reader(name, **{_CONSTRAINTS[word]: limit for word, limit in given.items()})
    without = _reader(name, **{_CONSTRAINTS[word]: limit for word, limit in given.items() if word != keyword})
    kinds = (str, int, float) if keyword in _OF_NUMBERS_TOO else str

    def test(value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, kinds):
            return True
        instance = _instance(name, value)
        return _fits(reader, instance) or not _fits(without, instance)  # what is wrong otherwise is not said twice

    return test


def _limit(keyword: str, limit: Any, name: str) -> Any:
    """A limit as pydantic_core takes it: a date for a date."""
    if not isinstance(limit, str) or keyword == "timeZone":
        return limit
    read = _plain_reader(name).validate_json(json.dumps(_instance(name, limit)))
    return next(iter(read)) if name in _KEYS else read


@cache
def _plain_reader(name: str) -> Any:
    return _reader(name)


def _reader(name: str, **constraints: Any) -> Any:
    if name in _KEYS:
        return _validator({"type": "dict", "keys_schema": _KEYS[name] | constraints})
    return _validator(_CORE[name] | constraints)


def _instance(name: str, value: Any) -> Any:
    """The value as the reader of a format takes it: in a mapping, if that is for keys."""
    return {value: None} if name in _KEYS else value


def _validator(schema: dict[str, Any], **config: Any) -> Any:
    from pydantic_core import SchemaValidator

    core = {key: value for key, value in schema.items() if key != "config"}
    return SchemaValidator(core, {**schema.get("config", {}), **config})  # type: ignore[arg-type]


def _fits(reader: Any, value: Any) -> bool:
    from pydantic_core import ValidationError

    try:
        reader.validate_json(json.dumps(value), strict=True)
    except ValidationError:
        return False
    return True
