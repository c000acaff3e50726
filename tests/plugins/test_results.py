"""to_json: each mode gives the same, JSON-compatible result, or says what has no JSON form."""

import dataclasses
import datetime as dt
import decimal
import enum
import json
import math
import uuid
from collections import OrderedDict, namedtuple
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from synapse_spec.plugins import yaml
from synapse_spec.plugins.errors import ValidationError
from synapse_spec.plugins.results import to_json


class Colour(enum.Enum):
    RED = "red"
    PAIR = (1, 2)


class Level(enum.IntEnum):
    HIGH = 3


class Word(enum.StrEnum):
    A = "a"


@dataclasses.dataclass
class Point:
    x: float
    where: Path = Path("p")


class Report(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)

    score: float = Field(default=0.5, serialization_alias="finalScore")
    took: dt.timedelta = dt.timedelta(hours=1)
    values: Any = None
    point: Point | None = None


Pair = namedtuple("Pair", "left right")

CONVERTED: list[tuple[Any, Any]] = [
    (None, None),
    (True, True),
    (0, 0),
    (1.5, 1.5),
    ("é", "é"),
    ((1, [2]), [1, [2]]),
    (OrderedDict(a=1), {"a": 1}),
    (Pair(1, 2), [1, 2]),
    ({1: "a", Level.HIGH: "b", Word.A: "c"}, {"1": "a", "3": "b", "a": "c"}),
    ({np.int64(2): 1}, {"2": 1}),
    ({3, 1, 2}, [1, 2, 3]),
    pytest.param(frozenset({"b", "a"}), ["a", "b"], id="frozenset"),
    (Path("/a/b"), "/a/b"),
    (PureWindowsPath("c:\\a"), "c:\\a"),
    (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    (decimal.Decimal("1.10"), "1.10"),
    (dt.datetime(2024, 1, 2, 3, tzinfo=dt.UTC), "2024-01-02T03:00:00Z"),
    (dt.date(2024, 1, 2), "2024-01-02"),
    (dt.time(3, 4), "03:04:00"),
    (dt.timedelta(hours=1), "PT1H"),
    (Colour.RED, "red"),
    (Colour.PAIR, [1, 2]),
    (Level.HIGH, 3),
    (Word.A, "a"),
    (Point(1.0), {"x": 1.0, "where": "p"}),
    (np.float32(0.5), 0.5),
    (np.float64(0.5), 0.5),
    (np.int64(3), 3),
    (np.bool_(True), True),
    (np.str_("s"), "s"),
    (np.arange(4).reshape(2, 2), [[0, 1], [2, 3]]),
    (np.array(7), 7),
    ({"best": [np.array([1.5]), Path("m.bin")]}, {"best": [[1.5], "m.bin"]}),
    (Report(), {"finalScore": 0.5, "took": "PT1H", "values": None, "point": None}),
    (
        {"report": Report(values=np.arange(2), point=Point(2.0))},
        {"report": {"finalScore": 0.5, "took": "PT1H", "values": [0, 1], "point": {"x": 2.0, "where": "p"}}},
    ),
]


def exactly(value: Any) -> Any:
    """`value` with its types, so that True is not 1 and numpy's float is not Python's."""
    if isinstance(value, dict):
        return {key: exactly(item) for key, item in value.items()}
    if isinstance(value, list):
        return [exactly(item) for item in value]
    return type(value), value


@pytest.mark.parametrize(("value", "plain"), CONVERTED, ids=lambda value: repr(value)[:40])
def test_what_has_a_json_form(value: Any, plain: Any) -> None:
    assert exactly(to_json(value)) == exactly(plain)


def cycle() -> Any:
    items: list[Any] = []
    items += [items, items]
    return items


def model_cycle() -> Any:
    report = Report()
    report.values = report
    return report


def deep() -> Any:
    value: Any = None
    for _ in range(5000):
        value = [value]
    return value


class Opaque:
    pass


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (math.nan, "^result is nan"),
        ({"scores": [1.0, math.inf]}, r"^result\.scores\[1\] is inf"),
        ({"a": np.array([1.0, np.nan])}, r"^result\.a\[1\] is nan"),
        ({"a": np.float32("nan")}, r"^result\.a is nan"),
        (Report(score=math.nan), r"^result\.finalScore is nan"),
        (Report(values=Opaque()), r"^result.* is of type Opaque"),
        (Opaque(), "^result is of type Opaque"),
        ([Opaque], r"^result\[0\] is of type type"),
        ({"f": print}, r"^result\.f is of type builtin_function_or_method"),
        (b"bytes", "^result is of type bytes"),
        (1j, "^result is of type complex"),
        (range(3), "^result is of type range"),
        (iter([1]), "^result is of type list_iterator"),
        ({1.5: 1}, "^result has a key 1.5 of type float"),
        ({"a": {None: 1}}, r"^result\.a has a key None"),
        ({True: 1}, "^result has a key True"),
        ({1: "a", "1": "b"}, "^result has two keys '1'"),
        ("caf\udce9", "^result is text with a lone surrogate"),
        ({"caf\udce9": 1}, "^result has a key .* lone surrogate"),
        (cycle(), "nested deeper than 200 levels, or contains itself"),
        (model_cycle(), "^result .*contains itself|^result .*ircular"),
        (deep(), "nested deeper than 200 levels"),
    ],
)
def test_what_has_none_is_named_with_its_place(value: Any, said: str) -> None:
    with pytest.raises(ValidationError, match=said) as caught:
        to_json(value)
    assert len(caught.value.message) < 1000


def test_the_root_may_have_another_name() -> None:
    with pytest.raises(ValidationError, match=r"^params\.lr is nan"):
        to_json({"lr": math.nan}, "params")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_json_comes_back_unchanged(value: Any) -> None:
    plain = to_json(value)
    assert exactly(plain) == exactly(value)
    assert json.loads(json.dumps(plain, allow_nan=False)) == value


@given(
    st.floats() | st.text(st.characters(exclude_categories=[])) | st.dictionaries(st.integers() | st.text(), st.none())
)
def test_what_is_let_through_can_be_stored(value: Any) -> None:
    try:
        plain = to_json(value)
    except ValidationError:
        return
    assert json.loads(json.dumps(plain, allow_nan=False).encode()) == plain
    assert yaml.parse(yaml.dump(plain).encode()) == [plain]


def test_an_integer_too_long_to_be_written_is_refused_with_its_place() -> None:
    with pytest.raises(ValidationError, match=r"result\.n is an integer of more than 4,200 digits"):
        to_json({"n": 10**5000})
