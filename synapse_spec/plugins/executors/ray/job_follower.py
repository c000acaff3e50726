"""Follows one job: its events as it writes them, and at its end the verdict. Made by `JobRunner.follow`."""

import math
import signal
import threading
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from synapse_spec.plugins.events import Emit, Log
from synapse_spec.plugins.executors.ray.errors import ClusterUnreachable, JobsApiError
from synapse_spec.plugins.executors.ray.job_logs import LogSource
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
_LOG_PATIENCE_SECONDS = 15.0  # with the log of a job that has ended
_STOP_SECONDS = 15.0
_RAYS_OWN_LIMIT = "JOB_SUPERVISOR_ACTOR_START_TIMEOUT"
_MOST_CHUNKS = 64  # of a log at once, so that a job that never stops writing is looked at too


class Follower:
    """One `follow`: what has been read of the job so far."""

    def __init__(self, runner: "JobRunner", submission_id: str, emit: Emit, pending_limit: float | None) -> None:
        self._runner = runner
        self._id = submission_id
        self._emit = emit
        self._pending_limit = pending_limit
        self._started = self._answered = time.monotonic()
        self._asking = 0.0  # how long the last record took to get
        self._log: tuple[JobLog, LogSource] | None = None  # once it has started
        self._ended_at: float | None = None  # when we heard of it
        self._stop_deadline: float | None = None

    def run(self, stop: threading.Event) -> Outcome | None:
        try:
            with self._runner.watching():
                return self._run(stop)
        finally:
            if self._log is not None:
                self._log[1].close()

    def _run(self, stop: threading.Event) -> Outcome | None:
        while True:
            outcome = self._poll()
            if outcome is not None:
                return outcome
            pause = _EAGER_POLL_SECONDS if time.monotonic() - self._started < _EAGER_SECONDS else _POLL_SECONDS
            # What is long to get is asked for less often.
            if stop.wait(max(pause, 5 * self._asking)):
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
        before = time.monotonic()
        info = self._runner.record(self._id)
        self._asking = time.monotonic() - before
        if info is None:
            return self._lost()
        if info["status"] == "PENDING":
            return self._waited(info)
        if self._log is None:
            self._log = JobLog(nonce_of(info), self._emit), self._runner.open_log(info)
        if info["status"] in TERMINAL:
            return self._ended(info, *self._log)
        with suppress(ClusterUnreachable):  # the next look, or the last one, has it
            _read_on(*self._log)
        return None

    def _ended(self, info: dict[str, Any], reader: JobLog, source: LogSource) -> Outcome | None:
        self._ended_at = self._ended_at or time.monotonic()
        try:
            rest = source.rest(reader.offset)
            if info["status"] == "SUCCEEDED" and not reader.offset and not rest:
                # So Ray sometimes answers for a log that is not there; one of a job that went well has a record.
                raise ClusterUnreachable("the log is empty")
            reader.feed(rest)
        except (ClusterUnreachable, JobsApiError):
            if time.monotonic() - self._ended_at < _LOG_PATIENCE_SECONDS:
                return None
            text = "the end of its log is lost: the machine that it ran on does not answer"
            self._emit(Log("message", {"message": text}, level="warning"))
        reader.finish()
        if self._stop_deadline is not None and info["status"] != "SUCCEEDED":
            return self._waited_too_long()
        return verdict(info, reader.outcome or self._runner.kept_outcome(info), kept=reader.kept)

    def _waited(self, info: dict[str, Any]) -> Outcome | None:
        """End a job that has waited for resources for too long."""
        if self._stop_deadline is not None:
            return self._waited_too_long() if time.monotonic() > self._stop_deadline else None
        if has_waited(info, self._pending_limit):
            self._stop_deadline = time.monotonic() + _STOP_SECONDS
            self._runner.cancel(self._id)
        return None

    def _waited_too_long(self) -> Outcome:
        message = f"the job waited for resources for longer than {self._pending_limit:g} s"
        return Outcome("PendingTimedOut", error=ErrorInfo("PendingTimedOut", message))

    def _lost(self) -> Outcome:
        info, log = self._runner.archived(self._id)
        if self._stop_deadline is not None:
            return self._waited_too_long()
        if info is None:
            return Outcome("JobLost", error=ErrorInfo("JobLost", f"Ray knows no job {self._id} any more"))
        reader = self._log[0] if self._log is not None else JobLog(nonce_of(info), self._emit)
        reader.feed(log[reader.offset :])
        reader.finish()
        return verdict(info, reader.outcome)


def _read_on(reader: JobLog, source: LogSource) -> None:
    for _ in range(_MOST_CHUNKS):
        data = source.more(reader.offset)
        reader.feed(data)
        if not data:
            return


def nonce_of(info: dict[str, Any]) -> str:
    """The nonce of the job's lines; one that nothing carries for a job that is not ours."""
    return str((info.get("metadata") or {}).get(NONCE) or new_nonce())


def has_waited(info: dict[str, Any], limit: float | None) -> bool:
    """Whether a job that is pending has been so for longer than `limit` seconds."""
    return limit is not None and time.time() - (info.get("start_time") or math.inf) / 1000 > limit


def verdict(info: dict[str, Any], outcome: Outcome | None, *, kept: bool = False) -> Outcome:
    """From Ray's word on how the process ended and from the record of the outcome; neither is enough alone.

    Args:
        info: Ray's record of the job.
        outcome: That of the job's own record, if there is one.
        kept: The job has told that it put its record into the cluster's store.
    """
    start, end = info.get("start_time"), info.get("end_time")
    judged = _judged(info, outcome, kept=kept)
    return replace(judged, span=(start / 1000, end / 1000)) if start and end else judged


def _judged(info: dict[str, Any], outcome: Outcome | None, *, kept: bool) -> Outcome:
    # Ray's message ends with the end of the log, which has its own place.
    head, _, _ = (info.get("message") or "").partition(", last available logs")
    status, message = info["status"], head.strip()
    if status == "STOPPED":
        return Outcome("Cancelled", error=ErrorInfo("Cancelled", "the job was stopped"))
    if status not in TERMINAL:
        return Outcome("JobLost", error=ErrorInfo("JobLost", "the cluster was ended while the job ran"))
    if info.get("error_type") == _RAYS_OWN_LIMIT:
        return Outcome("PendingTimedOut", error=ErrorInfo("PendingTimedOut", message))
    if outcome is None and kept:
        message = "its result is no more in the cluster's store, or cannot be read: another client may have fetched it"
        return Outcome("JobLost", error=ErrorInfo("JobLost", message))
    if outcome is None and status == "SUCCEEDED":
        message = "the job's process ended well, but without a record of its outcome"
    elif outcome is not None and outcome.ok and status == "FAILED":
        message = f"the action completed, but its process failed afterwards: {message}"
    elif outcome is not None:
        return outcome
    kind = info.get("error_type") or "WorkerDied"
    message = _signalled(info) or message or f"the job's status is {status}"
    return Outcome("WorkerDied", error=ErrorInfo(kind, message))


def _signalled(info: dict[str, Any]) -> str:
    """What a process died of that a signal has ended; `entry` exits as a shell does then."""
    number = (info.get("driver_exit_code") or 0) - 128
    known = number in set(signal.Signals)
    return f"the job's process was ended by {signal.Signals(number).name}" if known else ""
