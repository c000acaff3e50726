"""Follows one job: its events as it writes them, and at its end the verdict. Made by `JobRunner.follow`."""

import threading
import time
from typing import TYPE_CHECKING, Any

from synapse_spec.plugins.events import Emit, Log
from synapse_spec.plugins.executors.ray.errors import ClusterUnreachable, JobsApiError
from synapse_spec.plugins.executors.ray.jobs_api import TERMINAL
from synapse_spec.plugins.executors.ray.wire import JobLog, new_nonce
from synapse_spec.plugins.outcome import ErrorInfo, Outcome

if TYPE_CHECKING:
    from synapse_spec.plugins.executors.ray.job_runner import JobRunner

NONCE = "synapse_nonce"  # in the job's metadata
_POLL_SECONDS = 1.0
_EAGER_POLL_SECONDS = 0.2  # for the first moments: many jobs are short
_EAGER_SECONDS = 5.0
_PATIENCE_SECONDS = 30.0  # with a dashboard that does not answer for a while
_STOP_SECONDS = 15.0
_PENDING_SECONDS = 10.0


class Follower:
    """One `follow`: what has been read of the job so far."""

    def __init__(self, runner: "JobRunner", submission_id: str, emit: Emit, timeout: float | None) -> None:
        self._runner = runner
        self._id = submission_id
        self._emit = emit
        self._timeout = timeout
        self._started = self._answered = time.monotonic()
        self._reader: JobLog | None = None
        self._stop_deadline: float | None = None
        self._told_pending = False

    def run(self, stop: threading.Event) -> Outcome | None:
        while True:
            before = time.monotonic()
            outcome = self._poll()
            if outcome is not None:
                return outcome
            now = time.monotonic()
            pause = _EAGER_POLL_SECONDS if now - self._started < _EAGER_SECONDS else _POLL_SECONDS
            # A long log is long to fetch: the more it costs the less often.
            if stop.wait(max(pause, 5 * (now - before))):
                return None

    def _poll(self) -> Outcome | None:
        try:
            outcome = self._look()
        except (ClusterUnreachable, JobsApiError):
            if self._runner.gone:
                return self._lost()
            if time.monotonic() - self._answered > _PATIENCE_SECONDS:
                raise
            return None
        self._answered = time.monotonic()
        return outcome

    def _look(self) -> Outcome | None:
        api = self._runner.api
        info = api.info(self._id) if api is not None else None
        if api is None or info is None:
            return self._lost()
        if info["status"] == "PENDING":
            self._tell_pending(info)
        else:
            self._read(info, self._runner.read_log(self._id))
        if info["status"] in TERMINAL:
            return self._ended(info)
        return self._enforce_timeout(info)

    def _read(self, info: dict[str, Any], log: str) -> None:
        self._reader = self._reader or JobLog(nonce_of(info), self._emit)
        ended = info["status"] in TERMINAL
        (self._reader.finish if ended else self._reader.feed)(log)

    def _ended(self, info: dict[str, Any]) -> Outcome:
        outcome = self._reader.outcome if self._reader is not None else None
        if self._stop_deadline is not None and info["status"] != "SUCCEEDED":
            return self._timed_out()
        return verdict(info, outcome)

    def _enforce_timeout(self, info: dict[str, Any]) -> Outcome | None:
        if self._timeout is None:
            return None
        if self._stop_deadline is not None:
            return self._timed_out() if time.monotonic() > self._stop_deadline else None
        age = max(time.monotonic() - self._started, time.time() - (info.get("start_time") or 0) / 1000)
        if age > self._timeout:
            self._stop_deadline = time.monotonic() + _STOP_SECONDS
            self._runner.cancel(self._id)
        return None

    def _timed_out(self) -> Outcome:
        return Outcome("TimedOut", error=ErrorInfo("TimedOut", f"the job took longer than {self._timeout:g} s"))

    def _lost(self) -> Outcome:
        info, log = self._runner.archived(self._id)
        if info is None:
            return Outcome("JobLost", error=ErrorInfo("JobLost", f"Ray knows no job {self._id} any more"))
        self._read(info, log)
        return self._ended(info)

    def _tell_pending(self, info: dict[str, Any]) -> None:
        if not self._told_pending and time.monotonic() - self._started > _PENDING_SECONDS:
            self._told_pending = True
            self._emit(Log("message", {"message": f"still waiting: {info.get('message')}"}, level="warning"))


def nonce_of(info: dict[str, Any]) -> str:
    """The nonce of the job's lines; one that nothing carries for a job that is not ours."""
    return str((info.get("metadata") or {}).get(NONCE) or new_nonce())


def verdict(info: dict[str, Any], outcome: Outcome | None) -> Outcome:
    """From Ray's word on how the process ended and from the record of the outcome; neither is enough alone."""
    # Ray's message ends with the end of the log, which has its own place.
    head, _, _ = (info.get("message") or "").partition(", last available logs")
    status, message = info["status"], head.strip()
    if status == "STOPPED":
        return Outcome("Cancelled", error=ErrorInfo("Cancelled", "the job was stopped"))
    if status not in TERMINAL:
        return Outcome("JobLost", error=ErrorInfo("JobLost", "the cluster was ended while the job ran"))
    if outcome is None and status == "SUCCEEDED":
        message = "the job's process ended well, but without a record of its outcome"
    elif outcome is not None and outcome.ok and status == "FAILED":
        message = f"the action completed, but its process failed afterwards: {message}"
    elif outcome is not None:
        return outcome
    kind = info.get("error_type") or "WorkerDied"
    return Outcome("WorkerDied", error=ErrorInfo(kind, message or f"the job's status is {status}"))
