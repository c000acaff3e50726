"""What runs nothing again; and that a real change beside each of these does."""

import copy
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from synapse_spec.plugins import code
from synapse_spec.plugins.code import code_digest
from synapse_spec.plugins.source import PluginSource
from tests.engine.project import Project, run

CODE = "lab/plugin/act.py"
SUM = '    return {"sum": params.a + params.b}'
OTHER_SUM = '    return {"sum": params.a + params.b + 1}'


@pytest.fixture
def applied(project: Project) -> Project:
    """Two runs that have succeeded, the second with the result of the first."""
    write(project)
    assert project.apply().exit_code == 0
    assert executed(project) == 2
    return project


def write(project: Project, a: int = 5, **metadata: dict[str, str]) -> None:
    first, second = run("first", "add", params={"a": a}), run("second", params={"sum": "${{ runs.first.result.sum }}"})
    first["metadata"] |= metadata
    project.write(first, second)


def executed(project: Project) -> int:
    """How many executions the actions have counted, wherever their plugin stands."""
    return sum(path.stat().st_size for path in project.root.glob("**/runs/*"))


def edit_sum(project: Project) -> None:
    project.edit(CODE, SUM, OTHER_SUM)


def move(project: Project, folder: str, *names: str) -> None:
    (project.root / folder).mkdir(parents=True)
    for name in names:
        (project.root / name).rename(project.root / folder / name)


# Each change that counts for nothing, and one beside it that does.


def comment(project: Project) -> None:
    project.edit(CODE, SUM, f"    # the sum\n{SUM}  # of both\n")
    project.edit("spec.yaml", "metadata:", "metadata:  # what it is")
    project.edit("lab/config.yaml", "actions:", "# what it offers\nactions:")


def text_of_a_comment_as_code(project: Project) -> None:
    project.edit(CODE, "    # the sum\n", "    'the sum'.upper()\n")


def reformat(project: Project) -> None:
    ruff = Path(sys.executable).with_name("ruff")
    options = ["--line-length=50", "--config=format.quote-style='single'", "--config=indent-width=2"]
    before = (project.root / CODE).read_text()
    subprocess.run([ruff, "format", "-q", "--isolated", *options, project.root / "lab"], check=True)
    after = (project.root / CODE).read_text()
    assert "\n  return {'sum': params.a + params.b}\n" in after
    assert len(after.splitlines()) > len(before.splitlines())


def a_number_in_what_was_reformatted(project: Project) -> None:
    project.edit(CODE, "  b: int = 2", "  b: int = 3")


def docstring(project: Project) -> None:
    project.edit(CODE, '    """Gives back what it gets."""', "    '''Returns its params.'''")
    project.edit(CODE, '    """Fails until it has been called `good` times."""\n', "")


def text_that_is_no_docstring(project: Project) -> None:
    project.edit(CODE, 'message", "no luck"', 'message", "bad luck"')


def label(project: Project) -> None:
    write(project, labels={"team": "vision"}, annotations={"why": "tried"})


def param_beside_a_label(project: Project) -> None:
    write(project, 6, labels={"team": "vision"})


def spec_moved(project: Project) -> None:
    move(project, "specs/late", "spec.yaml", "spec.status.yaml")
    project.edit("specs/late/spec.yaml", "path: lab", "path: ../../lab")


def param_of_a_spec_that_moved(project: Project) -> None:
    project.edit("specs/late/spec.yaml", "a: 5", "a: 6")


def plugin_moved(project: Project) -> None:
    move(project, "plugins", "lab")
    project.edit("spec.yaml", "path: lab", "path: plugins/lab")


def code_of_a_plugin_that_moved(project: Project) -> None:
    project.edit(f"plugins/{CODE}", SUM, OTHER_SUM)


def touched(project: Project) -> None:
    for path in project.root.rglob("*"):
        if ".synapse" not in path.parts:
            os.utime(path, (1, 1))


def code_of_the_same_size_and_time(project: Project) -> None:
    path = project.root / CODE
    before = path.stat()
    project.edit(CODE, "b: int = 2", "b: int = 3")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns, after.st_ino) == (before.st_size, before.st_mtime_ns, before.st_ino)


def cache_removed(project: Project) -> None:
    shutil.rmtree(project.root / ".synapse")


CHANGES: list[tuple[Callable[[Project], None], Callable[[Project], None]]] = [
    (comment, text_of_a_comment_as_code),
    (reformat, a_number_in_what_was_reformatted),
    (docstring, text_that_is_no_docstring),
    (label, param_beside_a_label),
    (spec_moved, param_of_a_spec_that_moved),
    (plugin_moved, code_of_a_plugin_that_moved),
    (touched, code_of_the_same_size_and_time),
    (cache_removed, edit_sum),
]


@pytest.mark.parametrize(("harmless", "real"), CHANGES, ids=[harmless.__name__ for harmless, _ in CHANGES])
def test_it_runs_nothing_again_and_a_real_change_does(
    harmless: Callable[[Project], None], real: Callable[[Project], None], applied: Project
) -> None:
    harmless(applied)
    assert_settled(applied, 2)
    real(applied)
    assert_due(applied, 2)


