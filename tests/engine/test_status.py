"""Transitions of a run's status, and its stored form."""

from dataclasses import replace
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_spec.engine.status import (
    BLOCKED,
    HISTORY_LENGTH,
    LONGEST_TEXT,
    RUNNING,
    SUSPENDED,
    Attempt,
    Identity,
    RunStatus,
    Start,
)
from synapse_spec.engine.status_schema import STATUS
from synapse_spec.engine.store import timeless
from synapse_spec.engine.times import seconds_between, timestamp
from synapse_spec.plugins import yaml
from synapse_spec.plugins.outcome import ErrorInfo, Outcome

T0, T1 = "2026-01-02T03:04:05.678Z", "2026-01-02T03:04:07.178Z"
REASONS = ["Completed", "ActionFailed", "InvalidParams", "TimedOut", "Interrupted", "Cancelled", "WorkerDied"]

SCHEMA = jsonschema_rs.Draft202012Validator(STATUS)
KEYS = ["phase", "reason", "message", "conditions", "observedDigest", "inputs", "lastApplied", "mode", "attempt"]
KEYS += ["result", "metrics", "error", "plugin", "provenance", "logs", "history"]

texts = st.text(max_size=12)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
mappings = st.dictionaries(texts, json_values, max_size=3)
digests = st.sampled_from(["sha256:aa", "sha256:bb", "sha256:cc"])


def begin(digest: str = "sha256:aa", number: int = 1, **more: Any) -> Start:
    fields = {"applied": {"action": "train"}, "mode": "local", "plugin": {}, "provenance": {}, "logs": "x.log"}
    attempt = Attempt(number, f"synapse-r-{digest[7:]}-{number}", T0)
    return Start(Identity("s", "c", {}, digest), attempt=attempt, **(fields | more))


@st.composite
def outcomes(draw: st.DrawFn) -> Outcome:
    reason = draw(st.sampled_from(REASONS))
    error = ErrorInfo(draw(texts), draw(texts), draw(texts)) if reason != "Completed" and draw(st.booleans()) else None
    result = draw(json_values) if reason == "Completed" else None
    return Outcome(reason, result, error, draw(st.dictionaries(texts, mappings, max_size=2)))


@st.composite
def statuses(draw: st.DrawFn) -> RunStatus:
    """A status that any series of transitions leads to."""
    status = RunStatus("r")
    for step in draw(st.lists(st.sampled_from(["run", "block", "suspend", "release", "crash"]), max_size=6)):
        if step in ("run", "crash"):
            digest = draw(digests)
            start = begin(digest, status.next_number(digest), applied=draw(mappings), provenance=draw(mappings))
            status = status.started(start)
            if step == "run":
                status = status.finished(draw(outcomes()), T1)
        elif step == "block":
            status = status.blocked(draw(texts), T1)
        else:
            status = status.suspended(T1) if step == "suspend" else status.released()
    return status


@given(statuses())
def test_the_stored_form_is_read_back_as_it_was(status: RunStatus) -> None:
    document = status.to_document()
    (stored,) = yaml.parse(yaml.dump(document).encode())
    assert stored == document
    assert RunStatus.from_document(stored) == status
    assert SCHEMA.is_valid(stored)
    assert [key for key in KEYS if key in stored["status"]] == list(stored["status"])


@given(statuses(), digests, outcomes())
def test_no_outcome_is_forgotten_but_by_newer_ones(status: RunStatus, digest: str, outcome: Outcome) -> None:
    after = status.started(begin(digest, status.next_number(digest)))
    known = [(item["digest"], item["reason"]) for item in after.history]
    assert len(known) == len(set(known)) <= HISTORY_LENGTH
    if status.attempt is not None and status.identity is not None:
        assert known[0] == (status.identity.digest, status.attempt.outcome or "Interrupted")
    before = [(item["digest"], item["reason"]) for item in status.history]
    assert len(known) == HISTORY_LENGTH or set(before) <= set(known)
    assert after.finished(outcome, T1).history == after.history


@given(statuses(), st.lists(digests, max_size=6))
def test_a_digest_never_has_two_attempts_of_one_number(status: RunStatus, following: list[str]) -> None:
    seen = {(item["digest"], item["attempt"]) for item in status.history}
    for digest in following[: HISTORY_LENGTH - len(status.history)]:
        if status.attempt is not None and status.identity is not None:
            seen.add((status.identity.digest, status.attempt.number))
        number = status.next_number(digest)
        assert (digest, number) not in seen
        status = status.started(begin(digest, number)).finished(Outcome("ActionFailed"), T1)


