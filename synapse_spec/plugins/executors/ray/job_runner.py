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
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from synapse_spec.plugins.errors import ValidationError
from synapse_spec.plugins.events import Emit
from synapse_spec.plugins.execution import Invocation
from synapse_spec.plugins.executors.ray import package
from synapse_spec.plugins.executors.ray.cluster import Cluster, attach, detach
from synapse_spec.plugins.executors.ray.embedded import Head, is_running, write_private
from synapse_spec.plugins.executors.ray.errors import ClusterUnreachable, JobExists, JobsApiError
from synapse_spec.plugins.executors.ray.job_follower import NONCE, Follower, nonce_of, verdict
from synapse_spec.plugins.executors.ray.jobs_api import TERMINAL, JobsApi
from synapse_spec.plugins.executors.ray.wire import JobLog, new_nonce
from synapse_spec.plugins.outcome import Outcome

# Ray keeps a record of an id with other characters as pending for good.
_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
_ENTRY = "-m synapse_spec.plugins.executors.ray.entry"
_VERSION_CHECK = (
    """python -c 'import sys; sys.version_info < (3, 12) and """
    """sys.exit("synapse-spec needs Python 3.12 or later on the cluster; this is " + sys.version)'"""
)


@dataclass(frozen=True, slots=True)
class JobOptions:
    """How a job is run; None leaves it to Ray."""

    num_cpus: float | None = None
    num_gpus: float | None = None
    memory: int | None = None
    resources: dict[str, float] = field(default_factory=dict)
    runtime_env: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)


class JobRunner:
    """The jobs of one cluster; may be used by many threads at once.

    Args:
        cluster: None when it is gone: then only what it archived in `folder` can be had.
        folder: The embedded cluster's.
        environ: What actions on the embedded cluster find in their environment; by default what is in ours at the
            time of each submit, which may be that of a local run in another thread.
    """

    def __init__(self, cluster: Cluster | None, folder: Path, *, environ: Mapping[str, str] | None = None) -> None:
        if cluster is not None and cluster.dashboard is None:
            raise ClusterUnreachable(f"Ray at {cluster.address} was reached for tasks; jobs need its dashboard")
        self._cluster = cluster
        self._api = JobsApi(cluster.dashboard, cluster.token) if cluster and cluster.dashboard else None
        self._folder = folder.absolute()
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
        runtime_env = dict(options.runtime_env)
        if embedded:
            payload = self._write_payload(submission_id, invocation, nonce)
            command = f"exec {_python(runtime_env)} -P {_ENTRY} {shlex.quote(str(payload))}"
        else:
            payload = None
            runtime_env["working_dir"] = api.upload_package(_packed(invocation, nonce))
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

    def log(self, submission_id: str) -> str:
        """All that the job has written so far, our own lines included."""
        info = self._api.info(submission_id) if self._api is not None else None
        if self._api is None or info is None:
            return self.archived(submission_id)[1]
        return self.read_log(submission_id) if info["status"] != "PENDING" else ""

    def read_log(self, submission_id: str) -> str:
        """The log of a job that the cluster has."""
        head = Head.read(self._folder, dashboard=True) if self._cluster is not None and self._cluster.embedded else None
        if head is None:
            return self._needed_api().logs(submission_id)
        return head.job_log(submission_id) or self.archived(submission_id)[1]

    def follow(
        self, submission_id: str, emit: Emit, stop: threading.Event, timeout: float | None = None
    ) -> Outcome | None:
        """Wait for the job's end; its events come again from its start, whoever has followed it before.

        Args:
            submission_id: The job.
            emit: Takes the events.
            stop: When set the job is left running.
            timeout: Seconds since the job was submitted, after which it is ended.

        Returns:
            The outcome; None if `stop` was set before.

        Raises:
            ClusterUnreachable: A cluster that is not ours does not answer any more.
        """
        return Follower(self, submission_id, emit, timeout).run(stop)

    def cancel(self, submission_id: str) -> None:
        """End the job, also one that waits for resources; it may take some seconds after this returns."""
        info = self._api.info(submission_id) if self._api is not None else None
        if self._api is None or info is None or info["status"] in TERMINAL:
            return
        with suppress(JobsApiError):  # it may just have ended
            self._api.stop(submission_id)
        if info["status"] == "PENDING" and self._cluster is not None:
            _kill_supervisor(self._cluster, submission_id)

    def fetch_archived(self, submission_id: str, emit: Emit) -> Outcome | None:
        """The outcome of a job that ended unfetched before its cluster did, and its events; None if there is none."""
        info, log = self.archived(submission_id)
        if info is None:
            return None
        reader = JobLog(nonce_of(info), emit)
        reader.finish(log)
        return verdict(info, reader.outcome)

    def archived(self, submission_id: str) -> tuple[dict[str, Any] | None, str]:
        """Record and log of a job, as the head left them when it ended."""
        folder = self._folder_of(submission_id)
        try:
            info = json.loads((folder / "info.json").read_bytes())
            return info, (folder / "log.txt").read_bytes().decode(errors="replace")
        except (OSError, ValueError):
            return None, ""

    def forget(self, submission_id: str) -> None:
        """Drop what is kept of the job here; to be called when its outcome is safe elsewhere."""
        shutil.rmtree(self._folder_of(submission_id), ignore_errors=True)

    @property
    def api(self) -> JobsApi | None:
        return self._api

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

    def _write_payload(self, submission_id: str, invocation: Invocation, nonce: str) -> Path:
        folder = self._folder_of(submission_id)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Named by the nonce: of two clients that submit one id at the same time, each has its own.
        path = folder / f"payload-{nonce}.json"
        here = replace(invocation, working_dir=invocation.working_dir or str(Path.cwd()))
        wire = {"invocation": here.to_wire(), "nonce": nonce, "environ": dict(self._environ or os.environ)}
        write_private(path, json.dumps(wire).encode())
        return path


def _python(runtime_env: dict[str, Any]) -> str:
    """Ours by its path; a runtime env with packages has an interpreter of its own, first in the job's PATH."""
    own = {"pip", "uv", "conda", "image_uri", "container"} & runtime_env.keys()
    return "python" if own else shlex.quote(sys.executable)


def _packed(invocation: Invocation, nonce: str) -> bytes:
    wire = {"invocation": package.relative(invocation).to_wire(), "nonce": nonce, "packed": True}
    return package.zipped(package.packed_code(invocation.source), wire)


def _resources(options: JobOptions) -> Iterator[tuple[str, Any]]:
    for name in ("num_cpus", "num_gpus", "memory", "resources"):
        if value := getattr(options, name):
            yield f"entrypoint_{name}", value


def _kill_supervisor(cluster: Cluster, submission_id: str) -> None:
    """What keeps a job pending; Ray itself would stop it only after a quarter of an hour."""
    if cluster.address is None:
        return
    attach(cluster)
    try:
        import ray

        with suppress(ValueError):
            name = f"_ray_internal_job_actor_{submission_id}"
            ray.kill(ray.get_actor(name, namespace="SUPERVISOR_ACTOR_RAY_NAMESPACE"))
    finally:
        detach()
