"""config.yaml: what is taken, what is refused, and where."""

from pathlib import Path
from typing import Any

import pytest

from synapse_spec.plugins.config import PluginConfig, read_config, text_of
from synapse_spec.plugins.enums import PackageManager, PluginCategory, RunMethod
from synapse_spec.plugins.errors import PluginConfigError

HEAD = "name: Demo\ncode: demo\n"


def read(tmp_path: Path, text: str | bytes) -> PluginConfig:
    path = tmp_path / "config.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_config(path)


def test_a_config_of_two_lines_has_defaults(tmp_path: Path) -> None:
    config = read(tmp_path, HEAD)
    assert (config.name, config.code, config.version) == ("Demo", "demo", "0.1.0")
    assert (config.category, config.package_manager) == (PluginCategory.CUSTOM, PackageManager.PIP)
    assert (config.readme, config.wheels_dir, config.env, config.actions) == ("README.md", "wheels", {}, {})


def test_every_documented_field_is_read(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        HEAD
        + """
version: 1.2.3
variant: large
category: neural_net
description: All of it
readme: docs/README.md
package_manager: uv
package_manager_options: [--quiet]
wheels_dir: dist
env: {A: x}
runtime_env: {pip: [numpy]}
data_type: image
tasks: [image.object_detection]
supported_data_types: [image, video]
supported_annotation_tools: [bounding_box]
annotation_category: object_detection
annotation_type: polygon
smart_tool: interactive
requires: {sdk: ">=1", python: ">=3.12", cuda: ">=12"}
dependencies: {other: ">=1.0"}
tags: [vision]
actions:
  train:
    entrypoint: plugin.train:Train
    method: job
    description: Trains.
    input_type: dataset
    output_type: model
    serve_options: {replicas: 2}
""",
    )
    assert config.model_dump(mode="json") == {
        "name": "Demo",
        "code": "demo",
        "version": "1.2.3",
        "variant": "large",
        "category": "neural_net",
        "description": "All of it",
        "readme": "docs/README.md",
        "package_manager": "uv",
        "package_manager_options": ["--quiet"],
        "wheels_dir": "dist",
        "env": {"A": "x"},
        "runtime_env": {"pip": ["numpy"]},
        "data_type": "image",
        "tasks": ["image.object_detection"],
        "supported_data_types": ["image", "video"],
        "supported_annotation_tools": ["bounding_box"],
        "annotation_category": "object_detection",
        "annotation_type": "polygon",
        "smart_tool": "interactive",
        "requires": {"sdk": ">=1", "python": ">=3.12", "cuda": ">=12"},
        "dependencies": {"other": ">=1.0"},
        "tags": ["vision"],
        "actions": {
            "train": {
                "name": "train",
                "entrypoint": "plugin.train:Train",
                "method": "job",
                "description": "Trains.",
                "input_type": "dataset",
                "output_type": "model",
                "serve_options": {"replicas": 2},
            }
        },
    }


def test_fields_we_do_not_know_are_kept(tmp_path: Path) -> None:
    config = read(tmp_path, HEAD + "colour: red\nactions: {a: {entrypoint: m:A, ui_schema: [1], hyperparameters: {}}}")
    dumped = config.model_dump()
    assert dumped["colour"] == "red"
    assert dumped["actions"]["a"]["ui_schema"] == [1]
    assert dumped["actions"]["a"]["hyperparameters"] == {}


@pytest.mark.parametrize("entrypoint", ["plugin.train.Train", "plugin.train:Train"])
def test_the_short_form_of_an_action(tmp_path: Path, entrypoint: str) -> None:
    entry = read(tmp_path, HEAD + f"actions:\n  train: {entrypoint}\n").actions["train"]
    assert (entry.name, entry.entrypoint, entry.method) == ("train", entrypoint, RunMethod.TASK)


def test_the_key_names_the_action_and_words_of_yaml_1_1_are_names(tmp_path: Path) -> None:
    config = read(tmp_path, HEAD + "actions:\n  on: {name: other, entrypoint: m:A}\n  no: m.B\n")
    assert [(key, entry.name) for key, entry in config.actions.items()] == [("on", "on"), ("no", "no")]


def test_an_environment_holds_text(tmp_path: Path) -> None:
    config = read(tmp_path, HEAD + "env: {N: 1, F: 0.5, YES: true, NO: false, NIL: null, S: '01'}")
    assert config.env == {"N": "1", "F": "0.5", "YES": "true", "NO": "false", "NIL": "", "S": "01"}


@pytest.mark.parametrize(
    ("line", "types"),
    [
        ("supported_data_type: image", ["image"]),
        ("supported_data_type: [image, text]", ["image", "text"]),
        ("supported_data_types: video", ["video"]),
        ("supported_data_types:", []),
    ],
)
def test_supported_data_types_in_each_spelling(tmp_path: Path, line: str, types: list[str]) -> None:
    assert read(tmp_path, HEAD + line).supported_data_types == types


