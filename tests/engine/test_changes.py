"""Which fields are told as changed."""

import json
from typing import Any

import pytest
from hypothesis import given

from synapse_spec.engine.applied import referring
from synapse_spec.engine.changes import field_changes
from tests.engine.test_digest import json_values, repr_json

A, B = "${{ runs.a.result.x }}", "${{ spec.dir }}"


def told(old: Any, new: Any, written: Any = None) -> list[str]:
    """What is said of a param; `written` is what the old value was made of, if there were references in it."""
    references = referring({"params": {"p": old if written is None else written}})
    applied = {"params": {"p": old}, "references": references}
    return [str(change) for change in field_changes(applied, {"params": {"p": new}})]


WRITTEN = [
    (3, A),
    ({"path": "x"}, A),
    ("/place/poem.txt", f"{B}/poem.txt"),
    ([1, {"k": "v"}, "at home"], [A, {"k": A}, f"at {B}"]),
    ({"deep": {"er": 1, "plain": [2]}}, {"deep": {"er": A, "plain": [2]}}),
]


@pytest.mark.parametrize(("value", "written"), WRITTEN)
def test_what_was_written_is_held_against_what_is_written(value: Any, written: Any) -> None:
    assert told(value, written, written) == []
    other = json.loads(json.dumps(written).replace("runs.a", "runs.b").replace("spec.dir", "run.name"))
    (change,) = told(value, other, written)
    assert change.startswith("params.p")


def test_changes_of_references_have_words() -> None:
    assert told(3, "${{ runs.b.result.x }}", A) == [f"params.p {A} -> ${{{{ runs.b.result.x }}}}"]
    assert told(3, 3, A) == [f"params.p {A} -> 3"]
    assert told(3, A) == [f"params.p 3 -> {A}"]
    assert told({"k": 3, "l": 1}, {"k": A, "l": 2}, {"k": A, "l": 1}) == ["params.p.l 1 -> 2"]
    assert told({"k": 3}, {}, {"k": A}) == [f"params.p.k {A} -> (not set)"]


def test_an_entrypoint_is_told_unless_the_action_is_another() -> None:
    old, new = {"action": "a", "entrypoint": "m:a"}, {"action": "a", "entrypoint": "m:b"}
    assert list(map(str, field_changes(old, new))) == ["entrypoint 'm:a' -> 'm:b'"]
    assert list(map(str, field_changes(old, new | {"action": "b"}))) == ["action 'a' -> 'b'"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("a" * 60, "b" * 60, f"params.p '{'a' * 36}... -> '{'b' * 36}..."),
        (f"{'a' * 60}1", f"{'a' * 60}2", "params.p ...aaaaaaaaaa1' -> ...aaaaaaaaaa2'"),
        (f"{'a' * 60}", f"{'a' * 60}{'b' * 60}", f"params.p ...aaaaaaaaaa' -> ...{'a' * 10}{'b' * 27}..."),
        ("short", f"short{'a' * 60}", f"params.p 'short' -> 'short{'a' * 31}..."),
    ],
)
def test_of_long_values_the_part_that_differs_is_shown(old: str, new: str, said: str) -> None:
    assert told(old, new) == [said]


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
