"""Strict YAML: what is taken, what is refused and where, and that what is written reads back."""

import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from synapse_spec.plugins import yaml
from synapse_spec.plugins.yaml import (
    MAX_BYTES,
    MAX_VALUES,
    KeyPath,
    Span,
    TooLarge,
    YamlError,
    dump,
    locate,
    parse,
    written,
)

TAKEN: list[tuple[str, list[Any]]] = [
    ("", []),
    ("# nothing\n", []),
    ("---\n", [None]),
    ("---\n---\n", [None, None]),
    ("a: 1\n---\nb: 2\n", [{"a": 1}, {"b": 2}]),
    ("a: 1\n...\n---\nb: 2\n", [{"a": 1}, {"b": 2}]),
    ("\ufeffa: 1\n", [{"a": 1}]),
    ("a: 1\r\nb:\r\n  - x\r\n", [{"a": 1, "b": ["x"]}]),
    ("on: yes\nno: off\n", [{"on": "yes", "no": "off"}]),
    ("a: 017\nb: 0o17\nc: 0x1f\nd: 1_000\n", [{"a": "017", "b": 15, "c": 31, "d": "1_000"}]),
    ("d: 2024-01-01\nt: 12:30:00\n", [{"d": "2024-01-01", "t": "12:30:00"}]),
    ("a: ~\nb:\nc: null\n", [{"a": None, "b": None, "c": None}]),
    ("big: 123456789012345678901234567890\n", [{"big": 123456789012345678901234567890}]),
    ("x: &a [1]\ny: *a\n", [{"x": [1], "y": [1]}]),
    ("'1': a\n'true': b\n'': c\n", [{"1": "a", "true": "b", "": "c"}]),
    (
        "a: '!not a tag'\nb: wow!!\nc: x # !no\nd: |\n  !!str x\n",
        [{"a": "!not a tag", "b": "wow!!", "c": "x", "d": "!!str x\n"}],
    ),
    ("'!!': 1\n'!_': 2\n", [{"!!": 1, "!_": 2}]),
    ("a: " + "9" * 4300, [{"a": int("9" * 4300)}]),
    ("a: '" + "9" * 4301 + "'\nb: |-\n  " + "9" * 4301, [{"a": "9" * 4301, "b": "9" * 4301}]),
    ("a: " + "0" * 5000 + "\nb: " + "x" * 5000, [{"a": "0" * 5000, "b": "x" * 5000}]),
]


@pytest.mark.parametrize(("text", "documents"), TAKEN)
def test_what_is_taken(text: str, documents: list[Any]) -> None:
    assert parse(text.encode()) == documents


