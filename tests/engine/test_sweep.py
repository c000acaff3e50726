"""The stored form of a matrix run."""

from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_spec.engine.status import RunStatus
from synapse_spec.engine.status_schema import STATUS
from synapse_spec.engine.store import StatusFile
from synapse_spec.engine.sweep import groups, parent_of, scattered, stored
from synapse_spec.plugins import yaml
from synapse_spec.plugins.outcome import Outcome
from tests.engine.test_status import T1, begin

CHILDREN = ["t[lr=0.1]", "t[lr=0.2]", "t[lr=0.3]"]


def _status(name: str, reason: str | None) -> RunStatus:
    started = RunStatus(name).started(begin())
    return {
        None: RunStatus(name),
        "Running": started,
        "Blocked": RunStatus(name).blocked("waiting", T1),
        "Suspended": RunStatus(name).suspended(T1),
    }.get(reason) or started.finished(Outcome(str(reason)), T1)


@pytest.mark.parametrize(
    ("reasons", "phase", "reason", "message"),
    [
        (["Completed"] * 3, "Succeeded", "Completed", "3 children: 3 succeeded"),
        (["Completed", "ActionFailed", "Completed"], "Failed", "ActionFailed", "3 children: 2 succeeded, 1 failed"),
        (["ActionFailed", "Running", None], "Running", "Started", "3 children: 1 failed, 1 running, 1 pending"),
        (["Cancelled", "Completed", None], "Cancelled", "Cancelled", "3 children: 1 cancelled, 1 succeeded, 1 pending"),
        ([None, "Completed", "Completed"], "Pending", "New", "3 children: 1 pending, 2 succeeded"),
        (["Blocked", "Suspended", "Completed"], "Blocked", "DependencyNotReady", ""),
        (["Suspended", "Completed", None], "Suspended", "Suspended", ""),
    ],
)
def test_the_whole_follows_from_its_children(reasons: list[str | None], phase: str, reason: str, message: str) -> None:
    documents = [_status(name, told).to_document() for name, told in zip(CHILDREN, reasons, strict=True)]
    (group,) = groups(documents)
    whole = stored(group)
    assert whole["metadata"] == {"name": "t"}
    assert (whole["status"]["phase"], whole["status"]["reason"]) == (phase, reason)
    assert message in whole["status"]["message"]
    assert [child["name"] for child in whole["status"]["children"]] == CHILDREN
    assert jsonschema_rs.Draft202012Validator(STATUS).is_valid(whole)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["a", "b", "c[x=1]", "c[x=2]", "d[x=1]", "d[y=2]"]),
            st.sampled_from([None, "Running", "Completed", "ActionFailed", "Blocked"]),
        ),
        unique_by=lambda item: item[0],
    )
)
def test_what_is_stored_comes_back(told: list[tuple[str, str | None]]) -> None:
    documents = [_status(name, reason).to_document() for name, reason in told]
    back = list(scattered(map(stored, groups(documents))))
    by_name: Any = {document["metadata"]["name"]: document for document in documents}
    assert {document["metadata"]["name"]: document for document in back} == by_name
    assert len(groups(documents)) == len({parent_of(name) or name for name in by_name})


def test_children_are_in_one_document_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "synapse.toml").touch()
    file = StatusFile(tmp_path / "t.status.yaml", ["before", *CHILDREN])
    for name in (CHILDREN[2], "before", CHILDREN[0]):
        file.update(name, lambda status: status.started(begin()).finished(Outcome("Completed", status.name), T1))
    documents = yaml.parse(file.path.read_bytes())
    assert [item["metadata"]["name"] for item in documents] == ["before", "t"]
    assert list(StatusFile(file.path).read()) == ["before", CHILDREN[0], CHILDREN[2]]
    assert file.get(CHILDREN[2]).result == CHILDREN[2]  # type: ignore[union-attr]
    file.remove([CHILDREN[0]])
    assert list(StatusFile(file.path).read()) == ["before", CHILDREN[2]]


def test_a_run_that_became_a_matrix_keeps_what_it_was(tmp_path: Path) -> None:
    file = StatusFile(tmp_path / "t.status.yaml", CHILDREN)
    for name in ("t", CHILDREN[0]):
        file.update(name, lambda status: status.started(begin()).finished(Outcome("Completed", status.name), T1))
    assert {name: status.result for name, status in StatusFile(file.path).read().items()} == {
        "t": "t",
        CHILDREN[0]: CHILDREN[0],
    }
