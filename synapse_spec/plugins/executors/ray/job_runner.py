"""Runs invocations as Ray jobs, by ids that the caller chooses; any process can follow a job by its id.

Called by the engine and by `RayJobExecutor`. On the embedded cluster a job's payload is a file in FOLDER/jobs/ID/,
where the head puts log and record of a job that ended unfetched; other clusters get a package.
"""

import json
import os
import re
import shlex
import shutil
import sys
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from synapse_spec.plugins.errors import ValidationError
from synapse_spec.plugins.events import Emit
from synapse_spec.plugins.execution import Invocation
from synapse_spec.plugins.executors.ray import package, records
from synapse_spec.plugins.executors.ray.cluster import Cluster, attach, detach
from synapse_spec.plugins.executors.ray.embedded import Head, is_running, is_warm, write_private
from synapse_spec.plugins.executors.ray.errors import ClusterUnreachable, JobExists, JobsApiError
from synapse_spec.plugins.executors.ray.fetched import KEPT_SECONDS, SETTLED_SECONDS, Fetched
from synapse_spec.plugins.executors.ray.job_board import JobBoard
from synapse_spec.plugins.executors.ray.job_follower import NONCE, Follower, nonce_of
from synapse_spec.plugins.executors.ray.job_logs import LogFile, LogSource, LogStream
from synapse_spec.plugins.executors.ray.jobs_api import TERMINAL, JobsApi
from synapse_spec.plugins.executors.ray.runtime_env import without_installed
from synapse_spec.plugins.executors.ray.wire import JobLog, new_nonce
from synapse_spec.plugins.outcome import Outcome

# Ray keeps a record of an id with other characters as pending for good.
_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
_ENTRY = "-m synapse_spec.plugins.executors.ray.entry"
# Seconds between SIGTERM and SIGKILL for a job that is stopped; of Ray's own 3 little is left on a busy machine.
_GRACE = {"RAY_JOB_STOP_WAIT_TIME_S": "10"}
_VERSION_CHECK = (
    """python -c 'import sys; sys.version_info < (3, 12) and """
    """sys.exit("synapse-spec needs Python 3.12 or later on the cluster; this is " + sys.version)'"""
)


@dataclass(frozen=True, slots=True)
class JobOptions:
    """How a job is run; None leaves it to Ray. `timeout` is in seconds, from the start of its process."""

    num_cpus: float | None = None
    num_gpus: float | None = None
    memory: int | None = None
    resources: dict[str, float] = field(default_factory=dict)
    runtime_env: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    timeout: float | None = None


