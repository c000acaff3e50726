"""The schema of params takes what the params model takes as strict JSON, and so do both engines that check it.

`EXCUSED` holds the deviations there are, each with its reason.
"""

import json
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, Flag, IntEnum, IntFlag, StrEnum
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from pathlib import Path
from re import Pattern
from typing import Annotated, Any, Literal, NamedTuple, NotRequired, TypedDict
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import (
    UUID4,
    AfterValidator,
    AliasChoices,
    AliasPath,
    AnyUrl,
    AwareDatetime,
    Base64Bytes,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    FilePath,
    HttpUrl,
    Json,
    JsonValue,
    NaiveDatetime,
    PostgresDsn,
    RootModel,
    SecretStr,
    StringConstraints,
    Tag,
    ValidationError,
    WithJsonSchema,
    create_model,
    model_validator,
)

from synapse_spec.plugins.schema_completeness import says_all
from synapse_spec.plugins.schemas import params_schema
from synapse_spec.spec.check import compiled
from synapse_spec.spec.explain import explainer


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Mixed(Enum):
    WORD = "word"
    HALF = 0.5
    PAIR = (1, 2)


class Rights(Flag):
    READ = 1
    WRITE = 2


class Bits(IntFlag):
    A = 1
    B = 2


class Pair(NamedTuple):
    left: int
    right: str = "r"


class Typed(TypedDict, total=False):
    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]
    a: int
    b: NotRequired[date]


@dataclass
class Data:
    __pydantic_config__ = ConfigDict(extra="forbid")
    a: int
    b: list[date] = field(default_factory=list)


class Circle(Closed):
    shape: Literal["circle"] = "circle"
    radius: float = Field(1, gt=0)


class Square(Closed):
    shape: Literal["square", "box"]
    side: float


class Group(Closed):
    shape: Literal["group"]
    parts: "list[Shape]" = []


Shape = Annotated[Circle | Square | Group, Field(discriminator="shape")]


class Tree(Closed):
    value: int = 0
    children: "list[Tree]" = []
    by_day: "dict[date, Tree]" = {}


class Box[T](Closed):
    content: T


class Words(RootModel[list[Annotated[str, Field(min_length=1)]]]):
    pass


class Days(RootModel[dict[date, int]]):
    pass


class Tolerant(BaseModel):
    model_config = ConfigDict(extra="ignore")
    known: int = 0


class Extra(BaseModel):
    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, int]
    known: str = ""


def tag_of(value: Any) -> str:
    return "list" if isinstance(value, list) else "one"


class Named(Closed):
    plain: int
    other: int = Field(alias="otherName")
    either: int = Field(validation_alias=AliasChoices("first", "second", "third"))
    maybe: date | None = Field(None, validation_alias=AliasChoices("day", "when"))
    shape: Circle | None = Field(None, validation_alias=AliasChoices("form", "shape"))


class ByName(Closed):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)
    number: int = Field(alias="Number")
    text: str = Field("", alias="Text")


class Deep(Closed):
    first: int = Field(validation_alias=AliasPath("data", 0))
    inner: str = Field("", validation_alias=AliasPath("data", 1, "name"))
    far: int = Field(0, validation_alias=AliasChoices("near", AliasPath("more", "far")))


class HexBytes(Closed):
    model_config = ConfigDict(extra="forbid", val_json_bytes="hex")
    value: bytes = Field(max_length=2)


class Base64(Closed):
    model_config = ConfigDict(extra="forbid", val_json_bytes="base64")
    value: bytes


