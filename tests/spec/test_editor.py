"""The editors' schema of the Run document, seen by two validators; `tests/editor` shows it to a language server."""

import json
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import jsonschema_rs
import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ConfigDict, Field

from synapse_spec.spec.editor import editor_schema
from synapse_spec.spec.envelope import RUN
from synapse_spec.spec.model import PluginRef

REFERENCE = "${{ runs.a.result.b }}"


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Step(Closed):
    kind: Literal["step"]
    every: int = Field(1, ge=1)


class Cosine(Closed):
    kind: Literal["cosine"]
    warmup: float = 0.0


class Tree(Closed):
    value: int
    children: "list[Tree]" = []


class Color(Enum):
    RED = "red"


class Train(Closed):
    dataset: str = Field(description="Where from.")
    epochs: int = Field(3, ge=1, description="How often.")
    batch_size: int = Field(8, title="Images at once")
    optimizer: Literal["adam", "sgd"] = "adam"
    schedule: Annotated[Step | Cosine, Field(discriminator="kind")] | None = None
    layers: list[int] = [64]
    pair: tuple[int, str] = (1, "a")
    weights: dict[str, float] = {}
    tree: Tree | None = None
    color: Color = Color.RED


class Other(Closed):
    Tree: int = 0


class Free(BaseModel):
    model_config = ConfigDict(extra="allow")


ACTIONS: dict[str, type[BaseModel]] = {"train": Train, "other": Other, "grow": Tree, "free": Free}


def plugin(actions: dict[str, type[BaseModel]], **refs: Any) -> list[tuple[PluginRef, dict[str, Any]]]:
    described = {
        name: {"description": f"Does {name}.", "params": model.model_json_schema()} for name, model in actions.items()
    }
    return [(PluginRef(**refs), {"actions": described})]


SCHEMA = editor_schema({"digits": plugin(ACTIONS, path=Path("digits"))})


def run(params: Any, action: str = "train", **ref: str) -> dict[str, Any]:
    return {
        "apiVersion": "synapse.dev/v1",
        "kind": "Run",
        "metadata": {"name": "a"},
        "spec": {"plugin": ref or {"path": "../plugins/digits"}, "action": action, "params": params},
    }


def fits(document: Any, schema: dict[str, Any] = SCHEMA) -> bool:
    """As both validators see it."""
    decided = jsonschema_rs.Draft202012Validator(schema).is_valid(document)
    assert Draft202012Validator(schema).is_valid(document) is decided
    return decided


def params_of(action: str, schema: dict[str, Any] = SCHEMA) -> Any:
    rule = schema["properties"]["spec"]["allOf"][0]["then"]["allOf"][list(ACTIONS).index(action)]
    return rule["then"]["properties"]["params"]


def test_it_is_a_valid_schema_with_the_same_bytes_each_time() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert jsonschema_rs.meta.is_valid(SCHEMA)
    again = editor_schema({"digits": plugin(ACTIONS, path=Path("digits")) * 2})
    assert json.dumps(again) == json.dumps(SCHEMA)


@pytest.mark.parametrize(
    "params",
    [
        {"dataset": "d"},
        {"dataset": "d", "epochs": 5, "optimizer": "sgd", "layers": [1, 2], "pair": [1, "a"], "weights": {"a": 0.5}},
        {"dataset": "d", "schedule": {"kind": "step", "every": 2}, "tree": {"value": 1, "children": [{"value": 1}]}},
        {"dataset": "d", "schedule": None, "tree": None, "color": "red"},
        {"dataset": REFERENCE, "epochs": REFERENCE, "optimizer": REFERENCE, "layers": REFERENCE, "color": REFERENCE},
        {"dataset": "d", "layers": [REFERENCE, 2], "pair": [REFERENCE, "x"], "weights": {"a": REFERENCE}},
        {"dataset": "d", "schedule": REFERENCE, "tree": {"value": 1, "children": [{"value": REFERENCE}]}},
        {"dataset": "d", "schedule": {"kind": "step", "every": REFERENCE}},
    ],
)
def test_what_is_fine_is_taken(params: Any) -> None:
    assert fits(run(params))


@pytest.mark.parametrize(
    "params",
    [
        {},
        [],
        {"epochs": 5},
        {"dataset": "d", "epocs": 5},
        {"dataset": "d", "epochs": 0},
        {"dataset": "d", "epochs": "5"},
        {"dataset": "d", "optimizer": "admm"},
        {"dataset": "d", "layers": [1, "x"]},
        {"dataset": "d", "pair": [1]},
        {"dataset": "d", "schedule": {"kind": "step", "evry": 2}},
        {"dataset": "d", "schedule": {"kind": "linear"}},
        {"dataset": "d", "tree": {"value": 1, "children": [{"value": 1, "children": [{"valeu": 1}]}]}},
        {"dataset": "d", "weights": {"a": "heavy"}},
        {"dataset": "d", REFERENCE: 1},
    ],
)
def test_what_is_not_is_refused(params: Any) -> None:
    assert not fits(run(params))


@pytest.mark.parametrize(
    ("params", "place"),
    [
        ({"dataset": "d", "epocs": 5}, "epocs"),
        ({"dataset": "d", "tree": {"value": 1, "valeu": 1}}, "valeu"),
        ({"dataset": "d", "layers": [1, "x"]}, "'x'"),
        ({"dataset": "d", "epochs": 0}, "0 is less than the minimum of 1"),
    ],
)
def test_a_mistake_is_told_once(params: Any, place: str) -> None:
    (error,) = Draft202012Validator(SCHEMA).iter_errors(run(params))
    messages = [error.message, *(inner.message for inner in error.context or ())]
    assert any(place in message for message in messages)


