"""Clusters that others run: what is found where the user says that they are. Used by `cluster`."""

import ipaddress
import json
import os
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from synapse_spec.plugins.executors.ray.embedded import needed_environ
from synapse_spec.plugins.executors.ray.errors import ClusterUnreachable, JobsApiError
from synapse_spec.plugins.executors.ray.jobs_api import JobsApi

_PROBE_SECONDS = 2.0
_SURVEY_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Survey:
    """What a GCS says of its cluster.

    Attributes:
        dashboard: Its URL; None if there is none.
        nodes: Addresses of its nodes.
        ray, python: Versions; None if it does not say.
    """

    dashboard: str | None
    nodes: tuple[str, ...]
    ray: str | None
    python: str | None

    @property
    def nodes_here(self) -> list[str]:
        """Addresses of those that are on this machine."""
        return [node for node in self.nodes if _is_ours(node)]


def split(address: str) -> tuple[str | None, str | None]:
    """GCS and dashboard of what a user gives as the address of a cluster: one of them.

    Raises:
        ClusterUnreachable: It is no such address.
    """
    kind, _, place = address.rpartition("://")
    if kind in ("http", "https"):
        return None, address
    if kind == "ray":
        message = f"{address}: Ray Client cannot stream what runs report; give host:port of the cluster's GCS instead"
        raise ClusterUnreachable(message)
    host, _, port = place.rpartition(":")
    if kind or not host or not port.isdigit():
        raise ClusterUnreachable(f"{address!r} is no Ray address: give host:port, or http://host:port for jobs")
    return address, None


def probe_gcs(address: str) -> None:
    """Raises ClusterUnreachable if nothing listens there; Ray itself would try a dead address for eight minutes."""
    host, _, port = address.rpartition(":")
    _probe(address, host.strip("[]"), int(port))


def check_dashboard(url: str, token: str | None, headers: dict[str, str]) -> None:
    """Raises ClusterUnreachable if no dashboard that takes us is there."""
    parts = urlsplit(url)
    try:
        _probe(url, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
        JobsApi(url, token, headers).version()
    except (JobsApiError, ValueError) as error:
        raise ClusterUnreachable(f"{url} is no dashboard of Ray, or there is a login in front of it: {error}") from None


def survey(address: str, token: str | None) -> Survey:
    """What the GCS there says.

    Raises:
        ClusterUnreachable: It does not answer, or refuses us.
    """
    command = [sys.executable, "-P", "-m", "synapse_spec.plugins.executors.ray.survey", address]
    auth = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token} if token else {}
    try:
        done = subprocess.run(
            command, env=needed_environ() | auth, capture_output=True, timeout=_SURVEY_SECONDS, check=False
        )
        answer = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        message = f"no Ray answers at {address}: is it host:port of the GCS, usually port 6379?"
        raise ClusterUnreachable(message) from None
    if "error" not in answer:
        page = answer["dashboard"]
        url = page if page is None or "://" in page else f"http://{page}"
        return Survey(url, tuple(answer["nodes"]), answer["ray"], answer["python"])
    if answer["refused"]:
        wrong = "wrong" if token else "missing; set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN"
        raise ClusterUnreachable(f"Ray at {address} refuses us: its token is {wrong}")
    raise ClusterUnreachable(f"Ray at {address} does not answer: {answer['error']}")


def find_dashboard(address: str, token: str | None) -> str:
    """The URL of the dashboard of the cluster whose GCS is at `address`.

    Raises:
        ClusterUnreachable: It has none, or one that cannot be reached from here.
    """
    url = survey(address, token).dashboard
    if url is None:
        raise ClusterUnreachable(f"Ray at {address} has no dashboard, which jobs need: start it with one")
    parts = urlsplit(url)
    if is_loopback(parts.hostname) and not is_loopback(address.rpartition(":")[0].strip("[]")):
        message = f"the dashboard of {address} listens on {url} there only: start it with --dashboard-host=0.0.0.0"
        raise ClusterUnreachable(message)
    with suppress(OSError):
        socket.create_connection((parts.hostname, parts.port), _PROBE_SECONDS).close()
        return url
    # Without a dashboard Ray names the place where it would be.
    raise ClusterUnreachable(
        f"Ray at {address} has no dashboard, which jobs need, or none that is seen from here: {url}"
    )


def own_token() -> str | None:
    """The token that Ray's own clients would send."""
    if token := os.environ.get("RAY_AUTH_TOKEN"):
        return token
    if os.environ.get("RAY_AUTH_MODE", "").lower() != "token":
        return None
    path = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or "~/.ray/auth_token").expanduser()
    return path.read_text().strip() if path.is_file() else None


def _probe(address: str, host: str, port: int) -> None:
    try:
        socket.create_connection((host, port), _PROBE_SECONDS).close()
    except (OSError, OverflowError) as error:
        known = "no such host" if isinstance(error, socket.gaierror) else getattr(error, "strerror", None)
        raise ClusterUnreachable(f"no Ray at {address}: {known or 'it does not answer'}") from None


def _is_ours(host: str) -> bool:
    """Whether it is an address of this machine: then a socket can be bound to it."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.bind((host, 0))
    except OSError:
        return False
    return True


def is_loopback(host: str | None) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