def test_keys_left_empty_are_as_if_left_out(tmp_path: Path) -> None:
    keys = ["version", "description", "env", "runtime_env", "dependencies", "tags", "actions", "category", "tasks"]
    assert read(tmp_path, HEAD + "".join(f"{key}:\n" for key in keys)) == read(tmp_path, HEAD)
    entry = read(tmp_path, HEAD + "actions: {a: {entrypoint: m:A, description: , method: }}").actions["a"]
    assert (entry.description, entry.method) == ("", RunMethod.TASK)


def test_a_version_that_yaml_reads_as_a_number(tmp_path: Path) -> None:
    assert read(tmp_path, HEAD + "version: 2").version == "2"
    assert read(tmp_path, HEAD + "version: 1.5").version == "1.5"


@pytest.mark.parametrize(
    ("text", "said", "line", "column"),
    [
        pytest.param("", "is empty", 1, 1, id="empty"),
        pytest.param("# only this\n", "is empty", 1, 1, id="comment"),
        pytest.param("---\n...\n", "is empty", 1, 1, id="empty document"),
        pytest.param("- a\n- b\n", "is a list", 1, 1, id="list"),
        pytest.param("just text", "is a str", 1, 1, id="text"),
        pytest.param("name: [\n", "not valid YAML", 2, None, id="not YAML"),
        pytest.param(HEAD + "name: Again\n", "duplicate mapping key: name", 3, 1, id="duplicate key"),
        pytest.param(HEAD + "actions:\n  a: m:A\n  a: m:B\n", "duplicate mapping key: a", 5, 3, id="duplicate action"),
        pytest.param(HEAD + "env: !secret x\n", "tag !secret", 3, None, id="tag"),
        pytest.param(HEAD.encode() + b"x: \xff\n", "UTF-8", 3, None, id="bytes"),
        pytest.param("name: Demo\n", "'code' is required", 1, 1, id="no code"),
        pytest.param(HEAD.replace("demo", "''"), "code must not be empty", 2, None, id="empty code"),
        pytest.param(HEAD + "category: cat\n", "category: 'cat' is none of neural_net, export", 3, 11, id="category"),
        pytest.param(HEAD + "actions: [a]\n", "actions must be a mapping", 3, None, id="actions a list"),
        pytest.param(
            HEAD + "actions:\n  train:\n", "actions.train must be an entrypoint", 4, 3, id="action without anything"
        ),
        pytest.param(
            HEAD + "actions:\n  a:\n    method: fly\n",
            "actions.a.method: 'fly' is none of job, task, serve, restapi",
            5,
            13,
            id="method",
        ),
        pytest.param(HEAD + "env: [A]\n", "env must be a mapping", 3, None, id="env a list"),
        pytest.param(HEAD + "env: {A: {b: 1}}\n", "env.A must be a string", 3, None, id="env value a mapping"),
        pytest.param(HEAD + "tags: vision\n", "tags must be a list", 3, 7, id="tags a text"),
        pytest.param(
            "name: Demo\ncod: demo\n", "'code' is required; did you mean it by 'cod'?", 2, None, id="misspelt"
        ),
        pytest.param(HEAD + "category: uplaod\n", "did you mean 'upload'?", 3, 11, id="misspelt category"),
        pytest.param(HEAD + "variant: 3\n", 'variant: 3 is not a string; quote it: "3"', 3, 10, id="number"),
        pytest.param(HEAD + "variant: 1\n", 'variant: 1 is not a string; quote it: "1"', 3, 10, id="one"),
        pytest.param(HEAD + "tags: [null]\n", "null is not a string", 3, 8, id="null"),
        pytest.param(HEAD + "readme: true\n", "true is not a string", 3, 9, id="boolean"),
        pytest.param(HEAD + "actions: {a: {params_schema: 3}}\n", "actions.a.params_schema", 3, 30, id="schema"),
        pytest.param(HEAD + "tags: [a, 3]\n", 'tags.1: 3 is not a string; quote it: "3"', 3, 11, id="item"),
        pytest.param(HEAD + "requires: '>=3'\n", "requires must be a mapping", 3, 11, id="requires a text"),
        pytest.param(HEAD + "---\n" + HEAD, "2 documents", 4, None, id="two documents"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_place(
    tmp_path: Path, text: str | bytes, said: str, line: int, column: int | None
) -> None:
    with pytest.raises(PluginConfigError, match=r"^config\.yaml") as caught:
        read(tmp_path, text)
    assert said in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.details["path"] == str(tmp_path / "config.yaml")
    assert caught.value.details["line"] == line
    assert column is None or caught.value.details["column"] == column


def test_a_config_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PluginConfigError, match="cannot be read: No such file"):
        read_config(tmp_path / "config.yaml")


@pytest.mark.parametrize(
    ("value", "text"), [(True, "true"), (False, "false"), (None, ""), (1, "1"), (0.5, "0.5"), ("True", "True")]
)
def test_text_of(value: Any, text: str) -> None:
    assert text_of(value) == text
