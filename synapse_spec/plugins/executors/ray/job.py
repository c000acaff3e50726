"""RayJobExecutor: actions as Ray jobs that outlive their submitter. The engine takes JobRunner from here."""

import os
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from synapse_spec.plugins.action import ActionLike
from synapse_spec.plugins.context import PluginEnvironment
from synapse_spec.plugins.errors import ExecutionError
from synapse_spec.plugins.events import render
from synapse_spec.plugins.executors.local import env_overlay
from synapse_spec.plugins.executors.ray.cluster import reach
from synapse_spec.plugins.executors.ray.errors import ClusterUnreachable
from synapse_spec.plugins.executors.ray.invocations import cache_folder, folder_of, invocation_of
from synapse_spec.plugins.executors.ray.job_follower import nonce_of
from synapse_spec.plugins.executors.ray.job_runner import JobOptions, JobRunner
from synapse_spec.plugins.executors.ray.jobs_api import TERMINAL
from synapse_spec.plugins.executors.ray.runtime_env import of_source
from synapse_spec.plugins.executors.ray.wire import JobLog

__all__ = ["JobOptions", "JobRunner", "RayJobExecutor"]

_POLL_SECONDS = 0.5


class RayJobExecutor:
    """Submits actions as Ray jobs.

    With no cluster given, an embedded one on this machine serves: it lives while jobs run, and what they gave is kept
    for any later process of the user to fetch by id, until `delete`.

    Args:
        env: Laid over the environment of the job; not shown in Ray's record of it.
        ray_address: host:port or http://host:port; default RAY_ADDRESS, else the embedded cluster.
        runtime_env: Ray's runtime_env.
        working_dir: The job's working directory; by default the current one on this machine, the plugin's on others.
        timeout: Seconds that a job may work; it is ended on the cluster then, whether anybody looks or not.
        num_cpus, num_gpus: What Ray keeps free for each job.
        job_id: The id of the next job submitted; made up by default.
    """

    def __init__(  # noqa: PLR0913 - the parameters that its users know
        self,
        env: PluginEnvironment | dict[str, Any] | None = None,
        *,
        ray_address: str | None = None,
        runtime_env: dict[str, Any] | None = None,
        working_dir: Path | str | None = None,
        num_cpus: float | None = None,
        num_gpus: float | None = None,
        job_id: str | None = None,
        timeout: float | None = None,
    ) -> None:
        self._env = env_overlay(env)
        self._address = ray_address
        self._options = JobOptions(num_cpus, num_gpus, runtime_env=runtime_env or {}, timeout=timeout)
        self._working_dir = folder_of(working_dir)
        self._job_id = job_id

    def submit(
        self,
        action_cls: ActionLike | str,
        params: dict[str, Any],
        *,
        job_id: str | None = None,
        action_name: str | None = None,
    ) -> str:
        """Start the action as a job.

        Args:
            action_cls: The action, or its entrypoint `module:Class` in `working_dir`.
            params: Validated before anything is started.
            job_id: Its id; one that exists already is not started again.
            action_name: The action's name in the plugin's config; by default the class's or function's.

        Returns:
            The job's id.

        Raises:
            ValidationError: The params do not fit.
            ClusterUnreachable: There is no cluster.
        """
        chosen = job_id or self._job_id or f"synapse-{uuid.uuid4().hex[:16]}"
        invocation = invocation_of(action_cls, params, self._env, chosen, self._working_dir)
        invocation = replace(invocation, action=action_name or invocation.action)
        options = replace(self._options, runtime_env=of_source(invocation.source, self._options.runtime_env))
        with self._runner(start=True) as runner:
            runner.submit(chosen, invocation, options)
        return chosen

    def execute(self, action_cls: ActionLike | str, params: dict[str, Any], **kwargs: Any) -> Any:
        """Submit the action, wait for it and give its result."""
        return self.get_result(self.submit(action_cls, params, **kwargs))

    def get_status(self, job_id: str) -> str:
        """PENDING, RUNNING, SUCCEEDED, FAILED or STOPPED.

        Raises:
            ExecutionError: No such job.
        """
        with self._runner() as runner:
            return str(_known(runner, job_id)["status"])

    def get_logs(self, job_id: str) -> str:
        """What the job has written and reported so far, as lines for people."""
        return "".join(f"{line}\n" for line in self.stream_logs(job_id, follow=False))

    def stream_logs(self, job_id: str, *, follow: bool = True) -> Iterator[str]:
        """The same line by line, without line ends; with `follow` until the job ends."""
        lines: list[str] = []
        with self._runner() as runner, runner.watching():
            info = _known(runner, job_id)
            reader = JobLog(nonce_of(info), lambda event: lines.append(render(event)))
            while follow and info["status"] == "PENDING":
                time.sleep(_POLL_SECONDS)
                info = _known(runner, job_id)
            with closing(runner.open_log(info)) as source:
                while follow and info["status"] not in TERMINAL:
                    reader.feed(source.more(reader.offset))
                    yield from lines
                    lines.clear()
                    time.sleep(_POLL_SECONDS)
                    info = _known(runner, job_id)
                reader.feed(source.rest(reader.offset))
            reader.finish()
            yield from lines

    def wait(self, job_id: str, timeout: float | None = None) -> str:
        """Wait for the job's end; its status.

        Raises:
            TimeoutError: It has not ended within `timeout` seconds, and goes on.
        """
        with self._runner() as runner:
            return _await_end(runner, job_id, timeout)

    def get_result(self, job_id: str, timeout: float | None = None) -> Any:
        """Wait for the job's end; its result as JSON-compatible data.

        Raises:
            TimeoutError: It has not ended within `timeout` seconds, and goes on.
            ValidationError, ExecutionError: As the action ended.
        """
        with self._runner() as runner:
            _await_end(runner, job_id, timeout)
            outcome = runner.follow(job_id, lambda event: None, threading.Event())
        assert outcome is not None
        return outcome.unwrap()

    def stop(self, job_id: str) -> None:
        """End the job: the action is interrupted as by Ctrl-C, and killed if it has not ended 10 s later."""
        with self._runner() as runner:
            runner.cancel(job_id)

    def delete(self, job_id: str) -> None:
        """Drop what is kept of a job that has ended.

        Raises:
            ExecutionError: It has not ended, or there is no such job.
        """
        with self._runner() as runner:
            if _known(runner, job_id)["status"] not in TERMINAL:
                raise ExecutionError(f"job {job_id} has not ended; stop it first")
            runner.delete(job_id)

    @contextmanager
    def _runner(self, *, start: bool = False) -> Iterator[JobRunner]:
        """The runner of the cluster, held meanwhile; of its archive when an embedded one is gone."""
        folder = cache_folder()
        try:
            lease = reach(self._address, folder, dashboard=True, start=start)
        except ClusterUnreachable:
            if start or self._address or os.environ.get("RAY_ADDRESS"):
                raise
            yield JobRunner(None, folder)
            return
        with lease, closing(JobRunner(lease.cluster, folder)) as runner:
            yield runner


def _known(runner: JobRunner, job_id: str) -> dict[str, Any]:
    info = runner.info(job_id)
    if info is None:
        raise ExecutionError(f"there is no job {job_id!r}", {"reason": "JobLost", "type": "JobLost"})
    return info


def _await_end(runner: JobRunner, job_id: str, timeout: float | None) -> str:
    deadline = None if timeout is None else time.monotonic() + timeout
    while (status := str(_known(runner, job_id)["status"])) not in TERMINAL:
        if deadline is not None and time.monotonic() > deadline:
            raise TimeoutError(f"job {job_id} has not ended after {timeout:g} s; it goes on")
        time.sleep(_POLL_SECONDS)
    return status
