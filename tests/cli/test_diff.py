"""`synapse diff NAME`: what was applied against what is written now."""

from tests.engine.project import Project, run, tree


def test_a_change_is_a_diff(project: Project) -> None:
    project.write(run("a", "add"), run("b", "echo", params={"sum": "${{ runs.a.result.sum }}", "count": 1}))
    project.apply()
    project.write(run("a", "add"), run("b", "echo", params={"sum": "${{ runs.a.result.sum }}", "count": 2}))
    before = tree(project.root)
    done = project.cli("diff", "b")
    assert done.exit_code == 0
    assert [line for line in done.stdout.splitlines() if line[0] in "-+"] == [
        "--- last applied",
        "+++ spec.yaml",
        "-  count: 1",
        "+  count: 2",
    ]
    assert done.stderr == "b: spec changed: params.count 1 -> 2\n"
    assert tree(project.root) == before


def test_no_change_is_said(project: Project) -> None:
    project.write(run("a", "add"))
    project.apply()
    done = project.cli("diff", "a")
    assert (done.stdout, done.stderr) == ("", "a: unchanged\n")


def test_before_the_first_run_all_is_new(project: Project) -> None:
    project.write(run("a", "add", params={"a": 4}))
    done = project.cli("diff", "a")
    assert "+  a: 4" in done.stdout.splitlines()
    assert done.stderr == "a: new\n"
