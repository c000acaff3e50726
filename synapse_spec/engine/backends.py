"""How tasks and jobs are performed on Ray, which is reached when a run first needs it. Used by `attempt`."""

import os
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from synapse_spec.plugins.enums import ExecutionMode
from synapse_spec.plugins.events import Emit
from synapse_spec.plugins.outcome import ErrorInfo, Outcome
from synapse_spec.spec.model import Run
from synapse_spec.spec.workspace import Workspace

if TYPE_CHECKING:
    from synapse_spec.plugins.execution import Invocation
    from synapse_spec.plugins.executors.ray.cluster import Lease
    from synapse_spec.plugins.executors.ray.job import JobRunner
    from synapse_spec.plugins.executors.ray.task import TaskPool


class Cancel(threading.Event):
    """Set when an attempt is to end, with the reason its outcome then has."""

    def __init__(self) -> None:
        super().__init__()
        self.reason = "Cancelled"

    def request(self, reason: str) -> None:
        if not self.is_set():
            self.reason = reason
            self.set()


# Ray asks a job to end and kills it 3 s later; one that waits for resources takes a little longer.
_STOP_SECONDS = 20.0


@dataclass(slots=True)
class Work:
    """One attempt to perform.

    Attributes:
        run: The run.
        invocation: What to perform; None when a job that was submitted earlier is only followed.
        handle: The attempt's handle; the submission id of a job.
        runtime_env: Ray runtime_env, merged.
        metadata: For those who look at the Ray dashboard.
        emit: Takes the events.
        cancelled: Set when the attempt is to end.
        wait: Whether to wait for a job's end.
    """

    run: Run
    invocation: "Invocation | None"
    handle: str
    runtime_env: dict[str, Any]
    metadata: dict[str, str]
    emit: Emit
    wait: bool = True
    cancelled: Cancel = field(default_factory=Cancel)


class Backends:
    """The backend of each mode, and the cluster that two of them share.

    Args:
        workspace: Owns the embedded cluster's folder.
        address: Of a Ray cluster; None for RAY_ADDRESS, else an embedded one.
        modes: Those of the runs that may be performed; the embedded cluster needs its dashboard for jobs.
        task_limit: The most actors at once.

    Attributes:
        leave: Set when the process is about to go: jobs are left running then.
    """

    def __init__(
        self,
        workspace: Workspace,
        address: str | None,
        *,
        modes: Collection[ExecutionMode],
        task_limit: int,
    ) -> None:
        self._workspace = workspace
        self._address = address
        self._modes = modes
        _import_early(modes)
        self._task_limit = task_limit
        self.leave = threading.Event()
        # Taken now: a local run at work lays its env, secrets included, over this process's.
        self._environ = dict(os.environ)
        self._fetched: list[str] = []
        self._lock = threading.Lock()
        self._lease: Lease | None = None
        self._pool: TaskPool | None = None
        self._jobs: JobRunner | None = None

    def of(self, mode: ExecutionMode) -> Callable[[Work], Outcome | None]:
        """What performs attempts of a mode on Ray."""
        return self._perform_job if mode is ExecutionMode.JOB else self._perform_task

    def prepare(self, mode: ExecutionMode) -> None:
        """Reach what the mode needs, before anything is written.

        Raises:
            ClusterUnreachable: Ray is not there.
        """
        if mode is not ExecutionMode.LOCAL:
            with self._lock:
                self._reach()

    def close(self) -> None:
        """End the actors and let go of the cluster; an embedded one goes too, unless jobs still run on it."""
        if self._pool is not None:
            self._pool.close()
        if self._jobs is not None:
            for handle in self._fetched:  # not before their statuses are written
                self._jobs.forget(handle)
        if self._lease is not None:
            self._lease.release()

    def jobs(self) -> "JobRunner":
        """Raises ClusterUnreachable."""
        from synapse_spec.plugins.executors.ray.job import JobRunner

        with self._lock:
            if self._jobs is None:
                self._jobs = JobRunner(self._reach().cluster, self._workspace.ray, environ=self._environ)
            return self._jobs

    def _tasks(self) -> "TaskPool":
        from synapse_spec.plugins.executors.ray.task import TaskPool

        with self._lock:
            if self._pool is None:
                self._pool = TaskPool(self._reach().cluster, self._task_limit, environ=self._environ)
            return self._pool

    def _reach(self) -> "Lease":
        from synapse_spec.plugins.executors.ray.cluster import reach

        if self._lease is None:
            self._workspace.ensure()
            self._lease = reach(self._address, self._workspace.ray, dashboard=ExecutionMode.JOB in self._modes)
        return self._lease

    def _perform_task(self, work: Work) -> Outcome:
        from synapse_spec.plugins.executors.ray.task import TaskOptions

        want = work.run.resources
        options = TaskOptions(want.cpus, want.gpus, want.memory, want.custom, work.runtime_env, work.run.timeout)
        assert work.invocation is not None
        return self._tasks().run(work.invocation, options, work.emit, work.cancelled)

    def _perform_job(self, work: Work) -> Outcome | None:
        jobs = self.jobs()
        if work.invocation is not None:
            from synapse_spec.plugins.executors.ray.job import JobOptions

            want = work.run.resources
            options = JobOptions(want.cpus, want.gpus, want.memory, want.custom, work.runtime_env, work.metadata)
            jobs.submit(work.handle, work.invocation, options)
        if not work.wait and not has_ended(jobs, work.handle):
            return None
        outcome = jobs.follow(work.handle, work.emit, work.cancelled, work.run.timeout)
        if outcome is None and not self.leave.is_set():
            outcome = stop_job(jobs, work.handle, lambda event: None)
        if outcome is not None:
            self._fetched.append(work.handle)
        return outcome


def has_ended(jobs: "JobRunner", handle: str) -> bool:
    """Whether following the job would not wait: it has ended, or is lost."""
    from synapse_spec.plugins.executors.ray.jobs_api import TERMINAL

    info = jobs.info(handle)
    return info is None or info["status"] in TERMINAL


def stop_job(jobs: "JobRunner", handle: str, emit: Emit) -> Outcome:
    """End a job and wait for that; what it had completed before counts."""
    jobs.cancel(handle)
    patience = threading.Event()
    timer = threading.Timer(_STOP_SECONDS, patience.set)
    timer.start()
    outcome = jobs.follow(handle, emit, patience)
    timer.cancel()
    if outcome is not None and outcome.ok:
        return outcome
    return Outcome("Cancelled", error=ErrorInfo("Cancelled", "the job was stopped on request"))


def _import_early(modes: Collection[ExecutionMode]) -> None:
    """Import what worker threads will use: a local run at work makes sys.path and sys.modules its plugin's."""
    if ExecutionMode.TASK in modes:
        import ray  # noqa: F401

        import synapse_spec.plugins.executors.ray.task
    if ExecutionMode.JOB in modes:
        import synapse_spec.plugins.executors.ray.job  # noqa: F401
