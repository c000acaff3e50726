"""Outcomes of jobs in the cluster's own key-value store, which outlives the node that a job ran on.

Put there by `entry`, on the cluster; got, and dropped when they are safe, by `job_runner`. It does so in a process of
its own (`python -m synapse_spec.plugins.executors.ray.records`), since Ray knows one token a process. Ray's API for the
store is private.
"""

import socket
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

_NAMESPACE = b"synapse-spec"
_SECONDS = 60.0
_PROBE_SECONDS = 3.0
_JOB_KEY = b"_ray_internal_job_info_"  # of Ray's own record of a job


def main() -> None:
    verb, address, *submission_ids = sys.argv[1:]
    client = _client(address)
    for submission_id in submission_ids:
        if verb == "drop":
            client.internal_kv_del(submission_id.encode(), False, _NAMESPACE)
        else:
            sys.stdout.buffer.write(client.internal_kv_get(submission_id.encode(), _NAMESPACE) or b"")


def put(addresses: Iterable[str], submission_id: str, line: bytes) -> bool:
    """Put the line of an outcome into the store of the job's cluster; whether that went well.

    Args:
        addresses: host:port where it may be. A client may see another one than its nodes do, and with several clusters
            on a machine Ray tells its jobs any of them.
        submission_id: The job.
        line: What to put.
    """
    key = submission_id.encode()
    for address in dict.fromkeys(addresses):
        with suppress(Exception):  # no Ray here, or one that does it differently: the log takes it too
            host, _, port = address.rpartition(":")
            socket.create_connection((host.strip("[]"), int(port)), _PROBE_SECONDS).close()
            client = _client(address)
            if client.internal_kv_exists(_JOB_KEY + key, b"job"):
                client.internal_kv_put(key, line, True, _NAMESPACE)
                return True
    return False


def get(address: str, token: str | None, submission_id: str) -> bytes:
    """The line of a job's outcome; empty if there is none, or it cannot be had."""
    return _asked(["get", address, submission_id], token)


def drop(address: str, token: str | None, submission_ids: list[str]) -> None:
    _asked(["drop", address, *submission_ids], token)


def _asked(words: list[str], token: str | None) -> bytes:
    from synapse_spec.plugins.executors.ray.embedded import needed_environ

    auth = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token} if token else {}
    command = [sys.executable, "-P", "-m", __name__, *words]
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(command, env=needed_environ() | auth, capture_output=True, timeout=_SECONDS, check=True)
        return done.stdout
    return b""


def _client(address: str) -> Any:
    from ray import _raylet

    native: Any = _raylet
    return native.GcsClient(address=address)


if __name__ == "__main__":
    main()