REFUSED: list[tuple[str | bytes, str, tuple[int, int]]] = [
    ("a: 1\na: 2\n", "duplicate mapping key: a", (2, 1)),
    ("x:\n  b: 1\n  b: 2\n", "duplicate mapping key: b", (3, 3)),
    ("a: 1\r\na: 2\r\n", "duplicate mapping key: a", (2, 1)),
    ("é: 1\né: 2\n", "duplicate mapping key: é", (2, 1)),
    ("日本: {a: 1, a: 2}", "duplicate mapping key: a", (1, 12)),
    ("😀: {1: a}", "a key must be a string, and 1 is not", (1, 5)),
    ("ok: 1\r\nx:\r\n  - é: [2, {3: 4}]\r\n", "a key must be a string, and 3", (3, 13)),
    ("a: 1\n---\n1: 2\n", "a key must be a string, and 1", (3, 1)),
    ("null: a", "a key must be a string, and None", (1, 7)),
    ("true: a", "a key must be a string, and True", (1, 7)),
    ("1.5: a", "a key must be a string, and 1.5", (1, 1)),
    ("x: 1\n? [a, b]\n: c\n", "a key must be a string", (3, 3)),
    ("x:\n  ? {a: 1}\n  : c\n", "a key must be a string", (3, 5)),
    ("a: .nan", "nan is not a JSON number", (1, 4)),
    ("a: [1, -.inf]", "-inf is not a JSON number", (1, 8)),
    ("a: 1e400", "inf is not a JSON number", (1, 4)),
    ("é: {ü: .nan}\r\n", "nan is not a JSON number", (1, 8)),
    ("a: -1" + "0" * 400 + ".0", "-inf is not a JSON number", (1, 4)),
    ("a: [1, " + "9" * 4301 + "]", "an integer of more than 4,300 digits is not read", (1, 8)),
    ("a:\n  b: -" + "9" * 10_000, "an integer of more than 4,300 digits is not read", (2, 6)),
    ("- 0x" + "f" * 5000, "an integer of more than 4,300 digits is not read", (1, 3)),
    ("a: !foo b", "the tag !foo is not allowed", (1, 9)),
    ("a: 1\nb: !foo {c: 1}", "the tag !foo is not allowed", (2, 9)),
    ("a:\n  - !include x.yaml\n", "the tag !include is not allowed", (2, 14)),
    ("a: !!str 1", "the tag !!str is not allowed", (1, 10)),
    ("a: !!binary aGk=", "the tag !!binary is not allowed", (1, 13)),
    ("a: !!set {x}", "the tag !!set is not allowed", (1, 10)),
    ("a: !!map {x: 1}", "the tag !!map is not allowed", (1, 10)),
    ("a: !!omap [{x: 1}]", "the tag !!omap is not allowed", (1, 11)),
    ("a: !<tag:yaml.org,2002:str> 1", "the tag !<tag:yaml.org,2002:str> is not allowed", (1, 29)),
    ("a: ! x", "the tag ! is not allowed", (1, 6)),
    ("!x a: 1", "the tag !x is not allowed", (1, 4)),
    ("a: 1\nb: {c: 2, !x d: 3}", "the tag !x is not allowed", (2, 14)),
    ("a: 1\n? !x [b]\n: c", "the tag !x is not allowed", (1, 1)),
    ("--- !x\na", "the tag !x is not allowed", (2, 1)),
    ("a: 1\n---\n- !x b", "the tag !x is not allowed", (3, 6)),
    ("a: [1", "unclosed flow collection", (1, 6)),
    ("a: b: c", "cannot be a mapping key", (1, 5)),
    ("\ta: 1", "a tab cannot be used for indentation", (1, 2)),
    ("a: *nope", "unknown alias: *nope", (1, 4)),
    ("a: &x [*x]", "unknown alias: *x", (1, 8)),
    ("a: \x00", "control character", (1, 4)),
    ('a: "\\ud800"', "invalid unicode code point", (1, 4)),
    (b"a: 1\r\nb: \xe9\r\n", "invalid UTF-8: the byte 0xe9", (2, 4)),
    ("é: ".encode() + b"\xff", "invalid UTF-8: the byte 0xff", (1, 4)),
    (b"\xff\xfea\x00:\x00", "invalid UTF-8", (1, 1)),
    ("[" * 1001 + "]" * 1001, "maximum nesting depth (1000) exceeded", (1, 1001)),
    ("[" * 100_000, "maximum nesting depth (1000) exceeded", (1, 1001)),
    ("- " * 2000 + "a", "maximum nesting depth (1000) exceeded", (1, 2001)),
]


@pytest.mark.parametrize(("text", "said", "place"), REFUSED, ids=lambda value: repr(value)[:30])
def test_what_is_refused_and_where(text: str | bytes, said: str, place: tuple[int, int]) -> None:
    with pytest.raises(YamlError) as caught:
        parse(text if isinstance(text, bytes) else text.encode())
    error = caught.value
    assert said in error.message
    assert "at line" not in error.message
    assert (error.line, error.column) == place
    assert error.details == {"line": error.line, "column": error.column}


def test_a_bomb_of_aliases_is_refused() -> None:
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    with pytest.raises(YamlError, match="alias bomb"):
        parse("\n".join(lines).encode())


def test_a_file_that_is_too_big_is_not_read() -> None:
    with pytest.raises(YamlError, match="more than 10,485,760 bytes"):
        parse(b"#" * (MAX_BYTES + 1))


@pytest.mark.parametrize(
    "text",
    [
        "a: wow!!\n" + "".join(f"k{n}: {n}\n" for n in range(60_000)),
        "- '!'\n" * 100_000,
        "---\n!!\n" * 20_000 + "x: '!",
        "[" * 999 + "'!!'" + "]" * 999,
        "".join(f"k{n}: {n}\n" for n in range(60_000)) + "z: .nan\n",
    ],
    ids=["mapping", "list", "documents", "levels", "error at the end"],
)
def test_large_files_take_time_in_proportion(text: str) -> None:
    start = time.monotonic()
    with suppress(YamlError):
        parse(text.encode())
    assert time.monotonic() - start < 10


