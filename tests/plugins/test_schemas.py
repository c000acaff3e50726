"""Schemas of params and results: closed at every depth, readable at their root, and at one with the models."""

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum, Flag
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import UUID4, AliasChoices, BaseModel, ConfigDict, Field, HttpUrl, ValidationError, create_model
from pydantic.json_schema import SkipJsonSchema

from synapse_spec.plugins.action import BaseAction
from synapse_spec.plugins.decorators import action
from synapse_spec.plugins.errors import PluginLoadError
from synapse_spec.plugins.schemas import params_schema, result_schema


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    @action(params=model)
    def run(params: Any, ctx: Any) -> None: ...

    return params_schema(run)


@cache
def validator(model: type[BaseModel]) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(schema_of(model))


def takes(model: type[BaseModel], value: Any) -> bool:
    return validator(model).is_valid(value)


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Mixed(Enum):
    WORD = "word"
    PAIR = (1, 2)


class Rights(Flag):
    READ = 1
    WRITE = 4


class Inner(BaseModel):
    size: int = Field(1, ge=1)


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    known: int = 0


class Forbidding(BaseModel):
    model_config = ConfigDict(extra="forbid")
    known: int = 0


class Empty(BaseModel):
    pass


class Typed(TypedDict):
    a: int


class Box[T](BaseModel):
    content: T


class Circle(BaseModel):
    shape: Literal["circle"]
    radius: float = Field(gt=0)


class Square(BaseModel):
    shape: Literal["square"]
    side: float = 1.0


class Tree(BaseModel):
    value: int = 0
    children: "list[Tree]" = []


class Everything(BaseModel):
    number: int = Field(3, ge=0, lt=10, description="A number.")
    text: str = Field("ab", min_length=1, max_length=4, pattern="^[a-z]*$")
    colour: Colour = Colour.RED
    inner: Inner = Inner()
    inners: list[Inner] = Field([], max_length=2)
    box: Box[int] | None = None
    typed: Typed | None = None
    form: Annotated[Circle | Square, Field(discriminator="shape")] | None = None
    tree: Tree | None = None
    pair: tuple[int, bool] = (1, True)
    counts: dict[Annotated[str, Field(pattern="^k")], int] = {}
    renamed: int = Field(0, alias="reNamed")


class Recursive(BaseModel):
    value: int
    parts: "list[Recursive]" = []


@pytest.mark.parametrize("model", [Inner, Forbidding, Empty, Everything, Recursive, Box[int], Tree])
def test_unknown_names_are_refused(model: type[BaseModel]) -> None:
    schema = schema_of(model)
    assert schema["additionalProperties"] is False
    assert jsonschema_rs.meta.is_valid(schema)
    assert not takes(model, {"wibble": 1})


def test_a_model_that_takes_extras_takes_them() -> None:
    class Outer(BaseModel):
        inside: Open = Open()

    assert takes(Open, {"known": 1, "more": [1]})
    assert takes(Outer, {"inside": {"more": 1}})
    assert not takes(Outer, {"more": 1})


@pytest.mark.parametrize(
    "value",
    [
        {"inner": {"szie": 1}},
        {"inners": [{"size": 1}, {"x": 1}]},
        {"box": {"content": 1, "x": 1}},
        {"typed": {"a": 1, "b": 2}},
        {"form": {"shape": "circle", "radius": 1, "side": 1}},
        {"tree": {"children": [{"children": [{"x": 1}]}]}},
        {"counts": {"k": 1, "x": 1}},
    ],
)
def test_at_any_depth(value: dict[str, Any]) -> None:
    assert not takes(Everything, value)


def test_a_recursive_model_is_read_at_its_root() -> None:
    schema = schema_of(Recursive)
    assert list(schema["properties"]) == ["value", "parts"]
    assert schema["required"] == ["value"]
    assert "$ref" not in schema
    assert takes(Recursive, {"value": 1, "parts": [{"value": 2, "parts": [{"value": 3}]}]})
    assert not takes(Recursive, {"value": 1, "parts": [{"parts": []}]})


