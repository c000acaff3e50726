"""A client of Ray's documented Jobs REST API. A request takes a few milliseconds and needs no `import ray`."""

import hashlib
import http.client
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from synapse_spec.plugins.executors.ray.errors import ClusterUnreachable, JobExists, JobsApiError

TERMINAL = frozenset({"SUCCEEDED", "FAILED", "STOPPED"})
_TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class JobsApi:
    """The jobs of one cluster; may be used by many threads at once.

    Attributes:
        dashboard: `http://host:port` of the cluster's dashboard.
        token: Sent as the bearer token, where the cluster asks for one.
        headers: Sent with each request, as a proxy before the dashboard may want it.
    """

    dashboard: str
    token: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def version(self) -> dict[str, Any]:
        """Versions of Ray and of the API."""
        return self._json("GET", "/api/version")

    def submit(self, request: dict[str, Any]) -> str:
        """Submit a job (`entrypoint`, `submission_id`, `runtime_env`, `metadata`, `entrypoint_num_cpus`…).

        Raises:
            JobExists: The submission id is taken.
        """
        return str(self._json("POST", "/api/jobs/", json.dumps(request).encode())["submission_id"])

    def info(self, submission_id: str) -> dict[str, Any] | None:
        """Ray's record of the job; None if it has none."""
        try:
            return self._json("GET", f"/api/jobs/{submission_id}")
        except JobsApiError as error:
            if error.details["status"] == http.HTTPStatus.NOT_FOUND:
                return None
            raise

    def jobs(self) -> list[dict[str, Any]]:
        """The records of all jobs, and of the drivers that were not submitted as jobs."""
        records: list[dict[str, Any]] = json.loads(self._request("GET", "/api/jobs/"))
        return records

    def stop(self, submission_id: str) -> None:
        """Ask Ray to stop the job: SIGTERM, and SIGKILL after a while. It returns before the job has ended."""
        self._request("POST", f"/api/jobs/{submission_id}/stop")

    def delete(self, submission_id: str) -> None:
        """Drop the record of a job that has ended."""
        self._request("DELETE", f"/api/jobs/{submission_id}")

    def log(self, submission_id: str, node: str) -> bytes:
        """All that a job has written so far, on the node that it runs on (`driver_node_id`)."""
        return self._request("GET", f"/api/v0/logs/file?{log_query(submission_id, node)}")

    def sent_headers(self) -> dict[str, str]:
        return dict(self.headers) | ({"Authorization": f"Bearer {self.token}"} if self.token else {})

    def upload_package(self, content: bytes) -> str:
        """Store a zip, unless the cluster has it; the `gcs://` URI for `runtime_env.working_dir`."""
        name = package_name(content)
        path = f"/api/packages/gcs/{name}"
        try:
            self._request("GET", path)
        except JobsApiError as error:
            if error.details["status"] != http.HTTPStatus.NOT_FOUND:
                raise
            self._request("PUT", path, content)
        return f"gcs://{name}"

    def _json(self, method: str, path: str, body: bytes | None = None) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self._request(method, path, body))
        return answer

    def _request(self, method: str, path: str, body: bytes | None = None) -> bytes:
        connection = _connection(self.dashboard)
        try:
            connection.request(method, path_at(self.dashboard, path), body, self.sent_headers())
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise ClusterUnreachable(f"no answer from Ray's dashboard at {self.dashboard}: {_said(error)}") from None
        finally:
            connection.close()
        if response.status >= http.HTTPStatus.BAD_REQUEST:
            raise self._refusal(response.status, method, path, content.decode(errors="replace"))
        return content

    def _refusal(self, status: int, method: str, path: str, text: str) -> ClusterUnreachable | JobsApiError:
        details = {"status": status, "method": method, "path": path}
        if status in (http.HTTPStatus.UNAUTHORIZED, http.HTTPStatus.FORBIDDEN):
            hint = "is wrong" if self.token else "is missing; set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN"
            return ClusterUnreachable(f"Ray at {self.dashboard} refuses us: its token {hint}", details)
        last_line = next((line for line in reversed(text.splitlines()) if line.strip()), "no reason given")
        kind = JobExists if method == "POST" and "already exists" in text else JobsApiError
        return kind(f"Ray refused {method} {path} (HTTP {status}): {last_line.strip()}", details)


def package_name(content: bytes) -> str:
    """The name that Ray keeps a zip of this content under."""
    return f"_ray_pkg_{hashlib.sha256(content).hexdigest()[:16]}.zip"


def log_query(submission_id: str, node: str) -> str:
    return f"node_id={node}&filename=job-driver-{submission_id}.log&lines=-1"


def path_at(dashboard: str, path: str) -> str:
    return urlsplit(dashboard).path.rstrip("/") + path


def _connection(dashboard: str) -> http.client.HTTPConnection:
    parts = urlsplit(dashboard)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ClusterUnreachable(f"{dashboard!r} is no address of a Ray dashboard, such as http://127.0.0.1:8265")
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    return kind(parts.hostname, parts.port, timeout=_TIMEOUT_SECONDS)


def _said(error: Exception) -> str:
    if isinstance(error, socket.gaierror):
        return "no such host"
    if isinstance(error, http.client.BadStatusLine):
        return "what listens there is no web server"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
