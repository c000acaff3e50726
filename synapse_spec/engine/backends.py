"""How tasks and jobs are performed on Ray, which is reached when a run first needs it. Used by `attempt`."""

import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from synapse_spec.engine.clusters import Clusters
from synapse_spec.engine.status import Attempt
from synapse_spec.engine.waiting import WaitingJobs
from synapse_spec.plugins.enums import ExecutionMode
from synapse_spec.plugins.events import Emit
from synapse_spec.plugins.outcome import ErrorInfo, Outcome
from synapse_spec.spec.model import Run
from synapse_spec.spec.workspace import Workspace

if TYPE_CHECKING:
    from synapse_spec.plugins.execution import Invocation
    from synapse_spec.plugins.executors.ray.job import JobRunner
    from synapse_spec.plugins.executors.ray.side_pool import SidePool
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


_MOST_TASKS = 64  # that are begun at once, where no limit is set
# Ray asks a job to end and kills it 3 s later; one that waits for resources takes a little longer.
_STOP_SECONDS = 20.0
_NOT_ENDED = (
    f"the job was asked to end, and had not {_STOP_SECONDS:.0f} s later; "
    "one that waits for resources Ray may keep for a quarter of an hour"
)


@dataclass(slots=True)
class Work:
    """One attempt to perform.

    Attributes:
        run: The run.
        invocation: What to perform; None when a job that was submitted earlier is only followed.
        handle: The attempt's handle; the submission id of a job.
        cluster: The name of the cluster that the attempt goes to; None for one without a name.
        runtime_env: Ray runtime_env, with all that the plugin needs.
        code: Identity of the plugin's code.
        metadata: For those who look at the Ray dashboard.
        emit: Takes the events.
        cancelled: Set when the attempt is to end.
        wait: Whether to wait for a job's end.
        submitted: Called when Ray has taken a job.
    """

    run: Run
    invocation: "Invocation | None"
    handle: str
    runtime_env: dict[str, Any]
    code: str
    metadata: dict[str, str]
    emit: Emit
    cluster: str | None = None
    wait: bool = True
    cancelled: Cancel = field(default_factory=Cancel)
    submitted: Callable[[], object] = lambda: None