def test_what_people_read_is_kept() -> None:
    field = schema_of(Everything)["properties"]["number"]
    assert (field["description"], field["default"], field["minimum"], field["exclusiveMaximum"]) == (
        "A number.",
        3,
        0,
        10,
    )
    assert "reNamed" in schema_of(Everything)["properties"]


def test_actions_without_models() -> None:
    @action()
    def run(params: Any, ctx: Any) -> None: ...

    class Plain(BaseAction[Any]):
        def execute(self) -> None: ...

    for thing in (run, Plain):
        assert params_schema(thing) == {"type": "object"}
        assert result_schema(thing) is None


def test_a_class_action_and_a_result() -> None:
    class Train(BaseAction[Inner]):
        result_model = Recursive

        def execute(self) -> None: ...

    assert params_schema(Train) == schema_of(Inner)
    result = result_schema(Train)
    assert result is not None
    assert list(result["properties"]) == ["value", "parts"]


def test_each_schema_is_a_new_one() -> None:
    schema_of(Everything)["properties"].clear()
    assert schema_of(Everything)["properties"]


class Careful(BaseModel):
    """What YAML has no values for can stay as it is, but cannot be asked for."""

    number: int = 0
    call: Callable[[], int] = int
    kind: type[int] = int
    calls: list[Callable[[], int]] = []
    either: int | Callable[[], int] = 1
    hidden: SkipJsonSchema[int] = 0


def test_params_that_yaml_has_no_values_for_are_left_out() -> None:
    schema = schema_of(Careful)
    assert list(schema["properties"]) == ["number", "either"]
    assert schema["properties"]["either"]["type"] == "integer"
    assert not takes(Careful, {"call": 1})


def test_a_required_param_that_yaml_has_no_values_for_is_named() -> None:
    class Inner(BaseModel):
        call: Callable[[], int]

    class Outer(BaseModel):
        inner: Inner

    for model, name in ((Inner, "call"), (Outer, "call")):
        with pytest.raises(PluginLoadError, match=f"{name!r} is required, and YAML has no values") as raised:
            schema_of(model)
        assert "\n" not in raised.value.message


def test_a_result_without_a_form_in_json_is_said() -> None:
    class Result(BaseModel):
        call: Callable[[], int]

    @action(result=Result)
    def run(params: Any, ctx: Any) -> None: ...

    with pytest.raises(PluginLoadError, match="Result: "):
        result_schema(run)


def test_no_warnings(recwarn: pytest.WarningsRecorder) -> None:
    class Odd(BaseModel):
        thing: Any = object()

    assert "default" not in schema_of(Odd)["properties"]["thing"]
    assert not recwarn.list


def test_other_names_of_a_field() -> None:
    class Named(BaseModel):
        first: int = Field(validation_alias=AliasChoices("a", "b"))
        second: int = Field(0, alias="c")

    schema = schema_of(Named)
    assert list(schema["properties"]) == ["a", "c"]
    assert takes(Named, {"a": 1})
    assert takes(Named, {"b": 1, "c": 1})
    assert not takes(Named, {"a": 1, "b": 1})
    assert not takes(Named, {"second": 1, "a": 1})
    assert not takes(Named, {})


