"""Looks after jobs whose client has left: fetches what ended, ends what is to stop. Called by status and cancel."""

import threading
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Self

from synapse_spec.engine.backends import has_ended, stop_job
from synapse_spec.engine.clusters import Clusters
from synapse_spec.engine.locks import LockHeld, run_lock
from synapse_spec.engine.results import stow
from synapse_spec.engine.run_log import RunLog
from synapse_spec.engine.status import INTERRUPTED, RUNNING, SUBMITTED, Attempt, RunStatus
from synapse_spec.engine.store import StatusFile
from synapse_spec.engine.times import timestamp
from synapse_spec.plugins.executors.ray.errors import ClusterUnreachable
from synapse_spec.plugins.masking import Masker
from synapse_spec.plugins.outcome import ErrorInfo, Outcome
from synapse_spec.spec.workspace import Workspace

if TYPE_CHECKING:
    from synapse_spec.plugins.executors.ray.job import JobRunner


class Collector:
    """Brings jobs' statuses up to date. Also a context manager, which lets go of the clusters.

    Args:
        workspace: Where the runs are.
        address: The Ray cluster that the jobs were submitted to; None for those of their attempts.

    Attributes:
        unreachable: Why clusters could not be asked, by their names; None for the usual one.
    """

    def __init__(self, workspace: Workspace, address: str | None = None) -> None:
        self.unreachable: dict[str | None, str] = {}
        self._workspace = workspace
        self._clusters = Clusters(workspace, address)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clusters.close()

    def collect(self, name: str, file: StatusFile, hidden: dict[str, str], *, stop: bool = False) -> RunStatus:
        """The status of a run, brought up to date if its job has ended; with `stop` the job is ended first.

        A run that a living process is at, or whose cluster cannot be reached, is left as it is. `hidden` are the
        values of its secrets.

        Raises:
            ClusterUnreachable: The job is to be ended, and its cluster cannot be reached.
        """
        with suppress(LockHeld), run_lock(self._workspace, name, wait=False, stop=threading.Event()):
            status = file.get(name) or RunStatus(name)
            last = status.attempt
            if status.phase != RUNNING or last is None or (last.cluster in self.unreachable and not stop):
                return status
            try:
                return self._brought_up(status, last, file, hidden, stop=stop)
            except ClusterUnreachable as error:
                self.unreachable[last.cluster] = error.message
                if stop:
                    raise
        return file.get(name) or RunStatus(name)

    def _brought_up(
        self, status: RunStatus, attempt: Attempt, file: StatusFile, hidden: dict[str, str], *, stop: bool
    ) -> RunStatus:
        jobs = self._clusters.jobs_with(attempt.cluster, attempt.handle)
        outcome = _outcome(status, self._workspace, jobs, hidden, stop=stop)
        if outcome is None:
            return status
        if outcome.ok:
            outcome = replace(outcome, result=stow(outcome.result, status.name, self._workspace))
        status = status.finished(outcome, timestamp())
        file.update(status.name, lambda _: status)
        jobs.forget(attempt.handle)
        return status


def _outcome(
    status: RunStatus, workspace: Workspace, jobs: "JobRunner", hidden: dict[str, str], *, stop: bool
) -> Outcome | None:
    """The job's outcome; None if it goes on."""
    assert status.attempt is not None
    handle = status.attempt.handle
    masker = Masker(hidden)
    ended = has_ended(jobs, handle)
    if not ended and not stop:
        return None
    if status.reason != SUBMITTED and not jobs.known(handle):
        return Outcome(INTERRUPTED, error=ErrorInfo(INTERRUPTED, "synapse was stopped before the job was submitted"))
    with RunLog(workspace.root / str(status.logs)) as log:
        emit = masker.emit(log.tee(lambda event: None))
        outcome = jobs.follow(handle, emit, threading.Event()) if ended else stop_job(jobs, handle, emit)
        outcome = outcome and masker.outcome(outcome)
        if outcome is not None:
            log.end(outcome)
    return outcome
