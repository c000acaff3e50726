"""The status of a run as a frozen value: its phase, the transitions between phases, and its stored form. Pure.

`phase` is decided here and nowhere else; conditions and the rest of the stored form follow from it.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from synapse_spec.plugins.outcome import ErrorInfo, Outcome
from synapse_spec.spec.model import API_VERSION

HISTORY_LENGTH = 5
PENDING, RUNNING, SUCCEEDED, FAILED = "Pending", "Running", "Succeeded", "Failed"
CANCELLED, SUSPENDED, BLOCKED = "Cancelled", "Suspended", "Blocked"
TERMINAL = frozenset({SUCCEEDED, FAILED, CANCELLED})

_TIMES = frozenset({"startedAt", "finishedAt", "durationSeconds", "lastTransitionTime"})


@dataclass(frozen=True, slots=True)
class Attempt:
    """One execution; `handle` is the Ray submission id of a job, and names the attempt in the other modes."""

    number: int
    handle: str
    started_at: str
    finished_at: str | None = None
    seconds: float | None = None


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

    @property
    def has_result(self) -> bool:
        """Whether the last attempt completed; a run that is blocked or suspended since then still has its result."""
        finished = self.attempt is not None and self.attempt.finished_at is not None
        return finished and self.error is None and self.phase in (SUCCEEDED, BLOCKED, SUSPENDED, PENDING)

    def next_number(self, digest: str) -> int:
        """Attempts are numbered from 1 within one digest."""
        same = self.identity is not None and self.identity.digest == digest and self.attempt is not None
        return self.attempt.number + 1 if same and self.attempt is not None else 1

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
            history=self._with_history(start.identity.digest),
        )

    def finished(self, outcome: Outcome, now: str) -> "RunStatus":
        """The attempt ended; Succeeded, Cancelled or Failed follows from the outcome's reason."""
        phase = {"Completed": SUCCEEDED, "Cancelled": CANCELLED}.get(outcome.reason, FAILED)
        error = outcome.error or (None if outcome.ok else ErrorInfo(outcome.reason, ""))
        attempt = self.attempt and replace(
            self.attempt, finished_at=now, seconds=round(seconds_between(self.attempt.started_at, now), 3)
        )
        return replace(
            self,
            phase=phase,
            reason=outcome.reason,
            message="" if error is None else f"{error.type}: {error.message}".strip(": "),
            since=now,
            attempt=attempt,
            result=outcome.result,
            metrics=outcome.metrics,
            error=error,
        )

    def blocked(self, message: str, now: str) -> "RunStatus":
        """A run it depends on did not succeed; what its own last attempt gave is kept."""
        return self._held(BLOCKED, "DependencyNotReady", message, now)

    def suspended(self, now: str) -> "RunStatus":
        return self._held(SUSPENDED, "Suspended", "spec.suspend is true", now)

    def _held(self, phase: str, reason: str, message: str, now: str) -> "RunStatus":
        since = self.since if self.phase == phase else now
        return replace(self, phase=phase, reason=reason, message=message, since=since)

    def _with_history(self, digest: str) -> tuple[dict[str, Any], ...]:
        """Earlier outcomes, newest first, one for each digest and outcome."""
        if self.attempt is None or self.attempt.finished_at is None or self.identity is None:
            return self.history
        entry = {
            "digest": self.identity.digest,
            "phase": SUCCEEDED if self.error is None else self.phase,
            "reason": "Completed" if self.error is None else self.reason,
            "attempt": self.attempt.number,
            "finishedAt": self.attempt.finished_at,
            "durationSeconds": self.attempt.seconds,
        }
        key = (entry["digest"], entry["phase"], entry["reason"])
        others = [old for old in self.history if (old["digest"], old["phase"], old["reason"]) != key]
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
        if self.attempt is not None:
            status |= {"lastApplied": self.applied, "mode": self.mode, "attempt": _attempt_stored(self.attempt)}
        if self.has_result:
            status["result"] = self.result
        if self.metrics:
            status["metrics"] = self.metrics
        if self.error is not None:
            stored = {"type": self.error.type, "message": self.error.message}
            status["error"] = stored | ({"traceback": self.error.traceback} if self.error.traceback else {})
        for key in ("plugin", "provenance", "logs"):
            if value := getattr(self, key):
                status[key] = value
        if self.history:
            status["history"] = list(self.history)
        return {"apiVersion": API_VERSION, "kind": "RunStatus", "metadata": {"name": self.name}, "status": status}

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> "RunStatus":
        """Raises LookupError or TypeError when it is no RunStatus."""
        status = document["status"]
        inputs, attempt, error = status.get("inputs"), status.get("attempt"), status.get("error")
        conditions = status.get("conditions") or [{}]
        return cls(
            name=document["metadata"]["name"],
            phase=status["phase"],
            reason=status["reason"],
            message=status.get("message", ""),
            since=conditions[0].get("lastTransitionTime"),
            identity=Identity(inputs["spec"], inputs["code"], inputs["runs"], status["observedDigest"])
            if inputs
            else None,
            applied=status.get("lastApplied", {}),
            mode=status.get("mode"),
            attempt=_attempt_read(attempt) if attempt else None,
            result=status.get("result"),
            metrics=status.get("metrics", {}),
            error=ErrorInfo(error["type"], error["message"], error.get("traceback", "")) if error else None,
            plugin=status.get("plugin", {}),
            provenance=status.get("provenance", {}),
            logs=status.get("logs"),
            history=tuple(status.get("history", ())),
        )


def timeless(document: Any) -> Any:
    """The stored form without times: a change of times alone is no reason to rewrite a file."""
    if isinstance(document, dict):
        return {key: timeless(value) for key, value in document.items() if key not in _TIMES}
    if isinstance(document, list):
        return [timeless(item) for item in document]
    return document


def timestamp(moment: datetime | None = None) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    return (moment or datetime.now(UTC)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds_between(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def _attempt_stored(attempt: Attempt) -> dict[str, Any]:
    stored = {
        "number": attempt.number,
        "handle": attempt.handle,
        "startedAt": attempt.started_at,
        "finishedAt": attempt.finished_at,
        "durationSeconds": attempt.seconds,
    }
    return {key: value for key, value in stored.items() if value is not None}


def _attempt_read(stored: dict[str, Any]) -> Attempt:
    return Attempt(
        stored["number"], stored["handle"], stored["startedAt"], stored.get("finishedAt"), stored.get("durationSeconds")
    )
