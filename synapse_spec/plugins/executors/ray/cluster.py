"""How Ray is reached, and how this process becomes its driver. Everything that uses a cluster gets it here.

A cluster that is given, else RAY_ADDRESS, else the warm one of this machine, else the embedded one of a folder.
"""

import logging
import os
import platform
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from synapse_spec.plugins.executors.ray import embedded, given
from synapse_spec.plugins.executors.ray.driving import job_config, loopback, process_kept, silenced, token_set
from synapse_spec.plugins.executors.ray.errors import ClusterUnreachable
from synapse_spec.plugins.executors.ray.invocations import cache_folder

__all__ = ["Cluster", "ClusterUnreachable", "Lease", "attach", "detach", "reach", "reach_embedded"]

Versions = tuple[str, str]  # of Ray and of Python

_lock = threading.Lock()
# Whoever keeps this process a driver for later lets go of it here, when it is to be another cluster's.
letting_go: list[Callable[[], object]] = []


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where a cluster is, or is said to be.

    Attributes:
        address: host:port of the GCS, for drivers. None: not known, or the session that the user's own `ray.init` made.
        dashboard: http://host:port for jobs, or None.
        token: For both, or None for what Ray itself finds in the environment.
        embedded: It is ours and on this machine: it sees our files.
        namespace: Of the drivers.
        headers: For the dashboard.
        name: In synapse.toml.
        versions: Of Ray and Python there; None where others run it.
    """

    address: str | None
    dashboard: str | None
    token: str | None
    embedded: bool
    namespace: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    name: str | None = None
    versions: Versions | None = None

    @property
    def shown(self) -> str:
        """As messages name it."""
        return f"cluster {self.name!r}" if self.name else f"Ray at {self.address or self.dashboard}"


class Lease:
    """The use of a cluster; an embedded one lives at least as long. Also a context manager.

    Attributes:
        cluster: The cluster, reached.
        folder: What is kept here of its jobs.
    """

    def __init__(self, cluster: Cluster, folder: Path, hold: embedded.Hold | None = None) -> None:
        self.cluster = cluster
        self.folder = folder
        self._hold = hold
        self._lock = threading.Lock()

    def release(self, wait: bool = True) -> None:
        """Let go; an embedded cluster that nobody and no job needs any more ends.

        Args:
            wait: Return when it has ended, leaving nothing behind, or when it is known to stay.
        """
        with self._lock:
            hold, self._hold = self._hold, None
        if hold is not None:
            hold.release(wait=wait)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def reach(place: Cluster | str | None, folder: Path, *, dashboard: bool, start: bool = True) -> Lease:
    """Find the cluster, and start an embedded one if none is given.

    Args:
        place: A cluster as the user describes it; host:port, or http://host:port for jobs only; None for RAY_ADDRESS,
            else the warm one of this machine, else the embedded one of the folder.
        folder: Of the embedded cluster: its record, and the jobs that nobody has fetched.
        dashboard: Whether jobs will be run.
        start: Start an embedded one if none is alive.

    Raises:
        ClusterUnreachable: There is none, or it refuses us; found within seconds.
    """
    if isinstance(place, Cluster):
        try:
            return Lease(_found(place, dashboard), folder)
        except ClusterUnreachable as error:
            raise ClusterUnreachable(f"{place.shown}: {error.message}", error.details) from None
    address = place or os.environ.get("RAY_ADDRESS")
    if address and address != "local":
        return Lease(_found(Cluster(*given.split(address), None, False), dashboard), folder)
    if not dashboard and place is None and _Driver.cluster is None and _initialized():
        return Lease(Cluster(None, None, None, False), folder)
    if embedded.is_warm(cache_folder()):
        with suppress(ClusterUnreachable):  # it was just ending
            return reach_embedded(cache_folder(), start=False)
    return reach_embedded(folder, dashboard=dashboard, start=start)


def reach_embedded(folder: Path, *, dashboard: bool = True, start: bool = True) -> Lease:
    """The embedded cluster of the folder, whatever others there are; as `reach`."""
    hold = embedded.hold(folder, dashboard=dashboard, start=start)
    head = hold.head
    cluster = Cluster(head.address, head.dashboard, head.token, True, versions=(head.ray, head.python))
    return Lease(cluster, folder, hold)


def _found(place: Cluster, dashboard: bool) -> Cluster:
    """A cluster that others run, after a look whether it is there; with the URL of its dashboard if that is needed."""
    if place.token is None and "authorization" not in map(str.lower, place.headers):
        place = replace(place, token=given.own_token())
    if place.address is not None:
        given.probe_gcs(place.address)
    if not dashboard and place.address is not None:
        return place
    url = place.dashboard or given.find_dashboard(str(place.address), place.token)
    given.check_dashboard(url, place.token, place.headers)
    return replace(place, dashboard=url)


class _Driver:
    """This process as a driver of one cluster: Ray knows no more than one at a time."""

    cluster: Cluster | None = None
    uses = 0
    printer: Callable[..., Any]


def attach(cluster: Cluster) -> None:
    """Make this process a driver of the cluster, unless it is; from any thread. To be paired with `detach`.

    Raises:
        ClusterUnreachable: Ray refuses, or this process is the driver of another cluster.
    """
    if _Driver.cluster is not None and _Driver.cluster.address != cluster.address:
        for let_go in letting_go:
            let_go()
    with _lock:
        if _Driver.cluster is None and _initialized():
            return  # the user's own: used, and never shut down
        if _Driver.cluster is None:
            _init(cluster)
            _Driver.cluster, _Driver.printer = cluster, silenced()
        elif _Driver.cluster.address != cluster.address:
            message = f"this process uses the Ray at {_Driver.cluster.address} already, and can use one at a time"
            raise ClusterUnreachable(message)
        _Driver.uses += 1


def detach() -> None:
    """Undo one `attach`; with the last one Ray is shut down in this process."""
    with _lock:
        if _Driver.cluster is None:
            return
        _Driver.uses -= 1
        if _Driver.uses == 0:
            import ray
            from ray._private import worker

            _Driver.cluster = None
            ray.shutdown()
            worker.print_to_stdstream = _Driver.printer


def _initialized() -> bool:
    return "ray" in sys.modules and bool(sys.modules["ray"].is_initialized())


def _init(cluster: Cluster) -> None:
    if cluster.address is None:
        raise ClusterUnreachable(
            f"{cluster.shown} serves jobs only; for tasks give host:port of the cluster's GCS, usually port 6379"
        )
    import ray

    local, there = (True, cluster.versions) if cluster.embedded else _surveyed(cluster)
    _check_versions(cluster, there, (ray.__version__, platform.python_version()))
    with process_kept(), token_set(cluster.token), loopback(local):
        try:
            ray.init(
                address=cluster.address,
                namespace=cluster.namespace,
                job_config=job_config(),
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        except Exception as error:  # Ray raises whatever its many layers raise
            ray.shutdown()
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ClusterUnreachable(f"{cluster.shown} does not take us as a driver: {reason}") from error


def _surveyed(cluster: Cluster) -> tuple[bool, Versions | None]:
    """Whether a cluster that others run lives on the loopback address of this machine, and its versions."""
    told = given.survey(str(cluster.address), cluster.token)
    if not told.nodes_here:
        message = f"{cluster.shown} has no node on this machine, which Ray wants of those who run tasks; jobs need none"
        raise ClusterUnreachable(message)
    versions = (told.ray, told.python) if told.ray and told.python else None
    return any(map(given.is_loopback, told.nodes_here)), versions


def _check_versions(cluster: Cluster, there: Versions | None, here: Versions) -> None:
    """Ray's drivers and workers must be of the same versions, down to Python's patch unless Ray is told otherwise."""
    parts = 2 if os.environ.get("RAY_DEFAULT_PYTHON_VERSION_MATCH_LEVEL") == "minor" else 3
    if there and (there[0] != here[0] or there[1].split(".")[:parts] != here[1].split(".")[:parts]):
        message = (
            f"{cluster.shown} is Ray {there[0]} with Python {there[1]}, and this is Ray {here[0]} "
            f"with Python {here[1]}: tasks need the same on both sides; jobs do not"
        )
        raise ClusterUnreachable(message)
