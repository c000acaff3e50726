"""`synapse logs NAME`: what a run wrote."""

from tests.engine.project import Project, run


def test_a_log_is_printed(project: Project) -> None:
    project.write(run("a", "talk"))
    project.apply()
    done = project.cli("logs", "a")
    assert (done.exit_code, done.stdout, done.stderr) == (0, project.log("a"), "")
    assert project.cli("logs", "a", "-f").stdout == done.stdout  # it is at work no more
    assert project.cli("logs", "a", "--in", "lab").stdout == done.stdout


def test_the_last_attempt_is_shown_unless_another_is_asked_for(project: Project) -> None:
    project.write(run("a", "flaky", params={"good": 3}, retry={"limit": 1, "backoff": "1ms"}))
    project.apply()
    assert project.cli("logs", "a", "--attempt", "1").stdout == project.log("a", 1)
    project.apply()
    assert project.cli("logs", "a").stdout == project.log("a", 3)
    project.write(run("a", "talk"))
    project.apply()
    assert project.cli("logs", "a").stdout == project.log("a", 1)  # numbers begin anew with what is computed


def test_a_log_that_is_not_there_is_told(project: Project) -> None:
    none = project.cli("logs", "a")
    assert (none.exit_code, none.stdout) == (3, "")
    assert none.stderr == f"error: no log of run 'a' in {project.root}\n"
    project.write(run("b"))
    project.apply()
    assert project.cli("logs", "a").stderr.endswith("; there are b\n")
    assert project.cli("logs", "b", "--attempt", "7").exit_code == 3
    assert project.cli("logs").exit_code == 64


def test_looking_for_a_log_leaves_no_trace(project: Project) -> None:
    project.cli("logs", "a")
    assert not (project.root / ".synapse").exists()