KINDS: dict[str, Any] = {
    "any": Any,
    "json value": JsonValue,
    "bool": bool,
    "int": int,
    "int bounds": Annotated[int, Field(ge=-1, lt=10, multiple_of=3)],
    "int huge": Annotated[int, Field(ge=-(10**30), le=10**30)],
    "float": float,
    "float bounds": Annotated[float, Field(gt=-1, le=2.5, allow_inf_nan=False)],
    "float steps": Annotated[float, Field(multiple_of=0.1)],
    "float whole steps": Annotated[float, Field(multiple_of=3)],
    "complex": complex,
    "decimal": Decimal,
    "decimal bounds": Annotated[Decimal, Field(ge=Decimal("-0.5"), lt=10, multiple_of=Decimal("0.25"))],
    "decimal digits": Annotated[Decimal, Field(max_digits=3, decimal_places=1)],
    "str": str,
    "str bounds": Annotated[str, Field(min_length=2, max_length=4)],
    "str pattern": Annotated[str, Field(pattern=r"^\w+$")],
    "str digits": Annotated[str, Field(pattern=r"^\d+$")],
    "str not blank": Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)],
    "literal": Literal["a", 1, None],
    "literal one": Literal[True],
    "literal mixed": Literal[True, 2, "a"],
    "enum": Colour,
    "int enum": Level,
    "mixed enum": Mixed,
    "flag": Rights,
    "int flag": Bits,
    "date": date,
    "date bounds": Annotated[date, Field(ge=date(2024, 1, 1), lt=date(2025, 1, 1))],
    "datetime": datetime,
    "datetime bounds": Annotated[datetime, Field(gt=datetime(2024, 1, 31, 10, tzinfo=UTC))],
    "datetime aware": AwareDatetime,
    "datetime naive": NaiveDatetime,
    "time": time,
    "time bounds": Annotated[time, Field(le=time(10))],
    "duration": timedelta,
    "duration bounds": Annotated[timedelta, Field(gt=timedelta(0), le=timedelta(hours=1))],
    "duration or none": timedelta | None,
    "uuid": UUID,
    "uuid4": UUID4,
    "ipv4": IPv4Address,
    "ipv6": IPv6Address,
    "network": IPv4Network,
    "url": AnyUrl,
    "http url": HttpUrl,
    "dsn": PostgresDsn,
    "regex": Pattern,
    "path": Path,
    "secret": SecretStr,
    "bytes": bytes,
    "bytes bounds": Annotated[bytes, Field(min_length=2, max_length=4)],
    "base64 text": Base64Bytes,
    "json text": Json[Any],
    "optional": int | None,
    "union": int | str | list[date],
    "list": Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1, max_length=2)],
    "sequence": Sequence[date],
    "deque": deque[int],
    "set": Annotated[set[int], Field(min_length=2)],
    "frozenset": frozenset[Colour],
    "tuple": tuple[int, date],
    "tuple of any length": tuple[int, ...],
    "empty tuple": tuple[()],
    "named tuple": Pair,
    "typed dict": Typed,
    "dataclass": Data,
    "dict": dict[str, int],
    "dict bounds": Annotated[dict[str, Any], Field(min_length=1, max_length=2)],
    "dict of int": dict[int, str],
    "dict of bounded int": dict[Annotated[int, Field(ge=1)], str],
    "dict of float": dict[float, int],
    "dict of bool": dict[bool, int],
    "dict of enum": dict[Colour, date],
    "dict of int or date": Mapping[int | date, int],
    "dict of pattern": dict[Annotated[str, Field(pattern=r"^k\d$", max_length=3)], int],
    "dict of uuid": dict[UUID, int],
    "dict of decimal": dict[Decimal, int],
    "dict of duration": dict[timedelta, int],
    "dict of literal": dict[Literal["a", 1], int],
    "dict of number literal": dict[Literal[1], int],
    "ordered dict": OrderedDict[date, int],
    "model": Circle,
    "recursive": Tree,
    "shapes": Shape,
    "shapes or none": list[Shape | None],
    "one or many": Annotated[Annotated[int, Tag("one")] | Annotated[list[int], Tag("list")], Discriminator(tag_of)],
    "generic": Box[date] | Box[int],
    "root": Words,
    "tolerant": Tolerant,
    "extra": Extra,
}
MODELS: dict[str, type[BaseModel]] = {
    name: create_model("Params", __base__=Closed, value=(kind, ...)) for name, kind in KINDS.items()
} | {
    "named": Named,
    "by name": ByName,
    "deep": Deep,
    "hex": HexBytes,
    "base64": Base64,
    "tree": Tree,
    "root model": Days,
    "no extras": Tolerant,
    "extras": Extra,
}


def has(value: Any, test: Callable[[Any], bool]) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return test(value) or any(has(item, test) for item in inner)


def repeats(value: Any) -> bool:
    return isinstance(value, list) and any(item in value[:index] for index, item in enumerate(value))


def takes_nothing(more: Any) -> bool:
    return not isinstance(more, dict) or "far" not in more


