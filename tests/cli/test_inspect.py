"""`synapse inspect`: what a plugin offers, for people and for programs."""

import json
from contextlib import chdir
from pathlib import Path
from textwrap import dedent

import pytest
from click.testing import CliRunner, Result

from synapse_spec.cli.main import program
from synapse_spec.plugins import yaml
from tests.conftest import PRELUDE, MakePlugin

CODE = """
    from enum import Enum
    from typing import Annotated, Literal
    from pydantic import Field, RootModel

    class Colour(Enum):
        RED = "red"
        BLUE = "blue"

    class Step(BaseModel):
        kind: Literal["step"]

    class Cosine(BaseModel):
        kind: Literal["cosine"]

    class Optimizer(BaseModel):
        lr: float = Field(0.001, gt=0, description="How fast.")

    class Params(BaseModel):
        dataset: str = Field(description="Where from:\\n  a file.")
        epochs: int = Field(3, ge=1)
        rate: float | None = None
        colour: Colour = Colour.RED
        optimizer: Optimizer = Optimizer()
        layers: list[int] = Field([64], min_length=1)
        grid: list[list[float]] = []
        weights: dict[str, float] = {}
        schedule: Step | Cosine | None = None
        anything: object = None

    class Result(BaseModel):
        path: str = Field(description="The model.")
        steps: list[Step]
        best: float | None

    print("said on import")

    @action(params=Params, result=Result, description="Trains a model.")
    def run(params, ctx): ...

    @action()
    def free(params, ctx):
        "Takes anything."

    class Nothing(BaseModel):
        pass

    class Numbers(RootModel[list[int]]):
        pass

    @action(params=Nothing, result=Numbers)
    def numbers(params, ctx):
        "Gives numbers."
"""


@pytest.fixture
def plugin(make_plugin: MakePlugin) -> Path:
    return make_plugin(
        "digits", CODE, actions={"run": "plugin.act:run", "free": "plugin.act:free", "numbers": "plugin.act:numbers"}
    )


ABOUT = {"name": "digits", "code": "digits", "version": "0.1.0", "category": "custom", "description": "", "env": {}}
TABLES = """\
digits (digits 0.1.0)  custom

run  task, plugin.act:run
  Trains a model.

  PARAM            TYPE                         DEFAULT      DESCRIPTION
  dataset          string                       required     Where from: a file.
  epochs           integer (at least 1)         3
  rate             number or null               null
  colour           red | blue                   red
  optimizer        Optimizer                    {lr: 0.001}
    optimizer.lr   number (more than 0)         0.001        How fast.
  layers           list (not empty) of integer  [64]
  grid             list of list of number       []
  weights          mapping of number            {}
  schedule         Step or Cosine or null       null
    schedule.kind  step                         required
    schedule.kind  cosine                       required
  anything         any value                    null

  RESULT          TYPE            DESCRIPTION
  path            string          The model.
  steps           list of Step
    steps[].kind  step
  best            number or null

free  task, plugin.act:free
  Takes anything.

  It takes any params.

numbers  task, plugin.act:numbers
  Gives numbers.

  It takes no params.

  RESULT  list of integer
"""


def inspect(*args: object) -> Result:
    return CliRunner().invoke(program, ["inspect", *map(str, args)])


def test_as_tables(plugin: Path) -> None:
    result = inspect(plugin)
    assert result.exit_code == 0
    assert result.stdout == TABLES


def test_as_json_and_yaml(plugin: Path) -> None:
    result = inspect("-o", "json", plugin)
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert (found["version"], found["plugin"]) == (1, ABOUT)
    run, free, numbers = found["actions"]
    assert (numbers["result"]["type"], numbers["params"]["properties"]) == ("array", {})
    assert (run["name"], run["entrypoint"], run["method"]) == ("run", "plugin.act:run", "task")
    assert run["params"]["properties"]["epochs"]["default"] == 3
    assert list(run["result"]["properties"]) == ["path", "steps", "best"]
    assert (free["params"], free["result"]) == ({"type": "object"}, None)
    assert yaml.parse(inspect("-o", "yaml", plugin).stdout.encode()) == [found]


def test_an_action_that_does_not_load_leaves_the_others_be(make_plugin: MakePlugin) -> None:
    files = {"plugin/act.py": PRELUDE + "@action()\ndef run(params, ctx): ...\n", "plugin/broken.py": "1 / 0\n"}
    folder = make_plugin(
        "p", files, actions={"run": "plugin.act:run", "bad": "plugin.broken:run", "gone": "plugin.act:gone"}
    )
    result = inspect(folder)
    assert result.exit_code == 3
    assert result.stdout == (
        "p (p 0.1.0)  custom\n\n"
        "run  task, plugin.act:run\n\n  It takes any params.\n\n"
        "bad  task, plugin.broken:run\n  does not load\n\n"
        "gone  task, plugin.act:gone\n  does not load\n"
    )
    first, second = result.stderr.splitlines()
    assert first.startswith("error: action 'bad': ")
    assert "broken.py:1: ZeroDivisionError" in first
    assert second.startswith("error: action 'gone': ")
    actions = json.loads(inspect("-o", "json", folder).stdout)["actions"]
    assert [("error" in item, item["name"]) for item in actions] == [(False, "run"), (True, "bad"), (True, "gone")]


def test_a_config_that_describes_its_actions_is_believed(make_plugin: MakePlugin) -> None:
    action = "{entrypoint: plugin.act:run, method: job, description: Other words.}"
    about = "description: Does it.\ncategory: export\nenv: {LIMIT: 1}\n"
    config = f"name: P\ncode: p\nversion: 2.0.0\n{about}actions: {{run: {action}}}\n"
    result = inspect(make_plugin("p", CODE, config=config))
    assert result.stdout.startswith(
        'P (p 2.0.0)  export\n  Does it.\n  env: {LIMIT: "1"}\n\nrun  job, plugin.act:run\n  Other words.\n'
    )


def test_a_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "inspected_module.py").write_text(PRELUDE + "@action()\ndef run(params, ctx):\n    'Runs.'\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert inspect("inspected_module").stdout == (
        "inspected_module (inspected_module 0.1.0)  custom\n\n"
        "run  task, inspected_module:run\n  Runs.\n\n  It takes any params.\n"
    )


def test_what_does_not_load_here_is_shown_from_fresh_exported_schemas(make_plugin: MakePlugin, tmp_path: Path) -> None:
    (tmp_path / "synapse.toml").touch()
    folder = make_plugin("p", "import os\nassert 'NOT_HERE' not in os.environ\n" + dedent(CODE))
    with chdir(tmp_path):
        assert CliRunner().invoke(program, ["schema", "export", "p"]).exit_code == 0
    result = CliRunner(env={"NOT_HERE": "1"}).invoke(program, ["inspect", str(folder)])
    assert (result.exit_code, "Where from: a file." in result.stdout) == (0, True)


@pytest.mark.parametrize("name", ["no/such/folder", "no_such_module", "not-a-name"])
def test_what_is_no_plugin(name: str) -> None:
    result = inspect(name)
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.startswith("error: ")
    assert "Traceback" not in result.stderr


def test_a_config_that_cannot_be_used(make_plugin: MakePlugin) -> None:
    result = inspect(make_plugin("p", {}, config="- a list\n"))
    assert result.exit_code == 3
    assert "config.yaml" in result.stderr
