"""How Ray is reached, and how this process becomes its driver. Everything that uses a cluster gets it here.

An address that is given, else RAY_ADDRESS, else the embedded cluster of a folder.
"""

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from synapse_spec.plugins.executors.ray import embedded
from synapse_spec.plugins.executors.ray.errors import ClusterUnreachable
from synapse_spec.plugins.executors.ray.jobs_api import JobsApi

__all__ = ["Cluster", "ClusterUnreachable", "Lease", "attach", "detach", "reach"]

_PROBE_SECONDS = 2.0
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where a cluster is.

    Attributes:
        address: host:port of the GCS, for drivers. None: not known, or the session that the user's own `ray.init` made.
        dashboard: http://host:port for jobs, or None.
        token: For both, or None for what Ray itself finds in the environment.
        embedded: It is ours and on this machine: it sees our files and has our Python.
    """

    address: str | None
    dashboard: str | None
    token: str | None
    embedded: bool


class Lease:
    """The use of a cluster; an embedded one lives at least as long. Also a context manager."""

    def __init__(self, cluster: Cluster, hold: embedded.Hold | None = None) -> None:
        self.cluster = cluster
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


def reach(address: str | None, folder: Path, *, dashboard: bool, start: bool = True) -> Lease:
    """Find the cluster, and start an embedded one if none is given.

    Args:
        address: host:port, or http://host:port for jobs only; None for RAY_ADDRESS.
        folder: Of the embedded cluster: its record, and the jobs that nobody has fetched.
        dashboard: Whether jobs will be run.
        start: Start an embedded one if none is alive.

    Raises:
        ClusterUnreachable: There is none; found within seconds.
    """
    given = address or os.environ.get("RAY_ADDRESS")
    if given and given != "local":
        return Lease(_given(given, dashboard))
    if not dashboard and address is None and _initialized():
        return Lease(Cluster(None, None, None, False))
    hold = embedded.hold(folder, dashboard=dashboard, start=start)
    head = hold.head
    return Lease(Cluster(head.address, head.dashboard, head.token, True), hold)


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
    with _lock:
        if _Driver.cluster is None and _initialized():
            return  # the user's own: used, and never shut down
        if _Driver.cluster is None:
            _init(cluster)
            _Driver.cluster, _Driver.printer = cluster, _silenced()
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
            f"{cluster.dashboard} serves jobs only; for tasks give host:port of the cluster's GCS, usually port 6379"
        )
    import ray

    with _process_kept(), _token_set(cluster.token if cluster.embedded else None), _loopback(cluster.embedded):
        try:
            ray.init(
                address=cluster.address, job_config=_job_config(), log_to_driver=False, logging_level=logging.ERROR
            )
        except Exception as error:  # Ray raises whatever its many layers raise
            ray.shutdown()
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ClusterUnreachable(f"Ray at {cluster.address} does not take us as a driver: {reason}") from error


def _job_config() -> Any:
    """Keeps our script's folder and working directory off the workers' sys.path, where Ray would put them first."""
    from ray.job_config import JobConfig

    config: Any = JobConfig()
    config._runtime_env_has_working_dir = lambda: True
    return config


def _silenced() -> Callable[..., Any]:
    """Stop Ray from telling of dead workers on stdout, which may be ours to write JSON to; runs have that as outcome.

    Returns:
        What printed them.
    """
    from ray._private import worker

    printer: Callable[..., Any] = worker.print_to_stdstream
    worker.print_to_stdstream = lambda *args, **kwargs: None
    return printer


@contextmanager
def _process_kept() -> Iterator[None]:
    """ray.init installs its own SIGTERM handler and its own breakpoint(); ours, or the user's, stay."""
    handler, hook = signal.getsignal(signal.SIGTERM), os.environ.get("PYTHONBREAKPOINT")
    try:
        yield
    finally:
        if hook is None:
            os.environ.pop("PYTHONBREAKPOINT", None)
        if threading.current_thread() is threading.main_thread() and handler is not None:
            signal.signal(signal.SIGTERM, handler)


@contextmanager
def _token_set(token: str | None) -> Iterator[None]:
    """Let Ray's native part, which keeps what it once read, find the token in the environment.

    Not by os.environ: a local run may be going on in another thread, and what it sees there, and puts back when it
    ends, has nothing to do with us.
    """
    from ray import _raylet

    names = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token} if token is not None else {}
    for name, value in names.items():
        os.putenv(name, value)
    native: Any = _raylet
    native.Config.initialize("")
    native.AuthenticationTokenLoader.instance().reset_cache()
    try:
        yield
    finally:
        for name in names:
            if name in os.environ:
                os.putenv(name, os.environ[name])
            else:
                os.unsetenv(name)


@contextmanager
def _loopback(wanted: bool) -> Iterator[None]:
    """Let Ray connect to 127.0.0.1 as such, and not to the address that others reach this machine by."""
    from ray._private import ray_constants

    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = before and not wanted
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


def _given(address: str, dashboard: bool) -> Cluster:
    """A cluster that others run, after a look whether anything listens there."""
    kind, place = address.split("://", 1) if "://" in address else ("", address)
    if kind in ("http", "https"):
        _probe(address, urlsplit(address).hostname, urlsplit(address).port or (443 if kind == "https" else 80))
        JobsApi(address, _own_token()).version()
        return Cluster(None, address, _own_token(), False)
    host, _, port = place.rpartition(":")
    if kind == "ray":
        message = f"{address}: Ray Client cannot stream what runs report; give host:port of the cluster's GCS instead"
        raise ClusterUnreachable(message)
    if kind or not host or not port.isdigit():
        raise ClusterUnreachable(f"{address!r} is no Ray address: give host:port, or http://host:port for jobs")
    _probe(address, host, int(port))
    url = _dashboard_of(address) if dashboard else None
    return Cluster(address, url, _own_token(), False)


def _probe(address: str, host: str | None, port: int) -> None:
    """Ray itself would try a dead address for eight minutes."""
    try:
        socket.create_connection((host, port), _PROBE_SECONDS).close()
    except OSError as error:
        reason = "no such host" if isinstance(error, socket.gaierror) else error.strerror or "it does not answer"
        raise ClusterUnreachable(f"no Ray at {address}: {reason}") from None


def _dashboard_of(address: str) -> str:
    from ray import _raylet
    from ray._private import ray_constants

    native: Any = _raylet
    key, namespace = ray_constants.DASHBOARD_ADDRESS.encode(), ray_constants.KV_NAMESPACE_DASHBOARD
    try:
        place = (native.GcsClient(address=address).internal_kv_get(key, namespace) or b"").decode()
    except Exception as error:
        raise ClusterUnreachable(f"Ray at {address} does not answer: {error}") from None
    if not place:
        raise ClusterUnreachable(f"Ray at {address} has no dashboard, which jobs need: start it with one")
    url = place if "://" in place else f"http://{place}"
    _probe(f"{url} (the dashboard of {address})", urlsplit(url).hostname, urlsplit(url).port or 80)
    return url


def _own_token() -> str | None:
    """The token that Ray's own clients would send."""
    if token := os.environ.get("RAY_AUTH_TOKEN"):
        return token
    if os.environ.get("RAY_AUTH_MODE", "").lower() != "token":
        return None
    path = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or "~/.ray/auth_token").expanduser()
    return path.read_text().strip() if path.is_file() else None
