"""New specs: valid as soon as what is required is filled in, and with all that is commented out as well."""

import re
from collections.abc import Callable
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import AliasChoices, BaseModel, Field, create_model

from synapse_spec.plugins import yaml
from synapse_spec.plugins.decorators import action
from synapse_spec.plugins.schemas import params_schema
from synapse_spec.spec.check import Checker
from synapse_spec.spec.document import check_document
from synapse_spec.spec.example import fits
from synapse_spec.spec.scaffold import NewRun, run_name, scaffold


class Colour(Enum):
    RED = "red"
    ON = "on"


class Step(BaseModel):
    kind: Literal["step"]
    every: int = Field(1, ge=1, description="Every so often.")


class Cosine(BaseModel):
    kind: Literal["cosine"]
    warmup: float = 0.0


class Optimizer(BaseModel):
    name: Literal["adam", "sgd"] = "adam"
    rate: float = Field(0.001, gt=0, le=1, description="How fast: # not too fast.")
    schedule: Annotated[Step | Cosine, Field(discriminator="kind")] = Step(kind="step")


class Source(BaseModel):
    path: str = Field(min_length=1)
    depth: int = 3
    optimizer: Optimizer = Optimizer()


class Tree(BaseModel):
    value: int
    children: "list[Tree]" = []


_MADE = "## it: string (matches ^a+$); the default is made by the plugin's code"
_LONG = "\n".join([f"    #   - {'x' * 40}"] * 3)


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    @action(params=model)
    def run(params: Any, ctx: Any) -> None: ...

    return params_schema(run)


def text_of(model: type[BaseModel], **more: Any) -> str:
    return scaffold(NewRun("train", {"path": "plugins/digits"}, "train", schema_of(model), **more))


def params_part(model: type[BaseModel]) -> str:
    """What stands between `action` and the words on how it runs."""
    return text_of(model).partition("  action: train\n")[2].partition("\n  ## How it runs")[0]


def uncommented(text: str) -> str:
    return re.sub(r"^( *)#(?: |$)", r"\1", text, flags=re.MULTILINE)


def test_what_it_looks_like() -> None:
    class Params(BaseModel):
        epochs: int = Field(30, ge=1, le=1000, description="Times the model sees every image.")
        dataset: str = Field(description="Where from:\n  a file # or: not.\n\nMore.")
        source: Source
        maybe: int | None
        optimizer: Optimizer = Optimizer()
        other: Optimizer | None = None
        made: list[Optimizer] = Field(default_factory=list, max_length=3)
        colour: Colour = Colour.ON
        prompt: str = "a\n# b\n\n  c: d\n"
        weights: dict[str, float] = {"a": 1.5}

    assert params_part(Params) == EXPECTED


EXPECTED = """\
  params:
    ## Where from:
    ##   a file # or: not.
    ##
    ## More.
    dataset:   # string, required

    source:   # Source, required
      path:   # string (not empty), required
      # depth: 3   # integer
      # optimizer:   # Optimizer
        # name: adam   # adam | sgd
        ## How fast: # not too fast.
        # rate: 0.001   # number (more than 0, at most 1)
        ## schedule.kind: step, required
        ## schedule.every: integer (at least 1), default 1. Every so often.
        ## schedule.kind: cosine, required
        ## schedule.warmup: number, default 0.0
        # schedule: {every: 1, kind: step}   # Step or Cosine

    # maybe:   # integer or null, required

    ## Times the model sees every image.
    # epochs: 30   # integer (1 to 1000)

    # optimizer:   # Optimizer
      # name: adam   # adam | sgd
      ## How fast: # not too fast.
      # rate: 0.001   # number (more than 0, at most 1)
      ## schedule.kind: step, required
      ## schedule.every: integer (at least 1), default 1. Every so often.
      ## schedule.kind: cosine, required
      ## schedule.warmup: number, default 0.0
      # schedule: {every: 1, kind: step}   # Step or Cosine

    ## other.name: adam | sgd, default adam
    ## other.rate: number (more than 0, at most 1), default 0.001. How fast: # not too fast.
    ## other.schedule: Step or Cosine, default {kind: step, every: 1}
    ## other.schedule.kind: step, required
    ## other.schedule.every: integer (at least 1), default 1. Every so often.
    ## other.schedule.kind: cosine, required
    ## other.schedule.warmup: number, default 0.0
    # other: null   # Optimizer or null

    ## made[].name: adam | sgd, default adam
    ## made[].rate: number (more than 0, at most 1), default 0.001. How fast: # not too fast.
    ## made[].schedule: Step or Cosine, default {kind: step, every: 1}
    ## made[].schedule.kind: step, required
    ## made[].schedule.every: integer (at least 1), default 1. Every so often.
    ## made[].schedule.kind: cosine, required
    ## made[].schedule.warmup: number, default 0.0
    # made: []   # list (at most 3 items) of Optimizer; the default is made by the plugin's code

    # colour: "on"   # red | "on"

    ## string
    # prompt: |
    #   a
    #   # b
    #
    #     c: d

    # weights: {a: 1.5}   # mapping of number
"""


