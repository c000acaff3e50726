"""The JSON Schema of config.yaml takes what the model takes."""

from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from synapse_spec.plugins import yaml
from synapse_spec.plugins.config import ActionConfig, PluginConfig
from synapse_spec.plugins.config_schema import config_schema
from synapse_spec.plugins.config_words import misspelt

ROOT = Path(__file__).parents[2]
SCHEMA = config_schema()
VALIDATOR = jsonschema_rs.Draft202012Validator(SCHEMA)
HEAD = {"name": "Demo", "code": "demo"}
VALUES = [None, "", "text", "pip", "image", "job", 1, 0.5, True, [], ["a"], [1], [None], {}, {"a": "b"}, {"a": 1}]
VALUES += [{"a": None}, {"a": {}}, {"a": {"name": 3}}, {"a": {"entrypoint": "m:A", "ui_schema": []}}, {"a": []}]
KEYS = [*PluginConfig.model_fields, "supported_data_type", "unknown"]
ACTION_KEYS = [*ActionConfig.model_fields, "hyperparameters"]


def agreed(content: Any) -> bool:
    """Whether the config is taken, by model and schema alike."""
    try:
        PluginConfig.model_validate(content)
        taken = True
    except ValidationError:
        taken = False
    assert VALIDATOR.is_valid(content) is taken, content
    return taken


def test_it_is_a_valid_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("key", KEYS)
def test_each_key_takes_what_the_model_takes(key: str) -> None:
    taken = [value for value in VALUES if agreed(HEAD | {key: value})]
    assert taken
    assert key == "unknown" or len(taken) < len(VALUES)


@pytest.mark.parametrize("key", ACTION_KEYS)
def test_each_key_of_an_action_too(key: str) -> None:
    taken = [value for value in VALUES if agreed(HEAD | {"actions": {"a": {key: value}}})]
    assert taken


@pytest.mark.parametrize("key", ["sdk", "python", "cuda", "other"])
def test_each_requirement_too(key: str) -> None:
    taken = [value for value in VALUES if agreed(HEAD | {"requires": {key: value}})]
    assert taken


@pytest.mark.parametrize("content", [{}, {"name": "a"}, {"code": "a"}, [], "text", None])
def test_name_and_code_are_required(content: Any) -> None:
    assert not agreed(content)


@pytest.mark.parametrize("path", sorted(ROOT.glob("specs/examples/**/config.yaml")), ids=lambda path: path.parent.name)
def test_the_examples_fit(path: Path) -> None:
    (content,) = yaml.parse(path.read_bytes())
    assert agreed(content)


def test_every_key_is_described() -> None:
    action, requires = SCHEMA["$defs"]["ActionConfig"], SCHEMA["$defs"]["PluginRequires"]
    for part in (SCHEMA, action, requires):
        assert all(item["description"] for item in part["properties"].values())
    assert set(PluginConfig.model_fields) <= SCHEMA["properties"].keys()
    assert set(ActionConfig.model_fields) <= action["properties"].keys()


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ({"acitons": {"train": "m:T"}}, [(("acitons",), "actions")]),
        ({"Version": "1"}, [(("Version",), "version")]),
        ({"packge-manager": "uv"}, [(("packge-manager",), "package_manager")]),
        ({"actions": {"train": {"entrypint": "m:T"}}}, [(("actions", "train", "entrypint"), "entrypoint")]),
        ({"requires": {"pyhton": ">=3"}}, [(("requires", "pyhton"), "python")]),
        ({"actions": {"train": {"entrypoint": "m:T", "entry": 1, "ui_schema": [], "hyperparameters": {}}}}, []),
        ({"version": "1", "versoin": "2", "colour": "red", "supported_data_type": "image"}, []),
    ],
)
def test_keys_that_look_misspelt(content: dict[str, Any], found: Any) -> None:
    assert list(misspelt(PluginConfig.model_validate(HEAD | content))) == found
