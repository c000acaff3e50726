"""References: their form, and that resolving puts the right values in the right places."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synapse_spec.spec import references
from synapse_spec.spec.references import Reference, dig, find, is_whole, parse, resolve

NAME = st.from_regex(r"[A-Za-z_][\w-]{0,8}", fullmatch=True)
PARTS = st.tuples(NAME, st.lists(NAME | st.integers(0, 999), max_size=5)).map(lambda pair: (pair[0], *pair[1]))
PLAIN = st.text(alphabet="ab${} .\n日", max_size=12).filter(lambda text: "${{" not in text)
BLANKS = st.sampled_from(["", " ", "  ", "\n"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(PLAIN, inner, max_size=3),
    max_leaves=10,
)


def written(parts: tuple[str | int, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).removeprefix(".")


@settings(deadline=None)
@given(PARTS, BLANKS, BLANKS)
def test_what_is_written_is_parsed(parts: tuple[str | int, ...], before: str, after: str) -> None:
    reference = parse(f"{before}{written(parts)}{after}")
    assert reference.parts == parts
    assert parse(reference.text) == reference
    assert next(find(str(reference))) == ((), reference)


@pytest.mark.parametrize(
    "text",
    [
        *("", "a.", ".a", "a..b", "a b", "a[x]", "a[-1]", "a[1", "1", "a + b", "a()", "a['b']", "a|b", "[0]", "a.${{b"),
        *("runs.a[x=1]b", "runs.a[x=1]..b", "runs.a[x=1", "runs.a[]", "a[x=1]", "runs.a[#12345678"),
    ],
)
def test_anything_else_has_no_parts(text: str) -> None:
    assert parse(text) == Reference(text, ())


@pytest.mark.parametrize(
    ("text", "run"),
    [
        ("runs.a.result", "a"),
        ("runs.a-b.result.x[0].y", "a-b"),
        ("runs.a", None),
        ("runs.a.status", None),
        ("run.a.result", None),
        ("runs.a[ x = 'b]' , y = [1, {}] ].result.z[0]", "a[ x = 'b]' , y = [1, {}] ]"),
        ("runs.a[#12345678].results", "a[#12345678]"),
    ],
)
def test_the_run_it_takes_a_result_of(text: str, run: str | None) -> None:
    assert parse(text).run == run


def test_find_gives_places_in_the_order_of_the_document() -> None:
    document = {"a": "${{ x }}", "b": ["-", "${{y}}${{ z[0] }}", {"c": "n ${{ w"}], "d": "$ {{ no }}", "${{ key }}": 1}
    found = [(path, reference.text, reference.closed) for path, reference in find(document)]
    assert found == [(("a",), "x", True), (("b", 1), "y", True), (("b", 1), "z[0]", True), (("b", 2, "c"), "w", False)]


@pytest.mark.parametrize("text", ["${{ a }}", " ${{a}} ", "\n${{\n a \n}}\n", "${{ a } }}"])
def test_one_whole_reference(text: str) -> None:
    assert is_whole(text)


@pytest.mark.parametrize("text", ["", "a", "${{ a", "${{ a }}-", "${{ a }} ${{ b }}", "${{ a }}/${{ b }}", "$${{ a }}"])
def test_no_whole_reference(text: str) -> None:
    assert not is_whole(text)


@settings(deadline=None)
@given(JSON)
def test_without_references_nothing_changes(value: Any) -> None:
    text = json.dumps(value)
    resolved = resolve(value, lambda reference: pytest.fail(f"looked up {reference}"))
    assert resolved == value
    assert json.dumps(resolved) == json.dumps(value) == text


@settings(deadline=None)
@given(PLAIN, JSON, PLAIN, JSON, PLAIN)
def test_a_whole_reference_keeps_its_type_and_others_are_formatted(a: str, x: Any, b: str, y: Any, c: str) -> None:
    values = {"x": x, "y": y}

    def shown(value: Any) -> str:
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    given = {"whole": "${{ x }}", "list": [f"{a}!${{{{ x }}}}{b}${{{{ y }}}}{c}"], "two": "${{ x }}${{ y }}"}
    assert resolve(given, lambda reference: values[reference.text]) == {
        "whole": x,
        "list": [f"{a}!{shown(x)}{b}{shown(y)}{c}"],
        "two": shown(x) + shown(y),
    }
    assert given["whole"] == "${{ x }}"


def test_a_value_is_not_resolved_again() -> None:
    assert resolve(["${{ x }}", "a ${{ x }}"], lambda _: "${{ y }}") == ["${{ y }}", "a ${{ y }}"]


def test_as_many_levels_as_yaml_takes() -> None:
    deep: Any = "${{ x }}"
    for _ in range(500):
        deep = [{"a": deep}]
    resolved = resolve(deep, lambda _: 7)
    for _ in range(500):
        resolved = resolved[0]["a"]
    assert resolved == 7


def test_a_failing_look_up_passes_through() -> None:
    with pytest.raises(LookupError, match="gone"):
        resolve({"a": ["${{ x }}"]}, lambda _: dig({}, ("gone",)))


RESULT = {"path": "p", "scores": [1, {"best": None}], "empty": {}}


@pytest.mark.parametrize(
    ("text", "value"),
    [("path", "p"), ("scores[0]", 1), ("scores[1].best", None), ("empty", {})],
)
def test_dig(text: str, value: Any) -> None:
    assert dig(RESULT, parse(text).parts) == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pth", "has no 'pth'; it has path, scores, empty"),
        ("scores[2]", "has no 2; it has 2 items"),
        ("scores.first", "has no 'first'; it has 2 items"),
        ("path.x", "has no 'x'; it has the value 'p'"),
        ("empty.x", "has no 'x'; it has no keys"),
        ("scores[1].best.x", "has no 'x'; it has the value None"),
    ],
)
def test_dig_says_what_there_is_instead(text: str, said: str) -> None:
    with pytest.raises(LookupError) as caught:
        dig(RESULT, parse(text).parts)
    assert str(caught.value) == said


@settings(deadline=None)
@given(st.text(alphabet="${}ab. \n[0]", max_size=30))
def test_find_and_resolve_agree_on_what_a_reference_is(text: str) -> None:
    found = [reference for _, reference in references.find(text)]
    seen: list[Reference] = []
    resolve(text, lambda reference: seen.append(reference) or "")
    if is_whole(text):
        assert len(found) == 1
    assert seen == [reference for reference in found if reference.closed]


def test_a_reference_has_at_most_1000_characters() -> None:
    longest = "runs.b.result.".ljust(1000, "a")
    assert parse(longest).run == "b"
    assert parse(f"{longest}a").parts == ()
