"""`synapse explain`: diagnostics, actions, params and fields of a run, on a terminal and elsewhere."""

import contextlib
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from contextlib import chdir
from pathlib import Path
from shutil import rmtree
from textwrap import dedent
from zipfile import ZipFile

import pytest
from click.testing import CliRunner, Result

from synapse_spec.cli.explain import entry, page
from synapse_spec.cli.main import program
from synapse_spec.spec.diagnostics import CODES
from synapse_spec.spec.envelope import RUN
from synapse_spec.spec.fields import fields, written
from tests.conftest import PRELUDE, MakePlugin
from tests.docs.pages import ROOT

CODE = """
    from typing import Annotated, Literal
    from pydantic import Field

    class Step(BaseModel):
        kind: Literal["step"]
        every: int = Field(1, ge=1)

    class Cosine(BaseModel):
        kind: Literal["cosine"] = Field(description="How it goes down.")

    class Wild(BaseModel):
        it: str = Field("a", description="Red: \\x1b[31m.\\rx", pattern="\\x1b|a")

    class Optimizer(BaseModel):
        lr: float = Field(0.001, gt=0, description="How fast.\\n\\nNot too fast.")

    class Params(BaseModel):
        dataset: str = Field(description="Where from.")
        optimizer: Optimizer = Optimizer()
        layers: list[Optimizer] = []
        schedule: Step | Cosine | None = None

    class Result(BaseModel):
        path: str = Field(description="The model.")

    @action(params=Params, result=Result, description="Trains.")
    def train(params, ctx): ...

    @action(params=Wild)
    def wild(params, ctx): ...

    @action(description="Takes anything.")
    def free(params, ctx): ...
"""
CONFIG = """\
name: Digits
code: my.digits
actions:
  train: plugin.act:train
  train.free: plugin.act:free
  wild: plugin.act:wild
"""


@pytest.fixture
def plugin(make_plugin: MakePlugin, tmp_path: Path) -> Path:
    (tmp_path / "synapse.toml").touch()
    return make_plugin("plugins/my.digits", {"plugin/act.py": PRELUDE + dedent(CODE)}, config=CONFIG)


def explain(*words: object, at: Path | None = None) -> Result:
    with chdir(at or Path.cwd()):
        return CliRunner().invoke(program, ["explain", *map(str, words)])


@pytest.mark.parametrize("code", CODES)
def test_every_code_is_explained(code: str) -> None:
    result = explain(code)
    assert result.exit_code == 0
    assert result.stdout.startswith(f"{code}: {CODES[code]}\n\n")
    assert "\nBad" in result.stdout
    assert "\nGood" in result.stdout
    assert "### SS" not in result.stdout, "it ends where the next one begins"


def test_a_diagnostic_in_full() -> None:
    assert explain("ss106").stdout.startswith(
        "SS106: a param has a value it cannot take\n\nThe value does not fit the JSON Schema of the param"
    )
    assert "](" not in entry("SS107")
    found = json.loads(explain("SS106", "-o", "json").stdout)
    assert (found["code"], found["title"], found["text"]) == ("SS106", CODES["SS106"], entry("SS106"))


def test_a_code_that_there_is_not() -> None:
    result = explain("SS14")
    assert (result.exit_code, result.stdout) == (64, "")
    assert "there is no diagnostic SS14; did you mean SS104?" in result.stderr
    assert all(f"  {code}  {words}\n" in result.stderr for code, words in CODES.items())


def test_an_action(plugin: Path, tmp_path: Path) -> None:
    result = explain("plugins/my.digits:train", at=tmp_path)
    assert result.exit_code == 0
    assert (
        result.stdout
        == """\
my.digits:train
  Trains.

  PARAM             TYPE                    DEFAULT      DESCRIPTION
  dataset           string                  required     Where from.
  optimizer         Optimizer               {lr: 0.001}
    optimizer.lr    number (more than 0)    0.001        How fast. Not too fast.
  layers            list of Optimizer       []
    layers[].lr     number (more than 0)    0.001        How fast. Not too fast.
  schedule          Step or Cosine or null  null
    schedule.kind   step                    required
    schedule.every  integer (at least 1)    1
    schedule.kind   cosine                  required     How it goes down.

  RESULT  TYPE    DESCRIPTION
  path    string  The model.
"""
    )


