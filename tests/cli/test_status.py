"""`synapse status`: the status of runs."""

import json

import pytest

from synapse_spec.plugins import yaml
from tests.engine.project import Project, run, tree


@pytest.fixture
def applied(project: Project) -> Project:
    project.write(run("a", "talk", labels={"x": "y"}), run("bad", "fail"), run("c", dependsOn=["bad"]), run("d"))
    project.apply("--only", "a", "--only", "c")
    return project


def test_statuses_are_a_table(applied: Project) -> None:
    done = applied.cli("status", "spec.yaml")
    assert done.exit_code == 0
    rows = [line.split() for line in done.stdout.splitlines()]
    assert rows[0] == ["NAME", "PHASE", "REASON", "MODE", "ATTEMPT", "TIME", "METRICS"]
    assert [row[:5] for row in rows[1:]] == [
        ["a", "Succeeded", "Completed", "local", "1"],
        ["bad", "Failed", "ActionFailed", "local", "1"],
        ["c", "Blocked", "DependencyNotReady", "local", "-"],
        ["d", "Pending", "New", "local", "-"],
    ]
    assert rows[1][6] == "train.loss=0.25"
    assert done.stderr.splitlines() == [
        "bad: ActionFailed: ValueError: no luck",
        "c: DependencyNotReady: run 'bad' is Failed",
    ]


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_statuses_are_data(applied: Project, form: str) -> None:
    done = applied.cli("status", "spec.yaml", "-o", form)
    document = json.loads(done.stdout) if form == "json" else yaml.parse(done.stdout.encode())[0]
    assert document["version"] == 1
    stored = yaml.parse((applied.root / "spec.status.yaml").read_bytes())
    assert document["runs"][:3] == [item | {"file": "spec.yaml"} for item in stored]
    assert document["runs"][3]["status"]["phase"] == "Pending"


def test_this_folder_is_looked_at_by_default(applied: Project) -> None:
    assert applied.cli("status").stdout == applied.cli("status", "spec.yaml").stdout


def test_runs_can_be_picked(applied: Project) -> None:
    assert [item["metadata"]["name"] for item in applied.json("status", "-l", "x=y")["runs"]] == ["a"]
    assert [item["metadata"]["name"] for item in applied.json("status", "--only", "c")["runs"]] == ["bad", "c"]
    assert applied.cli("status", "--only", "x").exit_code == 64


def test_looking_changes_nothing(applied: Project) -> None:
    before = tree(applied.root)
    applied.cli("status")
    assert tree(applied.root) == before


def test_statuses_are_there_where_the_plugin_is_not(applied: Project) -> None:
    (applied.root / "lab" / "config.yaml").write_text("")
    done = applied.cli("status")
    assert done.exit_code == 0
    assert "Succeeded" in done.stdout


def test_a_broken_spec_is_told_and_the_others_are_shown(applied: Project) -> None:
    (applied.root / "broken.yaml").write_text("apiVersion: synapse.dev/v1\nkind: [")
    done = applied.cli("status")
    assert done.exit_code == 3
    assert "broken.yaml:2:" in done.stderr
    assert "Succeeded" in done.stdout


def test_there_may_be_nothing_to_show(project: Project) -> None:
    done = project.cli("status")
    assert (done.exit_code, done.stdout) == (3, "")
    assert "error[SS001]" in done.stderr


def test_a_phase_can_be_picked(applied: Project) -> None:
    done = applied.cli("status", "spec.yaml", "--phase", "Failed", "--phase", "Pending")
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["NAME", "bad", "d"]