class Backends:
    """The backend of each mode, and the clusters that two of them use.

    Args:
        workspace: Has the clusters' settings, and owns the embedded cluster's folder.
        address: Of the cluster that all runs go to; None for those that they name, and the usual one.
        uses: The modes of the runs that may be performed, each with the name of the run's cluster.
        task_limit: The most tasks at once on one cluster; None for as many as it has CPUs.

    Attributes:
        most_tasks: How many tasks are begun at once, be it to wait for their turn.
        leave: Set when the process is about to go: jobs are left running then.
        waiting: Jobs that were submitted, and wait for resources.
    """

    def __init__(
        self,
        workspace: Workspace,
        address: str | None,
        *,
        uses: Collection[tuple[ExecutionMode, str | None]],
        task_limit: int | None,
    ) -> None:
        _import_early({mode for mode, _ in uses})
        self.most_tasks = task_limit or _MOST_TASKS
        self._task_limit = task_limit
        self._turns: dict[str | None, threading.Semaphore] = {}
        self.leave = threading.Event()
        jobs_on = {None if address else name for mode, name in uses if mode is ExecutionMode.JOB}
        self._clusters = Clusters(workspace, address, jobs_on=jobs_on)
        self.waiting = WaitingJobs()
        self._fetched: list[tuple[JobRunner, str]] = []

    def of(self, mode: ExecutionMode) -> Callable[[Work], Outcome | None]:
        """What performs attempts of a mode on Ray."""
        return self._perform_job if mode is ExecutionMode.JOB else self._perform_task

    @contextmanager
    def prepared(self, run: Run) -> Iterator[None]:
        """Reach what the run's mode needs, before anything is written; a task waits for its turn, and has it meanwhile.

        Raises:
            ClusterUnreachable: Ray is not there, refuses us, or is of another version than tasks need.
        """
        if run.mode is ExecutionMode.TASK:
            limit = self._pool(self.cluster_of(run)).limit
            with self._turns.setdefault(self.cluster_of(run), threading.Semaphore(limit)):
                yield
            return
        if run.mode is ExecutionMode.JOB:
            self.jobs(run)
        yield

    def cluster_of(self, run: Run) -> str | None:
        """The name of the cluster that attempts of the run go to; None for one without a name."""
        return None if run.mode is ExecutionMode.LOCAL else self._clusters.chosen(run.cluster)

    def jobs(self, run: Run) -> "JobRunner":
        """The jobs of the cluster that the run goes to. Raises ClusterUnreachable."""
        return self._clusters.jobs(self.cluster_of(run))

    def jobs_with(self, attempt: Attempt) -> "JobRunner":
        """The jobs of the cluster that an attempt went to; none is started for it. Raises ClusterUnreachable."""
        return self._clusters.jobs_with(attempt.cluster, attempt.handle)

    def close(self) -> None:
        """End the actors and let go of the clusters; an embedded one goes too, unless jobs still run on it."""
        for jobs, handle in self._fetched:  # not before their statuses are written
            jobs.forget(handle)
        self._clusters.close()

    def _pool(self, name: str | None) -> "TaskPool | SidePool":
        return self._clusters.pool(name, self._task_limit)

    def _perform_task(self, work: Work) -> Outcome:
        from synapse_spec.plugins.executors.ray.task import TaskOptions

        want = work.run.resources
        options = TaskOptions(
            want.cpus, want.gpus, want.memory, want.custom, work.runtime_env, work.run.timeout, work.code
        )
        assert work.invocation is not None
        return self._pool(work.cluster).run(work.invocation, options, work.emit, work.cancelled)

    def _perform_job(self, work: Work) -> Outcome | None:
        from synapse_spec.plugins.executors.ray.job_follower import has_waited
        from synapse_spec.plugins.executors.ray.jobs_api import TERMINAL

        started = False
        if work.invocation is None:
            jobs = self._clusters.jobs_with(work.cluster, work.handle)
        else:
            from synapse_spec.plugins.executors.ray.job import JobOptions

            jobs = self._clusters.jobs(work.cluster)
            want = work.run.resources
            options = JobOptions(
                want.cpus, want.gpus, want.memory, want.custom, work.runtime_env, work.metadata, work.run.timeout
            )
            started = jobs.submit(work.handle, work.invocation, options)
            work.submitted()
        info: dict[str, Any] | None = {"status": "PENDING"} if started else jobs.info(work.handle)
        if not work.cancelled.is_set() and info is not None:
            pending = info["status"] == "PENDING" and not has_waited(info, work.run.pending_timeout)
            if work.wait and pending:
                self.waiting.add(work.run.name, jobs, work.handle, work.run.pending_timeout)
            if pending or (not work.wait and info["status"] not in TERMINAL):
                return None
        outcome = jobs.follow(work.handle, work.emit, work.cancelled, work.run.pending_timeout)
        if outcome is None and not self.leave.is_set():
            outcome = stop_job(jobs, work.handle, lambda event: None)
        if outcome is not None:
            self._fetched.append((jobs, work.handle))
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
    told = "the job was stopped on request" if outcome is not None else _NOT_ENDED
    return Outcome("Cancelled", error=ErrorInfo("Cancelled", told))


def _import_early(modes: Collection[ExecutionMode]) -> None:
    """Import what worker threads will use: a local run at work makes sys.path and sys.modules its plugin's."""
    if ExecutionMode.TASK in modes:
        import ray  # noqa: F401

        import synapse_spec.plugins.executors.ray.task
    if ExecutionMode.JOB in modes:
        import synapse_spec.plugins.executors.ray.job  # noqa: F401
