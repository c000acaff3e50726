"""What a matrix stands for."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_spec.spec.child_names import shown
from synapse_spec.spec.matrix import MOST, MatrixError, children, expand

CASES: list[tuple[dict[str, Any], list[str]]] = [
    ({"lr": [0.1, 0.01]}, ["lr=0.1", "lr=0.01"]),
    ({"lr": [0.1], "size": ["s", "m"]}, ["lr=0.1,size=s", "lr=0.1,size=m"]),
    ({"b": [3, 4], "a": [1, 2]}, ["a=1,b=3", "a=1,b=4", "a=2,b=3", "a=2,b=4"]),
    ({"a": [1, 2], "b": [True, None]}, ["a=1,b=true", "a=1,b=null", "a=2,b=true", "a=2,b=null"]),
    ({"a": [1, 2], "b": [3, 4], "exclude": [{"a": 1, "b": 4}]}, ["a=1,b=3", "a=2,b=3", "a=2,b=4"]),
    ({"a": [1, 2], "b": [3, 4], "exclude": [{"a": 1}]}, ["a=2,b=3", "a=2,b=4"]),
    ({"a": [1], "include": [{"a": 2}]}, ["a=1", "a=2"]),
    ({"a": [1], "include": [{"a": 2, "extra": "x"}]}, ["a=1", "a=2,extra=x"]),
    ({"z": [1], "include": [{"z": 2, "extra": "x"}]}, ["z=1", "extra=x,z=2"]),
    ({"a": [1, 2], "include": [{"a": 2, "extra": "x"}]}, ["a=1", "a=2"]),
    ({"a": [1, 2], "include": [{"extra": "x"}]}, ["a=1", "a=2"]),
    ({"include": [{"a": 1}, {"a": 2, "b": 3}]}, ["a=1", "a=2,b=3"]),
    ({"a": ["1", 1, "true", "a b", "x,y"]}, ['a="1"', "a=1", 'a="true"', 'a="a b"', 'a="x,y"']),
]


@pytest.mark.parametrize(("matrix", "labels"), CASES)
def test_combinations_have_labels(matrix: dict[str, Any], labels: list[str]) -> None:
    assert [item.label for item in expand(matrix)] == labels


def test_included_keys_reach_the_combinations_that_they_agree_with() -> None:
    matrix = {"a": [1, 2], "include": [{"b": 0}, {"a": 2, "c": "x"}, {"a": 3}]}
    assert [item.values for item in expand(matrix)] == [{"a": 1, "b": 0}, {"a": 2, "b": 0, "c": "x"}, {"a": 3}]


def test_children_are_named_after_their_run() -> None:
    assert list(children("train", {"lr": [0.1]})) == [("train[lr=0.1]", {"lr": 0.1})]


@pytest.mark.parametrize(
    ("matrix", "message", "path"),
    [
        ({}, "no combination is left", ()),
        ({"a": [1], "exclude": [{"a": 1}]}, "no combination is left", ()),
        ({"a": [1, 2, 1]}, "1 is given twice", ("a", 2)),
        ({"a": [1], "exclude": [{"a": 2}]}, "this excludes no combination", ("exclude", 0)),
        ({"a": [1], "exclude": [{"b": 2}]}, "this excludes no combination", ("exclude", 0, "b")),
        ({"include": [{"a": 1}, {"a": 1}]}, "this combination is included already", ("include", 1)),
        ({"a": list(range(17)), "b": list(range(17))}, "289 combinations; at most 256 are run", ()),
        ({"include": [{"a": number} for number in range(257)]}, "257 combinations; at most 256 are run", ("include",)),
    ],
)
def test_what_cannot_be_expanded_says_why(matrix: dict[str, Any], message: str, path: tuple[Any, ...]) -> None:
    with pytest.raises(MatrixError, match=message) as caught:
        expand(matrix)
    assert caught.value.path == path


_VALUES = st.one_of(st.integers(), st.booleans(), st.none(), st.floats(allow_nan=False), st.text(), st.lists(st.text()))
_AXES = st.dictionaries(
    st.from_regex(r"[a-z]{1,4}", fullmatch=True), st.lists(_VALUES, min_size=1, max_size=4, unique_by=shown), max_size=3
)


@given(_AXES.filter(bool))
def test_each_combination_has_a_name_of_its_own(axes: dict[str, list[Any]]) -> None:
    names = [name for name, _ in children("run", axes)]
    assert len(set(names)) == len(names) <= MOST


@given(_AXES.filter(bool), st.data())
def test_a_new_value_leaves_the_others_their_names(axes: dict[str, list[Any]], data: st.DataObject) -> None:
    axis = data.draw(st.sampled_from(sorted(axes)))
    value = data.draw(_VALUES.filter(lambda value: shown(value) not in map(shown, axes[axis])))
    grown = axes | {axis: [*axes[axis], value]}
    assert dict(children("run", axes)).items() <= dict(children("run", grown)).items()
