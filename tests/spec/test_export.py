"""Exported schemas: the same bytes each time, valid, and as strict in an editor as `validate` is."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from jsonschema import Draft202012Validator

from synapse_spec.plugins.errors import PluginError
from synapse_spec.spec.catalog import Catalog
from synapse_spec.spec.envelope import RUN
from synapse_spec.spec.export import editor_schema, exported_files, plugin_schema
from synapse_spec.spec.model import PluginRef
from tests.conftest import MakePlugin

CODE = """
    from typing import Annotated, Literal
    from pydantic import Field

    class Step(BaseModel):
        kind: Literal["step"]
        every: int = Field(1, ge=1)

    class Cosine(BaseModel):
        kind: Literal["cosine"]
        warmup: float = 0.0

    class Tree(BaseModel):
        value: int = 0
        children: "list[Tree]" = []

    class TrainParams(BaseModel):
        dataset: str = Field(description="Where from.")
        epochs: int = Field(3, ge=1, description="How often.")
        optimizer: Literal["adam", "sgd"] = "adam"
        schedule: Annotated[Step | Cosine, Field(discriminator="kind")] | None = None
        layers: list[int] = [64]
        pair: tuple[int, str] = (1, "a")
        weights: dict[str, float] = {}
        tree: Tree | None = None

    class OtherParams(BaseModel):
        Tree: int = 0

    @action(params=TrainParams, result=Tree)
    def train(params, ctx): ...

    @action(params=OtherParams)
    def other(params, ctx): ...

    @action(params=Tree)
    def grow(params, ctx): ...

    @action()
    def free(params, ctx): ...