class ByName(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    first: int = Field(alias="a")
    second: int = Field(0, alias="c")


def test_names_and_aliases() -> None:
    assert list(schema_of(ByName)["properties"]) == ["a", "c"]
    assert not takes(ByName, {"c": 2})
    assert takes(ByName, {"first": 1, "c": 2})
    assert not takes(ByName, {"a": 1, "first": 1})


def test_a_model_that_ignores_extras_takes_them() -> None:
    class Ignoring(BaseModel):
        model_config = ConfigDict(extra="ignore")
        known: int = Field(0, validation_alias=AliasChoices("a", "b"))

    assert takes(Ignoring, {"a": 1, "b": 2, "c": 3})


@pytest.mark.parametrize(
    ("kind", "schema"),
    [
        (timedelta, {"type": ["string", "number"], "format": "duration"}),
        (Annotated[timedelta, Field(le=timedelta(hours=1))], {"maximum": 3600, "formatMaximum": "PT1H"}),
        (Annotated[date, Field(ge=date(2024, 1, 1))], {"format": "date", "formatMinimum": "2024-01-01"}),
        (Annotated[Decimal, Field(ge=1, max_digits=3)], {"type": ["number", "string"], "format": "decimal"}),
        (Annotated[Decimal, Field(ge=1, max_digits=3)], {"minimum": 1, "formatMinimum": "1", "maxDigits": 3}),
        (HttpUrl, {"format": "uri", "schemes": ["http", "https"]}),
        (dict[int, str], {"propertyNames": {"format": "integer"}, "additionalProperties": {"type": "string"}}),
        (dict[str, int], {"additionalProperties": {"type": "integer"}}),
        (dict[str, Any], {"type": "object", "additionalProperties": True}),
        (UUID4, {"format": "uuid4"}),
        (Annotated[str, Field(pattern=re.compile("^a", re.I))], {"pattern": "(?i)^a"}),
        (Mixed, {"enum": ["word"]}),
        (Rights, {"type": "integer", "minimum": 0, "maximum": 5}),
    ],
)
def test_how_kinds_are_written(kind: Any, schema: dict[str, Any]) -> None:
    found = schema_of(create_model("Params", value=(kind, ...)))
    field = found["properties"]["value"]
    field = found["$defs"][field["$ref"].removeprefix("#/$defs/")] if "$ref" in field else field
    assert field | schema == field


SMALL = st.integers(-1, 11)
WORD = st.sampled_from(["", "ab", "abcde", "A", "red", "blue", "green", "circle", "square", "k1", "x"])
LEAF = SMALL | WORD | st.booleans() | st.none() | st.sampled_from([0.5, 3.0, -1.5])
MAPPING = st.dictionaries(
    st.sampled_from(["size", "content", "a", "shape", "radius", "side", "value", "children", "k1"]), LEAF, max_size=3
)
SHAPE = st.fixed_dictionaries(
    {"shape": st.sampled_from(["circle", "square", "cube"])}, optional={"radius": LEAF, "side": LEAF}
)
ANY = LEAF | MAPPING | SHAPE | st.lists(LEAF | MAPPING, max_size=3)
VALUES = st.fixed_dictionaries(
    {}, optional=dict.fromkeys([*Everything.model_json_schema()["properties"], "wibble"], ANY)
)


@settings(max_examples=400, deadline=None)
@given(VALUES)
def test_what_the_schema_takes_the_model_takes(value: dict[str, Any]) -> None:
    if takes(Everything, value):
        Everything.model_validate(value)


@settings(max_examples=400, deadline=None)
@given(VALUES)
def test_what_the_model_takes_without_conversion_the_schema_takes(value: dict[str, Any]) -> None:
    try:
        dumped = Everything.model_validate(value).model_dump(mode="json", by_alias=True, exclude_unset=True)
    except ValidationError:
        return
    assert takes(Everything, dumped)


class Plain(BaseModel):
    day: date
    at: datetime
    where: Path
    price: Decimal
    raw: bytes
    choice: Literal["a", 1, None]


def test_what_json_has_no_type_for() -> None:
    value = {"day": "2024-01-31", "at": "2024-01-31T10:00:00Z", "where": "/a", "price": "1.50", "raw": "x", "choice": 1}
    assert takes(Plain, value)
    assert Plain.model_validate(value).where == Path("/a")
    assert takes(Plain, value | {"price": 1.5, "choice": None})
    assert not takes(Plain, value | {"day": 20240131})
    assert not takes(Plain, value | {"choice": "b"})
