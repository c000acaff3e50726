"""Which fields are told as changed."""

from typing import Any

import pytest
from hypothesis import given

from synapse_spec.engine.changes import field_changes
from tests.engine.test_digest import json_values, repr_json

A, B = "${{ runs.a.result.x }}", "${{ spec.dir }}"


def told(old: Any, new: Any) -> list[str]:
    return [str(change) for change in field_changes({"params": {"p": old}}, {"params": {"p": new}})]


@pytest.mark.parametrize(
    ("applied", "written"),
    [
        (3, A),
        ({"path": "x"}, A),
        ("/place/poem.txt", f"{B}/poem.txt"),
        ("1 of /place", f"{A} of {B}"),
        ("aXbYb", f"a{A}b{A}b"),
        ([1, {"k": "v"}, "at home"], [A, {"k": A}, f"at {B}"]),
    ],
)
def test_what_a_reference_may_have_given_is_no_change(applied: Any, written: Any) -> None:
    assert told(applied, written) == []


@pytest.mark.parametrize(
    ("applied", "written"),
    [
        ("/place/poem.txt", f"{B}/prose.txt"),
        ("/place/poem.txt", f"in {B}/poem.txt"),
        ("ab", f"a{A}b{A}b"),
        ("aXcYb", f"a{A}b{A}c"),
        (3, f"of {A}"),
        ([1, 2], [A]),
        ([1, 2], [A, 3]),
        ([{"k": 1}], [{"l": A}]),
    ],
)
def test_what_it_cannot_have_given_is(applied: Any, written: Any) -> None:
    assert len(told(applied, written)) == 1


@given(json_values, json_values)
def test_values_that_differ_are_told_and_no_others(old: Any, new: Any) -> None:
    assert (told(old, new) == []) == (repr_json(old) == repr_json(new))


@pytest.mark.parametrize("wrap", [lambda value: [value], lambda value: {"k": value}])
def test_nesting_as_deep_as_a_spec_may_be(wrap: Any) -> None:
    deep: Any = 1
    for _ in range(990):
        deep = wrap(deep)
    assert told(deep, deep) == []
    assert len(told(deep, 1)) == len(told(1, deep)) == 1
