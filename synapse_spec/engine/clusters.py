"""Which cluster a run goes to, and which one has a job. Each is reached once, on first need. For `backends`, `collect`.

A run goes to the cluster of `--ray-address`, else to the one that it names, else to the usual one (`cluster.reach`). A
job is looked for on the cluster that its attempt names, else on the one of ours that keeps something of it.
"""

import os
import threading
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from synapse_spec.plugins.executors.ray.errors import ClusterUnreachable
from synapse_spec.spec.settings import FILE_NAME, read_settings
from synapse_spec.spec.workspace import Workspace

if TYPE_CHECKING:
    from synapse_spec.plugins.executors.ray.cluster import Cluster, Lease
    from synapse_spec.plugins.executors.ray.job import JobRunner
    from synapse_spec.plugins.executors.ray.side_pool import SidePool
    from synapse_spec.plugins.executors.ray.task import TaskPool


@dataclass(slots=True)
class _Site:
    """One cluster in use."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    lease: "Lease | None" = None
    jobs: "JobRunner | None" = None
    pool: "TaskPool | SidePool | None" = None


class Clusters:
    """The clusters of one command; may be used by many threads at once. Also a context manager.

    Args:
        workspace: Has the settings, and owns the folder of an embedded cluster.
        address: Of a cluster that is used for everything; None for those that runs name, and the usual one.
        jobs_on: Names of the clusters that jobs go to, None standing for the usual one: for these an embedded cluster
            is started with a dashboard. By default all.
    """

    def __init__(
        self, workspace: Workspace, address: str | None, *, jobs_on: Collection[str | None] | None = None
    ) -> None:
        self._workspace = workspace
        self._address = address
        self._jobs_on = jobs_on
        # Taken now: a local run at work lays its env, secrets included, over this process's.
        self._environ = dict(os.environ)
        self._lock = threading.Lock()
        self._driver_lock = threading.Lock()
        self._sites: dict[str | Path | None, _Site] = {}
        self._driven: Cluster | None = None

    def chosen(self, name: str | None) -> str | None:
        """The name of the cluster that a run which names this one goes to; None for one without a name."""
        return None if self._address else name

    def jobs(self, name: str | None) -> "JobRunner":
        """The jobs of a cluster, for new ones. Raises ClusterUnreachable."""
        return self._jobs(name, start=True)

    def jobs_with(self, name: str | None, handle: str) -> "JobRunner":
        """The jobs of the cluster that has this one, or had it. None is started to look for it.

        Args:
            name: Of the cluster that its attempt went to, if it has one.
            handle: The job's id.

        Raises:
            ClusterUnreachable: A cluster that is not ours does not answer.
        """
        from synapse_spec.plugins.executors.ray.job import JobRunner

        home = None if self._address or name else self._home(handle)
        try:
            return self._jobs(home or self.chosen(name), start=False)
        except ClusterUnreachable:
            if self._address or name or (home is None and os.environ.get("RAY_ADDRESS")):
                raise
            return JobRunner(None, home or self._workspace.ray)

    def pool(self, name: str | None, limit: int | None) -> "TaskPool | SidePool":
        """The actors of a cluster; at most `limit` at once, or as many as it has CPUs. Raises ClusterUnreachable."""
        with (site := self._site(name)).lock:
            if site.pool is None:
                site.pool = self._new_pool(self._lease(name, site, start=True).cluster, limit)
            return site.pool

    def close(self) -> None:
        """End the actors and let go of the clusters; an embedded one goes too, unless others or jobs use it."""
        sites = list(self._sites.values())
        for site in sites:
            if site.pool is not None:
                site.pool.close()
        for site in sites:
            if site.jobs is not None:
                site.jobs.close()
            if site.lease is not None:
                site.lease.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _site(self, key: str | Path | None) -> _Site:
        with self._lock:
            return self._sites.setdefault(key, _Site())

    def _jobs(self, key: str | Path | None, *, start: bool) -> "JobRunner":
        from synapse_spec.plugins.executors.ray.job import JobRunner

        with (site := self._site(key)).lock:
            if site.jobs is None:
                lease = self._lease(key, site, start=start)
                keep = read_settings(self._workspace.root)[0].keep
                site.jobs = JobRunner(lease.cluster, lease.folder, environ=self._environ, keep=keep)
            return site.jobs

    def _lease(self, key: str | Path | None, site: _Site, *, start: bool) -> "Lease":
        """Args: the name of a cluster, the folder of an embedded one, or None for the usual one."""
        from synapse_spec.plugins.executors.ray.cluster import reach, reach_embedded

        if site.lease is None:
            if isinstance(key, Path):
                site.lease = reach_embedded(key, start=False)
            else:
                if start:
                    self._workspace.ensure()
                dashboard = self._jobs_on is None or key in self._jobs_on
                place = self._named(key) if key is not None else self._address
                site.lease = reach(place, self._workspace.ray, dashboard=dashboard, start=start)
        return site.lease

    def _new_pool(self, cluster: "Cluster", limit: int | None) -> "TaskPool | SidePool":
        with self._driver_lock:
            if self._driven in (None, cluster):
                from synapse_spec.plugins.executors.ray.task import TaskPool

                pool = TaskPool(cluster, limit, environ=self._environ)
                self._driven = cluster
                return pool
        from synapse_spec.plugins.executors.ray.side_pool import SidePool

        return SidePool(cluster, limit, environ=self._environ)

    def _home(self, handle: str) -> Path | None:
        """The folder of the embedded cluster, be it gone, to which the job was submitted from here."""
        from synapse_spec.plugins.executors.ray.invocations import cache_folder

        folders = (self._workspace.ray, cache_folder())
        return next((folder for folder in folders if (folder / "jobs" / handle).is_dir()), None)

    def _named(self, name: str) -> "Cluster":
        from synapse_spec.plugins.executors.ray.cluster import Cluster

        table = (read_settings(self._workspace.root)[0].clusters or {}).get(name)
        if table is None:
            raise ClusterUnreachable(f"there is no cluster {name!r} in {self._workspace.root / FILE_NAME}")
        token = self._value(name, "token", table["token"]) if "token" in table else None
        headers = {header: self._value(name, header, value) for header, value in table.get("headers", {}).items()}
        address, dashboard, namespace = (table.get(key) for key in ("address", "dashboard", "namespace"))
        return Cluster(address, dashboard, token, False, namespace, headers, name)

    def _value(self, name: str, of: str, given: Any) -> str:
        """A text, or what stands where the settings say. Raises ClusterUnreachable if that is nothing."""
        if isinstance(given, str):
            return given
        if "env" in given:
            found = self._environ.get(given["env"], "")
            why = f"{given['env']} is not set in the environment of synapse"
        else:
            try:
                found = (self._workspace.root / Path(given["file"]).expanduser()).read_text(encoding="utf-8").strip()
                why = f"{given['file']} is empty"
            except (OSError, UnicodeDecodeError) as error:
                found, why = "", f"{given['file']} cannot be read: {getattr(error, 'strerror', None) or error}"
        if not found:
            raise ClusterUnreachable(f"cluster {name!r}: its {of} is missing: {why}")
        return found