@given(st.binary(max_size=60) | st.text(alphabet="ab:-[]{}!&*#?|>'\"\n \t,%~1.é", max_size=40).map(str.encode))
@example(b"? 1.5\n: !!set {a}")
def test_any_bytes_give_documents_or_an_error_with_a_place(data: bytes) -> None:
    place = (1, 1)
    try:
        parse(data)
    except YamlError as error:
        place = (error.line, error.column)
    assert min(place) >= 1


TEXT = "name: é\nitems:\n  - {a: 1, b: two}\n  - null\nflag: true\nempty:\nmap:\n  deep:\n    x: [1, 2.5]\n"


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("path", "key", "span"),
    [
        ((), False, None),
        (("name",), False, Span(1, 7, 1, 8)),
        (("name",), True, Span(1, 1, 1, 5)),
        (("items", 0, "b"), False, Span(3, 15, 3, 18)),
        (("items", 0, "b"), True, Span(3, 12, 3, 13)),
        (("map", "deep", "x", 1), False, Span(9, 12, 9, 15)),
        (("flag",), False, Span(5, 7, 5, 11)),
        (("empty",), True, Span(6, 1, 6, 6)),
    ],
)
def test_locate(newline: str, path: KeyPath, key: bool, span: Span | None) -> None:
    found = locate(TEXT.replace("\n", newline).encode(), 0, path, key=key)
    assert found == span if span else found.line == 1


@pytest.mark.parametrize(
    ("path", "line"),
    [(("none",), 1), (("items", 7), 3), (("items", "a"), 3), (("name", "x"), 1), (("map", "deep", "y"), 8), ((3,), 1)],
)
def test_locate_of_what_is_not_there_is_its_nearest_parent(path: KeyPath, line: int) -> None:
    assert locate(TEXT.encode(), 0, path).line in (line, line + 1)


@pytest.mark.parametrize(
    ("text", "path", "source"),
    [
        ("a: 1.10", ("a",), "1.10"),
        ("\ufeffé: [0x1F, TRUE]\r\n", ("é", 1), "TRUE"),
        ("a: '日本' # x", ("a",), "'日本'"),
        ("a: |\n  b\nc: d", ("a",), ""),
    ],
)
def test_what_is_written_at_a_place(text: str, path: KeyPath, source: str) -> None:
    data = text.encode()
    assert written(data, locate(data, 0, path)) == source
    assert written(data, Span(9, 1, 9, 2)) == ""


def test_locate_in_a_later_document() -> None:
    assert locate(b"a: 1\n---\nb:\n  c: 2\n", 1, ("b", "c")) == Span(4, 6, 4, 7)
    assert locate(b"", 0, ()) == Span(1, 1, 1, 1)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
@example({"a": "on", "b": "1e3", "c": "0o7", "d": "~", "e": "2024-01-01", "f": "1:30", "g": "\x85", "h": " x "})
@example({"a": "line\nline\n", "b": "\t", "c": "#x", "d": "!x", "e": "- a", "f": "a: b", "g": "é\u2028"})
def test_what_is_written_reads_back(value: Any) -> None:
    text = dump(value)
    assert yaml.parse(text.encode()) == [value]
    assert dump(yaml.parse(text.encode())[0]) == text


ALIASED = "x: &x [" + "a, " * 98 + "]\ny: [{}]\n"


@pytest.mark.parametrize(
    ("just_read", "too_large", "said"),
    [
        ("\n" * MAX_VALUES, "\n" * (MAX_VALUES + 1), "50,000 lines"),
        ("[" + "a," * 49_999 + "]", "[" + "a," * 50_001 + "]", "50,000 values"),
        ("---\n" + "\n---" * 2500, "---\n" + "\n---" * 2501, "2,500 documents"),
        ("[" + "'${{'," * 12_500 + "]", "[" + "'${{'," * 12_501 + "]", "12,500 references"),
        (ALIASED.format("*x, " * 490), ALIASED.format("*x, " * 510), "alias bomb"),
        (f"x: &x {'a' * 2**20}\ny: [{'*x, ' * 18}]", f"x: &x {'a' * 2**20}\ny: [{'*x, ' * 20}]", "alias bomb"),
    ],
    ids=["lines", "values", "documents", "references", "values of aliases", "text of aliases"],
)
def test_more_than_is_read_is_refused_and_no_less(just_read: str, too_large: str, said: str) -> None:
    assert parse(just_read.encode(), MAX_VALUES) is not None
    with pytest.raises(TooLarge, match=said):
        parse(too_large.encode(), MAX_VALUES)
    assert parse(too_large.encode()) is not None