def test_an_action_whose_name_has_a_dot(plugin: Path, tmp_path: Path) -> None:
    assert explain("./plugins/my.digits:train.free", at=tmp_path).stdout == (
        "my.digits:train.free\n  Takes anything.\n\n  It takes any params.\n"
    )


def test_a_param(plugin: Path) -> None:
    result = explain(f"{plugin}:train.layers[0].lr")
    assert result.exit_code == 0
    assert (
        result.stdout
        == """\
my.digits:train.layers[0].lr
  How fast.

  Not too fast.

  type:      number (more than 0)
  required:  no
  default:   0.001

  In a spec:

    spec:
      params:
        layers:
          - lr: 0.001
"""
    )


def test_a_param_with_fields_inside(plugin: Path) -> None:
    assert (
        explain(f"{plugin}:train.optimizer").stdout
        == """\
my.digits:train.optimizer

  type:      Optimizer
  required:  no
  default:   {lr: 0.001}

  Inside:

  FIELD  TYPE                  DEFAULT  DESCRIPTION
  lr     number (more than 0)  0.001    How fast. Not too fast.

  In a spec:

    spec:
      params:
        optimizer:
          lr: 0.001
"""
    )


def test_nothing_is_shown_that_a_terminal_would_obey(plugin: Path) -> None:
    for topic in (f"{plugin}:wild", f"{plugin}:wild.it"):
        shown = explain(topic).stdout
        assert "Red: \ufffd[31m." in shown
        assert not set(shown) & {"\x1b", "\r"}
    assert "\x1b[31m" not in on_terminal(100, "explain", f"{plugin}:wild")


def test_a_param_of_several_forms(plugin: Path) -> None:
    shown = explain(f"{plugin}:train.schedule.kind").stdout
    assert "my.digits:train.schedule.kind  (Step)\n" in shown
    assert "my.digits:train.schedule.kind  (Cosine)\n  How it goes down.\n" in shown


@pytest.mark.parametrize(
    ("topic", "message"),
    [
        ("plugins/my.digits:train.datset", "my.digits:train: there is no 'datset'; did you mean 'dataset'?"),
        ("plugins/my.digits:train.lr", "my.digits:train: there is no 'lr'; did you mean 'optimizer.lr'?"),
        ("plugins/my.digits:trian.lr", "plugin 'my.digits' has no action 'trian'; did you mean 'train'?"),
        ("plugins/digits:train", "no plugin folder at 'plugins/digits'; did you mean 'plugins/my.digits'?"),
        ("no_module:train", "no module named 'no_module' can be imported here"),
    ],
)
def test_what_the_plugin_has_not(plugin: Path, tmp_path: Path, topic: str, message: str) -> None:
    result = explain(topic, at=tmp_path)
    assert (result.exit_code, result.stdout, result.stderr) == (3, "", f"error: {message}\n")


def test_a_plugin_without_an_action(plugin: Path, tmp_path: Path) -> None:
    result = explain("plugins/my.digits", at=tmp_path)
    assert result.exit_code == 64
    assert "name one of its actions: plugins/my.digits:train, plugins/my.digits:train.free, " in result.stderr


def test_by_its_code_an_exported_plugin_need_not_be_there(plugin: Path, tmp_path: Path) -> None:
    with chdir(tmp_path):
        assert CliRunner().invoke(program, ["schema", "export", "plugins/my.digits"]).exit_code == 0
    before = explain("plugins/my.digits:train.dataset", at=tmp_path).stdout
    rmtree(plugin)
    result = explain("my.digits:train.dataset", at=tmp_path)
    assert (result.stdout, result.stderr) == (before, "as the schemas of my.digits were exported\n")
    missing = explain("my.digits:trian", at=tmp_path)
    assert missing.exit_code == 3
    assert "did you mean 'train'?" in missing.stderr


