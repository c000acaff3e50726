"""The stored form of a matrix run."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_spec.engine.status import RunStatus
from synapse_spec.engine.status_schema import STATUS
from synapse_spec.engine.store import StatusFile
from synapse_spec.engine.sweep import groups, parent_of, remains, scattered, stored
from synapse_spec.plugins import yaml
from synapse_spec.plugins.outcome import Outcome
from synapse_spec.spec.index import Index
from synapse_spec.spec.workspace import Workspace
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


@pytest.mark.parametrize(
    ("orphan", "why"),
    [
        ("a", "whose run has a matrix now"),
        ("a[x=3]", "whose values are gone from the matrix"),
        ("b[x=1]", "whose run has no matrix any more"),
        ("c[x=1]", "whose run is gone"),
        ("c", "whose run is gone"),
    ],
)
def test_what_is_left_says_why(orphan: str, why: str) -> None:
    lines = list(remains({"s.yaml": [orphan], "t.yaml": ["z"]}, ["a[x=1]", "a[x=2]", "b"]))
    assert lines == [f"s.yaml still has {orphan}, {why}", "t.yaml still has z, whose run is gone"]


def test_what_is_left_for_one_reason_is_told_together() -> None:
    names = ["a", "c", *(f"b[x={number}]" for number in range(4)), "d"]
    assert list(remains({"s.yaml": names}, ["a[x=1]", "b"])) == [
        "s.yaml still has a, whose run has a matrix now",
        "s.yaml still has c, d, whose run is gone",
        "s.yaml still has b (4 children), whose run has no matrix any more",
    ]


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


def since(path: Path) -> tuple[str, str]:
    """The phase of the whole, and since when it has it, as they are written."""
    (document,) = yaml.parse(path.read_bytes())
    status = document["status"]
    assert status["conditions"][0]["reason"] == status["reason"]
    return (status["phase"], status["conditions"][0]["lastTransitionTime"])


@pytest.mark.parametrize("is_known", [True, False])
def test_the_time_of_the_whole_is_that_of_its_last_change_of_phase(tmp_path: Path, is_known: bool) -> None:
    """Also where what the file holds comes from the index, which knows the children only."""
    (tmp_path / "synapse.toml").touch()
    path = tmp_path / "t.status.yaml"

    def finish(name: str, at: str, reason: str = "Completed", result: Any = None) -> tuple[str, str]:
        index = Index(Workspace(tmp_path))
        if not is_known and path.exists():
            os.utime(path, (1, 1))  # long enough ago to be kept
            file = StatusFile(path, CHILDREN, index)
            file.read()
            file.keep(index)
        changed = StatusFile(path, CHILDREN, index if not is_known else None)
        changed.update(name, lambda status: status.started(begin()).finished(Outcome(reason, result), at))
        return since(path)

    def start(name: str, at: str) -> tuple[str, str]:
        begun = begin()
        begun = replace(begun, attempt=replace(begun.attempt, started_at=at))
        StatusFile(path, CHILDREN).update(name, lambda status: status.started(begun))
        return since(path)

    assert start(CHILDREN[0], clock(1)) == ("Running", clock(1))
    assert start(CHILDREN[1], clock(2)) == ("Running", clock(1))
    assert finish(CHILDREN[1], clock(3), "ActionFailed") == ("Running", clock(1))
    assert finish(CHILDREN[0], clock(4)) == ("Failed", clock(4)), "not when the one that failed did"
    assert finish(CHILDREN[1], clock(5), result=1) == ("Succeeded", clock(5))
    assert finish(CHILDREN[0], clock(6), result=2) == ("Succeeded", clock(5))
    assert start(CHILDREN[0], clock(7)) == ("Running", clock(7))
    assert finish(CHILDREN[0], clock(8), result=2) == ("Succeeded", clock(8))


def clock(minute: int) -> str:
    return f"2026-01-01T00:{minute:02}:00.000Z"
