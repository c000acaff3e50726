"""Edits of a text: they do what was asked, and nothing else."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synapse_spec.plugins import yaml
from synapse_spec.plugins.yaml import KeyPath
from synapse_spec.spec.edit import MISSING, EditError, assign, changes, rewritten
from synapse_spec.spec.references import dig


def edited(text: str, *edits: tuple[KeyPath, Any], **typed: str) -> str:
    """The text after edits of its first document."""
    wanted = yaml.parse(text.encode())
    for path, value in edits:
        assign(wanted, (0, *path), value)
    return rewritten(text.encode(), wanted, {(0, key): word for key, word in typed.items()}).decode()


@pytest.mark.parametrize(
    ("before", "path", "value", "after"),
    [
        ("a: 1  # one\n", ("a",), 2, "a: 2  # one\n"),
        ("a:\t1\n", ("a",), 2, "a:\t2\n"),
        ("a: 'x' # '\n", ("a",), "it's", "a: 'it''s' # '\n"),
        ('a: "x"\n', ("a",), "y", 'a: "y"\n'),
        ("a: x\n", ("a",), "on", 'a: "on"\n'),
        ("a: x\n", ("a",), "two\nlines", 'a: "two\\nlines"\n'),
        ("a: x\n", ("a",), "\x85", 'a: "\\u0085"\n'),
        ("a: x\n  y\nb: 1\n", ("a",), 1.5, "a: 1.5\nb: 1\n"),
        ("a: |\n  x\n\n# c\nb: 1\n", ("a",), 1, "a: 1\n\n# c\nb: 1\n"),
        ("a: |+\n  x\n\nb: 1\n", ("a",), 1, "a: 1\n\nb: 1\n"),
        ("a:   # none\nb: 1\n", ("a",), 1, "a: 1   # none\nb: 1\n"),
        ("a:   # none\nb: 1\n", ("a", "x"), 1, "a:   # none\n  x: 1\nb: 1\n"),
        ("- a\n-\n- c\n", (1,), "b", "- a\n- b\n- c\n"),
        ("- -1\n-\n  - 2\n", (1, 0), -3, "- -1\n-\n  - -3\n"),
        ("a: {b: 1, c: }\n", ("a", "c"), "x, y", 'a: {b: 1, c: "x, y" }\n'),
        ('a: {"b":1}\n', ("a", "b"), [1, {"k": "[x"}], 'a: {"b":[1, {k: "[x"}]}\n'),
        ("a:\n- 1 # c\n# d\nb: 2\n", ("a",), [], "a: []\n# d\nb: 2\n"),
        ("a: # c\n  b: 1\nc: 2\n", ("a",), "x", "a: x # c\nc: 2\n"),
        ("a: {}\n", ("a", "b"), 1, "a: {b: 1}\n"),
        ("a: { b: 1 } # c\n", ("a", "c"), 2, "a: { b: 1, c: 2 } # c\n"),
        ("a: [1, # c\n 2]\n", ("a", 2), 3, "a: [1, # c\n 2, 3]\n"),
        ("a:\n  b:\n    - 1\n  # end of a\nc: 1\n", ("a", "d"), 2, "a:\n  b:\n    - 1\n  d: 2\n  # end of a\nc: 1\n"),
        ("a:\n  b: |+\n    x\n\nc: 1\n", ("a", "d"), 2, "a:\n  b: |+\n    x\n\n  d: 2\nc: 1\n"),
        ("a:\n   b: 1\n", ("c", "d", "e f"), [], "a:\n   b: 1\nc:\n   d:\n      e f: []\n"),
        ("a:\n- b: 1\n  c: 2 # x\n", ("a", 1), {"b": 1, "c": 2}, "a:\n- b: 1\n  c: 2 # x\n- b: 1\n  c: 2\n"),
        ("a:\n- b: 1\n  c: 2 # x\n", ("a", 0, "b"), MISSING, "a:\n- c: 2 # x\n"),
        ("a:\n- b: 1\n  c: 2 # x\n", ("a", 0, "c"), MISSING, "a:\n- b: 1\n"),
        ("a: 1\n# of b\nb: 2 # x\nc: 3", ("b",), MISSING, "a: 1\n# of b\nc: 3"),
        ("a: 1\r\nb: 2", ("b",), MISSING, "a: 1"),
        ("a: [1, 2, 3]\n", ("a", 0), MISSING, "a: [2, 3]\n"),
        ("a: [1, 2, 3]\n", ("a", 2), MISSING, "a: [1, 2]\n"),
        ("a: [1, # c\n 2]\n", ("a", 1), MISSING, "a: [1, # c\n ]\n"),
        ("a: {b: 1}\n", ("a", "b"), MISSING, "a: {}\n"),
        ("- 1 # x\n- 2 # y\n- 3 # z\n", (1,), MISSING, "- 1 # x\n- 3 # z\n"),
        ("a: &x 1\nb: *x\n", ("b",), 2, "a: &x 1\nb: 2\n"),
        ("a: &x 1\nb: *x\n", ("a",), 2, "a: &x 2\nb: 1\n"),
        ("a: &x\n  k: 1\nb: *x\n", ("b", "k"), 2, "a: &x\n  k: 1\nb: {k: 2}\n"),
        ("a: &x {k: 1}\nb:\n  <<: *x\n", ("b", "k"), 2, "a: &x {k: 1}\nb:\n  <<: *x\n  k: 2\n"),
        ("a: &x # c\n  k: 1\n", ("a",), 2, "a: &x 2 # c\n"),
        ("a: &x # c\n  k: 1\n", ("a", "l"), 2, "a: &x # c\n  k: 1\n  l: 2\n"),
        ("? a\n: 1\n", ("b",), 2, "? a\n: 1\nb: 2\n"),
        ('"a b": 1\n', ("a b",), 2, '"a b": 2\n'),
    ],
)
def test_edits(before: str, path: KeyPath, value: Any, after: str) -> None:
    assert edited(before, (path, value)) == after


def test_plain_values_are_written_as_they_were_typed() -> None:
    assert edited("a: 1\n", (("a",), 0.001), a="1e-3") == "a: 1e-3\n"
    assert edited("a: 1\n", (("b",), None), b="~") == "a: 1\nb: ~\n"


@pytest.mark.parametrize(
    ("before", "path", "value"),
    [
        ("a: &x {k: 1}\nb:\n  <<: *x\n  y: 2\n", ("b", "k"), MISSING),
        ("a: {b, c}\n", ("a", "b"), 1),
    ],
)
def test_what_cannot_be_edited_in_place_is_refused(before: str, path: KeyPath, value: Any) -> None:
    with pytest.raises(EditError, match=rf"^{path[0]}\.{path[1]} cannot be changed without changing more"):
        edited(before, (path, value))


@pytest.mark.parametrize(
    ("path", "why"), [(("a", "b"), "a has no 'b'; it has the value 1"), (("l", 3), "l has no 3; it has 2 items")]
)
def test_a_path_must_lead_somewhere(path: KeyPath, why: str) -> None:
    with pytest.raises(LookupError, match=why):
        edited("a: 1\nl: [1, 2]\n", (path, 1))


WORDS = st.sampled_from(["x", "two words", "a-b", "größe", "漢字", "${{ runs.a.result }}", "C:\\x"])
NUMBERS = st.sampled_from(["0", "10", "-1", "1e-3", ".5", "0x1F", "+7", "true", "False", "null", "~"])
QUOTED = st.sampled_from(['""', '"a # b"', "'it''s'", '"a: \\n é"', "'on'", '"{"', "'- x'"])
COMMENTS = st.sampled_from(["", "", "  # more", " # a: 1", "\t# é"])
BETWEEN = st.sampled_from(["", "", "\n", "# - a\n", "# key: 'x\n"])
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=8)
).filter(lambda value: not isinstance(value, str) or all(0x20 <= ord(char) < 0xD800 for char in value))


@st.composite
def flows(draw: st.DrawFn) -> str:
    items = draw(st.lists(st.one_of(NUMBERS, QUOTED, st.sampled_from(["x", "a b"])), max_size=3))
    blank, comma = draw(st.sampled_from(["", " "])), draw(st.sampled_from([", ", " , ", ",  "]))
    if draw(st.booleans()):
        return f"[{blank}{comma.join(items)}{blank}]"
    return f"{{{blank}{comma.join(f'k{index}: {item}' for index, item in enumerate(items))}{blank}}}"


@st.composite
def blocks(draw: st.DrawFn, indent: int = 0, depth: int = 0) -> str:
    """Lines of a block mapping or list, in any of the ways that people write them."""
    is_list = depth > 0 and draw(st.booleans())
    step, text = draw(st.sampled_from([2, 4])), ""
    for index in range(draw(st.integers(1, 3))):
        head = "- " if is_list else draw(st.sampled_from(["key{}: ", '"q {}":  ', "k.{}:\t"])).format(index)
        text += draw(BETWEEN) + " " * indent + head
        if depth < 2 and not is_list and draw(st.booleans()):
            text = text.rstrip() + draw(COMMENTS) + "\n" + draw(blocks(indent + step, depth + 1))
        elif draw(st.integers(0, 6)) == 0:
            inner = " " * (indent + step + 1)
            text += draw(st.sampled_from(["|", ">-", "|2-", ">"])).replace("2", str(step)) + "\n"
            text += f"{' ' * (indent + step)}text # no comment\n{inner}more\n"
        else:
            text += draw(st.one_of(WORDS, NUMBERS, QUOTED, flows())) + draw(COMMENTS) + "\n"
    return text


@st.composite
def texts(draw: st.DrawFn) -> tuple[bytes, int]:
    """A file, and the index of the document to edit."""
    text, first = draw(blocks()) + draw(BETWEEN), draw(st.sampled_from(["", "---\n", "# é\n\n--- # doc\n"]))
    earlier = draw(st.sampled_from(["", "a: [1, '---']\n---\n"])) if not first else ""
    later = draw(st.sampled_from(["", "...\n", "---\nz: 1\n"]))
    whole = (earlier + first + text + later).replace("\n", draw(st.sampled_from(["\n", "\r\n"])))
    return (draw(st.sampled_from(["", "\ufeff"])) + whole).encode(), 1 if earlier else 0


def places(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    """The paths of all that is no mapping and no list."""
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(item, (*path, key))
    else:
        yield path


def same(old: Any, new: Any) -> bool:
    return next(changes(old, new), None) is None


@settings(max_examples=100, deadline=None)
@given(texts(), VALUES, st.data())
def test_a_value_is_set_and_its_line_alone_changes(file: tuple[bytes, int], value: Any, data: st.DataObject) -> None:
    old, document = file
    documents = yaml.parse(old)
    found = [path for path in places(documents) if path[0] == document]
    if not found:
        return
    path = data.draw(st.sampled_from(found))
    wanted = yaml.parse(old)
    assign(wanted, path, value)
    new = rewritten(old, wanted, {})
    assert same(yaml.parse(new), wanted)
    span = yaml.locate(old, path[0], path[1:])
    before, after = old.decode().splitlines(keepends=True), new.decode().splitlines(keepends=True)
    tail = len(before) - span.line - (2 if span.end_line > span.line else 0)  # a block has three lines
    assert after[: span.line - 1] == before[: span.line - 1]
    assert tail == 0 or after[-tail:] == before[-tail:]


@settings(max_examples=50, deadline=None)
@given(texts(), st.data())
def test_setting_back_gives_the_old_bytes(file: tuple[bytes, int], data: st.DataObject) -> None:
    """For what is written plainly."""
    old, document = file
    documents = yaml.parse(old)
    plain = {}
    for path in places(documents):
        text = yaml.written(old, yaml.locate(old, path[0], path[1:]))
        if path[0] == document and not text.startswith(('"', "'", "|", ">")) and text:
            plain[path] = text
    if not plain:
        return
    path = data.draw(st.sampled_from(sorted(plain, key=str)))
    wanted = yaml.parse(old)
    assign(wanted, path, 4711)
    new = rewritten(old, wanted, {})
    assert new != old
    assert rewritten(new, documents, plain) == old


@settings(max_examples=75, deadline=None)
@given(texts(), VALUES, st.data())
def test_adding_and_taking_away(file: tuple[bytes, int], value: Any, data: st.DataObject) -> None:
    """New values take lines of their own or a place in one; taken away again, the text is what it was."""
    old, document = file
    wanted = yaml.parse(old)
    nested = sorted({path[:-1] for path in places(wanted) if path[0] == document and len(path) > 1}, key=str)
    if not nested:
        return
    path = data.draw(st.sampled_from(nested))
    holder = dig(wanted, path)
    added = (*path, len(holder) if isinstance(holder, list) else "new key")
    assign(wanted, added, value)
    new = rewritten(old, wanted, {})
    assert same(yaml.parse(new), wanted)
    assign(wanted, added, MISSING)
    assert rewritten(new, wanted, {}) == old


@settings(max_examples=75, deadline=None)
@given(texts(), st.data())
def test_any_value_may_be_taken_away_or_replaced(file: tuple[bytes, int], data: st.DataObject) -> None:
    old, document = file
    wanted = yaml.parse(old)
    for _ in range(data.draw(st.integers(1, 3))):
        found = [path[:end] for path in places(wanted) for end in range(2, len(path) + 1) if path[0] == document]
        if not found:
            break
        value = data.draw(st.sampled_from([MISSING, [], {}, [1, {"a": "b, c"}], {"n": {"m": None}}, "x"]))
        assign(wanted, data.draw(st.sampled_from(sorted(set(found), key=str))), value)
    assert same(yaml.parse(rewritten(old, wanted, {})), wanted)


@settings(max_examples=25, deadline=None)
@given(st.recursive(VALUES, lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(max_size=3), inner))))
def test_a_value_equals_itself_alone(value: Any) -> None:
    assert same(value, value)
    assert not same(value, [value])


def test_numbers_of_other_kinds_differ() -> None:
    assert list(changes({"a": [1, True]}, {"a": [1.0, 1]})) == [(("a", 0), 1, 1.0), (("a", 1), True, 1)]