def test_fresh_exported_schemas_spare_the_import(plugin: Path, tmp_path: Path) -> None:
    act = plugin / "plugin" / "act.py"
    act.write_text("import os\nassert 'NOT_HERE' not in os.environ\n" + act.read_text())
    with chdir(tmp_path):
        assert CliRunner().invoke(program, ["schema", "export", "plugins/my.digits"]).exit_code == 0
    result = CliRunner(env={"NOT_HERE": "1"}).invoke(program, ["explain", f"{plugin}:train.dataset"])
    assert (result.exit_code, "Where from." in result.stdout) == (0, True)


def test_as_json(plugin: Path) -> None:
    action = json.loads(explain(f"{plugin}:train", "-o", "json").stdout)
    assert (action["version"], action["action"], action["description"]) == (1, "my.digits:train", "Trains.")
    assert list(action["params"]["properties"]) == ["dataset", "optimizer", "layers", "schedule"]
    assert list(action["result"]["properties"]) == ["path"]
    param = json.loads(explain(f"{plugin}:train.layers[0].lr", "-o", "json").stdout)
    [field] = param["fields"]
    assert (field["path"], field["required"], field["schema"]["exclusiveMinimum"]) == ("layers[].lr", False, 0)
    assert "Optimizer" in param["$defs"]


@pytest.mark.parametrize("path", [written(field.path) for field in fields(RUN, RUN)])
def test_every_field_of_a_run_is_explained(path: str) -> None:
    result = explain(f"run.{path}")
    assert (result.exit_code, result.stdout.splitlines()[0]) == (0, path)
    assert explain(path).stdout == result.stdout


def test_a_field_of_a_run() -> None:
    shown = explain("spec.retry.limit").stdout
    assert shown.startswith("spec.retry.limit\n  Attempts after the first.\n\n  type:      integer (0 to 100)\n")
    assert "    spec:\n      retry:\n        limit: 1\n" in shown
    assert "\n  spec.action " in explain("run").stdout.replace("    spec.action", "  spec.action")


@pytest.mark.parametrize(
    ("topic", "message"),
    [
        ("spec.retri", "'spec' has no 'retri'; did you mean 'retry'?"),
        ("backof", "nothing is known of 'backof'; did you mean 'spec.retry.backoff'?"),
        ("timeout", "nothing is known of 'timeout'; did you mean 'spec.timeout'?"),
        ("no/such/thing", "nothing is known of 'no/such/thing'"),
    ],
)
def test_what_is_not_known(topic: str, message: str) -> None:
    result = explain(topic)
    assert (result.exit_code, result.stdout) == (64, "")
    assert f"Error: {message}\n" in result.stderr


def test_on_a_terminal_it_is_formatted_and_wrapped(plugin: Path) -> None:
    markdown = on_terminal(60, "explain", "SS106")
    assert "\x1b[" in markdown
    assert "```" not in markdown
    table = re.sub(r"\x1b\[[\d;]*m", "", on_terminal(60, "explain", f"{plugin}:train"))
    assert max(map(len, table.splitlines())) == 60
    assert "DESCRIPTION" in table


def on_terminal(columns: int, *words: str) -> str:
    """What a terminal of that width is sent."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environ = os.environ | {"TERM": "xterm-256color"}
    for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR"):
        environ.pop(name, None)
    command = [sys.executable, "-m", "synapse_spec", *words]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environ):
        os.close(theirs)
        sent = b""
        # Where the other end is closed, Linux says so by an error.
        with contextlib.suppress(OSError):
            while part := os.read(ours, 65536):
                sent += part
    os.close(ours)
    return sent.decode()


def test_the_docs_are_in_the_wheel(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60)
    [wheel] = tmp_path.glob("*.whl")
    with ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    found = tmp_path / "installed" / "synapse_spec" / "docs" / "diagnostics.md"
    assert found.read_bytes() == page().read_bytes()
    program = "from synapse_spec.cli.explain import page; print(page())"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path / "installed", stdout=subprocess.PIPE, check=True
    )
    assert done.stdout.decode().strip() == str(found)
