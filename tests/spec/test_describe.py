"""Schemas in words: types with their limits, patterns, values on one line."""

from datetime import date
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from synapse_spec.plugins import yaml
from synapse_spec.spec.describe import default_text, flow, pattern_words, type_text

type Loop = list[Loop] | int


class Layer(BaseModel):
    size: int


class Other(BaseModel):
    width: int


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (int, "integer"),
        (Annotated[int, Field(ge=1)], "integer (at least 1)"),
        (Annotated[int, Field(ge=1, le=9, multiple_of=2)], "integer (1 to 9, a multiple of 2)"),
        (Annotated[float, Field(gt=0, lt=1)], "number (more than 0, less than 1)"),
        (Annotated[int, Field(ge=1)] | None, "integer (at least 1) or null"),
        (Annotated[str, Field(min_length=1)], "string (not empty)"),
        (Annotated[str, Field(min_length=2, max_length=4)], "string (2 to 4 characters)"),
        (Annotated[str, Field(max_length=1)], "string (at most 1 character)"),
        (Annotated[str, Field(pattern="^a")], "string (matches ^a)"),
        (Annotated[str, Field(pattern="^" + "a" * 60)], "string (matches a pattern)"),
        (date, "string (date)"),
        (Literal["a", "on", 1], 'a | "on" | 1'),
        (Literal["a"], "a"),
        (
            Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=2)],
            "list (at least 2 items) of integer (at least 0)",
        ),
        (set[int], "list (none twice) of integer"),
        (list, "list"),
        (tuple[int, str], "[integer, string]"),
        (dict[str, float], "mapping of number"),
        (Annotated[dict[str, Any], Field(max_length=1)], "mapping (at most 1 key)"),
        (Layer | Other, "Layer or Other"),
        (list[Layer], "list of Layer"),
        (Any, "any value"),
    ],
)
def test_types(annotation: Any, text: str) -> None:
    class Model(BaseModel):
        it: annotation

    schema = Model.model_json_schema()
    assert type_text(schema["properties"]["it"], schema) == text


def test_types_of_schemas_that_no_model_gives() -> None:
    assert type_text({"type": ["string", "integer"], "minLength": 1, "minimum": 0}, {}) == (
        "string (not empty) or integer (at least 0)"
    )
    words = {"type": "string", "pattern": "x", "patternErrorMessage": "must be a number with a unit"}
    assert type_text(words, {}) == "string (a number with a unit)"
    assert type_text(True, {}) == "any value"
    price = {"type": "string", "format": "decimal", "formatMinimum": 0, "decimalPlaces": 2}
    assert type_text(price, {}) == "string (decimal, at least 0, at most 2 decimal places)"
    assert type_text({"allOf": [{"type": "integer"}]}, {}) == "integer"


def test_a_type_that_holds_itself() -> None:
    class Tree(BaseModel):
        children: "list[Tree]" = []
        loop: Loop = 1

    schema = Tree.model_json_schema()
    assert type_text(schema["$defs"]["Tree"]["properties"]["children"], schema) == "list of Tree"
    assert type_text(schema["$defs"]["Tree"]["properties"]["loop"], schema) == "list of Loop or integer"


@pytest.mark.parametrize(("value", "text"), [("a" * 99, 60), ({"a": 1}, 6), (["x" * 40], 6), ({"a": "x" * 40}, 9)])
def test_a_default_is_whole_if_it_is_short(value: Any, text: int) -> None:
    assert len(default_text(value)) == text


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("^[a-z]+$", "the whole of it matches [a-z]+"),
        ("^k", "its beginning matches k"),
        ("k$", "its end matches k"),
        ("k", "a part of it matches k"),
        (r"k\$", r"a part of it matches k\$"),
        ("^a|b$", "a part of it matches ^a|b$"),
        ("^(a|b)$", "the whole of it matches (a|b)"),
        (r"^[|(]\|$", r"the whole of it matches [|(]\|"),
    ],
)
def test_patterns(pattern: str, words: str) -> None:
    assert pattern_words(pattern) == words


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(JSON)
def test_flow_is_one_line_that_reads_the_same(value: Any) -> None:
    line = flow(value)
    assert line.isprintable()
    assert yaml.parse(f"key: {line}\n".encode()) == [{"key": value}]