class JobRunner:
    """The jobs of one cluster; may be used by many threads at once.

    Args:
        cluster: None when it is gone: then only what it archived in `folder` can be had.
        folder: The embedded cluster's.
        environ: What actions on the embedded cluster find in their environment; by default what is in ours at the
            time of each submit, which may be that of a local run in another thread.
        keep: Seconds for which Ray's records of jobs stay once they were fetched.
    """

    def __init__(
        self,
        cluster: Cluster | None,
        folder: Path,
        *,
        environ: Mapping[str, str] | None = None,
        keep: float = KEPT_SECONDS,
    ) -> None:
        if cluster is not None and cluster.dashboard is None:
            raise ClusterUnreachable(f"Ray at {cluster.address} was reached for tasks; jobs need its dashboard")
        self._cluster = cluster
        self._api = _api_of(cluster) if cluster is not None else None
        self._board = JobBoard(self._api) if self._api is not None else None
        # Where outcomes are kept, on clusters that others run: they outlive the node of their job there.
        self._store = cluster.address if cluster is not None and not cluster.embedded else None
        self._to_drop: list[str] = []
        self._folder = folder.absolute()
        # A cluster that ends with us takes its records along.
        stays = cluster is not None and (not cluster.embedded or is_warm(folder))
        self._fetched = Fetched(self._folder / "fetched", self._api, keep) if self._api is not None and stays else None
        self._environ = environ

    def submit(self, submission_id: str, invocation: Invocation, options: JobOptions) -> bool:
        """Start a job; one of this id that exists already is the same computation.

        Returns:
            Whether it was started, rather than found.

        Raises:
            ValidationError: The id is none that Ray takes.
            ClusterUnreachable, JobsApiError: It was not started.
        """
        if not _ID.fullmatch(submission_id):
            raise ValidationError(f"job id {submission_id!r} must be 1 to 100 letters, digits, '-' and '_'")
        api, embedded = self._needed_api(), self._cluster is not None and self._cluster.embedded
        nonce = new_nonce()
        plugins = options.runtime_env
        fitted = without_installed(plugins) if embedded else package.relative_env(plugins, invocation.source)
        runtime_env = dict(fitted)
        runtime_env["env_vars"] = _GRACE | runtime_env.get("env_vars", {})
        keep = {"name": submission_id, "address": self._store} if self._store is not None else {}
        wire = {"nonce": nonce, "timeout": options.timeout, "keep": keep}
        if embedded:
            payload = self._write_payload(submission_id, invocation, wire)
            command = f"exec {_python(runtime_env)} -P {_ENTRY} {shlex.quote(str(payload))}"
        else:
            payload = None
            runtime_env["working_dir"] = api.upload_package(_packed(invocation, wire))
            command = f"{_VERSION_CHECK} && exec python {_ENTRY} payload.json"
        metadata = options.metadata | {NONCE: nonce}
        request = {"entrypoint": command, "submission_id": submission_id, "metadata": metadata}
        try:
            api.submit(request | {"runtime_env": runtime_env} | dict(_resources(options)))
        except JobsApiError as error:  # not for one that was cut off: the job may have started
            if payload is not None:
                payload.unlink(missing_ok=True)
            if not isinstance(error, JobExists):
                raise
            return False
        return True

    def known(self, submission_id: str) -> bool:
        """Whether the cluster has a job of this id, or has archived one."""
        return self.info(submission_id) is not None

    def info(self, submission_id: str) -> dict[str, Any] | None:
        """Ray's record of the job, the archived one if the cluster has none."""
        info = self._api.info(submission_id) if self._api is not None else None
        return info or self.archived(submission_id)[0]

    def record(self, submission_id: str) -> dict[str, Any] | None:
        """Ray's record of the job, for those who ask for it again and again."""
        return self._board.record(submission_id) if self._board is not None else None

    def records(self, submission_ids: Collection[str]) -> dict[str, dict[str, Any] | None]:
        """Ray's records of several jobs, by one request if they are many."""
        return self._board.records(submission_ids) if self._board is not None else dict.fromkeys(submission_ids)

    def watching(self) -> AbstractContextManager[None]:
        """To be held while `record` is asked for again and again."""
        return self._board.watching() if self._board is not None else nullcontext()

    def open_log(self, info: dict[str, Any]) -> LogSource:
        """The log of a job by Ray's record of it, or as the head left it."""
        submission_id, node = str(info["submission_id"]), info.get("driver_node_id")
        archived = LogFile(self._folder_of(submission_id) / "log.txt")
        if self._api is None or self._cluster is None or not self._cluster.embedded:
            return LogStream(self._api, submission_id, node) if self._api is not None and node else archived
        head = Head.read(self._folder, dashboard=True)
        path = head.job_log_path(submission_id) if head is not None else None
        gone = path is None or (info["status"] in TERMINAL and not path.exists())
        return LogFile(path) if path is not None and not gone else archived

    def kept_outcome(self, info: dict[str, Any]) -> Outcome | None:
        """The outcome of a job from the cluster's store, if it is there and can be reached."""
        reader = JobLog(nonce_of(info), lambda event: None)
        if self._cluster is not None and self._store is not None:
            reader.feed(records.get(self._store, self._cluster.token, str(info["submission_id"])))
        return reader.outcome

    def follow(
        self, submission_id: str, emit: Emit, stop: threading.Event, pending_limit: float | None = None
    ) -> Outcome | None:
        """Wait for the job's end; its events come again from its start, whoever has followed it before.

        Args:
            submission_id: The job.
            emit: Takes the events.
            stop: When set the job is left running.
            pending_limit: Seconds since the job was submitted, after which it is ended if it still waits for resources.

        Returns:
            The outcome; None if `stop` was set before.

        Raises:
            ClusterUnreachable: A cluster that is not ours does not answer any more.
        """
        return Follower(self, submission_id, emit, pending_limit).run(stop)

    def cancel(self, submission_id: str) -> None:
        """End the job, also one that waits for resources; it may take some seconds after this returns."""
        info = self._api.info(submission_id) if self._api is not None else None
        if self._api is None or info is None or info["status"] in TERMINAL:
            return
        with suppress(JobsApiError):  # it may just have ended
            self._api.stop(submission_id)
        if info["status"] == "PENDING" and self._cluster is not None:
            _kill_supervisor(self._cluster, submission_id)

    def archived(self, submission_id: str) -> tuple[dict[str, Any] | None, bytes]:
        """Record and log of a job, as the head left them when it ended."""
        folder = self._folder_of(submission_id)
        try:
            info = json.loads((folder / "info.json").read_bytes())
            return info, (folder / "log.txt").read_bytes()
        except (OSError, ValueError):
            return None, b""

    def forget(self, submission_id: str) -> None:
        """Drop what is kept of the job, but for Ray's record; to be called when its outcome is safe elsewhere."""
        shutil.rmtree(self._folder_of(submission_id), ignore_errors=True)
        self._to_drop.append(submission_id)
        if self._fetched is not None:
            self._fetched.note(submission_id)

    def close(self) -> None:
        """Do what `forget` has left to the end, since it takes a second however many jobs there are; tidy up."""
        if self._fetched is not None:
            self._fetched.clean()
        if self._to_drop and self._cluster is not None and self._store is not None:
            records.drop(self._store, self._cluster.token, self._to_drop)
        self._to_drop.clear()

    def delete(self, submission_id: str) -> None:
        """Drop Ray's record too, of a job that has ended."""
        info = self._api.info(submission_id) if self._api is not None else None
        if self._api is not None and info is not None:
            ended = (info.get("end_time") or 0) / 1000
            time.sleep(min(max(ended + SETTLED_SECONDS - time.time(), 0), SETTLED_SECONDS))
            self._api.delete(submission_id)
        self.forget(submission_id)

    @property
    def gone(self) -> bool:
        """Whether there is no use in asking again: the cluster was ours, and has ended."""
        return self._cluster is None or (self._cluster.embedded and not is_running(self._folder))

    def _needed_api(self) -> JobsApi:
        if self._api is None:
            raise ClusterUnreachable("the cluster is gone")
        return self._api

    def _folder_of(self, submission_id: str) -> Path:
        return self._folder / "jobs" / submission_id

    def _write_payload(self, submission_id: str, invocation: Invocation, wire: dict[str, Any]) -> Path:
        folder = self._folder_of(submission_id)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Named by the nonce: of two clients that submit one id at the same time, each has its own.
        path = folder / f"payload-{wire['nonce']}.json"
        # With several clusters on a machine, Ray tells its jobs the address of any of them.
        own = {"RAY_ADDRESS": self._cluster.address} if self._cluster and self._cluster.address else {}
        folder_there = invocation.working_dir or str(Path.cwd())
        here = replace(invocation, working_dir=folder_there, env=own | invocation.env)
        whole = wire | {"invocation": here.to_wire(), "environ": dict(self._environ or os.environ)}
        write_private(path, json.dumps(whole).encode())
        return path


