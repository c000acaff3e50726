"""RayActorExecutor: actions on warm Ray actors. The engine takes TaskPool from here."""

import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from synapse_spec.plugins.action import ActionLike
from synapse_spec.plugins.context import PluginEnvironment
from synapse_spec.plugins.context.logger import ContextLogger
from synapse_spec.plugins.execution import Invocation
from synapse_spec.plugins.executors.local import env_overlay
from synapse_spec.plugins.executors.ray.actor_pool import TaskOptions, TaskPool
from synapse_spec.plugins.executors.ray.cluster import Lease, reach
from synapse_spec.plugins.executors.ray.invocations import cache_folder, folder_of, invocation_of
from synapse_spec.plugins.executors.ray.runtime_env import of_source, state_of_needs
from synapse_spec.plugins.files import State
from synapse_spec.plugins.source import PluginSource

__all__ = ["RayActorExecutor", "TaskOptions", "TaskPool"]


class RayActorExecutor:
    """Runs actions on Ray actors, which are kept for the next call until `shutdown`. Also a context manager.

    With no cluster given here or by RAY_ADDRESS, the Ray session of this process serves, if it has one, else an
    embedded cluster.

    Args:
        env: Laid over the environment for the time of each run.
        job_id: Shown to the action as `ctx.job_id`.
        ray_address: host:port of a cluster; default RAY_ADDRESS.
        runtime_env: Ray's runtime_env for the actors; goes before what the plugin's config and requirements ask for.
        working_dir: The working directory; by default the current one on this machine, the plugin's on others.
        num_cpus, num_gpus: What Ray keeps free for each actor.
        num_actors: The most actors at once, more calls wait for their turn; None for as many as the cluster has CPUs.
    """

    def __init__(  # noqa: PLR0913 - the parameters that its users know
        self,
        env: PluginEnvironment | dict[str, Any] | None = None,
        job_id: str | None = None,
        *,
        ray_address: str | None = None,
        runtime_env: dict[str, Any] | None = None,
        working_dir: Path | str | None = None,
        num_cpus: float | None = None,
        num_gpus: float | None = None,
        num_actors: int | None = 1,
    ) -> None:
        self._env = env_overlay(env)
        self._job_id = job_id
        self._address = ray_address
        self._options = TaskOptions(num_cpus, num_gpus, runtime_env=runtime_env or {})
        self._working_dir = folder_of(working_dir)
        if num_actors is not None and num_actors < 1:
            raise ValueError(f"num_actors must be at least 1, not {num_actors}")
        self._num_actors = num_actors
        self._lock = threading.Lock()
        self._lease: Lease | None = None
        self._pool: TaskPool | None = None
        self._options_of: dict[PluginSource | None, tuple[list[State], TaskOptions]] = {}

    @property
    def usable(self) -> bool:
        """Whether its actors are there, if it has any: whoever has shut Ray down has taken them along."""
        return self._pool is None or self._pool.alive

    def execute(
        self,
        action_cls: ActionLike | str,
        params: dict[str, Any],
        *,
        action_name: str | None = None,
        env: dict[str, str] | None = None,
        job_id: str | None = None,
    ) -> Any:
        """Run the action (or its entrypoint `module:Class` in `working_dir`); its result as JSON-compatible data.

        Args:
            action_cls: The action.
            params: For it.
            action_name: Its name in the plugin's config; by default the class's or function's.
            env: Laid over the executor's own.
            job_id: In place of the executor's own.

        Raises:
            ValidationError: The params (found before anything is started) or the result do not fit.
            ExecutionError: The action failed, or its worker died; `details` has type, message and traceback.
            ClusterUnreachable: There is no cluster.
        """
        environ = self._env | env if env else self._env
        invocation = invocation_of(action_cls, params, environ, job_id or self._job_id, self._working_dir)
        named = replace(invocation, action=action_name) if action_name else invocation
        return self._run(named, threading.Event())

    def map(self, action_cls: ActionLike | str, params_list: Iterable[dict[str, Any]]) -> list[Any]:
        """Run the action with each of the params, on up to `num_actors` at once; the results in the same order.

        All params are validated before anything is started. Ctrl-C ends those at work, and starts no more.

        Raises:
            ValidationError, ExecutionError: Of the first that failed; the others are run all the same.
        """
        invocations = [
            invocation_of(action_cls, params, self._env, self._job_id, self._working_dir) for params in params_list
        ]
        cancelled = threading.Event()
        pool = self._warm_pool()  # here, since on other threads Ray would keep the handlers of signals that it sets
        with ThreadPoolExecutor(pool.limit, thread_name_prefix="synapse-map") as threads:
            futures = [threads.submit(self._run, invocation, cancelled) for invocation in invocations]
            try:
                wait(futures)
            except BaseException:
                cancelled.set()
                threads.shutdown(wait=False, cancel_futures=True)
                raise
        return [future.result() for future in futures]

    def shutdown(self) -> None:
        """End the actors, and the embedded cluster unless others or jobs use it."""
        with self._lock:
            pool, lease, self._pool, self._lease = self._pool, self._lease, None, None
        if pool is not None:
            pool.close()
        if lease is not None:
            lease.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()

    def _run(self, invocation: Invocation, cancelled: threading.Event) -> Any:
        options = self._options_for(invocation.source)
        return self._warm_pool().run(invocation, options, ContextLogger().emit, cancelled).unwrap()

    def _options_for(self, source: PluginSource | None) -> TaskOptions:
        """Those of the executor, with what the plugin needs by now."""
        state = state_of_needs(source)
        known, options = self._options_of.get(source, (None, self._options))
        if known != state:
            options = replace(self._options, runtime_env=of_source(source, self._options.runtime_env))
            self._options_of[source] = state, options
        return options

    def _warm_pool(self) -> TaskPool:
        with self._lock:
            if self._lease is None:
                self._lease = reach(self._address, cache_folder(), dashboard=False)
            if self._pool is None:
                self._pool = TaskPool(self._lease.cluster, self._num_actors)
            return self._pool