# Kind -> values on which schema and model differ, and why they may.
EXCUSED: dict[str, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys(
        ["literal", "literal one", "literal mixed", "int enum", "mixed enum", "flag", "int flag"],
        (lambda value: isinstance(value, bool) or value in (0, 1), "true is 1 in Python only"),
    ),
    **dict.fromkeys(["set", "frozenset"], (repeats, "what is in a set is written once")),
}
EXCUSED["flag"] = EXCUSED["int flag"] = (
    lambda value: isinstance(value, bool | float) or (isinstance(value, int) and not 1 < value < 2**60),
    "bits are given, not what is left of them, and pydantic knows none that are written 1.0",
)
EXCUSED["int"] = EXCUSED["int huge"] = (
    lambda value: isinstance(value, float) and value >= 2**63,
    "pydantic takes no such number that is written with a point; none that short is meant",
)
EXCUSED["complex"] = (
    lambda value: isinstance(value, int | float) and abs(value) >= 2**63,
    "pydantic's strict mode takes no such whole number, its usual one does",
)
EXCUSED["duration"] = EXCUSED["duration or none"] = (
    lambda value: isinstance(value, int | float) and value > 10**13,
    "300,000 years",
)
EXCUSED["deep"] = (
    lambda value: isinstance(value, dict) and "more" in value and ("near" in value or takes_nothing(value["more"])),
    "to a model that forbids extras a mapping is one if nothing is found in it",
)