def _api_of(cluster: Cluster) -> JobsApi | None:
    return JobsApi(cluster.dashboard, cluster.token, cluster.headers) if cluster.dashboard else None


def _python(runtime_env: dict[str, Any]) -> str:
    """Ours by its path; a runtime env with packages has an interpreter of its own, first in the job's PATH."""
    own = {"pip", "uv", "conda", "image_uri", "container"} & runtime_env.keys()
    return "python" if own else shlex.quote(sys.executable)


def _packed(invocation: Invocation, wire: dict[str, Any]) -> bytes:
    whole = wire | {"invocation": package.relative(invocation).to_wire(), "packed": True}
    return package.zipped(package.packed_code(invocation.source), whole)


def _resources(options: JobOptions) -> Iterator[tuple[str, Any]]:
    for name in ("num_cpus", "num_gpus", "memory", "resources"):
        if value := getattr(options, name):
            yield f"entrypoint_{name}", value


def _kill_supervisor(cluster: Cluster, submission_id: str) -> None:
    """What keeps a job pending; Ray itself would stop it only after a quarter of an hour."""
    if cluster.address is None:
        return
    try:
        attach(cluster)
    except ClusterUnreachable:  # we cannot be its driver: it is left to Ray
        return
    try:
        import ray

        with suppress(ValueError):
            name = f"_ray_internal_job_actor_{submission_id}"
            ray.kill(ray.get_actor(name, namespace="SUPERVISOR_ACTOR_RAY_NAMESPACE"))
    finally:
        detach()
