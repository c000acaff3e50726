"""A run with a matrix, through the program."""

from typing import Any

import pytest

from synapse_spec.plugins import yaml
from tests.engine.project import Project, run


def sweep(name: str = "sweep", action: str = "add", **more: Any) -> dict[str, Any]:
    matrix = more.pop("matrix", {"a": [1, 2]})
    return run(name, action, **({"params": {"a": "${{ matrix.a }}"}, "matrix": matrix} | more))


def ran(project: Project) -> int:
    """How often an action was called."""
    counts = [file.stat().st_size for file in (project.root / "runs").glob("*")]
    return sum(counts)


def test_each_combination_is_a_run(project: Project) -> None:
    project.write(sweep(matrix={"a": [1, 2], "b": [10]}, params={"a": "${{ matrix.a }}", "b": "${{ matrix.b }}"}))
    assert project.apply().exit_code == 0
    results = {name: status.result for name, status in project.statuses().items()}
    assert results == {"sweep[a=1,b=10]": {"sum": 11}, "sweep[a=2,b=10]": {"sum": 12}}
    (document,) = yaml.parse((project.root / "spec.status.yaml").read_bytes())
    assert document["metadata"] == {"name": "sweep"}
    assert (document["status"]["phase"], document["status"]["message"]) == ("Succeeded", "2 children: 2 succeeded")
    assert [child["lastApplied"]["matrix"] for child in document["status"]["children"]] == [
        {"a": 1, "b": 10},
        {"a": 2, "b": 10},
    ]
    before = (project.root / "spec.status.yaml").read_bytes()
    assert "nothing to do: 2 runs" in project.apply().stderr
    assert (project.root / "spec.status.yaml").read_bytes() == before


def test_a_new_value_runs_only_its_own_children(project: Project) -> None:
    project.write(sweep())
    project.apply()
    project.write(sweep(matrix={"a": [3, 1, 2]}))
    assert project.steps() == {"sweep[a=3]": "new", "sweep[a=1]": "unchanged", "sweep[a=2]": "unchanged"}
    project.apply()
    assert ran(project) == 3


def test_a_value_that_is_not_referred_to_counts_all_the_same(project: Project) -> None:
    project.write(sweep(matrix={"seed": [1, 2]}, params={}))
    project.apply()
    assert ran(project) == 2


def test_values_keep_their_type_and_are_formatted_in_text(project: Project) -> None:
    params = {"whole": "${{ matrix.v }}", "text": "v is ${{ matrix.v }}", "deep": "${{ matrix.v.x[0] }}"}
    project.write(sweep(action="echo", matrix={"v": [{"x": [7]}]}, params=params, env={"V": "${{ matrix.v.x[0] }}"}))
    assert project.apply().exit_code == 0
    (status,) = project.statuses().values()
    assert status.result == {"whole": {"x": [7]}, "text": 'v is {"x": [7]}', "deep": 7}
    assert status.applied["env"] == {"V": "7"}


def test_results_are_gathered_and_one_can_be_named(project: Project) -> None:
    params = {
        "all": "${{ runs.sweep.results }}",
        "first": "${{ runs.sweep.results[0].sum }}",
        "one": "${{ runs.sweep[a=2].result.sum }}",
    }
    project.write(run("gather", "echo", params=params), sweep())
    assert project.apply().exit_code == 0
    assert project.status("gather").result == {"all": [{"sum": 3}, {"sum": 4}], "first": 3, "one": 4}
    project.write(run("gather", "echo", params=params), sweep(matrix={"a": [1, 2, 3]}))
    project.apply()
    assert project.status("gather").result["all"] == [{"sum": 3}, {"sum": 4}, {"sum": 5}]


def test_who_depends_on_it_waits_for_all(project: Project) -> None:
    project.write(run("after", dependsOn=["sweep"]), sweep(action="fail", params={"name": "x${{ matrix.a }}"}))
    assert project.steps()["after"] == "waiting for sweep[a=1], sweep[a=2]"
    assert project.apply().exit_code == 1
    assert project.status("after").phase == "Blocked"
    assert project.status("after").message == "run 'sweep[a=1]' is Failed, run 'sweep[a=2]' is Failed"


def test_what_is_missing_of_a_sweep_is_run(project: Project) -> None:
    project.write(sweep(action="flaky", params={"good": "${{ matrix.a }}"}, matrix={"a": [1, 4]}))
    assert project.apply().exit_code == 1
    phases = {name: status.phase for name, status in project.statuses().items()}
    assert phases == {"sweep[a=1]": "Succeeded", "sweep[a=4]": "Failed"}
    assert project.steps() == {"sweep[a=1]": "unchanged", "sweep[a=4]": "failed before"}
    assert project.apply().exit_code == 0
    assert ran(project) == 5  # the action counts itself twice where it succeeds


