"""Schema problems: jsonschema-rs and jsonschema agree, every problem has a place, and is said in words."""

from datetime import date
from enum import Enum
from typing import Any, Literal

import jsonschema_rs
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ConfigDict, Field

from synapse_spec.plugins.schemas import params_schema
from synapse_spec.plugins.yaml import KeyPath
from synapse_spec.spec.check import Checker, dotted
from synapse_spec.spec.envelope import RUN

ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.sampled_from([0.5, -0.5, 2.0, 1e300, 2**70])
    | st.sampled_from(
        ["", "a", "train", "Train_1", "90s", "1h30m", "90s\n", "8GiB", "8 gigs", "job", "spec", "é", "${{ run.name }}"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "path", "fromEnv", "limit"]), inner, max_size=3)
    ),
    max_leaves=5,
)


def of(schema: Any) -> st.SearchStrategy[Any]:
    """Values that fit a schema of the envelope more or less."""
    if "properties" in schema:
        fields = {name: of(field) for name, field in schema["properties"].items()}
        some = st.fixed_dictionaries({}, optional=fields | {"wibble": ANY})
        needed = {name: fields.pop(name) for name in schema.get("required", ())}
        return st.one_of(st.fixed_dictionaries(needed, optional=fields), some, ANY)
    if "const" in schema or "enum" in schema:
        return st.sampled_from(schema.get("enum", [schema.get("const")])) | ANY
    return ANY


@settings(max_examples=300, deadline=None)
@given(of(RUN))
@example(
    {
        "apiVersion": "synapse.dev/v1",
        "kind": "Run",
        "metadata": {"name": "a\n"},
        "spec": {"plugin": {"path": "p"}, "action": "a", "timeout": "90s\n"},
    }
)
def test_both_validators_agree_on_the_envelope(document: Any) -> None:
    problems = Checker(RUN, references=False).problems(document)
    assert (problems == []) == jsonschema_rs.Draft202012Validator(RUN).is_valid(document)
    if not any(isinstance(text, str) and text.endswith("\n") for text in texts(document)):  # Python's $ ends before it
        assert (problems == []) == Draft202012Validator(RUN).is_valid(document)
    for problem in problems:
        assert "\n" not in problem.text
        assert "does not fit" not in problem.text
        assert reaches(document, problem.path)


def texts(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [text for item in value.values() for text in texts(item)]
    return [text for item in value for text in texts(item)] if isinstance(value, list) else [value]


def reaches(value: Any, path: KeyPath) -> bool:
    for part in path:
        value = value[part]
    return True


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Circle(BaseModel):
    shape: Literal["circle"]
    radius: float = Field(gt=0)


class Square(BaseModel):
    shape: Literal["square"]
    side: float


class Loose(BaseModel):
    model_config = ConfigDict(extra="allow")
    known: int = 0


class Tree(BaseModel):
    value: int = 0
    children: "list[Tree]" = []


class Params(BaseModel):
    name: str = Field("x", min_length=2, max_length=5)
    even: int = Field(0, multiple_of=2)
    low: float = Field(0, le=1, lt=1)
    high: float = Field(0, ge=0)
    colour: Colour | None = None
    kind: Literal["only"] = "only"
    either: Circle | Square | None = None
    pair: tuple[int, str] = (1, "a")
    numbers: set[int] = set()
    tags: dict[str, int] = Field({}, max_length=1)
    loose: Loose = Loose()
    tree: Tree = Tree()
    keyed: dict[Colour, int] = {}
    day: date | None = None
    plain: Circle = Circle(shape="circle", radius=1)


class Holder:
    params_model = Params
    result_model = None


SCHEMA = params_schema(Holder)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("params", "place", "said"),
    [
        ({"name": "x"}, "name", "'x' is shorter than 2 characters"),
        ({"name": "toolong"}, "name", "'toolong' is longer than 5 characters"),
        ({"even": 3}, "even", "3 is not a multiple of 2"),
        ({"low": 1}, "low", "1 must be less than 1"),
        ({"high": -0.5}, "high", "-0.5 is less than the minimum of 0"),
        ({"colour": "rde"}, "colour", "'rde' is not 'red', 'blue' or null"),
        ({"kind": "other"}, "kind", "'other' must be 'only'"),
        ({"either": {"shape": "circle", "radius": 0}}, "either.radius", "0 must be greater than 0"),
        ({"either": {"shape": "cube"}}, "either.shape", "'cube' is none of 'circle' or 'square'"),
        ({"either": {}}, "either", "shape"),
        ({"either": 5}, "either", "5 is not a mapping or null"),
        ({"pair": [1]}, "pair", "1 item; at least 2 must be given"),
        ({"pair": [1, "a", 2]}, "pair", "3 items; at most 2 may be given"),
        ({"pair": [1, 2]}, "pair[1]", "2 is not a string"),
        ({"numbers": [1, 2, 1]}, "numbers", "1 is given twice"),
        ({"loose": {"known": "x", "more": 1}}, "loose.known", "'x' is not an integer"),
        ({"tree": {"children": [{"children": [{"valeu": 1}]}]}}, "tree.children[0].children[0].valeu", "valeu"),
        ({"keyed": {"green": 1}}, "keyed.green", "the key 'green' is none of 'red' or 'blue'"),
        ({"plain": None}, "plain", "null is not a mapping"),
        ([], "", "a list is not a mapping"),
    ],
)
def test_each_keyword_in_words(params: Any, place: str, said: str) -> None:
    assert [(dotted(problem.path), problem.text) for problem in Checker(SCHEMA).problems(params)] == [(place, said)]


