"""`synapse plan`: what would run, and why; it changes nothing."""

import json

import pytest

from synapse_spec.plugins import yaml
from tests.engine.project import Project, run, tree


def test_a_plan_is_a_table(project: Project) -> None:
    project.write(run("a", "add"), run("bee", mode="task", dependsOn=["a"]), run("c", suspend=True))
    done = project.cli("plan", "spec.yaml")
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "NAME  STEP     MODE   WHY",
        "a     run      local  new",
        "c     suspend  local  suspended",
        "bee   wait     task   waiting for a",
    ]
    assert done.stderr == "1 to run, 1 to suspend, 1 to wait\n"


def test_planning_leaves_no_trace(project: Project) -> None:
    project.write(run("a", "add"), run("b", dependsOn=["a"]))
    before = tree(project.root)
    project.cli("plan", "spec.yaml")
    assert tree(project.root) == before
    project.apply("--only", "a")
    before = tree(project.root)
    project.cli("plan", "spec.yaml", "--detailed-exitcode")
    assert tree(project.root) == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--graph", "mermaid", "-o", "json"), "--graph and --output"),
        (("--out", "-"), "--out writes a file"),
    ],
)
def test_what_does_not_go_together_is_refused(project: Project, words: tuple[str, ...], said: str) -> None:
    project.write(run("a", "add"))
    before = tree(project.root)
    done = project.cli("plan", "spec.yaml", *words)
    assert done.exit_code == 64
    assert said in done.stderr
    assert tree(project.root) == before


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_a_plan_is_data(project: Project, form: str) -> None:
    project.write(run("a", "add"))
    project.apply()
    project.write(run("a", "add", params={"b": 4}))
    done = project.cli("plan", "spec.yaml", "-o", form)
    document = json.loads(done.stdout) if form == "json" else yaml.parse(done.stdout.encode())[0]
    digest = document["runs"][0].pop("digest")
    assert digest.startswith("sha256:")
    assert document == {
        "version": 1,
        "runs": [
            {
                "name": "a",
                "file": "spec.yaml",
                "action": "add",
                "mode": "local",
                "step": "run",
                "reason": "spec changed",
                "message": "spec changed: params.b (not set) -> 4",
                "phase": "Succeeded",
                "changes": [{"part": "spec", "path": "params.b", "old": None, "new": 4}],
                "waitingFor": [],
                "dynamicCode": False,
            }
        ],
        "orphans": [],
    }


def test_a_plan_is_a_picture(project: Project) -> None:
    project.write(run("a"), run("b", dependsOn=["a"]))
    done = project.cli("plan", "spec.yaml", "--graph", "mermaid")
    assert done.stdout.splitlines()[:4] == [
        "flowchart TD",
        '  n0["a<br/>Pending: new"]:::Pending',
        '  n1["b<br/>Pending: waiting"]:::Pending',
        "  n0 --> n1",
    ]
    assert done.stderr == ""


def test_code_that_imports_dynamically_is_told(project: Project) -> None:
    code = project.root / "lab" / "plugin" / "act.py"
    code.write_text(f"{code.read_text()}\n\ndef late():\n    return __import__('json')\n")
    project.write(run("a", "add"))
    project.apply()
    (code.parent / "unused.py").touch()
    done = project.cli("plan", "spec.yaml")
    assert "code changed: plugin/unused.py" in done.stdout
    assert done.stderr.startswith("a imports dynamically, so every file of its plugin counts as its code\n")


def test_the_exit_code_tells_whether_something_would_run(project: Project) -> None:
    project.write(run("a"))
    assert project.cli("plan", "spec.yaml", "--detailed-exitcode").exit_code == 2
    assert project.cli("plan", "spec.yaml").exit_code == 0
    project.apply()
    assert project.cli("plan", "spec.yaml", "--detailed-exitcode").exit_code == 0


def test_a_plan_is_written(project: Project) -> None:
    project.write(run("a"))
    assert project.cli("plan", "spec.yaml", "--out", "plan.json").exit_code == 0
    written = json.loads((project.root / "plan.json").read_text())
    assert written["version"] == 1
    assert written["digest"].startswith("sha256:")
    assert written["runs"] == project.json("plan", "spec.yaml")["runs"]
    nowhere = project.cli("plan", "spec.yaml", "--out", "none/plan.json")
    assert (nowhere.exit_code, "none/plan.json: No such file or directory" in nowhere.stderr) == (3, True)


def test_secrets_are_shown_by_their_source(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "hunter2")
    project.write(run("a", env={"TOKEN": "plain"}))
    project.apply()
    project.write(run("a", env={"TOKEN": {"fromEnv": "TOKEN"}}))
    shown = project.cli("plan", "spec.yaml").stdout
    assert 'spec changed: env.TOKEN \'plain\' -> {"fromEnv": "TOKEN"}' in shown
    assert "hunter2" not in shown


def test_orphans_are_told(project: Project) -> None:
    project.write(run("a"), run("b"))
    project.apply()
    project.write(run("a"))
    assert project.json("plan", "spec.yaml")["orphans"] == [{"file": "spec.status.yaml", "names": ["b"]}]
    assert (
        "spec.status.yaml still has b, whose run is gone; apply --prune removes it" in project.cli("plan", ".").stderr
    )


def test_what_is_invalid_is_not_planned(project: Project) -> None:
    project.write(run("a", "ad"))
    done = project.cli("plan", "spec.yaml", "-o", "json")
    assert (done.exit_code, done.stdout) == (3, "")
    assert "error[SS203]" in done.stderr
