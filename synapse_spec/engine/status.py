"""The status of a run as a frozen value: its phase, the transitions between phases, and its stored form. Pure.

`phase` is decided here and nowhere else; conditions and the rest of the stored form follow from it.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from synapse_spec.engine.times import seconds_between, widened
from synapse_spec.plugins.outcome import ErrorInfo, Outcome
from synapse_spec.spec.model import API_VERSION

HISTORY_LENGTH = 5
# An error must not make the file too long to be read again.
LONGEST_TEXT = 32 * 1024
PHASES = ("Pending", "Running", "Succeeded", "Failed", "Cancelled", "Suspended", "Blocked")
PENDING, RUNNING, SUCCEEDED, FAILED, CANCELLED, SUSPENDED, BLOCKED = PHASES
TERMINAL = frozenset({SUCCEEDED, FAILED, CANCELLED})
HELD = frozenset({SUSPENDED, BLOCKED})
COMPLETED, INTERRUPTED, SUBMITTED = "Completed", "Interrupted", "Submitted"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One execution.

    Attributes:
        handle: The Ray submission id of a job; names the attempt in the other modes.
        outcome: The reason of its Outcome; None until it is known.
        cluster: The name of the Ray cluster that it went to; None for one without a name.
    """

    number: int
    handle: str
    started_at: str
    finished_at: str | None = None
    seconds: float | None = None
    outcome: str | None = None
    cluster: str | None = None

    @property
    def phase(self) -> str:
        return {None: RUNNING, COMPLETED: SUCCEEDED, "Cancelled": CANCELLED}.get(self.outcome, FAILED)


@dataclass(frozen=True, slots=True)
class Identity:
    """What would run, as digests; `digest` is over all of them."""

    spec: str
    code: str
    runs: dict[str, str]
    digest: str

    def to_stored(self) -> dict[str, Any]:
        return {"spec": self.spec, "code": self.code, "runs": dict(self.runs)}


@dataclass(frozen=True, slots=True)
class Start:
    """All that is fixed when an attempt starts."""

    identity: Identity
    applied: dict[str, Any]
    mode: str
    attempt: Attempt
    plugin: dict[str, Any]
    provenance: dict[str, Any]
    logs: str
    requested: str | None = None