@pytest.mark.parametrize(
    ("params", "hint"),
    [
        ({"colour": "rde"}, "did you mean 'red'?"),
        ({"either": {"shape": "sqare"}}, "did you mean 'square'?"),
        ({"either": {}}, "it is one of 'circle' or 'square'"),
        ({"naem": "x"}, "did you mean 'name'? (string, default 'x')"),
        ({"NAME": "x"}, "did you mean 'name'? (string, default 'x')"),
        ({"eithre": 1}, "did you mean 'either'? (mapping or null)"),
        ({"plain": {"shape": "circle"}}, "add 'radius' (number)"),
        ({"even": "2"}, "write 2 without quotes"),
        ({"name": True}, 'quote it: "true"'),
        ({"numbers": 3}, "write [3]"),
        ({"tree": {"children": 1, "value": None}}, "write [1]"),
    ],
)
def test_the_way_out(params: Any, hint: str) -> None:
    assert Checker(SCHEMA).problems(params)[0].hint == hint


def test_a_known_name_that_is_given_already_is_not_proposed() -> None:
    (problem,) = Checker(SCHEMA).problems({"name": "xx", "nam": "yy"})
    assert problem.meant is None
    assert (problem.hint or "").startswith("known here: name, even")


def test_a_missing_key_that_a_typo_explains_is_not_said_twice() -> None:
    (problem,) = Checker(SCHEMA).problems({"plain": {"shape": "circle", "raduis": 1}})
    assert (problem.kind, problem.text, problem.meant) == ("unknown", "raduis", "radius")


class Strict(BaseModel):
    number: int = 0
    text: str = Field("", pattern="^a")
    inner: Circle | None = None
    items: list[int] = []
    pick: Circle | Square | None = None
    unique: set[int] = set()


class StrictHolder:
    params_model = Strict
    result_model = None


@pytest.mark.parametrize(
    ("params", "places"),
    [
        ({"number": "${{ runs.a.result.n }}"}, []),
        ({"text": "${{ run.name }}"}, []),
        ({"text": "b-${{ run.name }}"}, []),
        ({"items": ["${{ runs.a.result.n }}", "x"]}, ["items[1]"]),
        ({"items": "${{ runs.a.result.items }}"}, []),
        ({"inner": "${{ runs.a.result }}"}, []),
        ({"inner": {"shape": "circle", "radius": "${{ runs.a.result.n }}"}}, []),
        ({"inner": {"shape": "circle", "radius": "${{ runs.a.result.n }}", "x": 1}}, ["inner.x"]),
        ({"numbre": "${{ run.name }}"}, ["numbre"]),
        ({"number": "x", "text": "${{ run.name }}"}, ["number"]),
        ("${{ runs.a.result }}", []),
        ({"text": ["${{ run.name }}"]}, ["text"]),
        ({"inner": {"shape": "square", "radius": "${{ runs.a.result.n }}"}}, ["inner.shape"]),
        ({"inner": {"shape": "${{ run.name }}", "raduis": 1}}, ["inner.raduis"]),
        ({"inner": {"radius": "${{ runs.a.result.n }}"}}, ["inner"]),
        ({"pick": {"shape": "${{ run.name }}", "whatever": 1}}, []),
        ({"pick": {"shape": "circle", "radius": "${{ runs.a.result.n }}"}}, []),
        ({"pick": {"shape": "circle", "raduis": "${{ runs.a.result.n }}"}}, ["pick.raduis"]),
        ({"pick": {"shape": "circle", "radius": 0, "x": "${{ run.name }}"}}, ["pick.radius", "pick.x"]),
        ({"unique": [1, "${{ runs.a.result.n }}", 1]}, []),
        ({"unique": [1, 1]}, ["unique"]),
    ],
)
def test_what_a_reference_leaves_open(params: Any, places: list[str]) -> None:
    problems = Checker(params_schema(StrictHolder)).problems(params)  # type: ignore[arg-type]
    assert [dotted(problem.path) for problem in problems] == places


