"""One diagnostic as text: the place, the line, and a caret under the right characters of it."""

import re

import pytest

from synapse_spec.plugins.yaml import Span
from synapse_spec.spec.diagnostics import CODES, Diagnostic, InvalidSpec, legible, render_text


def plain(text: str, _: str) -> str:
    return text


def named(text: str, name: str) -> str:
    return f"<{name}>{text}</{name}>"


def shown(source: str | None, span: Span | None, hint: str | None = "hint", message: str = "message") -> list[str]:
    return render_text(Diagnostic("SS101", message, "a.yaml", span, hint), source, plain).split("\n")


def test_place_line_caret_and_hint() -> None:
    assert shown("one\ntwo: 2\n", Span(2, 6, 2, 7)) == [
        "a.yaml:2:6: error[SS101]: message",
        "    2 | two: 2",
        "      |      ^ hint",
    ]


def test_what_is_styled() -> None:
    diagnostic = Diagnostic("SS101", "message", "a.yaml", Span(1, 1, 1, 4), "hint", severity="warning")
    assert render_text(diagnostic, "abc", named) == (
        "<place>a.yaml:1:1:</place> <warning>warning[SS101]:</warning> message\n"
        "    1 | abc\n"
        "      | <warning>^^^</warning> <hint>hint</hint>"
    )


@pytest.mark.parametrize(("source", "span"), [(None, Span(1, 1, 1, 2)), ("a\n", Span(9, 1, 9, 2)), ("a\n", None)])
def test_without_an_excerpt(source: str | None, span: Span | None) -> None:
    place = f"a.yaml:{span.line}:{span.column}:" if span else "a.yaml:"
    assert shown(source, span) == [f"{place} error[SS101]: message", "      hint"]
    assert shown(source, span, None) == [f"{place} error[SS101]: message"]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_lines_are_counted_as_yaml_counts_them(newline: str, mark: str) -> None:
    source = mark + newline.join(["a: '\u2028\x85\x0c'", "b: 2", ""])
    assert shown(source, Span(2, 4, 2, 5))[1:] == ["    2 | b: 2", "      |    ^ hint"]


@pytest.mark.parametrize(
    ("line", "column", "end", "under"),
    [
        ("a: é", 4, 5, "   ^"),
        ("日本: x", 5, 6, "      ^"),
        ("a: 日本", 4, 6, "   ^^^^"),
        ("😀 x", 3, 4, "   ^"),
        ("e\u0301: x", 5, 6, "   ^"),
        ("❤\ufe0f: x", 5, 6, "   ^"),
        ("👩\u200d👧: x", 6, 7, "      ^"),
        ("a: x", 5, 5, "    ^"),
        ("a: x", 4, 9, "   ^"),
    ],
)
def test_the_caret_stands_under_the_characters_as_a_terminal_shows_them(
    line: str, column: int, end: int, under: str
) -> None:
    assert shown(line, Span(1, column, 1, end), None)[2] == f"      | {under}"


def test_what_goes_on_for_lines_is_marked_where_it_begins() -> None:
    assert shown("a:\n  b: 1\n  c: 2\n", Span(2, 3, 3, 7), None)[2] == "      |   ^"


def test_a_hint_of_several_lines_stands_below() -> None:
    assert shown("a: b", Span(1, 4, 1, 5), "one\ntwo")[1:] == [
        "    1 | a: b",
        "      |    ^",
        "      | one",
        "      | two",
    ]
    assert shown(None, None, "one\ntwo") == ["a.yaml: error[SS101]: message", "      one", "      two"]


def test_an_empty_line_is_not_shown() -> None:
    assert shown("\n", Span(1, 1, 1, 2)) == ["a.yaml:1:1: error[SS101]: message", "      hint"]


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("a\nb   c", "a b c"),
        (f"unknown param '{'k' * 500}' for x", f"unknown param '{'k' * 60}…' for x".replace("k" * 60, "k" * 59)),
        (f"{'k' * 500}: 3 is not", f"{'k' * 60}…: 3 is not"),
        (f"no such file {'/folder' * 40}", f"no such file {'/folder' * 40}"),
    ],
)
def test_names_are_cut_and_paths_are_not(message: str, said: str) -> None:
    assert legible(message) == said


def test_nothing_that_a_terminal_would_obey() -> None:
    text = "\n".join(shown("a: \x1b[31m\tx\x07\u202e", Span(1, 4, 1, 5), "\x1b[0m", "say \x1b[2J"))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", text)
    assert "a: \ufffd[31m→x\ufffd\ufffd" in text


def test_a_hint_that_would_stand_far_out_gets_its_own_line() -> None:
    lines = shown("k: " + "x" * 90, Span(1, 4, 1, 94), "a hint of some length, and then some more")
    assert lines[2:] == ["      |    " + "^" * 90, "      | a hint of some length, and then some more"]


def test_a_long_line_is_cut_around_the_place() -> None:
    source = "x" * 5000 + "HERE" + "y" * 5000
    _, line, under = shown(source, Span(1, 5001, 1, 5005), None)
    assert len(line) < 140
    assert line.startswith("    1 | …")
    assert line.endswith("…")
    assert line[under.index("^") : under.index("^") + 4] == "HERE"
    assert under.count("^") == 4
    assert shown("HERE" + source, Span(1, 1, 1, 5), None)[1].startswith("    1 | HERExxx")


def test_order_is_by_place() -> None:
    spans = [None, Span(1, 1, 1, 2), Span(1, 3, 1, 4), Span(2, 1, 2, 2), Span(10, 1, 10, 2)]
    listed = [Diagnostic("SS101", "m", path, span) for path in ("a.yaml", "b.yaml") for span in spans]
    assert InvalidSpec(reversed(listed)).diagnostics == listed


def test_as_a_record() -> None:
    record = Diagnostic("SS104", "m", "a.yaml", Span(2, 3, 2, 7), "h", "/spec/params/x").to_record()
    assert record == {
        "path": "a.yaml",
        "line": 2,
        "column": 3,
        "endLine": 2,
        "endColumn": 7,
        "code": "SS104",
        "severity": "error",
        "message": "m",
        "hint": "h",
        "pointer": "/spec/params/x",
    }
    assert Diagnostic("SS001", "m", "a.yaml").to_record()["endColumn"] == 1


def test_codes_are_stable_words() -> None:
    assert all(re.fullmatch(r"SS[0-9]{3}", code) and text for code, text in CODES.items())