@dataclass(frozen=True, slots=True)
class RunStatus:
    """The status of one run."""

    name: str
    phase: str = PENDING
    reason: str = "New"
    message: str = ""
    since: str | None = None
    identity: Identity | None = None
    applied: dict[str, Any] = field(default_factory=dict)
    mode: str | None = None
    attempt: Attempt | None = None
    result: Any = None
    metrics: dict[str, Any] = field(default_factory=dict)
    error: ErrorInfo | None = None
    plugin: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    logs: str | None = None
    history: tuple[dict[str, Any], ...] = ()
    accepted_from: str | None = None
    requested: str | None = None

    @property
    def computed_digest(self) -> str | None:
        """The digest whose attempt gave the result; another than the observed one where a change was accepted."""
        return self.accepted_from or (self.identity.digest if self.identity else None)

    @property
    def has_result(self) -> bool:
        """Whether the last attempt completed; a run that is blocked or suspended since then still has its result."""
        return self.attempt is not None and self.attempt.outcome == COMPLETED

    def next_number(self, digest: str) -> int:
        """Attempts are numbered from 1 within one digest, also when that digest comes back later."""
        used = [entry["attempt"] for entry in self.outcomes if entry["digest"] == digest]
        return max(used, default=0) + 1

    def started(self, start: Start) -> "RunStatus":
        return RunStatus(
            name=self.name,
            phase=RUNNING,
            reason="Started",
            since=start.attempt.started_at,
            identity=start.identity,
            applied=start.applied,
            mode=start.mode,
            attempt=start.attempt,
            plugin=start.plugin,
            provenance=start.provenance,
            logs=start.logs,
            history=self.outcomes,
            requested=start.requested,
        )

    def submitted(self) -> "RunStatus":
        """Ray has taken the job: if it should know it no more, the job is lost, and was not merely never submitted."""
        return replace(self, reason=SUBMITTED)

    def finished(self, outcome: Outcome, now: str) -> "RunStatus":
        """The attempt ended; Succeeded, Cancelled or Failed follows from the outcome's reason."""
        assert self.attempt is not None
        start, now = widened(outcome.span, self.attempt.started_at, now)
        seconds = round(seconds_between(start, now), 3)
        attempt = replace(self.attempt, started_at=start, finished_at=now, seconds=seconds, outcome=outcome.reason)
        error = None
        if not outcome.ok:
            told = outcome.error or ErrorInfo(outcome.reason, "")
            error = ErrorInfo(told.type, _clipped(told.message), _clipped(told.traceback))
        return replace(
            self,
            phase=attempt.phase,
            reason=outcome.reason,
            message=_said(error, outcome.reason),
            since=now,
            attempt=attempt,
            result=outcome.result,
            metrics=outcome.metrics,
            error=error,
        )

    def accepted(self, identity: Identity, applied: dict[str, Any], requested: str | None) -> "RunStatus":
        """What has changed or was requested since the last attempt is taken as done: its result stands for that."""
        computed = self.computed_digest
        accepted_from = None if computed == identity.digest else computed
        return replace(self, identity=identity, applied=applied, accepted_from=accepted_from, requested=requested)

    def blocked(self, message: str, now: str) -> "RunStatus":
        """A run it depends on did not succeed; what its own last attempt gave is kept."""
        return self._held(BLOCKED, "DependencyNotReady", message, now)

    def suspended(self, now: str) -> "RunStatus":
        return self._held(SUSPENDED, "Suspended", "spec.suspend is true", now)

    def released(self) -> "RunStatus":
        """Nothing holds it back any more: what its last attempt gave stands again."""
        last = self.attempt
        if self.phase not in HELD or last is None or last.outcome is None:
            return self
        message = _said(self.error, last.outcome)
        return replace(self, phase=last.phase, reason=last.outcome, message=message, since=last.finished_at)

    def _held(self, phase: str, reason: str, message: str, now: str) -> "RunStatus":
        since = self.since if self.phase == phase else now
        return replace(self, phase=phase, reason=reason, message=message, since=since)

    @property
    def outcomes(self) -> tuple[dict[str, Any], ...]:
        """The last outcome and earlier ones as they are stored, newest first, one for each digest and outcome."""
        if self.attempt is None or self.identity is None:
            return self.history
        # What started and never told its end was interrupted.
        ended = self.attempt if self.attempt.outcome else replace(self.attempt, outcome=INTERRUPTED)
        entry = {
            "digest": self.computed_digest,
            "phase": ended.phase,
            "reason": ended.outcome,
            "attempt": ended.number,
            "finishedAt": ended.finished_at,
            "durationSeconds": ended.seconds,
        }
        entry = {key: value for key, value in entry.items() if value is not None}
        key = (entry["digest"], entry["reason"])
        others = [old for old in self.history if (old["digest"], old["reason"]) != key]
        return (entry, *others)[:HISTORY_LENGTH]

    def to_document(self) -> dict[str, Any]:
        """The stored form; keys in a fixed order, nothing that is not known."""
        condition = {SUCCEEDED: "True", FAILED: "False", CANCELLED: "False"}.get(self.phase, "Unknown")
        status: dict[str, Any] = {
            "phase": self.phase,
            "reason": self.reason,
            "message": self.message,
            "conditions": [
                {"type": "Succeeded", "status": condition, "reason": self.reason, "lastTransitionTime": self.since}
            ],
        }
        if self.identity is not None:
            status |= {"observedDigest": self.identity.digest, "inputs": self.identity.to_stored()}
            status |= {"acceptedFrom": self.accepted_from} if self.accepted_from else {}
        if self.attempt is not None:
            status |= {"lastApplied": self.applied, "mode": self.mode, "attempt": _attempt_stored(self.attempt)}
        if self.has_result:
            status["result"] = self.result
        if self.metrics:
            status["metrics"] = self.metrics
        if self.error is not None:
            stored = {"type": self.error.type, "message": self.error.message}
            status["error"] = stored | ({"traceback": self.error.traceback} if self.error.traceback else {})
        for key in ("plugin", "provenance", "logs", "requested"):
            if value := getattr(self, key):
                status[key] = value
        if self.history:
            status["history"] = list(self.history)
        return document_of(self.name, status)

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> "RunStatus":
        """The status that `to_document` made; the document fits `status_schema.STATUS`."""
        status = document["status"]
        get = status.get
        inputs, attempt, error = get("inputs"), get("attempt"), get("error")
        conditions = get("conditions") or [{}]
        return cls(
            name=document["metadata"]["name"],
            phase=status["phase"],
            reason=status["reason"],
            message=get("message", ""),
            since=conditions[0].get("lastTransitionTime"),
            identity=Identity(inputs["spec"], inputs["code"], inputs["runs"], status["observedDigest"])
            if inputs
            else None,
            applied=get("lastApplied", {}),
            mode=get("mode"),
            attempt=_attempt_read(attempt) if attempt else None,
            result=get("result"),
            metrics=get("metrics", {}),
            error=ErrorInfo(error["type"], error["message"], error.get("traceback", "")) if error else None,
            plugin=get("plugin", {}),
            provenance=get("provenance", {}),
            logs=get("logs"),
            history=tuple(get("history", ())),
            accepted_from=get("acceptedFrom"),
            requested=get("requested"),
        )


def document_of(name: str, status: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": API_VERSION, "kind": "RunStatus", "metadata": {"name": name}, "status": status}


def _said(error: ErrorInfo | None, reason: str) -> str:
    if error is None:
        return ""
    return error.message if error.type == reason and error.message else f"{error.type}: {error.message}".strip(": ")


def _clipped(text: str) -> str:
    """Both ends of a text that is too long."""
    left_out, half = len(text) - LONGEST_TEXT, LONGEST_TEXT // 2
    return text if left_out <= 0 else f"{text[:half]}\n... {left_out:,} characters left out ...\n{text[-half:]}"


def _attempt_stored(attempt: Attempt) -> dict[str, Any]:
    stored = {
        "number": attempt.number,
        "handle": attempt.handle,
        "cluster": attempt.cluster,
        "startedAt": attempt.started_at,
        "finishedAt": attempt.finished_at,
        "durationSeconds": attempt.seconds,
        "outcome": attempt.outcome,
    }
    return {key: value for key, value in stored.items() if value is not None}


def _attempt_read(stored: dict[str, Any]) -> Attempt:
    return Attempt(
        number=stored["number"],
        handle=stored["handle"],
        started_at=stored["startedAt"],
        finished_at=stored.get("finishedAt"),
        seconds=stored.get("durationSeconds"),
        outcome=stored.get("outcome"),
        cluster=stored.get("cluster"),
    )