"""
ACTIONS = {name: f"plugin.act:{name}" for name in ("train", "other", "grow", "free")}


@pytest.fixture
def plugin(make_plugin: MakePlugin) -> Path:
    return make_plugin("digits", CODE, actions=ACTIONS)


def exported(*folders: Path) -> dict[str, str]:
    refs = [PluginRef(path=folder) for folder in folders]
    files = exported_files(refs, Catalog(folders[0].parent), folders[0].parent / "schemas")
    return {path.name: text for path, text in files.items()}


def editor(*folders: Path) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(exported(*folders)["synapse.schema.json"])
    return schema


def run(params: Any, action: str = "train", path: str = "../plugins/digits") -> dict[str, Any]:
    return {
        "apiVersion": "synapse.dev/v1",
        "kind": "Run",
        "metadata": {"name": "a"},
        "spec": {"plugin": {"path": path}, "action": action, "params": params},
    }


def fits(schema: dict[str, Any], document: Any) -> bool:
    """As both validators see it."""
    decided = jsonschema_rs.Draft202012Validator(schema).is_valid(document)
    assert Draft202012Validator(schema).is_valid(document) is decided
    return decided


def test_what_is_exported(plugin: Path) -> None:
    files = exported(plugin)
    assert list(files) == ["digits.schema.json", "synapse.schema.json"]
    schema = json.loads(files["digits.schema.json"])
    assert (schema["plugin"], list(schema["actions"])) == ("digits", ["free", "grow", "other", "train"])
    train = schema["actions"]["train"]
    assert train["code"].startswith("sha256:")
    assert train["params"]["properties"]["epochs"]["description"] == "How often."
    assert list(train["result"]["properties"]) == ["value", "children"]
    assert schema["actions"]["free"]["params"] == {"type": "object"}


def test_the_same_bytes_each_time(plugin: Path, make_plugin: MakePlugin) -> None:
    other = make_plugin("another", CODE, actions=dict(reversed(ACTIONS.items())))
    first, second = exported(plugin, other), exported(plugin, other, plugin)
    assert first == second
    assert all(text.endswith("}\n") and "\r" not in text for text in first.values())


def test_every_schema_is_a_valid_one(plugin: Path) -> None:
    files = exported(plugin)
    actions = json.loads(files["digits.schema.json"])["actions"].values()
    for schema in [
        editor(plugin),
        RUN,
        *(item["params"] for item in actions),
        *(item["result"] or {} for item in actions),
    ]:
        Draft202012Validator.check_schema(schema)
        assert jsonschema_rs.meta.is_valid(schema | {"$schema": "https://json-schema.org/draft/2020-12/schema"})


@pytest.mark.parametrize(
    "params",
    [
        {"dataset": "d"},
        {"dataset": "d", "epochs": 5, "optimizer": "sgd", "layers": [1, 2], "pair": [1, "a"], "weights": {"a": 0.5}},
        {"dataset": "d", "schedule": {"kind": "step", "every": 2}, "tree": {"children": [{"value": 1}]}},
        {"dataset": "d", "schedule": None, "tree": None},
        {"dataset": "${{ runs.a.result.path }}", "epochs": "${{ runs.a.result.n }}", "optimizer": "${{ run.name }}"},
        {"dataset": "d", "layers": ["${{ runs.a.result.n }}", 2], "pair": ["${{ run.name }}", "x"]},
        {"dataset": "d", "layers": "${{ runs.a.result.layers }}", "weights": {"a": "${{ runs.a.result.w }}"}},
        {
            "dataset": "d",
            "schedule": "${{ runs.a.result }}",
            "tree": {"children": [{"value": "${{ runs.a.result.v }}"}]},
        },
        {"dataset": "d", "schedule": {"kind": "step", "every": "${{ runs.a.result.n }}"}},
    ],
)
def test_an_editor_takes_what_is_fine(plugin: Path, params: Any) -> None:
    assert fits(editor(plugin), run(params))


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"epochs": 5},
        {"dataset": "d", "epocs": 5},
        {"dataset": "d", "epochs": 0},
        {"dataset": "d", "epochs": "5"},
        {"dataset": "d", "optimizer": "admm"},
        {"dataset": "d", "layers": [1, "x"]},
        {"dataset": "d", "pair": [1]},
        {"dataset": "d", "schedule": {"kind": "step", "evry": 2}},
        {"dataset": "d", "schedule": {"kind": "linear"}},
        {"dataset": "d", "tree": {"children": [{"children": [{"valeu": 1}]}]}},
        {"dataset": "d", "weights": {"a": "heavy"}},
        {"dataset": "d", "${{ run.name }}": 1},
        [],
    ],
)
def test_an_editor_refuses_what_is_not(plugin: Path, params: Any) -> None:
    assert not fits(editor(plugin), run(params))


def test_a_typo_is_said_at_its_place_and_alone(plugin: Path) -> None:
    schema = editor(plugin)
    for params, place in (
        ({"dataset": "d", "epocs": 5}, ["spec", "params"]),
        ({"dataset": "d", "tree": {"valeu": 1}}, ["spec", "params", "tree"]),
        ({"dataset": "d", "layers": [1, "x"]}, ["spec", "params", "layers", 1]),
    ):
        (error,) = Draft202012Validator(schema).iter_errors(run(params))
        while error.context:
            error = max(error.context, key=lambda item: len(item.absolute_path))
        assert list(error.absolute_path) == place


def test_params_are_those_of_the_chosen_action(plugin: Path) -> None:
    schema = editor(plugin)
    assert fits(schema, run({"Tree": 1}, "other"))
    assert not fits(schema, run({"dataset": "d"}, "other"))
    assert fits(schema, run({"value": 1, "children": [{"value": 2}]}, "grow"))
    assert not fits(schema, run({"value": 1, "children": [{"vlaue": 2}]}, "grow"))
    assert fits(schema, run({"whatever": [1]}, "free"))
    assert fits(schema, run({"whatever": 1}, "unknown"))


def test_params_may_only_be_left_out_where_none_is_required(plugin: Path) -> None:
    schema = editor(plugin)
    for action, expected in (("train", False), ("other", True)):
        document = run({}, action)
        del document["spec"]["params"]
        assert fits(schema, document) is expected


@pytest.mark.parametrize("path", ["digits", "./digits", "../plugins/digits", "../plugins/digits/", "/abs/digits"])
def test_the_plugin_is_told_by_the_end_of_its_path(plugin: Path, path: str) -> None:
    assert not fits(editor(plugin), run({}, path=path))


@pytest.mark.parametrize("path", ["other", "mydigits", "digits/inner"])
def test_of_other_plugins_nothing_is_claimed(plugin: Path, path: str) -> None:
    assert fits(editor(plugin), run({"what": "ever"}, path=path))


def test_names_of_folders_are_taken_literally(make_plugin: MakePlugin) -> None:
    config = "name: p\ncode: p\nactions: {train: plugin.act.train}\n"
    schema = editor(make_plugin("a.b+c-d", CODE, config=config))
    assert not fits(schema, run({}, path="../a.b+c-d"))
    assert fits(schema, run({}, path="../aXb+c-d"))


def test_a_module_is_told_by_its_name(plugin: Path) -> None:
    schema = plugin_schema(PluginRef(path=plugin), Catalog(plugin.parent))
    merged = editor_schema({"m": [(PluginRef(module="my.module"), schema)]})
    document = run({})
    document["spec"]["plugin"] = {"module": "my.module"}
    assert not fits(merged, document)
    document["spec"]["plugin"] = {"module": "other"}
    assert fits(merged, document)


def test_actions_of_two_plugins_do_not_mix(plugin: Path, make_plugin: MakePlugin) -> None:
    other = """
        class Tree(BaseModel):
            height: int
        class Params(BaseModel):
            tree: Tree
        @action(params=Params)
        def train(params, ctx): ...
    """
    schema = editor(plugin, make_plugin("forest", other, actions={"train": "plugin.act:train"}))
    assert fits(schema, run({"tree": {"height": 1}}, path="forest"))
    assert not fits(schema, run({"tree": {"value": 1}}, path="forest"))
    assert fits(schema, run({"dataset": "d", "tree": {"value": 1}}))


def test_without_plugins_it_is_the_envelope() -> None:
    schema = editor_schema({})
    assert {key: schema[key] for key in RUN} == RUN
    assert fits(schema, run({"what": "ever"}))
    assert not fits(schema, run({}) | {"wibble": 1})


@pytest.mark.parametrize("code", ["../up", "a/b", "synapse", ".hidden", "a b"])
def test_a_code_that_cannot_name_a_file(make_plugin: MakePlugin, code: str) -> None:
    folder = make_plugin("p", CODE, config=f"name: p\ncode: '{code}'\nactions: {{train: plugin.act.train}}\n")
    with pytest.raises(PluginError, match="cannot name a file of schemas"):
        exported(folder)


def test_two_plugins_with_one_code(make_plugin: MakePlugin) -> None:
    config = "name: p\ncode: p\nactions: {train: plugin.act.train}\n"
    first, second = make_plugin("a", CODE, config=config), make_plugin("b", CODE, config=config)
    assert len(exported(first, second)) == 2
    (second / "plugin" / "act.py").write_text((second / "plugin" / "act.py").read_text() + "\nx = 1\n")
    with pytest.raises(PluginError, match="have the same code 'p'"):
        exported(first, second)
