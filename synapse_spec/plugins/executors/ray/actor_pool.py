"""TaskPool: invocations on warm Ray actors. Called by the engine, from many threads, and by `RayActorExecutor`.

An actor holds one plugin and is used again for the next run of it; one whose process died, or had to be ended, is not.
"""

import json
import os
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from synapse_spec.plugins.events import Emit, from_wire
from synapse_spec.plugins.execution import Invocation
from synapse_spec.plugins.executors.ray import package
from synapse_spec.plugins.executors.ray.actor import PluginActor
from synapse_spec.plugins.executors.ray.cluster import Cluster, attach, detach
from synapse_spec.plugins.executors.ray.jobs_api import package_name
from synapse_spec.plugins.outcome import ErrorInfo, Outcome

_GLANCE_SECONDS = 0.2  # how soon a cancellation is seen
_RAYS_PREFIXES = ("The actor died unexpectedly", "class_name:", "actor_id:", "pid:", "namespace:", "ip:")
_IDLE_SECONDS = 2.0
_CROWDED_SECONDS = 2.0  # an actor that takes longer to start may be waiting for what idle ones hold


@dataclass(frozen=True, slots=True)
class TaskOptions:
    """How a task is run; None leaves it to Ray. `timeout` is in seconds, from when a worker is at hand or asked for."""

    num_cpus: float | None = None
    num_gpus: float | None = None
    memory: int | None = None
    resources: dict[str, float] = field(default_factory=dict)
    runtime_env: dict[str, Any] = field(default_factory=dict)
    timeout: float | None = None


@dataclass(eq=False, slots=True)
class _Worker:
    """An actor; `starting` is what Ray resolves once its process is up, `expiry` ends it when it is idle for long."""

    key: str
    actor: Any
    starting: Any
    expiry: threading.Timer | None = None


class _Ended(Exception):
    """The run is over before the action said so."""

    def __init__(self, reason: str, kind: str, message: str) -> None:
        super().__init__(message)
        self.outcome = Outcome(reason, error=ErrorInfo(kind, message))


class TaskPool:
    """Warm actors of one cluster.

    Args:
        cluster: This process becomes its driver, until `close`.
        limit: The most actors at once; the cluster's number of CPUs by default.
        environ: What actions on the embedded cluster find in their environment; by default what is in ours at the
            time of each run, which may be that of a local run in another thread.

    Raises:
        ClusterUnreachable: It does not take us.
    """

    def __init__(self, cluster: Cluster, limit: int | None = None, *, environ: Mapping[str, str] | None = None) -> None:
        attach(cluster)
        import ray

        self._cluster = cluster
        self._environ = environ
        self._capacity: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        self._limit = limit or max(1, int(self._capacity.get("CPU", 1)))
        self._room = threading.Condition()
        self._idle: list[_Worker] = []
        self._count = 0

    def run(self, invocation: Invocation, options: TaskOptions, emit: Emit, cancelled: threading.Event) -> Outcome:
        """Run one invocation, on an actor that is kept for its like; waits while all are busy.

        Args:
            invocation: What to run.
            options: What it needs.
            emit: Takes the events while it runs, on the calling thread.
            cancelled: When set, the worker process is ended.
        """
        try:
            worker = self._take(invocation, options, cancelled)
        except _Ended as ended:
            return ended.outcome
        healthy = False
        try:
            deadline = None if options.timeout is None else time.monotonic() + options.timeout
            outcome = self._drive(worker, self._payload(invocation), emit, _Limits(cancelled, deadline, options))
            healthy = outcome.reason != "WorkerDied"
            return outcome
        except _Ended as ended:
            return ended.outcome
        finally:
            self._give_back(worker, healthy, _holds_resources(options))

    def close(self) -> None:
        """End the actors."""
        with self._room:
            while self._idle:
                self._discard(self._idle.pop())
        detach()

    def _payload(self, invocation: Invocation) -> dict[str, Any]:
        if self._cluster.embedded:
            folder = invocation.working_dir or os.getcwd()
            wire = invocation.to_wire() | {"working_dir": folder}
            return {"invocation": wire, "environ": dict(self._environ or os.environ)}
        return {"invocation": package.relative(invocation).to_wire(), "packed": True}

    def _take(self, invocation: Invocation, options: TaskOptions, cancelled: threading.Event) -> _Worker:
        runtime_env = dict(options.runtime_env)
        if not self._cluster.embedded:
            runtime_env["working_dir"] = _uploaded(invocation)
        arguments = _actor_options(options, runtime_env)
        self._check_feasible(options)
        key = json.dumps([invocation.source and invocation.source.to_wire(), arguments], sort_keys=True)
        with self._room:
            while True:
                if cancelled.is_set():
                    raise _Ended("Cancelled", "Cancelled", "cancelled before it started")
                if worker := self._reusable(key):
                    return worker
                if self._count < self._limit:
                    self._count += 1
                    return _start(key, arguments)
                self._room.wait(_GLANCE_SECONDS)

    def _reusable(self, key: str) -> _Worker | None:
        """An idle worker of this key; without one, and with no room for another, an idle one makes room."""
        for worker in reversed(self._idle):
            if worker.key == key:
                self._idle.remove(worker)
                if worker.expiry is not None:
                    worker.expiry.cancel()
                return worker
        if self._idle and self._count >= self._limit:
            self._discard(self._idle.pop(0))
        return None

    def _give_back(self, worker: _Worker, healthy: bool, holds_resources: bool) -> None:
        with self._room:
            if not healthy:
                self._discard(worker)
            else:
                self._idle.append(worker)
                if holds_resources:  # which a job, or another client, may be waiting for
                    worker.expiry = threading.Timer(_IDLE_SECONDS, self._expire, [worker])
                    worker.expiry.daemon = True
                    worker.expiry.start()
            self._room.notify_all()

    def _expire(self, worker: _Worker) -> None:
        with self._room:
            if worker in self._idle and worker.expiry is threading.current_thread():
                self._idle.remove(worker)
                self._discard(worker)

    def _discard(self, worker: _Worker) -> None:
        self._count -= 1
        if worker.expiry is not None:
            worker.expiry.cancel()
        _kill(worker)

    def _check_feasible(self, options: TaskOptions) -> None:
        """On a machine of a fixed size Ray would wait forever."""
        wanted = {"CPU": options.num_cpus, "GPU": options.num_gpus, "memory": options.memory, **options.resources}
        for name, amount in wanted.items():
            has = self._capacity.get(name, 0)
            if self._cluster.embedded and amount and amount > has:
                raise _Ended("WorkerDied", "Unschedulable", f"it asks for {amount:g} {name}; this machine has {has:g}")

    def _drive(self, worker: _Worker, payload: dict[str, Any], emit: Emit, limits: "_Limits") -> Outcome:
        import ray

        try:
            self._await_start(worker, limits)
            stream = worker.actor.perform.options(num_returns="streaming").remote(payload)
            while True:
                while not ray.wait([stream], timeout=_GLANCE_SECONDS, fetch_local=False)[0]:
                    limits.check()
                events, outcome = ray.get(next(stream))
                for event in events:
                    emit(from_wire(event))
                if outcome is not None:
                    return Outcome.from_wire(outcome)
                limits.check()
        except ray.exceptions.RayError as error:
            raise _Ended("WorkerDied", type(error).__name__, _reason(error)) from None

    def _await_start(self, worker: _Worker, limits: "_Limits") -> None:
        import ray

        begun = time.monotonic()
        while worker.starting is not None:
            if ray.wait([worker.starting], timeout=_GLANCE_SECONDS)[0]:
                ray.get(worker.starting)
                worker.starting = None
                return
            limits.check()
            if time.monotonic() - begun > _CROWDED_SECONDS:
                with self._room:
                    while self._idle:
                        self._discard(self._idle.pop())


