"""The hooks that this repository offers, run by the real pre-commit in the repository of a user.

pre-commit makes an environment for them and builds and installs the package as it stands in the working tree. Only the
package's dependencies are not installed once more (Ray and the like take a minute): they are those of the tests.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from synapse_spec.cli.main import program
from tests.conftest import MakePlugin

ROOT = Path(__file__).parents[2]

CODE = """
    class Params(BaseModel):
        epochs: int = 3

    @action(params=Params)
    def run(params, ctx): ...
"""

SPEC = """\
apiVersion: synapse.dev/v1
kind: Run
metadata: {name: NAME}
spec:
  plugin: {path: ../p}
  action: run
"""

PreCommit = Callable[..., tuple[int, str]]


def git(*args: str | Path, at: Path) -> str:
    command = ["git", "-c", "user.name=A", "-c", "user.email=a@example.org", *args]
    return subprocess.run(command, cwd=at, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def hooks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This repository, with the working tree as its last commit."""
    copy = tmp_path_factory.mktemp("hooks")
    for name in git("ls-files", "-z", "--cached", "--others", "--exclude-standard", at=ROOT).split("\0"):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, copy / name)
    git("init", at=copy)
    git("add", "--all", at=copy)
    git("commit", "--message=all", at=copy)
    return copy


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return os.environ | {
        "PRE_COMMIT_HOME": str(tmp_path_factory.mktemp("pre-commit")),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "PYTHONPATH": sysconfig.get_path("purelib"),
        "PIP_NO_INDEX": "1",
        "PIP_NO_DEPS": "1",
        "PIP_IGNORE_INSTALLED": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # pip reads it as the value of the option's opposite
    }


@pytest.fixture
def user(tmp_path: Path, hooks: Path, make_plugin: MakePlugin, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The repository of a user: a plugin, two specs of which one needs the other, schemas, and files of other tools."""
    monkeypatch.chdir(tmp_path)
    make_plugin("p", CODE)
    Path("specs").mkdir()
    Path("specs/a.yaml").write_text(SPEC.replace("NAME", "a"))
    Path("specs/b.yaml").write_text(SPEC.replace("NAME", "b") + "  dependsOn: [a]\n")
    Path("specs/a.status.yaml").write_text("apiVersion: synapse.dev/v1\nkind: RunStatus\n")
    Path("chart.yaml").write_text("{{ of another tool }}\n")
    revision = git("rev-parse", "HEAD", at=hooks).strip()
    Path(".pre-commit-config.yaml").write_text(
        f"repos: [{{repo: {hooks}, rev: {revision}, hooks: [{{id: synapse-validate}}, {{id: synapse-schema-check}}]}}]"
    )
    git("init", at=tmp_path)
    assert CliRunner().invoke(program, ["schema", "export"]).exit_code == 0
    git("add", "--all", at=tmp_path)
    return tmp_path


@pytest.fixture
def pre_commit(user: Path, environment: dict[str, str]) -> PreCommit:
    def run(*args: str) -> tuple[int, str]:
        git("add", "--all", at=user)
        command = [sys.executable, "-m", "pre_commit", "run", "--color=never", *args]
        done = subprocess.run(command, cwd=user, env=environment, check=False, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    return run


def outcomes(said: str) -> dict[str, str]:
    """What pre-commit says of each hook."""
    return dict(re.findall(r"^(synapse [a-z ]+)\.+(?:\(.*\))?(\w+)$", said, re.MULTILINE))


def test_what_is_fine_passes(pre_commit: PreCommit) -> None:
    code, said = pre_commit("--all-files")
    assert (code, outcomes(said)) == (0, {"synapse validate": "Passed", "synapse schema check": "Passed"}), said


def test_a_bad_spec_fails_and_is_told_where_and_why(pre_commit: PreCommit) -> None:
    Path("specs/a.yaml").write_text(SPEC.replace("NAME", "a") + "  params: {epocs: 1}\n")
    code, said = pre_commit("--all-files")
    assert (code, outcomes(said)) == (1, {"synapse validate": "Failed", "synapse schema check": "Passed"}), said
    assert "- exit code: 3\n" in said
    assert "specs/a.yaml:7:12: error[SS104]: unknown param 'epocs' for p:run\n" in said


def test_a_change_of_the_code_makes_the_schemas_stale(user: Path, pre_commit: PreCommit) -> None:
    act = user / "p" / "plugin" / "act.py"
    act.write_text(act.read_text().replace("epochs: int = 3", "epochs: int = 4"))
    code, said = pre_commit("--all-files")
    assert (code, outcomes(said)) == (1, {"synapse validate": "Passed", "synapse schema check": "Failed"}), said
    assert "'synapse schema export'" in said


def test_runs_of_files_that_have_not_changed_are_known(user: Path, pre_commit: PreCommit) -> None:
    git("commit", "--message=all", at=user)
    with Path("specs/b.yaml").open("a") as file:
        file.write("  params: {epochs: 4}\n")
    code, said = pre_commit()
    assert (code, outcomes(said)["synapse validate"]) == (0, "Passed"), said
    git("rm", "--quiet", "specs/a.yaml", at=user)
    code, said = pre_commit()
    assert (code, outcomes(said)["synapse validate"]) == (1, "Failed"), said
    assert "specs/b.yaml:7:15: error[SS302]: there is no run 'a'" in said


def test_changes_that_concern_no_spec_start_nothing(user: Path, pre_commit: PreCommit) -> None:
    git("commit", "--message=all", at=user)
    Path(".github").mkdir()
    Path(".github/ci.yaml").write_text("on: push\n")
    Path("specs/b.status.yaml").write_text("apiVersion: synapse.dev/v1\nkind: RunStatus\n")
    code, said = pre_commit()
    assert (code, outcomes(said)) == (0, {"synapse validate": "Skipped", "synapse schema check": "Skipped"}), said
