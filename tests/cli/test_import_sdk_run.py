"""`synapse import-sdk-run`: a command line of synapse-sdk as a spec."""

import shlex
from pathlib import Path
from typing import Any

import click
import pytest
import yamlrocks
from click.testing import CliRunner, Result

from synapse_spec.cli import import_sdk_run
from synapse_spec.cli.main import program
from tests.conftest import MakePlugin

CODE = """
    class Params(BaseModel):
        epochs: int = 3

    @action(params=Params)
    def run(params, ctx):
        return {"epochs": params.epochs, "language": ctx.env.get("SYNAPSE_LANGUAGE")}
"""


@pytest.fixture(autouse=True)
def plugin(make_plugin: MakePlugin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return make_plugin("p", CODE)


def imported(*words: str) -> Result:
    return CliRunner().invoke(program, ["import-sdk-run", *words])


def spec_of(*words: str) -> dict[str, Any]:
    done = imported(*words)
    assert done.exit_code == 0, done.output
    spec: dict[str, Any] = yamlrocks.loads(done.stdout.encode())["spec"]
    return spec


def test_a_whole_command_line() -> None:
    spec = spec_of(
        *("synapse", "plugin", "run", "run", "--path", "p", "--params", '{"epochs": 2}', "--mode", "job"),
        *("--cpus", "2", "--gpus", "1", "-l", "ko"),
    )
    assert spec == {
        "plugin": {"path": "p"},
        "action": "run",
        "mode": "job",
        "params": {"epochs": 2},
        "env": {"SYNAPSE_LANGUAGE": "ko"},
        "resources": {"cpus": 2, "gpus": 1},
    }


def test_the_spec_is_valid_and_runs() -> None:
    words = ["run", "--path", "p", "-m", "local", "--params", '{"epochs": 2}', "--lang=ko"]
    assert imported("--to", "specs/it.yaml", "--name", "it", *words).exit_code == 0
    done = CliRunner().invoke(program, ["apply", "specs"])
    assert done.exit_code == 0, done.output
    assert "language: ko" in Path("specs/it.status.yaml").read_text()


def test_the_folder_is_that_of_the_command_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path / "p")
    assert spec_of("run", "-m", "task") == {"plugin": {"path": "."}, "action": "run", "mode": "task"}


@pytest.mark.parametrize("mode", ["job", "jobs-api"])
def test_a_known_address_is_a_cluster(mode: str) -> None:
    Path("synapse.toml").write_text('[clusters.big]\naddress = "head:6379"\n')
    done = imported("run", "--path", "p", "-m", mode, "--ray-address", "head:6379")
    assert (yamlrocks.loads(done.stdout.encode())["spec"]["cluster"], done.stderr) == ("big", "")


@pytest.mark.parametrize(
    ("words", "note"),
    [
        ([], "without --mode"),
        (["-m", "job", "--ray-address", "ray://head:10001"], "--ray-address ray://head:10001"),
        (["-m", "local", "--gpus", "1"], "--cpus and --gpus"),
        (["-m", "local", "-p", "code"], "--plugin code"),
        (["-m", "local", "-i", "{}"], "--input"),
        (["-m", "local", "--no-debug"], "--debug"),
        (["-m", "local", "--debug-sdk"], "--debug-sdk"),
        (["-m", "remote"], "--mode remote"),
        (["-m", "remote", "--token", "secret"], "the token is not written"),
        (["-m", "local", "--params", '{"data": "p/config.yaml"}'], "params.data: a run's working directory is"),
        (["-m", "local", "--params", '{"data": "${{ x }}"}'], "params.data: in a spec, ${{ … }} is a reference"),
    ],
)
def test_what_has_no_counterpart_is_said(words: list[str], note: str) -> None:
    done = imported("run", "--path", "p", *words)
    assert done.exit_code == 0
    assert f"note: {note}" in done.stderr
    assert "secret" not in done.output


@pytest.mark.parametrize("before", [["uv", "run", "synapse"], ["/bin/synapse"], ["python", "-m", "synapse_sdk.cli"]])
def test_whatever_starts_the_program(before: list[str]) -> None:
    line = "plugin run run --path p -m local --params '{\"epochs\": 2}'"
    assert spec_of(" ".join([*before, line])) == spec_of(*before, *shlex.split(line)) == spec_of(line)


def test_an_action_that_is_not_there_is_said() -> None:
    assert "note: the plugin has no action 'walk'; it has run" in imported("walk", "--path", "p", "-m", "local").stderr


def test_remote_inference() -> None:
    spec = spec_of("infer", "--path", "p", "-m", "remote", "-i", "[1]", "--host", "https://h", "-t", "x")
    assert spec["action"] == "inference"
    assert spec["params"] == {"input": [1], "path": "/"}
    assert spec["env"] == {"SYNAPSE_HOST": "https://h", "SYNAPSE_ACCESS_TOKEN": {"fromEnv": "SYNAPSE_ACCESS_TOKEN"}}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "--path", "p", "--params", "{"], "--params is not JSON"),
        (["run", "--path", "p", "--params", "[]"], "--params must be a JSON object"),
        (["run", "--path", "p", "--params", '{"a": NaN}'], "--params is not JSON"),
        (["run", "--path", "p", "--params", '{"a": 1e400}'], "--params is not JSON"),
        (["run", "-m", "local"], ". has no config.yaml"),
        (["run", "--path", "p", "--unknown"], "in the command line of synapse-sdk: No such option"),
        (["run", "--path", "p", "-m", "lokal"], "in the command line of synapse-sdk"),
        (["plugin", "run"], "in the command line of synapse-sdk: Missing argument"),
    ],
)
def test_what_is_wrong_is_said(words: list[str], said: str) -> None:
    done = imported(*words)
    assert done.exit_code == 64
    assert said in done.stderr


def test_every_option_of_the_sdk_is_known() -> None:
    from synapse_sdk.cli.main import cli
    from typer.main import get_command

    context = click.Context(click.Command("synapse"))
    group: Any = get_command(cli)
    theirs = group.get_command(context, "plugin").get_command(context, "run")
    known = {option for param in import_sdk_run._THEIRS.params for option in (*param.opts, *param.secondary_opts)}
    options = {option for param in theirs.params for option in (*param.opts, *param.secondary_opts)}
    assert options - {"--help"} <= known
