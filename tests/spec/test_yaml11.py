"""What may be meant otherwise: what YAML 1.1 reads, told by a reader of it; and numbers as they are written."""

import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from synapse_spec.plugins import yaml
from synapse_spec.spec.yaml11 import as_written, older_reading
from tests.conftest import MakePlugin
from tests.spec.conftest import WriteRun, problems_at

TEXT = st.text(alphabet="0178_+-b.", min_size=1, max_size=7) | st.sampled_from(
    ["on", "On", "oN", "ON", "yes", "YES", "yEs", "no", "No", "off", "OFF", "true", "null", "0o17", "0x1F", "1e3", "~"]
)


def read_as_1_1(text: str) -> Any:
    reader: Any = YAML(typ="safe", pure=True)
    reader.version = (1, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return reader.load(text)


@settings(deadline=None)
@given(TEXT)
@example("-0b1_0")
@example("0_")
@example("089")
def test_it_is_what_a_reader_of_yaml_1_1_makes_of_text(text: str) -> None:
    assume(not text.lstrip("+-").startswith("_"))  # its own idea of a number
    try:
        ours, theirs = yaml.parse(text.encode())[0], read_as_1_1(text)
    except (yaml.YamlError, YAMLError, ValueError, IndexError):  # no value, or none that both can read
        return
    readings = older_reading(text)
    if isinstance(ours, str) and isinstance(theirs, bool | int):
        values = [yaml.parse(reading.encode())[0] for reading in readings]
        assert theirs in values
        assert {type(value) for value in values} == {type(theirs)}
    else:
        assert readings == ()


@pytest.mark.parametrize("text", ["y", "n", "Y", "1:30", "12:30:00", "2024-01-01", "", "on ", "1_000.5", "a_1", "٣_٣"])
def test_what_nobody_means_otherwise_is_left_alone(text: str) -> None:
    assert older_reading(text) == ()


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("1.10", "1.1"),
        ("1e3", "1000.0"),
        ("0x1F", "31"),
        ("+1", "1"),
        ("TRUE", "true"),
        (".5", "0.5"),
        ("7", "7"),
    ],
)
def test_a_message_shows_a_value_as_it_is_written(source: str, shown: str) -> None:
    message, hint = as_written(f"words[1]: {shown} is not a string", f'quote it: "{shown}"', source)
    assert message == f"words[1]: {source} is not a string"
    assert hint == f'quote it: "{source}"'
    assert as_written(f"{shown} is given twice", None, source) == (f"{source} is given twice", None)


@pytest.mark.parametrize("source", ["'1.10'", '"on"', "10minutes", "on", "", "{a: 1}", "- 1", "a: 1.10"])
def test_other_values_are_said_as_they_are(source: str) -> None:
    assert as_written("a: 1.1 is not a string", 'quote it: "1.1"', source) == (
        "a: 1.1 is not a string",
        'quote it: "1.1"',
    )


PLUGIN = """
    class P(BaseModel):
        text: str = ""
        either: bool | str = ""
        switch: str | None = None
    @action(params=P)
    def run(params, ctx):
        pass
"""


def warned(path: Path) -> list[tuple[str | None, str | None]]:
    found = [item for item in problems_at(path) if item.code == "SS109"]
    assert {item.severity for item in found} <= {"warning"}
    return [(item.pointer, item.hint) for item in found]


def test_the_ways_out_are_those_that_the_param_takes(make_plugin: MakePlugin, write_run: WriteRun) -> None:
    path = write_run("a", make_plugin("demo", PLUGIN), "{text: on, either: 'on', switch: off}")
    assert warned(path) == [
        ("/spec/params/text", 'quote it: "on"'),
        ("/spec/params/switch", 'quote it: "off"'),
    ]
    path = write_run("a", make_plugin("demo", PLUGIN), "{either: on}")
    assert warned(path) == [("/spec/params/either", 'quote it: "on", or write true')]


def test_what_is_an_error_is_no_warning_too(make_plugin: MakePlugin, write_run: WriteRun) -> None:
    path = write_run("a", make_plugin("demo", PLUGIN), "{txet: on}")
    assert [item.code for item in problems_at(path)] == ["SS104"]


def test_an_alias_is_warned_of_once(make_plugin: MakePlugin, write_run: WriteRun) -> None:
    path = write_run("a", make_plugin("demo", PLUGIN), "{text: &x on, either: *x}")
    assert warned(path) == [("/spec/params/text", 'quote it: "on"')]


def test_a_text_in_env_is_what_it_is(make_plugin: MakePlugin, write_run: WriteRun) -> None:
    more = "env: {A: on, B: 012, C: 7, D: 0.5, E: true, F: '1.10'}\n"
    assert warned(write_run("a", make_plugin("demo", PLUGIN), more=more)) == []
    more = "env: {A: 1.10, B: True, C: 0o17}\n"
    assert warned(write_run("a", make_plugin("demo", PLUGIN), more=more)) == [
        ("/spec/env/A", 'quote it: "1.10"'),
        ("/spec/env/B", 'quote it: "True"'),
        ("/spec/env/C", 'quote it: "0o17"'),
    ]