def test_params_are_those_of_the_chosen_action() -> None:
    assert fits(run({"Tree": 1}, "other"))
    assert not fits(run({"dataset": "d"}, "other"))
    assert fits(run({"value": 1, "children": [{"value": 2}]}, "grow"))
    assert not fits(run({"value": 1, "children": [{"vlaue": 2}]}, "grow"))
    assert fits(run({"whatever": [1]}, "free"))


def test_actions_are_those_of_the_plugin() -> None:
    assert not fits(run({"dataset": "d"}, "trian"))
    assert not fits(run([], "trian"))
    assert fits(run({}, "trian", path="../plugins/letters"))


def test_params_may_only_be_left_out_where_none_is_required() -> None:
    for action, expected in (("train", False), ("grow", False), ("other", True)):
        document = run({}, action)
        del document["spec"]["params"]
        assert fits(document) is expected


@pytest.mark.parametrize("path", ["digits", "./digits", "../plugins/digits", "../plugins/digits/", "/abs/digits"])
def test_the_plugin_is_told_by_the_end_of_its_path(path: str) -> None:
    assert not fits(run({}, path=path))


@pytest.mark.parametrize("path", ["other", "mydigits", "digits/inner"])
def test_of_other_plugins_only_what_every_run_needs_is_known(path: str) -> None:
    assert fits(run({"what": "ever"}, path=path))
    assert not fits(run([], path=path))


def test_plugins_in_folders_of_one_name_are_told_by_more_of_their_paths() -> None:
    schema = editor_schema({"a": plugin({"x": Train}, path=Path("a/p")), "b": plugin({"x": Other}, path=Path("b/p"))})
    assert fits(run({"dataset": "d"}, "x", path="../a/p"), schema)
    assert not fits(run({"dataset": "d"}, "x", path="../b/p"), schema)
    assert fits(run({"Tree": 1}, "x", path="../b/p"), schema)
    assert fits(run({"what": "ever"}, path="p"), schema)


def test_names_are_taken_literally() -> None:
    schema = editor_schema({"p": plugin({"a/b.c": Train}, path=Path("a.b+c-d"))})
    assert not fits(run({}, "a/b.c", path="../a.b+c-d"), schema)
    assert fits(run({}, "a/b.c", path="../aXb+c-d"), schema)
    assert fits(run({"dataset": "d", "tree": {"value": 1}}, "a/b.c", path="../a.b+c-d"), schema)


def test_a_module_is_told_by_its_name() -> None:
    schema = editor_schema({"m": plugin(ACTIONS, module="my.module")})
    assert not fits(run({}, module="my.module"), schema)
    assert fits(run({}, module="other"), schema)
    assert fits(run({}, path="my.module"), schema)


def test_schemas_that_a_model_writes_itself_are_taken_as_they_are() -> None:
    class Written(Closed):
        free: Any = Field(None, json_schema_extra={"anyOf": [True, {"type": "null"}]})

    schema = editor_schema({"p": plugin({"x": Written}, path=Path("p"))})
    assert fits(run({"free": {"what": "ever"}}, "x", path="p"), schema)


def test_actions_of_two_plugins_do_not_mix() -> None:
    class Tree(Closed):
        height: int

    class Forest(Closed):
        tree: Tree

    forest = plugin({"train": Forest}, path=Path("forest"))
    schema = editor_schema({"digits": plugin(ACTIONS, path=Path("digits")), "forest": forest})
    assert fits(run({"tree": {"height": 1}}, path="forest"), schema)
    assert not fits(run({"tree": {"value": 1}}, path="forest"), schema)
    assert fits(run({"dataset": "d", "tree": {"value": 1}}), schema)


def test_descriptions_say_what_editors_do_not_show() -> None:
    fields = params_of("train")["properties"]
    assert fields["dataset"]["description"] == "Where from.\n\nstring, required"
    assert fields["epochs"]["description"] == "How often.\n\ninteger (at least 1), default 3"
    assert fields["tree"]["description"] == "Tree or null"
    assert SCHEMA["$defs"]["digits.train.Tree"]["properties"]["value"]["description"] == "integer, required"
    assert (params_of("train")["title"], params_of("train")["description"]) == ("params of digits:train", "Does train.")


def test_only_titles_that_somebody_has_written_are_kept() -> None:
    fields = params_of("train")["properties"]
    assert "title" not in fields["epochs"]
    assert fields["batch_size"]["title"] == "Images at once"


def test_defaults_that_an_editor_would_not_write_well_are_only_described() -> None:
    fields = params_of("train")["properties"]
    assert fields["epochs"]["default"] == 3
    assert "default" not in fields["tree"]
    assert "default" not in fields["layers"]
    assert fields["layers"]["description"] == "list of integer, default [64]"


@pytest.mark.parametrize("plugins", [{}, {"p": plugin({}, path=Path("p"))}])
def test_without_actions_it_is_the_envelope(plugins: Any) -> None:
    schema = editor_schema(plugins)
    assert {key: schema[key] for key in RUN} == RUN
    assert fits(run({"what": "ever"}, path="p"), schema)
    assert not fits(run({}) | {"wibble": 1}, schema)


def test_editors_explain_every_field_and_value_of_the_envelope() -> None:
    fields = dict(described(RUN))
    assert [path for path, field in fields.items() if not {"description", "markdownDescription"} & field.keys()] == []
    choices = [choice for field in fields.values() for choice in (field, field.get("items", {})) if "enum" in choice]
    assert choices
    assert all(len(choice["enumDescriptions"]) == len(choice["enum"]) for choice in choices)


def described(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for name, field in schema.get("properties", {}).items():
        yield f"{path}.{name}", field
        yield from described(field, f"{path}.{name}")
