"""A document that is not YAML does not hide the others of its file."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_spec.plugins import yaml
from synapse_spec.spec.diagnostics import MORE
from synapse_spec.spec.salvage import salvaged

BROKEN = ["a: [", "a: 'x", "a: 1\n b: 2", "a: 1\na: 2", "a: !x b", "a: .nan", "\ta: 1"]


def read(text: str) -> tuple[list[tuple[int, str]], list[object]]:
    """Line and code of what is wrong, and what can be read."""
    data = text.encode()
    with pytest.raises(yaml.YamlError) as caught:
        yaml.parse(data)
    found, rest = salvaged(caught.value, data, "x.yaml")
    return [(item.span.line if item.span else 0, item.code) for item in found], yaml.parse(rest)


def test_the_others_stand_where_they_stood() -> None:
    text = "ok: 1\n---\na: [\n---\nok: 3\n---\n# x\nb: 'y\n"
    assert read(text) == ([(3, "SS002"), (8, "SS002")], [{"ok": 1}, None, {"ok": 3}, None])
    found, rest = salvaged(yaml.YamlError("x"), text.encode(), "x.yaml")
    assert len(found) == 2
    assert yaml.locate(rest, 2, ("ok",)).line == 5


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("broken", BROKEN)
def test_each_kind_of_broken_document(broken: str, newline: str) -> None:
    text = f"ok: é\n---\n{broken}\n---\nok: 2\n".replace("\n", newline)
    found, documents = read(text)
    assert len(found) == 1
    assert 3 <= found[0][0] <= 4
    assert documents == [{"ok": "é"}, None, {"ok": 2}]


def test_one_document_alone_is_said_as_it_is() -> None:
    assert read("a: [\n") == ([(1, "SS002")], [])
    assert read("---\na: [\n")[1] in ([], [None])


def test_directives_before_a_document_are_no_document() -> None:
    assert read("%YAML 1.2\n# x\n---\nok: 1\n...\n---\na: [\n") == ([(7, "SS002")], [{"ok": 1}, None])


def test_no_more_than_a_few_are_looked_for() -> None:
    found, _ = salvaged(yaml.YamlError("x"), b"a: [\n---\n" * 500, "x.yaml")
    assert [item.message == MORE for item in found] == [False] * 20 + [True]
    assert len(read("a: [\n---\n" * 5000)[0]) == 1


@given(st.lists(st.sampled_from([*BROKEN, "ok: 1", "", "# x", "- 1", "|\n text"]), max_size=6))
def test_all_that_can_be_read_is_read(parts: list[str]) -> None:
    data = "\n---\n".join(parts).encode()
    try:
        yaml.parse(data)
    except yaml.YamlError as error:
        found, rest = salvaged(error, data, "x.yaml")
        broken = sum(part in BROKEN for part in parts)
        assert 1 <= len(found) <= broken
        assert len(yaml.parse(rest)) <= len(parts)
