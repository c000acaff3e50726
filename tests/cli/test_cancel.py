"""`synapse cancel NAME`, where nothing is at work; test_processes.py has the rest."""

import pytest

from synapse_spec.engine.status import Attempt, Identity, Start
from synapse_spec.engine.store import StatusFile
from tests.engine.project import Project, run, tree
from tests.engine.test_status import T0


@pytest.mark.parametrize(("action", "phase"), [("echo", "Succeeded"), ("fail", "Failed")])
def test_what_has_ended_is_left_as_it_is(project: Project, action: str, phase: str) -> None:
    project.write(run("a", action))
    project.apply()
    before = tree(project.root)
    done = project.cli("cancel", "a")
    assert (done.exit_code, done.stderr) == (0, f"a is not at work: {phase}\n")
    assert tree(project.root) == before


def test_what_never_began_is_told(project: Project) -> None:
    project.write(run("a"))
    assert project.cli("cancel", "a", "spec.yaml").stderr == "a is not at work: Pending\n"
    assert not (project.root / ".synapse").exists()


def test_what_died_with_its_process_is_told(project: Project) -> None:
    project.write(run("a"))
    start = Start(Identity("s", "c", {}, "d"), {}, "local", Attempt(1, "h", T0), {}, {}, "x.log")
    StatusFile(project.root / "spec.status.yaml").update("a", lambda status: status.started(start))
    done = project.cli("cancel", "a")
    assert done.exit_code == 0
    assert done.stderr == "a is not at work any more; the next apply finds it interrupted and runs it again\n"


def test_an_unknown_run_is_wrong_usage(project: Project) -> None:
    project.write(run("a"), run("b"))
    done = project.cli("cancel", "x")
    assert done.exit_code == 64
    assert "there is no run 'x'; there are a, b" in done.stderr


def test_an_unknown_run_may_stand_in_a_file_that_is_broken(project: Project) -> None:
    (project.root / "broken.yaml").write_text("apiVersion: synapse.dev/v1\nkind: [")
    done = project.cli("cancel", "x")
    assert done.exit_code == 3
    assert "broken.yaml:2:" in done.stderr