def test_one_failure_stops_the_others_if_that_is_asked_for(project: Project) -> None:
    more = {"action": "fail", "params": {"name": "${{ matrix.a }}"}, "matrix": {"a": ["x", "y", "z"]}}
    project.write(sweep(failFast=True, **more), run("other"))
    assert project.apply().exit_code == 1
    phases = {name: status.phase for name, status in project.statuses().items()}
    assert phases == {"sweep[a=x]": "Failed", "other": "Succeeded"}
    assert project.steps()["sweep[a=y]"] == "new"
    project.write(sweep(**more), run("other"))
    project.apply()
    assert [status.phase for status in project.statuses().values()].count("Failed") == 3


@pytest.mark.parametrize(("only", "names"), [("sweep", {"sweep[a=1]", "sweep[a=2]"}), ("sweep[a=2]", {"sweep[a=2]"})])
def test_all_or_one_can_be_picked(project: Project, only: str, names: set[str]) -> None:
    project.write(sweep(), run("other"))
    assert project.apply("--only", only).exit_code == 0
    assert set(project.statuses()) == names


def test_a_value_that_is_gone_leaves_an_orphan(project: Project) -> None:
    project.write(sweep())
    project.apply()
    project.write(sweep(matrix={"a": [1]}))
    said = "spec.status.yaml still has sweep[a=2], whose values are gone from the matrix; apply --prune removes it"
    assert said in project.cli("plan", "spec.yaml").stderr
    project.apply("--prune")
    assert set(project.statuses()) == {"sweep[a=1]"}


ODD = {"path": ["s3://b/a, c", "x"], "layers": [[64, 32], {"a": {"b": 1}}], "note": ["it's a [test]"]}
FIRST = """sweep[layers=[64,32],note="it's a [test]",path="s3://b/a, c"]"""


def odd_sweep(**more: Any) -> dict[str, Any]:
    params = {"path": "${{ matrix.path }}", "layers": "${{ matrix.layers }}", "note": "${{ matrix.note }}"}
    return sweep(action="talk", matrix=ODD, params=params, **more)


def test_values_of_any_kind_make_names_for_people_files_and_references(project: Project) -> None:
    other = """sweep[layers={a: {b: 1} }, note="it's a [test]", path = x]"""
    params = {"one": f"${{{{ runs.{FIRST}.result.ok }}}}", "two": f"${{{{ runs.{other}.result.ok }}}}"}
    project.write(run("use", params=params, dependsOn=[other]), odd_sweep())
    assert project.apply().exit_code == 0, project.apply().stderr
    assert FIRST in project.statuses()
    assert project.status("use").result == {"one": True, "two": True}
    assert set(project.steps().values()) == {"unchanged"}
    assert "printed" in project.cli("logs", FIRST).stdout
    assert project.status(FIRST).logs == f".synapse/logs/{FIRST.replace('/', '%2F')}/1.log"
    assert (project.root / str(project.status(FIRST).logs)).is_file()


@pytest.mark.parametrize("spelled", [FIRST, """sweep[note="it's a [test]", path='s3://b/a, c', layers=[64, 32]]"""])
def test_any_spelling_of_a_name_is_taken_everywhere(project: Project, spelled: str) -> None:
    project.write(odd_sweep(), run("other"))
    assert project.apply("--only", spelled, "--force").exit_code == 0
    assert list(project.statuses()) == [FIRST]
    assert project.apply("--only", spelled).stderr == "nothing to do: 1 run (1 succeeded)\n"
    assert project.json("history", spelled)["name"] == FIRST
    assert project.cli("diff", spelled).stderr == f"{FIRST}: unchanged\n"
    assert project.cli("accept", spelled).stderr == f"{FIRST}: nothing to accept\n"
    assert project.cli("cancel", spelled).stderr == f"{FIRST} is not at work: Succeeded\n"
    assert "printed" in project.cli("logs", spelled).stdout
    assert [item["metadata"]["name"] for item in project.json("status", "--only", spelled)["runs"]] == [FIRST]