@dataclass(frozen=True, slots=True)
class _Limits:
    """What may end a run from outside."""

    cancelled: threading.Event
    deadline: float | None
    options: TaskOptions

    def check(self) -> None:
        if self.cancelled.is_set():
            raise _Ended("Cancelled", "Cancelled", "the worker process was ended on request")
        if self.deadline is not None and time.monotonic() > self.deadline:
            raise _Ended("TimedOut", "TimedOut", f"the task took longer than {self.options.timeout:g} s")


def _holds_resources(options: TaskOptions) -> bool:
    return any((options.num_cpus, options.num_gpus, options.memory, options.resources))


def _start(key: str, arguments: dict[str, Any]) -> _Worker:
    import ray

    actor: Any = ray.remote(PluginActor).options(**arguments).remote()
    return _Worker(key, actor, actor.__ray_ready__.remote())


def _kill(worker: _Worker) -> None:
    import ray

    with suppress(ray.exceptions.RayError, ValueError):
        ray.kill(worker.actor, no_restart=True)


def _actor_options(options: TaskOptions, runtime_env: dict[str, Any]) -> dict[str, Any]:
    arguments = {
        "num_cpus": options.num_cpus,
        "num_gpus": options.num_gpus,
        "memory": options.memory,
        "resources": options.resources or None,
        "runtime_env": runtime_env or None,
    }
    return {name: value for name, value in arguments.items() if value is not None}


def _uploaded(invocation: Invocation) -> str:
    from ray._private.runtime_env.packaging import upload_package_to_gcs

    content = package.zipped(package.packed_code(invocation.source))
    uri = f"gcs://{package_name(content)}"
    upload_package_to_gcs(uri, content)
    return uri


def _reason(error: Exception) -> str:
    """Ray's own words, without the addresses and ids before and the guesses after them."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if "creation task" in lines[0]:  # then the rest is the trace of what kept it from starting
        return f"the worker process could not start: {lines[-1]}"
    told = " ".join(line for line in lines if not line.startswith(_RAYS_PREFIXES))
    return "the worker process died: " + (told.partition(" Some common causes")[0] or type(error).__name__)
