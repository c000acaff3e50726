"""`synapse run PLUGIN ACTION`: an action without a spec."""

import json
import os

import pytest

from tests.engine.project import Project, tree


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ([], {}),
        (["a=1"], {"a": 1}),
        (["a=1.5", "b=true", "c=null"], {"a": 1.5, "b": True, "c": None}),
        (["a=text", "b=two words", "c="], {"a": "text", "b": "two words", "c": ""}),
        (['a="1"', "b=[1, 2]", 'c={"d": 1}'], {"a": "1", "b": [1, 2], "c": {"d": 1}}),
        (["a.b.c=1", "a.b.d=2"], {"a": {"b": {"c": 1, "d": 2}}}),
        (["a=x=y"], {"a": "x=y"}),
        (["a=NaN", "b=Infinity"], {"a": "NaN", "b": "Infinity"}),
        (["a=1", "a=2"], {"a": 2}),
    ],
)
def test_params_are_json_or_text(project: Project, params: list[str], expected: object) -> None:
    words = [word for param in params for word in ("-p", param)]
    done = project.cli("run", "lab", "echo", *words)
    assert (done.exit_code, json.loads(done.stdout)) == (0, expected)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-p", "a"], "--param takes KEY=VALUE, not 'a'"),
        (["-p", "=1"], "--param takes KEY=VALUE, not '=1'"),
        (["-p", "a=1", "-p", "a.b=2"], "--param a.b: 'a' has a value already"),
        (["--env", "A"], "--env takes KEY=VALUE, not 'A'"),
        (["--mode", "cloud"], "'cloud' is not one of"),
        (["--ray-address", "localhost:1"], "--ray-address is for --mode task and job"),
    ],
)
def test_wrong_usage_is_told(project: Project, words: list[str], message: str) -> None:
    done = project.cli("run", "lab", "echo", *words)
    assert (done.exit_code, done.stdout) == (64, "")
    assert message in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["none", "echo"], 3, "none"),
        (["./none", "echo"], 3, "no plugin folder at ./none"),
        (["lab", "nothing"], 3, "nothing"),
        (["lab", "add", "-p", "a=x"], 3, "error: params.a: "),
        (["lab", "fail"], 1, "error: ActionFailed: ValueError: no luck"),
        (["lab", "quit"], 1, "error: ActionFailed: SystemExit: the action called sys.exit(3)"),
        (["lab", "odd"], 1, "error: result.set is of type object, which has no JSON form"),
    ],
)
def test_what_goes_wrong_is_told(project: Project, words: list[str], code: int, message: str) -> None:
    done = project.cli("run", *words)
    assert (done.exit_code, done.stdout) == (code, "")
    assert message in done.stderr


def test_the_traceback_of_a_failure_is_the_plugins(project: Project) -> None:
    done = project.cli("run", "lab", "fail")
    assert done.stderr.startswith('Traceback (most recent call last):\n  File "')
    assert "lab/plugin/act.py" in done.stderr.splitlines()[1]


def test_the_result_is_alone_on_stdout(project: Project) -> None:
    project.edit("lab/plugin/act.py", "import logging", "import logging\n\nprint('while it is imported')\n")
    done = project.call("run", "lab", "talk")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"ok": True})
    for line in ("while it is imported", "printed", "from a child", "raw descriptor", "progress halves 2/2 (100%)"):
        assert line in done.stderr.splitlines()


def test_environment_and_folder_are_the_callers(project: Project) -> None:
    result = json.loads(project.cli("run", "lab", "surroundings", "--env", "GREETING=hello").stdout)
    assert result == {"cwd": str(project.root), "env": "hello", "ctx": "hello", "job": None}
    assert "GREETING" not in os.environ


def test_nothing_is_written_about_it(project: Project) -> None:
    before = tree(project.root)
    project.cli("run", "lab", "surroundings")
    assert tree(project.root) == before
