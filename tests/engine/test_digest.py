"""The identity of a run."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_spec.engine.digest import computed, identify, result_digest, sha256
from synapse_spec.engine.status import RunStatus
from synapse_spec.plugins.enums import ExecutionMode
from synapse_spec.plugins.outcome import Outcome
from synapse_spec.plugins.source import PluginSource
from synapse_spec.spec.facts import ActionFacts, PluginFacts
from synapse_spec.spec.model import PluginRef, Resources, Retry, Run, Secret, SpecFile
from tests.engine.test_status import T1, begin

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)

PLUGIN = PluginFacts(
    PluginSource.from_path(Path(__file__).parent), "lab", "1", {"LEVEL": "info"}, {"pip": ["a"]}, {"run": "m:run"}, {}
)
ACTION = ActionFacts("m:run", "", "sha256:code", {}, {})
RUN = Run(
    name="r",
    file=SpecFile("/specs/a.yaml", "a.yaml", b""),
    document=0,
    spec={},
    plugin=PluginRef(path=Path("/lab")),
    action="run",
    mode=ExecutionMode.LOCAL,
    params={"epochs": 10, "data": "${{ runs.a.result.path }}"},
    depends_on=("a",),
    inputs=("a",),
    env={"TOKEN": Secret(from_env="TOKEN")},
)
UPSTREAM = RunStatus("a").started(begin()).finished(Outcome("Completed", {"path": "x"}), T1)


def digest(run: Run = RUN, plugin: PluginFacts = PLUGIN, action: ActionFacts = ACTION, a: RunStatus = UPSTREAM) -> str:
    return identify(run, sha256(computed(run, plugin, action)), action.code, {"a": a}).digest


def shuffled(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shuffled(item) for key, item in reversed(value.items())}
    return [shuffled(item) for item in value] if isinstance(value, list) else value


@given(json_values)
def test_the_order_of_keys_does_not_matter(value: Any) -> None:
    assert sha256(shuffled(value)) == sha256(value)


@given(json_values, json_values)
def test_different_values_differ(one: Any, other: Any) -> None:
    assert (sha256(one) == sha256(other)) == (repr_json(one) == repr_json(other))


def repr_json(value: Any) -> Any:
    """Equality as JSON has it: 1, 1.0 and true are three values."""
    if isinstance(value, dict):
        return {key: repr_json(item) for key, item in value.items()}
    return [repr_json(item) for item in value] if isinstance(value, list) else repr(value)


@pytest.mark.parametrize(
    "run",
    [
        replace(RUN, name="other"),
        replace(RUN, file=SpecFile("/moved/b.yaml", "b.yaml", b"# comment")),
        replace(RUN, document=3),
        replace(RUN, plugin=PluginRef(path=Path("/moved/lab"))),
        replace(RUN, mode=ExecutionMode.JOB),
        replace(RUN, resources=Resources(cpus=4)),
        replace(RUN, timeout=60.0),
        replace(RUN, retry=Retry(limit=5)),
        replace(RUN, suspend=True),
        replace(RUN, rerun_on=frozenset()),
        replace(RUN, labels={"team": "vision"}),
        replace(RUN, depends_on=("a", "b")),
        replace(RUN, params={"data": "${{runs.a.result.path}}", "epochs": 10}),
    ],
)
def test_how_and_where_it_runs_is_no_part_of_it(run: Run) -> None:
    assert digest(run) == digest()


@pytest.mark.parametrize(
    "run",
    [
        replace(RUN, action="test"),
        replace(RUN, params={"epochs": 11, "data": "${{ runs.a.result.path }}"}),
        replace(RUN, params={"epochs": 10.0, "data": "${{ runs.a.result.path }}"}),
        replace(RUN, params={"epochs": 10, "data": "${{ runs.a.result.other }}"}),
        replace(RUN, params={"epochs": 10, "data": "${{ runs.a.result.path }}", "more": None}),
        replace(RUN, env={}),
        replace(RUN, env={"TOKEN": Secret(from_env="OTHER")}),
        replace(RUN, env={"TOKEN": Secret(from_file="TOKEN")}),
        replace(RUN, env={"TOKEN": "TOKEN"}),
        replace(RUN, runtime_env={"pip": ["b"]}),
    ],
)
def test_what_is_computed_is(run: Run) -> None:
    assert digest(run) != digest()


def test_code_config_and_inputs_are_part_of_it() -> None:
    others = [
        digest(action=replace(ACTION, code="sha256:other")),
        digest(action=replace(ACTION, entrypoint="m:walk")),
        digest(plugin=replace(PLUGIN, env={"LEVEL": "debug"})),
        digest(plugin=replace(PLUGIN, runtime_env={})),
        digest(a=replace(UPSTREAM, result={"path": "y"})),
        digest(a=RunStatus("a").started(begin("sha256:bb")).finished(Outcome("Completed", {"path": "x"}), T1)),
    ]
    assert len({digest(), *others}) == len(others) + 1


def test_the_same_result_of_another_attempt_is_the_same_input() -> None:
    again = UPSTREAM.started(begin(number=2)).finished(Outcome("Completed", {"path": "x"}), T1)
    assert result_digest(again) == result_digest(UPSTREAM)