@pytest.mark.parametrize(
    ("annotation", "default", "line"),
    [
        (int, None, "# it: 1   # integer; default null"),
        (float, float("inf"), "# it: 1   # number; default .inf"),
        (str, "${{ runs.a.result }}", '# it: text   # string; default "${{ runs.a.result }}"'),
        (Annotated[str, Field(pattern="^a+$")], Field(default_factory=str), _MADE),
        (Any, Field(default_factory=int), "# it: []   # any value; the default is made by the plugin's code"),
        (
            Optimizer,
            Field(default_factory=Optimizer),
            "# it: {}   # Optimizer; the default is made by the plugin's code",
        ),
        (int, Field(validation_alias=AliasChoices("it", "that")), "it:   # integer, required"),
        (Annotated[int, Field(deprecated=True)], 3, "# it: 3   # integer, deprecated"),
        (Tree, ..., "it:   # Tree, required\n      value:   # integer, required"),
        (Any, ..., "# it:   # any value, required"),
        (Step | Cosine, ..., "it:   # Step or Cosine, required"),
        (Source | Tree, ..., "## Tree:\n    ## it.value: integer, required"),
        (str, "a\n\n", '# it: "a\\n\\n"   # string'),
        (str, "a  \n\n b", "# it: |-\n    #   a  \n    #\n    #    b"),
        (list[str], ["x" * 40] * 3, f"## list of string\n    # it:\n{_LONG}"),
    ],
)
def test_one_param(annotation: Any, default: Any, line: str) -> None:
    assert f"    {line}\n" in params_part(create_model("Params", it=(annotation, default))) + "\n"


def test_required_params_come_first_and_long_words_are_wrapped() -> None:
    class Params(BaseModel):
        a: int = 1
        b: int = Field(description="word " * 60)

    part = params_part(Params)
    assert part.index("    b:") < part.index("    # a:")
    assert max(map(len, part.splitlines())) <= 110
    assert part.count("    ## word") == 3


def test_actions_without_params() -> None:
    class Nothing(BaseModel):
        pass

    assert params_part(Nothing) == "  # params: {}   # it takes none\n"
    text = scaffold(NewRun("run", {"module": "some.module"}, "run", {"type": "object"}))
    assert "  plugin: {module: some.module}\n" in text
    assert "  # params: {}   # it takes any, and says nothing of them\n" in text
    assert problems(text, {"type": "object"}) == problems(uncommented(text), {"type": "object"}) == []


def test_the_head() -> None:
    class Params(BaseModel):
        pass

    text = text_of(Params, description="Trains.\nSlowly.", mode="job", modeline="../schemas/synapse.schema.json")
    assert text.startswith(
        "# yaml-language-server: $schema=../schemas/synapse.schema.json\n\n## Trains.\n## Slowly.\napiVersion: "
    )
    assert "\n  mode: job\n" in text
    assert "# mode" not in text


def test_how_it_runs_is_valid_when_it_is_uncommented() -> None:
    class Params(BaseModel):
        pass

    spec = yaml.parse(uncommented(text_of(Params)).encode())[0]["spec"]
    assert {"mode", "dependsOn", "env", "timeout", "retry", "resources"} <= spec.keys()
    assert problems(uncommented(text_of(Params)), schema_of(Params)) == []


@pytest.mark.parametrize(
    ("action_name", "name"),
    [("train", "train"), ("TrainAction", "trainaction"), ("_my_action.v2_", "my-action-v2"), ("é", "run")],
)
def test_the_name_of_the_run(action_name: str, name: str) -> None:
    assert run_name(action_name) == name
    assert len(run_name("ab" * 40)) == 63


