"""Logs that are read on from where they were: from a file, and from connections that break."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from synapse_spec.plugins.executors.ray.errors import ClusterUnreachable
from synapse_spec.plugins.executors.ray.job_logs import LogFile, LogSource, LogStream
from synapse_spec.plugins.executors.ray.jobs_api import JobsApi

LOG = b"".join(b"line %d\n" % number for number in range(50_000))
HEAD = b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n"


class Dashboard:
    """Answers each connection with the next of `answers`, and closes it."""

    def __init__(self) -> None:
        self.answers: list[bytes] = []
        self.asked: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.api = JobsApi(f"http://127.0.0.1:{self._listener.getsockname()[1]}/under", "token", {"X-Way": "proxy"})
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection:
                asked = connection.recv(1 << 16).decode()
                if not asked:
                    return
                self.asked.append(asked)
                if self.answers:
                    connection.sendall(self.answers.pop(0))

    def close(self) -> None:
        socket.create_connection(self._listener.getsockname()).close()
        self._thread.join()
        self._listener.close()


@pytest.fixture
def dashboard() -> Iterator[Dashboard]:
    with closing(Dashboard()) as made:
        yield made


def read(source: LogSource, length: int, tries: int = 500) -> bytes:
    found = b""
    while len(found) < length and tries:
        found += source.more(len(found))
        tries -= 1
        time.sleep(0.002)
    return found


def test_what_is_known_is_passed_over_after_a_break(dashboard: Dashboard) -> None:
    dashboard.answers = [HEAD + LOG[:1000], HEAD + LOG[:100_001], HEAD, HEAD + LOG]
    with closing(LogStream(dashboard.api, "job-1", "node-1")) as source:
        assert read(source, len(LOG)) == LOG
    assert len(dashboard.asked) == 4
    first = dashboard.asked[0].splitlines()
    path = "/under/api/v0/logs/stream?node_id=node-1&filename=job-driver-job-1.log&lines=-1&interval=0.5"
    assert first[0] == f"GET {path} HTTP/1.0"
    assert {"Authorization: Bearer token", "X-Way: proxy"} <= set(first)


@pytest.mark.parametrize("answer", [b"HTTP/1.0 500 Internal Server Error\r\n\r\nno such file", b"", b"HTTP/1.0 200"])
def test_an_answer_that_is_none(dashboard: Dashboard, answer: bytes) -> None:
    dashboard.answers = [answer]
    with closing(LogStream(dashboard.api, "job-1", "node-1")) as source, pytest.raises(ClusterUnreachable):
        source.more(0)


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "log"
    source = LogFile(path)
    assert source.more(0) == b""
    path.write_bytes(LOG[:10])
    assert source.more(0) == LOG[:10]
    path.write_bytes(LOG)
    assert (source.more(10), source.rest(10)) == (LOG[10 : 10 + (1 << 20)], LOG[10:])
