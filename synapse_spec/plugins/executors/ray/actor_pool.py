"""TaskPool: invocations on warm Ray actors. Called by the engine, from many threads, and by `RayActorExecutor`.

An actor holds one plugin and is used again for the next run of it; one whose process died, or had to be ended, is not.
"""

import json
import os
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from synapse_spec.plugins.events import Emit
from synapse_spec.plugins.execution import Invocation, raw_environ
from synapse_spec.plugins.executors.ray import package, runtime_env
from synapse_spec.plugins.executors.ray.cluster import Cluster, attach, detach
from synapse_spec.plugins.executors.ray.worker import GLANCE_SECONDS, Ended, Limits, Worker
from synapse_spec.plugins.outcome import Outcome
from synapse_spec.plugins.source import PluginSource

_IDLE_SECONDS = 2.0
_PATIENCE_SECONDS = 5.0
_CROWDED_SECONDS = 2.0  # an actor that takes longer to start may be waiting for what idle ones hold


@dataclass(frozen=True, slots=True)
class TaskOptions:
    """How a task is run; None leaves it to Ray.

    Attributes:
        num_cpus, num_gpus, memory, resources: What its actor keeps free; memory in bytes.
        runtime_env: As `runtime_env.of_plugin` gives it.
        timeout: Seconds, from when a worker is at hand or asked for.
        code: Identity of the plugin's code: an actor that has run other code of it is not used. None: the plugin's own
            files are loaded anew when they have changed, and what else it imports is not looked at.
    """

    num_cpus: float | None = None
    num_gpus: float | None = None
    memory: int | None = None
    resources: dict[str, float] = field(default_factory=dict)
    runtime_env: dict[str, Any] = field(default_factory=dict)
    timeout: float | None = None
    code: str | None = None


