"""The fields inside a schema: listed, found by their paths, described."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from synapse_spec.plugins.decorators import action
from synapse_spec.plugins.schemas import params_schema
from synapse_spec.spec.describe import type_text
from synapse_spec.spec.example import example
from synapse_spec.spec.fields import facts_of, fields, find, placed, rows, written


class Step(BaseModel):
    kind: Literal["step"]
    every: int = Field(1, ge=1, description="Every\n  so often.")


class Cosine(BaseModel):
    kind: Literal["cosine"]
    warmup: float = 0.0


class Layer(BaseModel):
    size: int


class Other(BaseModel):
    width: int


class Tree(BaseModel):
    value: int = 0
    children: "list[Tree]" = []


type Loop = list[Loop] | int


class Params(BaseModel):
    rate: float = Field(0.1, gt=0, le=1)
    layers: list[Layer] = []
    schedule: Annotated[Step | Cosine, Field(discriminator="kind")] | None = None
    either: Layer | Other | None = None
    weights: dict[str, Layer] = {}
    tree: Tree = Tree()
    loop: Loop = 1
    pair: tuple[Layer, int] | None = None
    name: str = Field("a", pattern="^[a-z]+$", examples=["ab"], deprecated=True)


SCHEMA = Params.model_json_schema()


def test_rows() -> None:
    assert rows(SCHEMA, SCHEMA) == [
        ("rate", "number (more than 0, at most 1)", "0.1", ""),
        ("layers", "list of Layer", "[]", ""),
        ("  layers[].size", "integer", "required", ""),
        ("schedule", "Step or Cosine or null", "null", ""),
        ("  schedule.kind", "step", "required", ""),
        ("  schedule.every", "integer (at least 1)", "1", "Every so often."),
        ("  schedule.kind", "cosine", "required", ""),
        ("  schedule.warmup", "number", "0.0", ""),
        ("either", "Layer or Other or null", "null", ""),
        ("  Layer:", "", "", ""),
        ("  either.size", "integer", "required", ""),
        ("  Other:", "", "", ""),
        ("  either.width", "integer", "required", ""),
        ("weights", "mapping of Layer", "{}", ""),
        ("  weights.*.size", "integer", "required", ""),
        ("tree", "Tree", "{value: 0, children: []}", ""),
        ("  tree.value", "integer", "0", ""),
        ("  tree.children", "list of Tree", "[]", ""),
        ("loop", "list of Loop or integer", "1", ""),
        ("pair", "[Layer, integer] or null", "null", ""),
        ("  pair[].size", "integer", "required", ""),
        ("name", "string (matches ^[a-z]+$)", "a", ""),
    ]


def test_rows_at_a_place_and_long_defaults() -> None:
    schema = {"properties": {"a": {"type": "string", "default": "x" * 99}}}
    [(path, _, default, _)] = rows(schema, schema, ("top",))
    assert (path, len(default) <= 60) == ("top.a", True)


@pytest.mark.parametrize(
    ("path", "where", "type_"),
    [
        ("rate", "rate", "number (more than 0, at most 1)"),
        ("layers", "layers", "list of Layer"),
        ("layers[3]", "layers[]", "Layer"),
        ("layers[3].size", "layers[].size", "integer"),
        ("layers[].size", "layers[].size", "integer"),
        ("layers.size", "layers[].size", "integer"),
        ("schedule.every", "schedule.every", "integer (at least 1)"),
        ("either.width", "either.width", "integer"),
        ("weights.first.size", "weights.first.size", "integer"),
        ("weights.first", "weights.first", "Layer"),
        ("tree.children[0].children.value", "tree.children[].children[].value", "integer"),
        ("pair[0]", "pair[]", "Layer"),
        ("pair[1]", "pair[]", "integer"),
        ("pair.size", "pair[].size", "integer"),
    ],
)
def test_finding(path: str, where: str, type_: str) -> None:
    [found] = find(SCHEMA, path)
    assert (written(found.path), type_text(found.schema, SCHEMA)) == (where, type_)


def test_a_field_of_several_forms() -> None:
    found = find(SCHEMA, "schedule.kind")
    assert [(field.form, field.required) for field in found] == [("Step", True), ("Cosine", True)]


def test_every_path_of_fields_is_found() -> None:
    for field in fields(SCHEMA, SCHEMA):
        assert field.path in [found.path for found in find(SCHEMA, written(field.path))]


class Aliased(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    rate: float = Field(alias="lr")
    size: int = Field(1, validation_alias=AliasChoices("a.b", "c"))


@action(params=Aliased)
def aliased(params: Any, ctx: Any) -> None: ...


def test_a_field_of_several_names() -> None:
    schema = params_schema(aliased)
    assert rows(schema, schema) == [("lr", "number", "required", ""), ("a.b", "integer", "1", "")]
    for name, others in {"lr": ("rate",), "rate": ("lr",), "c": ("a.b", "size")}.items():
        [field] = find(schema, name)
        assert (field.name, field.required, field.aliases) == (name, name != "c", others)
    assert ("also", "rate") in facts_of(find(schema, "lr")[0], schema)
    assert example(schema, schema) == [{"lr": 1}]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("rat", "there is no 'rat'; did you mean 'rate'?"),
        ("layers[0].sise", "'layers[]' has no 'sise'; did you mean 'size'?"),
        ("every", "there is no 'every'; did you mean 'schedule.every'?"),
        ("either.zzz", "'either' has no 'zzz'; known: size, width"),
        ("rate.x", "'rate' has no 'x'; nothing is inside it"),
        ("rate[0]", "'rate' has no '[0]'; nothing is inside it"),
        ("loop.x", "'loop' has no 'x'; nothing is inside it"),
    ],
)
def test_what_is_not_there(path: str, message: str) -> None:
    with pytest.raises(LookupError) as caught:
        find(SCHEMA, path)
    assert caught.value.args == (message,)


def test_facts() -> None:
    [name], [size] = find(SCHEMA, "name"), find(SCHEMA, "layers.size")
    assert facts_of(name, SCHEMA) == [
        ("type", "string (matches ^[a-z]+$)"),
        ("required", "no"),
        ("default", "a"),
        ("pattern", "the whole of it matches [a-z]+"),
        ("examples", "ab"),
        ("note", "deprecated"),
    ]
    assert facts_of(size, SCHEMA) == [("type", "integer"), ("required", "yes")]


def test_placing() -> None:
    assert placed(("params", "layers", "[]", "size"), 3) == {"params": {"layers": [{"size": 3}]}}