@given(statuses())
def test_holding_a_run_loses_nothing_and_releasing_it_gives_it_back(status: RunStatus) -> None:
    for held in (status.blocked("waiting for a", T1), status.suspended(T1)):
        assert held.has_result == status.has_result
        assert (held.result, held.error, held.attempt) == (status.result, status.error, status.attempt)
        if status.phase not in (RUNNING, BLOCKED, SUSPENDED) and status.attempt is not None:
            assert held.released() == status


@pytest.mark.parametrize(
    ("reason", "phase", "condition"),
    [
        ("Completed", "Succeeded", "True"),
        ("Cancelled", "Cancelled", "False"),
        *((reason, "Failed", "False") for reason in REASONS if reason not in ("Completed", "Cancelled")),
    ],
)
def test_the_phase_follows_from_the_outcome(reason: str, phase: str, condition: str) -> None:
    status = RunStatus("r").started(begin()).finished(Outcome(reason), T1)
    assert (status.phase, status.reason) == (phase, reason)
    stored = status.to_document()["status"]
    assert stored["conditions"] == [
        {"type": "Succeeded", "status": condition, "reason": reason, "lastTransitionTime": T1}
    ]
    assert ("error" in stored, "result" in stored) == (reason != "Completed", reason == "Completed")
    assert status.has_result == (reason == "Completed")
    assert stored["attempt"]["durationSeconds"] == 1.5


def test_a_phase_that_goes_on_keeps_the_time_it_began() -> None:
    first = RunStatus("r").blocked("waiting for a", T0)
    assert first.blocked("waiting for a", T1) == first
    assert first.suspended(T1).since == T1


def test_an_attempt_that_never_told_its_end_counts_as_interrupted() -> None:
    status = RunStatus("r").started(begin()).started(begin("sha256:bb"))
    assert status.history == ({"digest": "sha256:aa", "phase": "Failed", "reason": "Interrupted", "attempt": 1},)


def test_an_outcome_in_the_history_is_that_of_the_attempt_not_of_what_held_it_back() -> None:
    failed = RunStatus("r").started(begin()).finished(Outcome("ActionFailed"), T1)
    again = failed.blocked("waiting for a", T1).started(begin(number=2))
    assert (again.history[0]["phase"], again.history[0]["reason"]) == ("Failed", "ActionFailed")


def test_an_endless_error_does_not_make_the_file_unreadable() -> None:
    error = ErrorInfo("ValueError", "m" * 50_000_000, "first line\n" + "t" * 50_000_000 + "\nlast line")
    document = RunStatus("r").started(begin()).finished(Outcome("ActionFailed", error=error), T1).to_document()
    text = yaml.dump(document)
    assert len(text) < 5 * LONGEST_TEXT
    assert yaml.parse(text.encode()) == [document]
    traceback = document["status"]["error"]["traceback"]
    assert traceback.startswith("first line")
    assert traceback.endswith("last line")
    assert "characters left out" in traceback


@given(statuses())
def test_times_of_ours_do_not_count(status: RunStatus) -> None:
    later = replace(status, since="2027-01-01T00:00:00.000Z")
    if later.attempt is not None:
        moved = replace(later.attempt, started_at=T1, finished_at="2027-01-01T00:00:00.000Z", seconds=9.0)
        later = replace(later, attempt=moved)
    assert timeless(later.to_document()) == timeless(status.to_document())


@pytest.mark.parametrize(
    "change",
    [
        {"message": "other"},
        {"result": {"startedAt": "now"}},
        {"metrics": {"train": {"durationSeconds": 2}}},
        {"applied": {"params": {"finishedAt": "x"}}},
    ],
)
def test_everything_else_counts_times_of_the_user_included(change: dict[str, Any]) -> None:
    status = RunStatus("r").started(begin()).finished(Outcome("Completed", {"startedAt": "then"}), T1)
    assert timeless(replace(status, **change).to_document()) != timeless(status.to_document())


def test_timestamps_are_rfc_3339_in_utc() -> None:
    assert timestamp().endswith("Z")
    assert seconds_between(T0, T1) == 1.5