def test_a_value_as_deep_as_yaml_takes() -> None:
    deep: Any = {"value": "x"}
    for _ in range(400):
        deep = {"children": [deep]}
    schema = {"$defs": SCHEMA["$defs"], "$ref": "#/$defs/Tree"}
    (problem,) = Checker(schema).problems(deep)
    assert problem.path == ("children", 0) * 400 + ("value",)


@pytest.mark.parametrize("levels", [100, 300, 990])
def test_a_value_of_the_wrong_kind_however_deep(levels: int) -> None:
    deep: Any = "${{ run.name }}"
    for _ in range(levels):
        deep = [deep]
    schema = {"properties": {"text": {"type": "string"}, "either": {"anyOf": [{"type": "string"}, {"type": "null"}]}}}
    problems = Checker(schema).problems({"text": deep, "either": deep})
    assert [(dotted(problem.path), problem.text) for problem in problems] == [
        ("either", "a list is not a string or null"),
        ("text", "a list is not a string"),
    ]


def test_a_pattern_that_only_python_knows() -> None:
    schema = {"properties": {"a": {"type": "string", "pattern": r"^(?=x)\w\Z"}, "b": {"pattern": "^y$"}}}
    problems = Checker(schema).problems({"a": "xx", "b": "z"})
    assert [problem.text for problem in problems] == [r"'xx' does not match ^(?=x)\w\Z", "'z' does not match ^y$"]
    assert Checker(schema).problems({"a": "x", "b": "y"}) == []


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ({"format": "date"}, "31.1.2024", "'31.1.2024' is not a date, such as '2024-01-31'"),
        ({"format": "date", "formatMinimum": "2024-01-01"}, "never", "'never' is not a date, such as '2024-01-31'"),
        ({"format": "date", "formatMinimum": "2024-01-01"}, "2023-12-31", "is less than the minimum of 2024-01-01"),
        ({"format": "date", "formatMaximum": "2024-01-01"}, "2024-12-31", "is greater than the maximum of 2024-01-01"),
        ({"format": "time", "formatExclusiveMinimum": "10:00"}, "10:00:00", "must be greater than 10:00"),
        ({"format": "duration", "formatExclusiveMaximum": "PT1H"}, "P1D", "must be less than PT1H"),
        ({"format": "date-time", "timeZone": "aware"}, "2024-01-31T10:00", "needs a time zone, such as a Z at its end"),
        ({"format": "date-time", "timeZone": "naive"}, "2024-01-31T10:00Z", "must have no time zone"),
        ({"format": "decimal", "decimalPlaces": 1}, 1.25, "1.25 has more decimal places than 1"),
        ({"format": "decimal", "maxDigits": 2}, "1.25", "'1.25' has more digits than 2"),
        ({"format": "decimal", "maxDigits": 2, "decimalPlaces": 1}, "100", "'100' has more digits than 2"),
        ({"format": "decimal", "maxDigits": 1, "decimalPlaces": 1}, "1.25", "'1.25' has more decimal places than 1"),
        ({"format": "decimal", "decimalMultipleOf": "0.25"}, 0.3, "0.3 is not a multiple of 0.25"),
        ({"format": "uri", "schemes": ["http", "https"]}, "ftp://a", "'ftp://a' must begin with http: or https:"),
        ({"format": "binary", "minBytes": 3}, "é", "'é' is shorter than 3 bytes"),
        ({"format": "binary", "maxBytes": 3}, "éé", "'éé' is longer than 3 bytes"),
        ({"format": "uuid"}, "x", "'x' is not a UUID"),
        ({"format": "regex"}, "(", "'(' is not a regular expression"),
        ({"format": "ipv4network"}, "x", "'x' is not of the format 'ipv4network'"),
        ({"type": "number", "multipleOf": 0.1}, 0.35, "0.35 is not a multiple of 0.1"),
        ({"propertyNames": {"format": "integer"}}, {"x": 1}, "the key 'x' is not an integer"),
        ({"propertyNames": {"anyOf": [{"format": "integer"}, {"format": "date"}]}}, {"x": 1}, "'x' is not an integer"),
        ({"propertyNames": False}, {"x": 1}, "the key 'x' is not taken"),
    ],
)
def test_formats_in_words(field: dict[str, Any], value: Any, said: str) -> None:
    (problem,) = Checker({"properties": {"a": field}}).problems({"a": value})
    assert problem.text.endswith(said)
    assert problem.path[0] == "a"