TEXTS = {
    None: ["", "a", "ab", "abcde", "red", "word", "circle", "é", "٣", "12", "a\n", " ", "k1", "x" * 9, "\\", "("],
    "date": ["2024-01-31", "2023-12-31", "2024-02-30", "2024-01-31T00:00:00", "20240131"],
    "date-time": ["2024-01-31T10:00:00Z", "2024-01-31 10:00", "2024-01-31T12:00:00+01:00", "1700000000", "2024-01-31"],
    "time": ["10:00", "10:00:01", "25:00", "10:00:00Z"],
    "duration": ["P1D", "PT30S", "90s", "1 day", "-PT1S", "00:00:30", "PT1H"],
    "decimal": ["1.5", "0.25", "-1", "1e2", "1_0", " 1 ", "12.34", "NaN", "1.10", "9.99"],
    "uuid": ["550e8400-e29b-41d4-a716-446655440000", "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "{550e8400}"],
    "uuid4": ["550e8400-e29b-41d4-a716-446655440000", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"],
    "ipv4": ["127.0.0.1", "127.0.0.0/8", "256.0.0.1", "::1"],
    "ipv6": ["::1", "fe80::1%eth0", "127.0.0.1", ":::"],
    "ipv4network": ["127.0.0.0/8", "127.0.0.1/8", "127.0.0.1"],
    "multi-host-uri": ["postgres://u@h/db", "postgresql://u:p@h,g:1/db", "http://a", "postgres"],
    "uri": ["http://a.b/c", "HTTPS://a", "ftp://a", "http:", "a", "postgres://u@h/db"],
    "integer": ["1", " 1", "1_0", "1.0", "-1", "01", "1.5", "true", "yes"],
    "bytes": ["aGk=", "a-_=", "6869", "éé", "{}", "[1]", "1+2j"],
}
ALL_TEXTS = [text for texts in TEXTS.values() for text in texts]
LEAVES = (
    st.sampled_from(
        [*ALL_TEXTS, None, True, False, 0, 1, 2, 3, -1, 2.0, 0.3, 0.7, 0.35, 2.5, 1.1, 19.99, 6, 10**30, 3e15]
    )
    | st.integers(-3, 12)
    | st.floats(-4, 4).map(lambda number: round(number, 2))
    | st.text(max_size=5)
    | st.dates().map(str)
    | st.timedeltas().map(lambda delta: delta.total_seconds())
)
ANY = LEAVES | st.lists(LEAVES, max_size=3) | st.dictionaries(st.sampled_from(ALL_TEXTS), LEAVES, max_size=2)

NUMBERS = st.integers(0, 9).map(lambda number: "x" if number == 9 else number)
# Kinds of which what fits is not easily told from the schema.
GIVEN: dict[str, st.SearchStrategy[Any]] = {
    "named": st.fixed_dictionaries(
        {"plain": NUMBERS, "otherName": NUMBERS},
        optional=dict.fromkeys(("first", "second", "third"), NUMBERS)
        | dict.fromkeys(("day", "when"), st.sampled_from(TEXTS["date"]))
        | dict.fromkeys(("form", "shape"), st.sampled_from([None, {"radius": 2}, {"radius": 0}, {"side": 1}])),
    ),
    "deep": st.fixed_dictionaries(
        {"data": st.lists(NUMBERS | st.fixed_dictionaries({}, optional={"name": st.just("n") | NUMBERS}), max_size=3)},
        optional={"inner": st.just("x"), "near": NUMBERS, "more": NUMBERS | st.fixed_dictionaries({"far": NUMBERS})},
    ),
}


def fitting(schema: Any, root: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values of which most fit a schema, but for bounds and patterns."""
    return st.integers(0, 9).flatmap(lambda dice: ANY if dice == 9 else _fitting(schema, root))


def _fitting(schema: Any, root: dict[str, Any]) -> st.SearchStrategy[Any]:
    if not isinstance(schema, dict):
        return ANY
    if "$ref" in schema:
        return fitting(root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root)
    for word in ("anyOf", "oneOf"):
        if word in schema:
            return st.one_of([_fitting(branch, root) for branch in schema[word]])
    if "const" in schema or "enum" in schema:
        return st.sampled_from(schema.get("enum", [schema.get("const")]))
    kinds = schema.get("type", "any")
    return st.one_of([_of_kind(kind, schema, root) for kind in ([kinds] if isinstance(kinds, str) else kinds)])


def _of_kind(kind: str, schema: dict[str, Any], root: dict[str, Any]) -> st.SearchStrategy[Any]:
    match kind:
        case "object":
            return _mapping(schema, root)
        case "array":
            first = [fitting(item, root) for item in schema.get("prefixItems", ())]
            least = schema.get("minItems", 0)
            rest = (
                st.lists(fitting(schema["items"], root), min_size=least, max_size=3)
                if "items" in schema
                else st.just([])
            )
            return st.builds(lambda start, more: [*start, *more], st.tuples(*first), rest)
        case "string":
            return st.sampled_from(TEXTS.get(schema.get("format"), ALL_TEXTS))
        case "integer" | "number":
            return LEAVES.filter(lambda value: isinstance(value, int | float) and not isinstance(value, bool))
        case "boolean":
            return st.booleans()
        case "null":
            return st.none()
    return ANY


def _mapping(schema: dict[str, Any], root: dict[str, Any]) -> st.SearchStrategy[Any]:
    others = {name.strip("^$"): value for name, value in schema.get("patternProperties", {}).items()}
    fields = (
        {name: fitting(value, root) for name, value in (schema["properties"] | others).items()}
        if ("properties" in schema)
        else {}
    )
    needed = {name: fields[name] for name in schema.get("required", ()) if name in fields}
    known = st.fixed_dictionaries(
        needed, optional={name: value for name, value in fields.items() if name not in needed}
    )
    if schema.get("additionalProperties") is False:
        return known
    keys = fitting(schema.get("propertyNames", {"type": "string"}), root).map(str)
    free = st.dictionaries(keys, fitting(schema.get("additionalProperties", {}), root), max_size=2)
    return st.builds(lambda one, other: other | one, known, free)


@cache
def schema_of(name: str) -> dict[str, Any]:
    class Holder:
        params_model = MODELS[name]
        result_model = None

    return params_schema(Holder)  # type: ignore[arg-type]


@cache
def engines(name: str) -> tuple[Any, Any]:
    return compiled(schema_of(name)), explainer(schema_of(name))


def whole(value: Any) -> Any:
    """JSON has one kind of number: 1.0 is 1."""
    if isinstance(value, dict):
        return {key: whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def takes(check: Callable[[], Any]) -> bool:
    try:
        check()
    except ValidationError:
        return False
    return True


def disagreement(name: str, value: Any) -> str | None:
    model, (decides, explains) = MODELS[name], engines(name)
    by_schema = decides.is_valid(value)
    if explains.is_valid(value) != by_schema:
        return f"jsonschema-rs says {by_schema}, jsonschema not"
    lax = takes(lambda: model.model_validate(value))
    if by_schema and not lax:
        return "the schema takes it, the model does not"
    strict = takes(lambda: model.model_validate_json(json.dumps(whole(value)), strict=True))
    widened = "duration" in name and has(value, lambda item: isinstance(item, int | float))
    if by_schema != strict and not (by_schema and widened):
        return f"schema {by_schema}, strict {strict}, lax {lax}"
    return None


@pytest.mark.parametrize("name", MODELS)
def test_schema_and_model_agree(name: str) -> None:
    excused, _ = EXCUSED.get(name, (lambda _: False, ""))

    @settings(max_examples=40, deadline=None, database=None)
    @given(GIVEN.get(name, fitting(schema_of(name), schema_of(name))))
    def agree(value: Any) -> None:
        if has(value, excused):
            return
        assert disagreement(name, value) is None
        model = MODELS[name]
        try:
            dumped = model.model_validate(value).model_dump(mode="json", by_alias=True, exclude_unset=True)
        except ValueError:
            return
        assert has(dumped, excused) or disagreement(name, dumped) is None

    agree()


# Those of which the schema says all, so that the model is not asked; `test_schema_and_model_agree` holds that.
COMPLETE = {
    *("any", "bool", "int", "int huge", "float", "float bounds", "str", "str bounds", "enum", "path", "optional"),
    *("list", "tuple of any length", "empty tuple", "dict", "dict bounds", "model", "tolerant", "no extras"),
    *("shapes", "shapes or none"),
}


def test_which_schemas_say_all() -> None:
    assert {name for name, model in MODELS.items() if says_all(model)} == COMPLETE
    assert COMPLETE & EXCUSED.keys() == {"int", "int huge"}


def refuse(_: Any) -> Any:
    raise ValueError("no")


class WithValidator(Closed):
    value: int = 0

    @model_validator(mode="after")
    def refused(self) -> "WithValidator":
        raise ValueError("no")


class WithInit(Closed):
    def __init__(self, **values: Any) -> None:
        refuse(values)


class WithPostInit(Closed):
    def model_post_init(self, _: Any) -> None:
        refuse(self)


class WithOwnValidate(Closed):
    @classmethod
    def model_validate(cls, *_: Any, **__: Any) -> Any:
        return refuse(cls)


class WithOwnSchema(Closed):
    value: int = 0

    @classmethod
    def __get_pydantic_json_schema__(cls, *_: Any) -> Any:
        return {"type": "object"}


class WithTypeField(Closed):
    type: Annotated[int, AfterValidator(refuse)] = 0


class WithStrictness(Closed):
    model_config = ConfigDict(extra="forbid", strict=True)
    value: Colour = Colour.RED


def one_field(kind: Any, default: Any) -> type[BaseModel]:
    return create_model("Params", __base__=Closed, value=(kind, default))


STRICTER_FIELDS: list[tuple[str, Any, Any, dict[str, Any]]] = [
    ("validator", Annotated[int, AfterValidator(refuse)], ..., {"value": 1}),
    (
        "validator inside",
        dict[str, list[Annotated[int, AfterValidator(refuse)] | None]],
        ...,
        {"value": {"a": [1]}},
    ),
    ("validator of a model inside", list[WithValidator], ..., {"value": [{}]}),
    ("written schema", Annotated[int, WithJsonSchema({})], ..., {"value": "x"}),
    ("more schema", int, Field(json_schema_extra=lambda schema: schema.clear()), {"value": "x"}),
    ("file", FilePath, ..., {"value": "/no/such/file"}),
    ("factory", int, Field(default_factory=lambda: refuse(1)), {}),
    ("factory with data", int, Field(default_factory=lambda data: data["x"]), {}),
    ("validated default", int, Field("x", validate_default=True), {}),
]
# Models that refuse what their schemas take -> params that show it.
STRICTER: dict[str, tuple[type[BaseModel], dict[str, Any]]] = {
    "validator of the model": (WithValidator, {}),
    "init": (WithInit, {}),
    "post init": (WithPostInit, {}),
    "own model_validate": (WithOwnValidate, {}),
    "own schema": (WithOwnSchema, {"value": "x"}),
    "a field that is called type": (WithTypeField, {"type": 1}),
    "strict": (WithStrictness, {"value": "red"}),
} | {name: (one_field(kind, default), params) for name, kind, default, params in STRICTER_FIELDS}


@pytest.mark.parametrize("name", STRICTER)
def test_a_model_that_may_refuse_more_is_asked(name: str) -> None:
    model, params = STRICTER[name]
    assert not says_all(model)
    holder = type("Holder", (), {"params_model": model, "result_model": None})
    assert compiled(params_schema(holder)).is_valid(params)
    with pytest.raises((ValueError, KeyError)):
        model.model_validate(params)
