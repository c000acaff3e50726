"""The names of children: readable, one for each combination, and found in any spelling."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_spec.spec.child_names import Siblings, as_file, canonical, end_of, is_same, label, of_file, pairs_of, shown
from synapse_spec.spec.references import parse

_SCALARS = st.one_of(st.integers(), st.booleans(), st.none(), st.floats(allow_nan=False, allow_infinity=False))
_VALUES = st.recursive(
    _SCALARS | st.text() | st.text(alphabet="a,=[]{}$/\\ '\"#}\n", max_size=6),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=4,
)
_COMBINATIONS = st.dictionaries(st.from_regex(r"[A-Za-z_][\w-]{,3}", fullmatch=True), _VALUES, min_size=1, max_size=3)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (0.1, "0.1"),
        ("s", "s"),
        ("v1.2+cu", "v1.2+cu"),
        ("1", '"1"'),
        ("true", '"true"'),
        (True, "true"),
        (None, "null"),
        ("", '""'),
        ("a/b, c", '"a/b, c"'),
        ("[x]", '"[x]"'),
        ('say "no"', r'"say \"no\""'),
        ("a\\b", r'"a\\b"'),
        ("two\nlines", r'"two\nlines"'),
        ("\x9b31m", r'"\u009b31m"'),
        ("日本 語", '"日本 語"'),
        ([64, 32], "[64,32]"),
        ({"b": 1, "a": "x y"}, '{"a":"x y","b":1}'),
    ],
)
def test_a_value_is_written_so_that_it_can_be_read(value: Any, name: str) -> None:
    assert shown(value) == name


@pytest.mark.parametrize("value", ["x" * 81, {"a": {"b": 1}}, "${{ a }}", list(range(50))])
def test_what_is_long_or_would_end_a_reference_has_a_digest(value: Any) -> None:
    assert shown(value).startswith("#")
    assert len(shown(value)) == 9


def test_a_label_of_many_values_is_a_digest() -> None:
    assert label({"a": "x" * 70, "b": "y"}).startswith("a=xxx")
    assert len(label({"a": "x" * 70, "b": "y" * 80})) == 9
    assert len(label({"a": "/" * 60})) == 9, "each slash takes three bytes in the name of a file"


@given(_COMBINATIONS)
def test_a_reference_can_hold_the_name_and_a_file_can_have_it(values: dict[str, Any]) -> None:
    name = f"run[{label(values)}]"
    assert parse(f"runs.{name}.result.x[0]").parts == ("runs", name, "result", "x", 0)
    assert name.isprintable()
    assert "}}" not in name
    assert "/" not in as_file(name)
    assert len(as_file(name).encode()) < 170
    assert of_file(as_file(name)) == name


@given(_COMBINATIONS, st.randoms(use_true_random=False))
def test_a_name_is_found_in_any_order_and_with_values_as_json(values: dict[str, Any], random: Any) -> None:
    name = f"run[{label(values)}]"
    siblings = Siblings({"run[other=1]": {"other": 1}, name: values | {"added": "x"}})
    pairs = [f" {key} = {json.dumps(value)} " for key, value in values.items()]
    random.shuffle(pairs)
    assert siblings.find(f"run[{','.join(pairs)}]") == name
    assert siblings.find(f"run[{label(values)}]") == name
    assert siblings.find(f"run[{','.join(pairs)},added=x]") is None


@pytest.mark.parametrize(
    ("spelled", "found"),
    [
        ("t[lr=0.10,size=s]", 0),
        ("t[size=s,lr=1e-1]", 0),
        ("t[ size = 's' , lr = 0.1 ]", 0),
        ("t[lr=0.1,size=a/b]", 1),
        ("t[size='a/b',lr=.1]", 1),
        ('t[lr="0.1",size=s]', None),
        ("t[lr=0.1]", None),
        ("t[lr=0.1,size=s,x=1]", None),
        ("t[lr=0.1,size=s,size=s]", None),
        ("t[lr=0.2,size=s]", None),
        ("t[lr=0.1,size=s", None),
        ("t[lr=0.1,size={]", None),
        ("t[lr=0.1,size=@]", None),
        ("t[lr=0.1,size=s]]", None),
        ("t[]", None),
    ],
)
def test_other_spellings(spelled: str, found: int | None) -> None:
    children = {"t[lr=0.1,size=s]": {"lr": 0.1, "size": "s"}, 't[lr=0.1,size="a/b"]': {"lr": 0.1, "size": "a/b"}}
    assert Siblings(children).find(spelled) == (None if found is None else list(children)[found])
    assert [is_same(spelled, child) for child in children] == [found == at for at in range(2)]


def test_digests_are_taken_as_they_are() -> None:
    long = "x" * 100
    name = f"t[v={shown(long)}]"
    assert Siblings({name: {"v": long}}).find(name) == name
    assert Siblings({name: {"v": long}}).find(f"t[v={long}]") == name
    assert is_same(f"t[v={long}]", name)
    whole = f"t[{label({'a': 'x' * 79, 'b': 'y' * 79})}]"
    assert is_same(f"t[a={'x' * 79},b={'y' * 79}]", whole)
    assert pairs_of(whole) is None
    assert canonical(whole) == whole


@pytest.mark.parametrize(
    "text", ["[a=1]", "[a=1,b-c=]", '[a="]"]', "[a=[1,[2]]]", "[#0a1b2c3d]", "[a='it''s']", "[a=it's]"]
)
def test_where_brackets_end(text: str) -> None:
    assert end_of(f"t{text}.x", 1) == len(text) + 1


@pytest.mark.parametrize("text", ["[0]", "[]", "[a]", "[a=1", "[#0a1b2c3]", "[a=1,]", "[1=a]", "[a=1,#0a1b2c3d]"])
def test_what_are_no_brackets_of_a_child(text: str) -> None:
    assert end_of(text, 0) is None


def test_nesting_without_end_is_no_name() -> None:
    assert pairs_of(f"t[a={'[' * 100_000}]") is None
    assert Siblings({"t[a=1]": {"a": 1}}).find(f"t[a={'[' * 5000}{']' * 5000}]") is None
