"""`synapse accept NAME`: a change is taken as done."""

from typing import Any

import pytest

from tests.engine.project import Project, run, tree


@pytest.fixture
def chain(project: Project) -> Project:
    project.write(run("first", "add"), run("second", "echo", params={"sum": "${{ runs.first.result.sum }}"}))
    assert project.apply().exit_code == 0
    return project


def test_an_accepted_change_runs_nothing_and_neither_does_what_refers_to_it(chain: Project) -> None:
    chain.write(
        run("first", "add", params={"a": 5}), run("second", "echo", params={"sum": "${{ runs.first.result.sum }}"})
    )
    assert chain.steps()["first"] == "spec changed: params.a (not set) -> 5"
    ran = chain.status("first").computed_digest
    done = chain.cli("accept", "first")
    assert done.exit_code == 0
    assert done.stderr == f"first: accepted (spec changed: params.a (not set) -> 5); the result of {ran} stands\n"
    status = chain.status("first")
    assert (status.phase, status.result, status.computed_digest) == ("Succeeded", {"sum": 3}, ran)
    assert chain.steps() == {"first": "unchanged", "second": "unchanged"}
    before = (chain.root / "spec.status.yaml").read_bytes()
    assert chain.apply().exit_code == 0
    assert (chain.root / "spec.status.yaml").read_bytes() == before


def test_going_back_after_accepting_is_a_change_that_needs_no_run_either(chain: Project) -> None:
    old = (chain.root / "spec.yaml").read_text()
    chain.write(run("first", "add", params={"a": 5}))
    chain.cli("accept", "first")
    (chain.root / "spec.yaml").write_text(old)
    assert chain.cli("accept", "first").exit_code == 0
    assert chain.status("first").accepted_from is None
    assert chain.steps() == {"first": "unchanged", "second": "unchanged"}


@pytest.mark.parametrize("more", [{}, {"params": {"a": 5}}])
def test_a_new_token_is_taken_as_done_too(chain: Project, more: dict[str, Any]) -> None:
    document = run("first", "add", **more)
    document["metadata"]["annotations"] = {"synapse.dev/run-requested": "monday"}
    chain.write(document)
    done = chain.cli("accept", "first")
    assert done.exit_code == 0, done.stderr
    assert done.stderr.startswith(f"first: accepted ({'spec changed: params.a' if more else 'requested)'}")
    assert chain.status("first").requested == "monday"
    assert chain.steps() == {"first": "unchanged"}
    assert chain.executions("add") == 1


def test_the_next_run_forgets_what_was_accepted(chain: Project) -> None:
    chain.write(run("first", "add", params={"a": 5}))
    chain.cli("accept", "first")
    chain.apply("--force")
    status = chain.status("first")
    assert (status.result, status.accepted_from) == ({"sum": 7}, None)


def test_what_is_unchanged_needs_no_accepting(chain: Project) -> None:
    before = tree(chain.root)
    assert chain.cli("accept", "first").stderr == "first: nothing to accept\n"
    assert tree(chain.root) == before


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("new", "error: new has no result that could stand: new"),
        ("bad", "error: bad has no result that could stand: failed before"),
        ("second", "error: second has no result that could stand: waiting for first"),
    ],
)
def test_what_has_no_result_is_refused(chain: Project, name: str, why: str) -> None:
    chain.write(run("bad", "fail"))
    chain.apply()
    chain.write(
        run("first", "add", params={"a": 5}),
        run("second", "echo", params={"sum": "${{ runs.first.result.sum }}"}),
        run("bad", "fail"),
        run("new"),
    )
    done = chain.cli("accept", name)
    assert (done.exit_code, done.stderr) == (3, f"{why}\n")


def test_an_unknown_run_is_wrong_usage(chain: Project) -> None:
    done = chain.cli("accept", "frist")
    assert done.exit_code == 64
    assert "there is no run 'frist'; did you mean 'first'?" in done.stderr
