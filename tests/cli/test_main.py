"""The program as such: its verbs, its help, its exit codes."""

import sys

import click
import pytest

import synapse_spec
from synapse_spec.cli import exits
from synapse_spec.cli.main import VERBS, program
from synapse_spec.engine.locks import LockHeld
from synapse_spec.plugins.errors import PluginNotFoundError
from synapse_spec.plugins.executors.ray.errors import ClusterUnreachable
from synapse_spec.spec.diagnostics import Diagnostic, InvalidSpec
from tests.engine.project import Project


def test_help_names_every_verb(project: Project) -> None:
    done = project.cli("--help")
    assert done.exit_code == 0
    for name, (_, words) in VERBS.items():
        assert name in done.stdout
        assert words in done.stdout
    assert project.cli("-h").stdout == done.stdout


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(project: Project, verb: str) -> None:
    done = project.cli(verb, "--help")
    assert done.exit_code == 0
    assert f"synapse {verb}" in done.stdout.replace("program", "synapse")


def test_the_version_is_told(project: Project) -> None:
    assert project.cli("--version").stdout == f"synapse {synapse_spec.__version__}\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "Usage:"),
        (["aply"], "No such command 'aply'. Did you mean 'apply'?"),
        (["xyz"], "No such command 'xyz'."),
        (["--nonsense"], "No such option"),
        (["apply"], "Missing argument 'PATH...'"),
    ],
)
def test_wrong_usage_exits_with_64(project: Project, words: list[str], message: str) -> None:
    done = project.cli(*words)
    assert done.exit_code == 64
    assert message in done.stderr


def test_colour_can_be_forced_and_forbidden(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write()
    assert "\x1b[" in project.cli("--color", "status").stderr
    assert "\x1b[" not in project.cli("--no-color", "status").stderr
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in project.cli("status").stderr
    assert "\x1b[" in project.cli("--color", "status").stderr


def raising(error: BaseException) -> object:
    raise error


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (click.UsageError("bad"), 64, "bad"),
        (click.BadParameter("bad"), 64, "bad"),
        (click.ClickException("bad"), 1, "bad"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (click.Abort(), 130, "interrupted"),
        (PluginNotFoundError("no plugin"), 3, "error: no plugin"),
        (ClusterUnreachable("no Ray"), 6, "error: no Ray"),
        (LockHeld("train"), 5, "error: another process is at run 'train'"),
        (InvalidSpec([Diagnostic("SS001", "gone", "a.yaml")]), 3, "a.yaml: error[SS001]: gone"),
        (FileNotFoundError(2, "No such file", "a.yaml"), 3, "error: a.yaml: No such file"),
        (RuntimeError("oops"), 70, "RuntimeError: oops"),
        (OSError("oops"), 70, "OSError: oops"),
    ],
)
def test_whatever_happens_has_a_message_and_a_code(
    error: BaseException, code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exits.guarded(lambda: raising(error)) == code
    out, err = capsys.readouterr()
    assert (out, message in err) == ("", True)
    assert ("Traceback" in err) == (code == 70)
    if code == 70:
        assert "this is a defect of synapse; please report it with what follows" in err
        assert f"synapse {synapse_spec.__version__}, Python {sys.version.split()[0]}" in err


@pytest.mark.parametrize(("given", "code"), [(0, 0), (1, 1), (None, 0), ("text", 0)])
def test_a_command_gives_its_exit_code(given: object, code: int) -> None:
    assert exits.guarded(lambda: given) == code


def test_called_from_python_it_returns_instead_of_leaving() -> None:
    assert program.main(["schema", "check", "--help"], standalone_mode=False) == 0
    with pytest.raises(SystemExit) as caught:
        program.main(["--version"])
    assert caught.value.code == 0