class TaskPool:
    """Warm actors of one cluster.

    Args:
        cluster: This process becomes its driver, until `close`.
        limit: The most actors at once; the cluster's number of CPUs by default.
        environ: What actions on the embedded cluster find in their environment; by default what is in ours at the
            time of each run, which may be that of a local run in another thread.

    Attributes:
        limit: The most actors at once.

    Raises:
        ClusterUnreachable: It does not take us.
    """

    def __init__(self, cluster: Cluster, limit: int | None = None, *, environ: Mapping[str, str] | None = None) -> None:
        attach(cluster)
        import ray

        self._cluster = cluster
        self._environ = None if environ is None else dict(environ)
        self._session = _session()
        self._capacity: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        self.limit = limit or max(1, int(self._capacity.get("CPU", 1)))
        self._packages = package.Uploads()
        self._room = threading.Condition()
        self._idle: list[Worker] = []
        self._busy: Counter[str] = Counter()  # by the keys of workers
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
        except Ended as ended:
            return ended.outcome
        healthy = False
        try:
            limits = Limits(cancelled, options.timeout)
            outcome = worker.call(self._payload(invocation, worker), emit, limits, self._make_room)
            healthy = outcome.reason != "WorkerDied"
            return outcome
        except Ended as ended:
            return ended.outcome
        finally:
            self._give_back(worker, healthy, _holds_resources(options))

    @property
    def alive(self) -> bool:
        """Whether Ray is there as it was when the pool was made."""
        import ray

        return ray.is_initialized() and _session() == self._session

    def close(self) -> None:
        """End the actors."""
        if self.alive:  # else they are gone, and to speak of them would start another Ray
            self._make_room()
        detach()

    def _payload(self, invocation: Invocation, worker: Worker) -> dict[str, Any]:
        if not self._cluster.embedded:
            return {"invocation": package.relative(invocation).to_wire(), "packed": True}
        wire = invocation.to_wire()
        wire["working_dir"] = invocation.working_dir or os.getcwd()
        environ = raw_environ() if self._environ is None else self._environ
        if environ == worker.environ:
            return {"invocation": wire}
        worker.environ = environ
        return {"invocation": wire, "environ": dict(os.environ) if self._environ is None else self._environ}

    def _take(self, invocation: Invocation, options: TaskOptions, cancelled: threading.Event) -> Worker:
        arguments = self._arguments(invocation, options)
        plugin = invocation.source and invocation.source.to_wire()
        key = json.dumps([plugin, options.code, arguments], sort_keys=True)
        began = time.monotonic()
        with self._room:
            while True:
                if cancelled.is_set():
                    raise Ended("Cancelled", "Cancelled", "cancelled before it started")
                if worker := self._idle_of(key):
                    self._busy[key] += 1
                    return worker
                # To start another takes longer than most tasks do: those of the same kind at work may soon be free.
                patient = self._busy[key] and time.monotonic() - began < _PATIENCE_SECONDS
                if self._count >= self.limit and self._idle and not patient:
                    self._discard(self._idle.pop(0))
                if self._count < self.limit:
                    self._count += 1
                    self._busy[key] += 1
                    break
                self._room.wait(GLANCE_SECONDS)
        return self._start(key, arguments, invocation.source)

    def _start(self, key: str, arguments: dict[str, Any], source: PluginSource | None) -> Worker:
        try:
            if not self._cluster.embedded:
                self._packages.renew(source, arguments["runtime_env"]["working_dir"])
            return Worker.start(key, arguments, near=self._cluster.embedded)
        except BaseException:
            with self._room:
                self._count -= 1
                self._busy[key] -= 1
            raise

    def _idle_of(self, key: str) -> Worker | None:
        """An idle worker of this key, idle no more."""
        for worker in reversed(self._idle):
            if worker.key == key:
                self._idle.remove(worker)
                if worker.expiry is not None:
                    worker.expiry.cancel()
                return worker
        return None

    def _give_back(self, worker: Worker, healthy: bool, holds_resources: bool) -> None:
        with self._room:
            self._busy[worker.key] -= 1
            if not healthy:
                self._discard(worker)
            else:
                self._idle.append(worker)
                if holds_resources:  # which a job, or another client, may be waiting for
                    worker.expiry = threading.Timer(_IDLE_SECONDS, self._expire, [worker])
                    worker.expiry.daemon = True
                    worker.expiry.start()
            self._room.notify_all()

    def _expire(self, worker: Worker) -> None:
        with self._room:
            if worker in self._idle and worker.expiry is threading.current_thread():
                self._idle.remove(worker)
                self._discard(worker)

    def _make_room(self, waited: float = _CROWDED_SECONDS) -> None:
        """End the idle actors, if one that starts has waited for so many seconds."""
        if waited >= _CROWDED_SECONDS:
            with self._room:
                while self._idle:
                    self._discard(self._idle.pop())

    def _discard(self, worker: Worker) -> None:
        self._count -= 1
        worker.end()

    def _arguments(self, invocation: Invocation, options: TaskOptions) -> dict[str, Any]:
        """The actor's options for Ray."""
        wanted = {"CPU": options.num_cpus, "GPU": options.num_gpus, "memory": options.memory, **options.resources}
        if self._cluster.embedded:
            self._check_feasible(wanted)
            env = runtime_env.without_installed(options.runtime_env)
        else:
            shipped = {"working_dir": self._packages.uri(invocation.source)}
            env = package.relative_env(options.runtime_env, invocation.source) | shipped
        arguments = {
            "num_cpus": options.num_cpus,
            "num_gpus": options.num_gpus,
            "memory": options.memory,
            "resources": options.resources or None,
            "runtime_env": env or None,
        }
        return {name: value for name, value in arguments.items() if value is not None}

    def _check_feasible(self, wanted: dict[str, Any]) -> None:
        """On a machine of a fixed size Ray would wait forever."""
        for name, amount in wanted.items():
            has = self._capacity.get(name, 0)
            if amount and amount > has:
                message = f"it asks for {amount:g} {name}; this machine has {has:g}"
                raise Ended("Unschedulable", "Unschedulable", message)


def _session() -> tuple[str, str]:
    """What tells this process's use of Ray from an earlier or later one."""
    import ray

    context: Any = ray.get_runtime_context()
    return context.get_node_id(), context.get_job_id()


def _holds_resources(options: TaskOptions) -> bool:
    return any((options.num_cpus, options.num_gpus, options.memory, options.resources))
