"""What would run and why."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synapse_spec.engine.digest import computed
from synapse_spec.engine.plan import DUE, Plan, decide, make_plan
from synapse_spec.engine.status import Attempt, Identity, RunStatus, Start
from synapse_spec.plugins.enums import ExecutionMode
from synapse_spec.plugins.outcome import Outcome
from synapse_spec.spec.catalog import Catalog
from synapse_spec.spec.model import PluginRef, Run, SpecFile
from tests.engine.project import Project
from tests.engine.test_status import T0, T1

OLD = Identity("s1", "c1", {"a": "r1"}, "d1")
NEW_SPEC = Identity("s2", "c1", {"a": "r1"}, "d2")
NEW_CODE = Identity("s1", "c2", {"a": "r1"}, "d2")
NEW_INPUT = Identity("s1", "c1", {"a": "r2"}, "d2")
ALL_NEW = Identity("s2", "c2", {"a": "r2"}, "d2")
EVERYTHING = frozenset({"spec", "code", "inputs"})


def unit(name: str, *needs: str, **more: Any) -> Run:
    fields: dict[str, Any] = {
        "file": SpecFile("/specs/a.yaml", "a.yaml", b""),
        "document": 0,
        "spec": {"plugin": {"path": "lab"}},
        "plugin": PluginRef(path=Path("/lab")),
        "action": "echo",
        "mode": ExecutionMode.LOCAL,
        "params": {need: f"${{{{ runs.{need}.result.x }}}}" for need in needs},
    }
    return Run(name, depends_on=needs, inputs=needs, **(fields | more))


def started(identity: Identity = OLD, mode: str = "local", **more: Any) -> RunStatus:
    start = Start(identity, {}, mode, Attempt(1, "h-1", T0), {}, {}, "x.log")
    return replace(RunStatus("r").started(start), **more)


def ended(reason: str = "Completed", identity: Identity = OLD) -> RunStatus:
    return started(identity).finished(Outcome(reason, {"x": 1}), T1)


@pytest.mark.parametrize(
    ("status", "identity", "rerun_on", "forced", "expected"),
    [
        (RunStatus("r"), OLD, EVERYTHING, False, "run new"),
        (RunStatus("r").blocked("", T0), OLD, EVERYTHING, False, "run new"),
        (ended(), OLD, EVERYTHING, False, "skip unchanged"),
        (ended(), NEW_SPEC, EVERYTHING, False, "run spec changed"),
        (ended(), NEW_CODE, EVERYTHING, False, "run code changed"),
        (ended(), NEW_INPUT, EVERYTHING, False, "run input changed"),
        (ended(), ALL_NEW, EVERYTHING, False, "run spec changed"),
        (ended(), NEW_SPEC, frozenset({"code", "inputs"}), False, "skip unchanged"),
        (ended(), NEW_CODE, frozenset({"spec", "inputs"}), False, "skip unchanged"),
        (ended(), NEW_INPUT, frozenset({"spec", "code"}), False, "skip unchanged"),
        (ended(), ALL_NEW, frozenset({"inputs"}), False, "run input changed"),
        (ended(), ALL_NEW, frozenset(), False, "skip unchanged"),
        (ended(), OLD, EVERYTHING, True, "run requested"),
        (ended(), NEW_CODE, EVERYTHING, True, "run code changed"),
        (ended("ActionFailed"), OLD, EVERYTHING, False, "run failed before"),
        (ended("ActionFailed"), NEW_CODE, EVERYTHING, False, "run code changed"),
        (ended("ActionFailed"), NEW_CODE, frozenset(), False, "run failed before"),
        (ended("TimedOut"), OLD, EVERYTHING, False, "run failed before"),
        (ended("Cancelled"), OLD, EVERYTHING, False, "run cancelled before"),
        (ended("Interrupted"), OLD, EVERYTHING, False, "run interrupted"),
        (started(), OLD, EVERYTHING, False, "run interrupted"),
        (started(mode="task"), OLD, EVERYTHING, False, "run interrupted"),
        (started(mode="job"), OLD, EVERYTHING, False, "adopt running"),
        (started(mode="job"), OLD, EVERYTHING, True, "run requested"),
        (started(mode="job"), NEW_SPEC, EVERYTHING, False, "run spec changed"),
        (started(mode="job"), NEW_SPEC, frozenset({"code"}), False, "adopt running"),
        (ended().blocked("", T1), OLD, EVERYTHING, False, "skip unchanged"),
        (ended().suspended(T1), OLD, EVERYTHING, False, "skip unchanged"),
        (ended("ActionFailed").blocked("", T1), OLD, EVERYTHING, False, "run failed before"),
        (ended("Cancelled").suspended(T1), OLD, EVERYTHING, False, "run cancelled before"),
        (started().suspended(T1), OLD, EVERYTHING, False, "run interrupted"),
    ],
)
def test_a_decision_for_each_state(
    status: RunStatus, identity: Identity, rerun_on: frozenset[str], forced: bool, expected: str
) -> None:
    decision = decide(unit("r", rerun_on=rerun_on), status, identity, forced=forced)
    assert f"{decision.step} {decision.reason}" == expected


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return Catalog(Project(tmp_path_factory.mktemp("lab")).root)


@pytest.fixture(scope="module")
def lab(catalog: Catalog) -> Callable[..., Run]:
    """A run of the lab plugin."""
    ref = PluginRef(path=catalog._workspace / "lab")
    return lambda name, *needs, **more: unit(name, *needs, plugin=ref, **more)


def carry_out(plan: Plan, catalog: Catalog, statuses: dict[str, RunStatus], reasons: dict[str, str]) -> None:
    """What the reconciler would write, with outcomes given by name."""
    for entry in plan.entries.values():
        name = entry.run.name
        again = make_plan([entry.run], catalog, statuses).entries[name]
        status = statuses.get(name, RunStatus(name))
        if entry.decision.step not in DUE or again.identity is None:
            statuses[name] = status.blocked("", T1) if entry.decision.step != "skip" else status.released()
        elif again.decision.step == "run":
            parts = computed(entry.run, catalog.plugin(entry.run.plugin), catalog.action(entry.run.plugin, "echo"))
            attempt = Attempt(status.next_number(again.identity.digest), "h", T0)
            start = Start(again.identity, parts, "local", attempt, {}, {}, "x.log")
            statuses[name] = status.started(start).finished(Outcome(reasons.get(name, "Completed"), {"x": 1}), T1)


@st.composite
def graphs(draw: st.DrawFn) -> list[tuple[str, list[str]]]:
    """Runs with what they need, in any order."""
    names = [f"n{index}" for index in range(draw(st.integers(1, 7)))]
    needs = [
        (name, draw(st.lists(st.sampled_from(names[:index]), unique=True, max_size=3)) if index else [])
        for index, name in enumerate(names)
    ]
    return draw(st.permutations(needs))


@settings(max_examples=40, deadline=None)
@given(graph=graphs())
def test_dependencies_come_first_and_a_settled_graph_is_a_fixed_point(
    graph: list[tuple[str, list[str]]], catalog: Catalog, lab: Callable[..., Run]
) -> None:
    runs = [lab(name, *needs) for name, needs in graph]
    statuses: dict[str, RunStatus] = {}
    plan = make_plan(runs, catalog, statuses)
    order = list(plan.entries)
    assert sorted(order) == sorted(name for name, _ in graph)
    assert all(order.index(need) < order.index(name) for name, needs in graph for need in needs)
    assert {entry.decision.step for entry in plan.due} <= {"run", "wait"}
    assert len(plan.due) == len(runs)
    carry_out(plan, catalog, statuses, {})
    again = make_plan(runs, catalog, statuses)
    assert again.due == []
    assert not any(entry.writes for entry in again.entries.values())


@settings(max_examples=40, deadline=None)
@given(graph=graphs(), data=st.data())
def test_only_what_failed_and_what_needs_it_is_due_again(
    graph: list[tuple[str, list[str]]], data: st.DataObject, catalog: Catalog, lab: Callable[..., Run]
) -> None:
    runs = [lab(name, *needs) for name, needs in graph]
    bad = data.draw(st.sets(st.sampled_from([name for name, _ in graph])))
    statuses: dict[str, RunStatus] = {}
    carry_out(make_plan(runs, catalog, statuses), catalog, statuses, dict.fromkeys(bad, "ActionFailed"))
    needs_of = dict(graph)
    plan = make_plan(runs, catalog, statuses)

    def tainted(name: str) -> bool:
        return name in bad or any(tainted(need) for need in needs_of[name])

    assert {entry.run.name for entry in plan.due} == {name for name, _ in graph if tainted(name)}


def test_the_digest_of_a_plan_moves_with_what_it_rests_on(catalog: Catalog, lab: Callable[..., Run]) -> None:
    def digest(first: Run, second: Run, statuses: dict[str, RunStatus] | None = None) -> str:
        return make_plan([first, second], catalog, statuses or {}).digest()

    first, second = lab("a"), lab("b", "a")
    others = [
        digest(first, replace(second, params={})),
        digest(first, replace(second, action="add")),
        digest(first, replace(second, mode=ExecutionMode.JOB)),
        digest(replace(first, suspend=True), second),
        digest(first, replace(second, suspend=True)),
        digest(first, second, {"a": ended("ActionFailed")}),
    ]
    assert len({digest(first, second), *others}) == len(others) + 1
    assert digest(first, second) == digest(first, replace(second, labels={"x": "y"}))


@pytest.mark.parametrize(
    ("statuses", "suspended", "expected"),
    [
        ({}, "", {"a": "run", "b": "wait", "c": "wait"}),
        ({}, "a", {"a": "suspend", "b": "block", "c": "block"}),
        ({}, "b", {"a": "run", "b": "suspend", "c": "block"}),
        ({"a": "Completed"}, "a", {"a": "suspend", "b": "run", "c": "wait"}),
        ({"a": "ActionFailed"}, "a", {"a": "suspend", "b": "block", "c": "block"}),
        ({"a": "Completed", "b": "Completed", "c": "Completed"}, "b", {"a": "run", "b": "suspend", "c": "run"}),
        ({"a": "ActionFailed", "b": "Completed", "c": "Completed"}, "a", {"a": "suspend", "b": "block", "c": "block"}),
    ],
)
def test_suspended_and_blocked_runs(
    statuses: dict[str, str], suspended: str, expected: dict[str, str], catalog: Catalog, lab: Callable[..., Run]
) -> None:
    runs = [lab(name, *needs, suspend=name == suspended) for name, *needs in (("a",), ("b", "a"), ("c", "b"))]
    known = {name: replace(ended(reason), name=name) for name, reason in statuses.items()}
    plan = make_plan(runs, catalog, known)
    assert {name: entry.decision.step for name, entry in plan.entries.items()} == expected


def test_a_run_that_another_process_is_at_is_waited_for(catalog: Catalog, lab: Callable[..., Run]) -> None:
    runs = [lab("r"), lab("s", "r")]
    plan = make_plan(runs, catalog, {"r": started()}, owned=lambda name: name == "r")
    assert {name: entry.decision.text for name, entry in plan.entries.items()} == {
        "r": "running",
        "s": "waiting for r",
    }
    assert [entry.decision.step for entry in plan.entries.values()] == ["wait", "wait"]


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        ({"epochs": 10}, {"epochs": 20}, "spec changed: params.epochs 10 -> 20"),
        ({}, {"epochs": 20}, "spec changed: params.epochs (not set) -> 20"),
        ({"epochs": 20}, {}, "spec changed: params.epochs 20 -> (not set)"),
        ({"on": True}, {"on": None}, "spec changed: params.on true -> null"),
        ({"a": {"b": [1]}}, {"a": {"b": [1, 2]}}, "spec changed: params.a.b [1] -> [1, 2]"),
        ({"a": {}}, {"a": 1}, "spec changed: params.a {} -> 1"),
        ({"a": {}}, {}, "spec changed: params.a {} -> (not set)"),
        ({"a": 1, "b": 1}, {"a": 2, "b": 2}, "spec changed: params.a 1 -> 2, params.b 1 -> 2"),
        ({"name": "x" * 99}, {"name": "y"}, f"spec changed: params.name '{'x' * 36}... -> 'y'"),
    ],
)
def test_a_change_of_the_spec_is_told(
    before: dict[str, Any], after: dict[str, Any], text: str, catalog: Catalog, lab: Callable[..., Run]
) -> None:
    statuses: dict[str, RunStatus] = {}
    carry_out(make_plan([lab("r", params=before)], catalog, statuses), catalog, statuses, {})
    entry = make_plan([lab("r", params=after)], catalog, statuses).entries["r"]
    assert entry.decision.text == text
    assert entry.to_record()["changes"][0]["path"] in text


def test_nesting_as_deep_as_a_spec_may_be_is_planned(catalog: Catalog, lab: Callable[..., Run]) -> None:
    def deep(value: int) -> dict[str, Any]:
        params: dict[str, Any] = {"value": value}
        for _ in range(900):
            params = {"a": params}
        return params

    statuses: dict[str, RunStatus] = {}
    carry_out(make_plan([lab("r", params=deep(1))], catalog, statuses), catalog, statuses, {})
    assert make_plan([lab("r", params=deep(2))], catalog, statuses).entries["r"].decision.text.endswith(" 1 -> 2")
