"""A job's log from an offset on, without reading again what is known: from the disk, or by a stream over HTTP.

Made by `JobRunner.open_log`, read by `Follower`.
"""

import socket
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from synapse_spec.plugins.executors.ray.errors import ClusterUnreachable
from synapse_spec.plugins.executors.ray.jobs_api import JobsApi, log_query, path_at

_CHUNK = 1 << 20
_OPEN_SECONDS = 30.0
_LONGEST_HEAD = 1 << 16
_INTERVAL_SECONDS = 0.5  # at which Ray looks whether the log has grown


class LogSource(Protocol):
    """Where a log is read from; used by one thread."""

    def more(self, offset: int) -> bytes:
        """What there is from `offset` on, some of it at least; nothing if there is no more yet. Does not wait."""

    def rest(self, offset: int) -> bytes:
        """All from `offset` on, of a job that has ended."""

    def close(self) -> None: ...


class LogFile:
    """A log on this machine."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def more(self, offset: int) -> bytes:
        return self._read(offset, _CHUNK)

    def rest(self, offset: int) -> bytes:
        return self._read(offset, -1)

    def _read(self, offset: int, length: int) -> bytes:
        try:
            with self._path.open("rb") as file:
                file.seek(offset)
                return file.read(length)
        except FileNotFoundError:  # nothing has been written yet
            return b""

    def close(self) -> None:
        pass


class LogStream:
    """A log that the cluster sends as it grows; when the connection breaks, the next one passes over what is known."""

    def __init__(self, api: JobsApi, submission_id: str, node: str) -> None:
        self._api, self._id, self._node = api, submission_id, node
        self._socket: socket.socket | None = None
        self._skip = 0
        self._pending = b""

    def more(self, offset: int) -> bytes:
        """Raises ClusterUnreachable."""
        if self._socket is None:
            self._open()
            self._skip = offset
        while True:
            data, self._pending = self._pending or self._received(), b""
            known = min(self._skip, len(data))
            self._skip -= known
            if known < len(data) or not data:  # that all was known is no sign that there is no more
                return data[known:]

    def rest(self, offset: int) -> bytes:
        """Raises ClusterUnreachable, JobsApiError: also when the log's node is gone."""
        self.close()
        return self._api.log(self._id, self._node)[offset:]

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _received(self) -> bytes:
        assert self._socket is not None
        try:
            data = self._socket.recv(_CHUNK)
        except (BlockingIOError, ssl.SSLWantReadError):
            return b""
        except OSError:
            data = b""
        if not data:
            self.close()
        return data

    def _open(self) -> None:
        parts = urlsplit(self._api.dashboard)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        path = f"/api/v0/logs/stream?{log_query(self._id, self._node)}&interval={_INTERVAL_SECONDS}"
        headers = {"Host": parts.netloc} | self._api.sent_headers()
        # In HTTP/1.0 the body comes as it is, until the connection ends.
        lines = [f"GET {path_at(self._api.dashboard, path)} HTTP/1.0", *(f"{key}: {headers[key]}" for key in headers)]
        try:
            stream = socket.create_connection((str(parts.hostname), port), _OPEN_SECONDS)
            if parts.scheme == "https":
                stream = ssl.create_default_context().wrap_socket(stream, server_hostname=parts.hostname)
            stream.sendall("\r\n".join([*lines, "", ""]).encode())
            self._pending = _body(stream)
            stream.setblocking(False)
        except OSError as error:
            raise ClusterUnreachable(f"no log from Ray's dashboard at {self._api.dashboard}: {error}") from None
        self._socket = stream


def _body(stream: socket.socket) -> bytes:
    """What has come of the body with the answer's head."""
    received = b""
    while b"\r\n\r\n" not in received:
        data = stream.recv(_CHUNK)
        received += data
        if not data or len(received) > _LONGEST_HEAD + _CHUNK:
            break
    head, end, body = received.partition(b"\r\n\r\n")
    if not end or head.split(b" ", 2)[1:2] != [b"200"]:
        with suppress(OSError):
            stream.close()
        raise OSError(head.partition(b"\r\n")[0].decode(errors="replace") or "the connection was closed")
    return body
