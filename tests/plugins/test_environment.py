"""PluginEnvironment: typed reads."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_spec.plugins.context import PluginEnvironment


@pytest.mark.parametrize(
    ("getter", "value", "read"),
    [
        ("get_str", "a", "a"),
        ("get_str", 3, "3"),
        ("get_int", "12", 12),
        ("get_int", " -7 ", -7),
        ("get_int", 3, 3),
        ("get_float", "0.5", 0.5),
        ("get_float", "1e-3", 0.001),
        ("get_float", 2, 2.0),
        ("get_list", "a, b,,c ", ["a", "b", "c"]),
        ("get_list", "", []),
        ("get_list", ["a", 1], ["a", 1]),
        ("get_list", (1, 2), [1, 2]),
        *[("get_bool", word, True) for word in ("1", "true", "TRUE", "yes", "on", "On", "y", "t", " true ", True, 1)],
        *[("get_bool", word, False) for word in ("0", "false", "no", "off", "n", "f", "", "OFF", False, 0)],
    ],
)
def test_getters(getter: str, value: Any, read: Any) -> None:
    found = getattr(PluginEnvironment({"X": value}), getter)("X")
    assert found == read
    assert type(found) is type(read)


@pytest.mark.parametrize("getter", ["get", "get_str", "get_int", "get_float", "get_bool", "get_list"])
def test_a_missing_name_gives_the_default(getter: str) -> None:
    env = PluginEnvironment({"NIL": None})
    default = object()
    assert getattr(env, getter)("X") is None
    assert getattr(env, getter)("X", default) is default
    if getter != "get":
        assert getattr(env, getter)("NIL", default) is default


@pytest.mark.parametrize(
    ("getter", "value", "kind"),
    [
        ("get_int", "3.7", "int"),
        ("get_int", "many", "int"),
        ("get_int", [1], "int"),
        ("get_float", "fast", "float"),
        ("get_bool", "maybe", "bool"),
        ("get_list", 3, "list"),
    ],
)
def test_a_value_that_cannot_be_read_so_is_named(getter: str, value: Any, kind: str) -> None:
    with pytest.raises(ValueError, match=f"^environment variable X is .*: not a valid {kind}$"):
        getattr(PluginEnvironment({"X": value}), getter)("X")


@given(st.integers())
def test_integers_come_back(number: int) -> None:
    assert PluginEnvironment({"X": str(number)}).get_int("X") == number


@given(st.floats(allow_nan=False))
def test_floats_come_back(number: float) -> None:
    assert PluginEnvironment({"X": str(number)}).get_float("X") == number


@given(st.lists(st.text(st.characters(exclude_characters=",", exclude_categories=["Z", "C"]), min_size=1)))
def test_lists_come_back(items: list[str]) -> None:
    assert PluginEnvironment({"X": ",".join(items)}).get_list("X") == items


@given(st.dictionaries(st.text(), st.text()), st.dictionaries(st.text(), st.text()))
def test_a_later_environment_wins(first: dict[str, str], second: dict[str, str]) -> None:
    merged = PluginEnvironment.merge(PluginEnvironment(first), PluginEnvironment(second))
    assert merged.to_dict() == {**first, **second}


def test_from_environ_with_prefixes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DEMO_A", "DEMO_B", "TEST_A"):
        monkeypatch.setenv(name, name.lower())
    assert PluginEnvironment.from_environ("DEMO_").to_dict() == {"A": "demo_a", "B": "demo_b"}
    assert PluginEnvironment.from_environ(prefixes=("DEMO_", "TEST_"))["B"] == "demo_b"
    assert PluginEnvironment.from_environ()["TEST_A"] == "test_a"


def test_from_file_reads_toml(tmp_path: Path) -> None:
    path = tmp_path / "env.toml"
    path.write_text('NAME = "é"\nN = 3\nITEMS = [1, 2]\n', encoding="utf-8")
    env = PluginEnvironment.from_file(path)
    assert (env.get_str("NAME"), env.get_int("N"), env.get_list("ITEMS")) == ("é", 3, [1, 2])
    path.write_text("NAME =")
    with pytest.raises(tomllib.TOMLDecodeError):
        PluginEnvironment.from_file(str(path))
    with pytest.raises(FileNotFoundError):
        PluginEnvironment.from_file(tmp_path / "none.toml")


def test_it_is_a_mapping_and_a_copy() -> None:
    data = {"A": "1"}
    env = PluginEnvironment(data)
    data["B"] = "2"
    env.to_dict()["C"] = "3"
    assert "A" in env
    assert "B" not in env
    assert "C" not in env
    assert env["A"] == "1"
    with pytest.raises(KeyError, match="B"):
        env["B"]