# A type with values that a spec may give it, and what its default may be in the code, valid or not.
KINDS: list[tuple[Any, Any, st.SearchStrategy[Any]]] = [
    (int, 3, st.integers() | st.none()),
    (Annotated[int, Field(ge=1, lt=9, multiple_of=2)], 4, st.sampled_from([2, 8, 9])),
    (float, 0.5, st.floats()),
    (bool, True, st.booleans()),
    (str, "filled in", st.text(max_size=300)),
    (
        Annotated[str, Field(pattern="^[a-z#: ]*$", min_length=1)],
        "a",
        st.sampled_from(["# a: b", "a # b", "a: b", "A"]),
    ),
    (Colour, "on", st.sampled_from(Colour)),
    (int | None, 1, st.none() | st.integers()),
    (list[str], ["a"], st.lists(st.text(max_size=60), max_size=4)),
    (dict[str, int], {"a": 1}, st.dictionaries(st.text(max_size=9), st.integers(), max_size=3)),
    (tuple[int, str], [1, "a"], st.just((2, "b: #"))),
    (Optimizer, {"name": "sgd"}, st.sampled_from([Optimizer(), Optimizer(rate=0.5)])),
    (Source, {"path": "a"}, st.sampled_from([Source(path="x # y"), Source(path="p", depth=9)])),
    (list[Source], [{"path": "a"}], st.just([Source(path="a\nb")])),
    (Tree, {"value": 1}, st.just(Tree(value=1, children=[Tree(value=2)]))),
    (Annotated[Step | Cosine, Field(discriminator="kind")], {"kind": "step"}, st.just(Cosine(kind="cosine"))),
    (Any, "anything", st.none() | st.booleans()),
]
ALIAS = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12)


@st.composite
def models(draw: Callable[..., Any]) -> tuple[type[BaseModel], dict[str, Any]]:
    """A model, and values for its required fields by their aliases."""
    found: dict[str, Any] = {}
    fill: dict[str, Any] = {}
    for number, alias in enumerate(draw(st.lists(ALIAS, max_size=5, unique=True))):
        annotation, value, defaults = draw(st.sampled_from(KINDS))
        about = {"alias": alias, "description": draw(st.text(max_size=200))}
        match draw(st.sampled_from(["required", "default", "factory"])):
            case "required":
                found[f"field{number}"] = (annotation, Field(**about))
                fill[alias] = value
            case "default":
                found[f"field{number}"] = (annotation, Field(draw(defaults), **about))
            case _:
                found[f"field{number}"] = (annotation, Field(default_factory=lambda: None, **about))
    return create_model("Params", **found), fill


@settings(max_examples=60, deadline=None)
@given(models())
@example((create_model("Params", a=(str, "# x\n---\n...\n  y")), {}))
@example((create_model("Params", a=(str, "x\n\n"), b=(list[str], ["y" * 99, "z\n\n\n"]), c=(int, 1)), {}))
@example((create_model("Params", a=(str, "x  \n \ny"), c=(int, 1)), {}))
def test_any_spec_is_valid_once_it_is_filled_in(drawn: tuple[type[BaseModel], dict[str, Any]]) -> None:
    model, fill = drawn
    schema, text = schema_of(model), text_of(model)
    assert bool(problems(text, schema)) == bool(fill)
    assert problems(text, schema, fill) == []
    assert problems(uncommented(text), schema, fill) == []
    params = yaml.parse(uncommented(text).encode())[0]["spec"].get("params") or {}
    for name, field in schema["properties"].items():
        if "default" in field and fits(field["default"], field, schema):
            assert given_of(params[name], field["default"]) == field["default"]


def given_of(value: Any, default: Any) -> Any:
    """The value without the keys that its default leaves to theirs."""
    return {key: value[key] for key in default} if isinstance(default, dict) and isinstance(value, dict) else value


def problems(text: str, schema: dict[str, Any], fill: dict[str, Any] | None = None) -> list[Any]:
    """All that is wrong with a spec once `fill` is put where no value is yet."""
    [document] = yaml.parse(text.encode())
    if fill:
        document["spec"]["params"] = filled(document["spec"].get("params"), fill)
    wrong = check_document(document)
    return wrong or Checker(schema).problems(document["spec"].get("params", {}))


def filled(given: Any, fill: Any) -> Any:
    if isinstance(given, dict) and isinstance(fill, dict):
        return given | {name: filled(given.get(name), value) for name, value in fill.items()}
    return fill if given is None else given