def test_steps_of_whole_numbers_are_exact() -> None:
    checker = Checker({"properties": {"a": {"multipleOf": 3}, "b": {"multipleOf": 0.1}}})
    assert checker.problems({"a": 3 * 10**30, "b": 0.7}) == []
    assert [problem.path for problem in checker.problems({"a": 3 * 10**30 + 1, "b": 0.75})] == [("a",), ("b",)]
    assert checker.problems({"a": True, "b": "text"}) == []


def test_formats_that_say_what_a_text_is_for() -> None:
    schema = {"properties": {"a": {"format": "path"}, "b": {"format": "date"}, "c": {"format": "hostname"}}}
    assert Checker(schema).problems({"a": "no such file", "b": "2024-01-31", "c": "-no host-"}) == []


def test_what_is_not_a_text_is_of_every_format() -> None:
    schema = {"properties": {"a": {"format": "date", "formatMinimum": "2024-01-01"}, "b": {"pattern": r"^\d$"}}}
    assert Checker(schema).problems({"a": 3, "b": [1]}) == []


def test_a_reference_stands_for_a_text_of_any_format() -> None:
    schema = {"properties": {"a": {"format": "date", "formatMinimum": "2024-01-01", "pattern": r"^\d"}}}
    assert Checker(schema).problems({"a": "${{ runs.x.result.day }}"}) == []


def test_one_of_the_names_of_a_field() -> None:
    names: list[Any] = [{"required": ["a"]}, {"required": ["b"]}]
    (problem,) = Checker({"allOf": [{"oneOf": names}]}).problems({"a": 1, "b": 2})
    assert problem.text == "'b' is another name of 'a', which is given too"
    assert (problem.path, problem.on_key) == (("b",), True)
    (problem,) = Checker({"allOf": [{"oneOf": names}]}).problems({})
    assert (problem.kind, problem.text) == ("missing", "a")
    (problem,) = Checker({"type": "object", "allOf": [{"oneOf": names}]}).problems(3)
    assert problem.text == "3 is not a mapping"


@pytest.mark.parametrize(
    "schema",
    [
        {"format": "date", "formatMinimum": "never"},
        {"format": "date", "formatMinimum": 3},
        {"format": "uri", "schemes": 3},
        {"pattern": r"\d("},
    ],
)
def test_a_limit_that_is_none_is_said_at_once(schema: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="keyword"):
        Checker(schema)


def test_a_pattern_that_python_does_not_know() -> None:
    schema = {"patternProperties": {r"^\p{L}$": {"type": "integer"}}, "additionalProperties": False}
    checker = Checker(schema)
    assert checker.problems({"é": 1}) == []
    assert checker.problems({"é": "x"})[0].path == ("é",)
    assert [problem.text for problem in checker.problems({"1": 1})] == ["a mapping does not fit: additionalProperties"]
    (problem,) = Checker({"pattern": r"^\p{L}$"}).problems("1")
    assert problem.text == r"'1' does not match ^\p{L}$"


def test_a_value_that_fits_too_many_forms() -> None:
    checker = Checker({"properties": {"a": {"oneOf": [{"type": "integer"}, {"minimum": 0}]}}})
    assert checker.problems({"a": -1}) == []
    assert [problem.text for problem in checker.problems({"a": 3})] == [
        "3 fits more than one of the forms that it may have"
    ]


def test_no_schema_at_all_is_said_at_once() -> None:
    with pytest.raises(ValueError, match="strin"):
        Checker({"type": "strin"})


@settings(max_examples=100, deadline=None)
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(SCHEMA["properties"], ANY)))
def test_problems_are_found_just_where_the_schema_is_broken(params: dict[str, Any]) -> None:
    problems = Checker(SCHEMA, references=False).problems(params)
    assert (problems == []) == jsonschema_rs.Draft202012Validator(SCHEMA).is_valid(params)
    assert all(reaches(params, problem.path) for problem in problems)
