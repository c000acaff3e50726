"""`synapse history NAME`: how attempts ended."""

import json

from tests.engine.project import Project, run


def test_outcomes_are_shown_newest_first(project: Project) -> None:
    project.write(run("a", "fail"))
    project.apply()
    project.write(run("a", "add"))
    project.apply()
    rows = [line.split() for line in project.cli("history", "a").stdout.splitlines()]
    assert rows[0] == ["DIGEST", "ATTEMPT", "PHASE", "REASON", "FINISHED", "TIME"]
    assert [row[1:4] for row in rows[1:]] == [["1", "Succeeded", "Completed"], ["1", "Failed", "ActionFailed"]]
    document = json.loads(project.cli("history", "a", "-o", "json").stdout)
    assert (document["version"], document["name"]) == (1, "a")
    assert [item["reason"] for item in document["history"]] == ["Completed", "ActionFailed"]
    assert document["history"][0]["digest"] == project.status("a").computed_digest


def test_a_run_that_never_ran_says_so(project: Project) -> None:
    project.write(run("a"))
    done = project.cli("history", "a")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "a has not run yet\n")