def test_a_fresh_clone_with_committed_statuses_runs_nothing_again(applied: Project, tmp_path: Path) -> None:
    (applied.root / ".gitignore").write_text("runs/\n")
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "init.defaultBranch=main"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "done"], ["clone", "-q", ".", tmp_path / "clone"]):
        subprocess.run([*git, *words], cwd=applied.root, check=True)
    clone = copy.copy(applied)
    clone.root = tmp_path / "clone"
    assert not (clone.root / ".synapse").exists()
    assert_settled(clone, 0)
    changed = subprocess.run([*git, "status", "--porcelain"], cwd=clone.root, check=True, capture_output=True)
    assert changed.stdout == b""
    edit_sum(clone)
    assert_due(clone, 0)


def assert_settled(project: Project, before: int) -> None:
    """Neither a plan nor an apply finds anything to do, and no status file is written."""
    paths = list(project.root.rglob("*.status.yaml"))
    stamps = [(path.read_bytes(), path.stat().st_mtime_ns) for path in paths]
    plan = project.cli("plan", ".", "--detailed-exitcode")
    assert plan.exit_code == 0, plan.output
    assert project.cli("apply", ".").exit_code == 0
    assert [(path.read_bytes(), path.stat().st_mtime_ns) for path in paths] == stamps
    assert executed(project) == before


def assert_due(project: Project, before: int) -> None:
    """The first run is due, and with it the second; both then run."""
    steps = {record["name"]: record["step"] for record in project.json("plan", ".")["runs"]}
    assert steps == {"first": "run", "second": "wait"}
    assert project.cli("apply", ".").exit_code == 0
    assert executed(project) == before + 2


# What Pythons parse or print differently is in it. Another digest for it makes every run of every user run again.
SAMPLE = '''\
"""Module."""
import os

type Pair[T] = tuple[T, T]


class Empty:
    """Only this."""


def act[T](first: T, /, *rest, width=3, **more) -> "T":
    """Acts."""
    text = f"{first!r:{width}} and {first:} {first=}" "\\u0221\\ud800"
    del (first, rest)
    return lambda: [text, 1_000, 1e3, 1j, ..., None, b"\\xff", "\u2ffc", not os.sep in text]
'''
DIGEST = "sha256:b7e7f5c2b844101b83a361bce1f6ff74b9e347e7966c21620c5e48e7bda8fc41"


def digest_of_sample(folder: Path, text: str = SAMPLE) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "act.py").write_text(text, encoding="utf-8")
    return code_digest(PluginSource.from_path(folder), "act:act").digest


def other_pythons() -> list[str]:
    """Interpreters of other minor versions on this machine that can read our code."""
    names = [f"python3.{minor}" for minor in range(12, 16) if minor != sys.version_info.minor]
    beside = [str(path) for name in names for path in Path(sys.base_prefix).parent.glob(f"*/bin/{name}")]
    found = [path for path in (*map(shutil.which, names), *beside) if path is not None]
    return [
        path for path in found if subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode == 0
    ]


def test_the_digest_of_code_is_the_same_under_each_python(tmp_path: Path) -> None:
    assert digest_of_sample(tmp_path / "p") == DIGEST
    assert digest_of_sample(tmp_path / "p", SAMPLE.replace("width=3", "width=4")) != DIGEST
    digest_of_sample(tmp_path / "p")
    script = (
        "from synapse_spec.plugins.code import code_digest\n"
        "from synapse_spec.plugins.source import PluginSource\n"
        f"print(code_digest(PluginSource.from_path({str(tmp_path / 'p')!r}), 'act:act').digest)\n"
    )
    root = str(Path(code.__file__).parents[2])
    for python in other_pythons():
        done = subprocess.run(
            [python, "-S", "-c", script], env={"PYTHONPATH": root}, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == DIGEST, python


def test_a_run_that_was_planned_before_is_checked_again_when_its_params_model_changes(applied: Project) -> None:
    assert applied.cli("plan", "spec.yaml", "--detailed-exitcode").exit_code == 0
    applied.edit(CODE, "    a: int = 1", "    a: str = 'x'")
    found = applied.cli("plan", "spec.yaml")
    assert (found.exit_code, "error[SS106]: a:" in found.output) == (3, True), found.output


def test_a_run_that_was_planned_before_is_due_when_its_plugins_config_changes(applied: Project) -> None:
    applied.edit("lab/config.yaml", "actions:", "env: {LEVEL: debug}\nactions:")
    assert applied.steps()["first"] == "spec changed: env.LEVEL (not set) -> 'debug'"


def test_what_is_only_a_warning_is_said_each_time(project: Project) -> None:
    project.write(run("first", params={"on": "yes", "sure": "no"}))
    path = project.root / "spec.yaml"
    path.write_text(path.read_text().replace('"', ""))
    said = [project.cli(verb, "spec.yaml").output.count("SS109") for verb in ("apply", "apply", "plan", "plan")]
    assert said[0] > 0
    assert set(said) == {said[0]}


def test_a_plan_file_holds_for_what_is_known_and_for_what_is_not(applied: Project) -> None:
    applied.edit("spec.yaml", "a: 5", "a: 6")
    assert applied.cli("plan", "spec.yaml", "--out", "plan.json").exit_code == 0
    shutil.rmtree(applied.root / ".synapse" / "cache")
    assert applied.apply("--plan", "plan.json").exit_code == 0
