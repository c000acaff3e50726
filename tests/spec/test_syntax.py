"""YAML errors in plain words: any text that cannot be read is answered at a place inside it."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synapse_spec.plugins import yaml
from synapse_spec.plugins.yaml import source_lines
from synapse_spec.spec.diagnostics import Diagnostic, render_text
from synapse_spec.spec.syntax import diagnosed

SPEC = """\
apiVersion: synapse.dev/v1
kind: Run
metadata: {name: train, labels: {team: "vision"}}
spec:
  plugin: {path: ../plugins/digits}   # relative
  params:
    epochs: 30
    layers: [64, 32]
    text: 'it''s'
    dataset: ${{ runs.prepare.result.path }}
    notes: |
      two
      lines
---
- a
- b: c
  d: "é\\t"
"""

# What the words of a YAML parser's author look like.
JARGON = ("scalar", "flow collection", "flow entry", "implicit", "indicator", "block collection", "block sequence")


def read(text: str | bytes) -> Diagnostic | None:
    data = text if isinstance(text, bytes) else text.encode("utf-8", errors="surrogatepass")
    try:
        yaml.parse(data)
    except yaml.YamlError as error:
        return diagnosed(error, data, "x.yaml")
    return None


CASES = [
    ('a: "x\nb: 1\n', 'the " is never closed', (1, 4)),
    ("a: 'x\n\n\nb: 1\n", "the ' is never closed", (1, 4)),
    ('- "x', 'the " is never closed', (1, 3)),
    ("a: [1, 2\n", "the [ is never closed", (1, 4)),
    ("a: [1, {b: 2]\n", "this ] cannot close the { before it", (1, 13)),
    ("a: [1, {b: 2\n", "the { is never closed", (1, 8)),
    ("a: {b: 1\nc: 2\n", "the { is never closed", (1, 4)),
    ('a: "]["\nb: [\n', "the [ is never closed", (2, 4)),
    ("a: b # [\nc: {\n", "the { is never closed", (2, 4)),
    ("a: {b: 1 c: 2}\n", "there is no key before the colon", None),
    (": b\n", "there is no key before the colon", None),
    ("null: b\n", "a key must be a string, and null is not", (1, 1)),
    ("~: b\n", "a key must be a string, and null is not", None),
    ("a: ]\n", "there is no bracket that this ] closes", (1, 4)),
    ("- a\nb: 1\n", "this does not belong to what stands above", (2, 1)),
    ("a: 1\n- b\n", "a list item stands among keys", (2, 1)),
    ("foo\nbar: 1\n", "this is neither 'key: value' nor a list item", (1, 1)),
    ("foo: 1\nbar\n", "this is neither 'key: value' nor a list item", (2, 1)),
    ("a: 1\nb:2\n", "there is no blank after the colon", (2, 2)),
    ("a: b\n  c: d\n", "this line is indented further than line 1, which has a value already", (2, 3)),
    ("a:\n  b: 1\n c: 2\n", "the indentation fits no line above", (3, 2)),
    ("\ta: 1\n", "a tab is used for indentation", (1, 1)),
    ("a:\n  b: 1\n\tc: 2\n", "a tab is used for indentation", (3, 1)),
    ("a: b: c\n", "a value that holds ': ' must be quoted", (1, 5)),
    ('key: value: "x"\n', "a value that holds ': ' must be quoted", (1, 11)),
    ("a: @b\n", "a value cannot start with @ unless it is quoted", (1, 4)),
    ("a: *\n", "a value cannot start with * or & unless it is quoted", (1, 4)),
    ("{a: ${{ x }}}\n", "a reference inside { } or [ ] must be quoted", (1, 5)),
    ("[${{ x }}]\n", "a reference inside { } or [ ] must be quoted", (1, 2)),
    ("{{ x }}\n", "'{{' starts a mapping in YAML", (1, 1)),
    ("? [a]\n: b\n", "a key must be a string, not a list or a mapping", None),
    ('a: "\\q"\n', "\\q means nothing inside double quotes", (1, 6)),
    ("a: 1\na: 2\n", "the key 'a' is given twice", (2, 1)),
    ("a: !x b\n", "the tag !x is not taken: values are plain JSON", (1, 4)),
    ("a: .inf\n", ".inf is no number that JSON knows", (1, 4)),
    ("<<<<<<< ours\na: 1\n=======\na: 2\n>>>>>>> theirs\n", "a merge conflict was left in the file", (1, 1)),
    (b"a: \xff\n", "the file is not UTF-8: the byte 0xff", (1, 4)),
    ("[" * 1001, "there are more than 1000 levels", (1, 1001)),
    ("a: -1e999\n", "-1e999 is too large for a number", (1, 4)),
    ("a: " + "9" * 5000, "an integer of more than 4,300 digits is not read", (1, 4)),
    ("a: \x01", "the character U+0001 cannot stand here", (1, 4)),
    ('a: "b"#c', "there is no blank before the # of a comment", (1, 7)),
    ("a: | b\n", "the text starts on the line after | or >", (1, 6)),
    ("{a: b c: d}\n", "there is no key before the colon", (1, 8)),
    (f"{'k' * 500}: 1\n{'k' * 500}: 2\n", f"the key '{'k' * 58}… is given twice", (2, 1)),
    (f"a: *{'k' * 500}", f"a value that starts with * is an alias, and there is no anchor &{'k' * 59}…", (1, 4)),
]


@pytest.mark.parametrize(("text", "message", "place"), CASES, ids=lambda value: repr(value)[:24])
def test_in_plain_words(text: str | bytes, message: str, place: tuple[int, int] | None) -> None:
    found = read(text)
    assert found is not None
    assert found.message == message
    assert found.span is not None
    assert place is None or (found.span.line, found.span.column) == place


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("a: 1\nb: 2\na: 3\n", "it is given first in line 1"),
        ("x:\n  a: 1\ny:\n  a: 2\n  b:\n    a: 3\n  a: 4\n", "it is given first in line 4"),
        ("'a': 1\na : 2\n", "it is given first in line 1"),
        ("- a: 1\n  # a: 2\n  a: 3\n", "it is given first in line 1"),
        ("{a: 1, a: 2}\n", "remove one of them"),
        ("a: 1\nb:c\n", "write 'b: c'"),
        ("a: b: c # d\n", 'write a: "b: c"'),
        ("{a: ${{ x }}}\n", 'write "${{ x }}"'),
        ("a: [@b, c]\n", 'quote it: "@b"'),
        ("a: @b c # d\n", 'quote it: "@b c"'),
        ("1.5: a\n", 'quote it: "1.5"'),
        ("a: [{b: 1]\n", "put } in its place, or before it"),
        ('{a: "b" c: d}\n', "put one before this"),
        ('a: @b "c" \\d\n', 'quote it: "@b \\"c\\" \\\\d"'),
        (f"a: @{'b' * 500}\n", f'quote it: "@{"b" * 58}…"'),
        ("a: 1e999\n", 'quote it if it is text: "1e999"'),
    ],
)
def test_with_the_way_out(text: str, hint: str) -> None:
    found = read(text)
    assert found is not None
    assert found.hint == hint


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("ab: 1\nab: 2\n", 3),
        ("a: .inf\n", 8),
        ("a: !tag:x b\n", 10),
        ("a: [1\n", 5),
        ('a: "b\n', 5),
        ("a: é: ü\n", 6),
        ("a: 1\n  épochs: 2\n", 9),
        ("a: @größe, b\n", 10),
    ],
)
def test_the_word_is_underlined(text: str, end: int) -> None:
    found = read(text)
    assert found is not None
    assert found.span is not None
    assert found.span.end_column == end


def check(data: bytes) -> None:
    start = time.monotonic()
    found = read(data)
    assert time.monotonic() - start < 2
    if found is not None:
        assert found.span is not None
        lines = source_lines(data.decode("utf-8", errors="replace"))
        assert 1 <= found.span.line <= len(lines) + 1
        assert found.span.column >= 1
        assert "\n" not in found.message
        assert not [word for word in JARGON if word in found.message]
        assert found.message in render_text(found, data.decode("utf-8", errors="replace"), lambda text, _: text)


@settings(deadline=None)
@given(st.binary(max_size=60) | st.text(alphabet="ab:-[]{}!&*#?|>'\"\n \t,%~1.é$@`", max_size=40).map(str.encode))
def test_of_any_bytes(data: bytes) -> None:
    check(data)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(SPEC)), st.integers(0, 12), st.text(alphabet="ab:-[]{}!&*#?|>'\"\n \t,%1$@`é", max_size=5))
def test_of_a_spec_that_was_damaged(start: int, removed: int, added: str) -> None:
    check((SPEC[:start] + added + SPEC[start + removed :]).encode())


@pytest.mark.parametrize(
    "data",
    [
        b"a: 1\n" * 2 + b"b: 1\n" * 100_000,
        b"k: [\n" + b"- x\n" * 500_000,
        b"a: '" + b"x\n" * 1_000_000,
        b"a: " + b"[{" * 400 + b"x" * 1_000_000,
        b"x: " + b"a: " * 300_000,
    ],
    ids=["duplicate", "bracket", "quote", "line", "colons"],
)
def test_of_a_large_file(data: bytes) -> None:
    check(data)