@pytest.mark.parametrize("command", ["history", "diff", "accept", "cancel", "logs"])
def test_a_name_that_is_nearly_one_is_told(project: Project, command: str) -> None:
    project.write(sweep(matrix={"a": [1, 2], "b": ["s"]}))
    project.apply()
    done = project.cli(command, "sweep[b=t,a=1.0]")
    assert done.exit_code != 0
    assert "did you mean 'sweep[a=1,b=s]'?" in done.stderr


@pytest.mark.parametrize("command", ["history", "diff"])
def test_what_is_of_one_child_says_so_in_few_words(project: Project, command: str) -> None:
    project.write(sweep(matrix={"a": list(range(100))}))
    done = project.cli(command, "sweep")
    assert done.exit_code == 64
    assert "run 'sweep' has 100 children; name one, such as 'sweep[a=0]'" in done.stderr


def test_what_is_forced_may_be_a_whole_sweep(project: Project) -> None:
    project.write(sweep(), run("other"))
    project.apply()
    project.apply("--only", "sweep", "--force")
    assert (project.attempt("sweep[a=1]"), project.attempt("sweep[a=2]"), project.attempt("other")) == (2, 2, 1)


def test_a_run_gets_a_matrix_and_loses_it_again(project: Project) -> None:
    project.write(run("sweep", "add"))
    project.apply()
    project.write(sweep(matrix={"a": [1, 2, 3, 4]}))
    said = "spec.status.yaml still has sweep, whose run has a matrix now; apply --prune removes it\n"
    assert said in project.cli("plan", "spec.yaml").stderr
    assert said.replace("apply ", "") in project.apply().stderr
    assert set(project.steps().values()) == {"unchanged"}
    project.write(run("sweep", "add"))
    assert project.steps() == {"sweep": "unchanged"}
    said = "spec.status.yaml still has sweep (4 children), whose run has no matrix any more; apply --prune removes it\n"
    assert said in project.cli("plan", "spec.yaml").stderr
    assert project.apply("--prune").exit_code == 0
    assert list(project.statuses()) == ["sweep"]


def test_the_log_of_a_child(project: Project) -> None:
    project.write(sweep(action="talk", params={}))
    project.apply()
    assert "printed" in project.cli("logs", "sweep[a=1]").stdout


def test_a_name_for_many_is_told_when_one_is_asked_for(project: Project) -> None:
    project.write(sweep())
    done = project.cli("history", "sweep")
    assert done.exit_code == 64
    assert "run 'sweep' has 2 children; name one, such as 'sweep[a=1]'" in done.stderr


def test_plain_runs_and_children_in_many_files(project: Project) -> None:
    project.write(sweep())
    (project.root / "more.yaml").write_text(yaml.dump(run("late", params={"all": "${{ runs.sweep.results }}"})))
    assert project.cli("apply", ".").exit_code == 0
    assert project.cli("plan", ".", "--detailed-exitcode").exit_code == 0


def test_the_whole_is_that_of_the_children_there_are(project: Project) -> None:
    more = {"action": "flaky", "params": {"good": "${{ matrix.a }}"}}
    project.write(sweep(matrix={"a": [1, 9]}, **more))
    assert project.apply().exit_code == 1
    project.write(sweep(matrix={"a": [1]}, **more))
    assert "nothing to do: 1 run" in project.apply().stderr
    (document,) = yaml.parse((project.root / "spec.status.yaml").read_bytes())
    assert (document["status"]["phase"], document["status"]["message"]) == ("Succeeded", "1 child: 1 succeeded")
    before = (project.root / "spec.status.yaml").stat().st_mtime_ns
    project.apply()
    assert (project.root / "spec.status.yaml").stat().st_mtime_ns == before
    assert set(project.statuses()) == {"sweep[a=1]", "sweep[a=9]"}


def test_the_logs_of_all_children(project: Project) -> None:
    project.write(sweep(action="talk", params={}))
    project.apply()
    done = project.cli("logs", "sweep")
    assert done.stderr == "== sweep[a=1]\n== sweep[a=2]\n"
    assert done.stdout.count("printed") == 2


def test_a_sweep_is_accepted_as_a_whole(project: Project) -> None:
    project.write(sweep())
    project.apply()
    project.write(sweep(params={"a": "${{ matrix.a }}", "b": 7}))
    assert project.cli("accept", "sweep").exit_code == 0
    assert set(project.steps().values()) == {"unchanged"}


def test_many_names_are_summed_up(project: Project) -> None:
    project.write(sweep(matrix={"a": [1, 2, 3, 4]}), run("after", dependsOn=["sweep"]))
    assert project.steps()["after"] == "waiting for sweep (4 children)"
