"""The embedded cluster: `python -m synapse_spec.plugins.executors.ray.head FOLDER [--dashboard]`, run by `embedded`.

A Ray driver on loopback that lives as long as somebody is connected to its socket or a job has not ended. Before it
ends it puts the log and Ray's record of each job that nobody has fetched into FOLDER/jobs/ID/; nothing else is left.
"""

import argparse
import functools
import json
import logging
import os
import platform
import secrets
import select
import shutil
import signal
import socket
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from synapse_spec.plugins.errors import PluginError
from synapse_spec.plugins.executors.ray.embedded import HELLO, STAYING, Head, record_path, write_private
from synapse_spec.plugins.executors.ray.jobs_api import TERMINAL, JobsApi
from synapse_spec.plugins.executors.ray.leftovers import (
    adopt_orphans,
    collect_orphans,
    remove_dead_listeners,
    sweep,
)

_TEMP_DIR_LENGTH = 24
_PORTS = range(20_000, 32_000)  # Ray's workers have those up to 19,999
_JOBS_SECONDS = 1.0
_ACTORS_SECONDS = 5
_RECORD_SECONDS = 60.0
_RAY_ENVIRON = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_AUTH_MODE": "token",
    # What an actor has started ends with it, however it ends.
    "RAY_process_group_cleanup_enabled": "1",
    # A job may wait for resources for as long as its run allows; Ray itself would end it after a quarter of an hour.
    "RAY_JOB_START_TIMEOUT_SECONDS": "1000000000",
    # On Linux too, Ray then takes the loopback address for the machine's own instead of one that others reach.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="head")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--dashboard", action="store_true")
    parser.add_argument("--cpus", type=int)
    parser.add_argument("--holder", type=int, required=True, help="descriptor of a socket to whoever started it")
    options = parser.parse_args()
    first = socket.socket(fileno=options.holder)
    first.set_inheritable(False)
    _exit_on_sigterm()
    adopt_orphans()
    temp_dir = _temp_dir()
    token, started = secrets.token_hex(24), time.time()
    try:
        try:
            head, listener = _start(temp_dir, token, options.dashboard, options.cpus)
        except BaseException as error:
            with suppress(OSError):
                first.sendall(json.dumps({"error": f"{type(error).__name__}: {error}"}).encode() + b"\n")
            raise
        server = _Server(options.folder, head, listener)
        server.serve(first)
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _stop(temp_dir, token, started)


def _start(temp_dir: str, token: str, dashboard: bool, cpus: int | None) -> tuple[Head, socket.socket]:
    os.environ.pop("RAY_ADDRESS", None)
    os.environ.update(_RAY_ENVIRON, RAY_AUTH_TOKEN=token)
    import ray

    _any_agent_port()
    context: Any = ray.init(
        address="local",
        num_cpus=cpus,
        include_dashboard=dashboard,
        dashboard_host="127.0.0.1",
        dashboard_port=_free_port() if dashboard else None,
        _node_ip_address="127.0.0.1",
        _temp_dir=temp_dir,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    _exit_on_sigterm()  # ray.init has put its own handler there
    path = os.path.join(temp_dir, "held")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(64)
    address, page = context.address_info["gcs_address"], context.address_info["webui_url"]
    head = Head(
        pid=os.getpid(),
        address=address,
        dashboard=f"http://{page}" if dashboard else None,
        token=token,
        temp_dir=temp_dir,
        socket=path,
        ray=ray.__version__,
        python=platform.python_version(),
        started=time.time(),
    )
    return head, listener


def _any_agent_port() -> None:
    """ray.init cannot be told the agent's port: a second cluster here would find it taken, and could run no jobs."""
    from ray._private.parameter import RayParams

    parameters: Any = RayParams
    parameters.__init__ = functools.partialmethod(parameters.__init__, dashboard_agent_listen_port=0)


def _stop(temp_dir: str, token: str, started: float) -> None:
    if "ray" in sys.modules:
        import ray

        ray.shutdown()
    sweep(os.getpid(), token)
    collect_orphans()
    remove_dead_listeners(started)
    shutil.rmtree(temp_dir, ignore_errors=True)


class _Server:
    """Keeps count of the holders, and decides when it is over."""

    def __init__(self, folder: Path, head: Head, listener: socket.socket) -> None:
        self._folder = folder
        self._head = head
        self._listener = listener
        self._jobs = JobsApi(head.dashboard, head.token) if head.dashboard else None
        self._holders: list[socket.socket] = []
        self._leaving: list[socket.socket] = []  # they have let go, and wait to hear whether it ends

    def serve(self, first: socket.socket) -> None:
        """Return when nobody needs the cluster any more, all jobs archived and the record gone."""
        self._head.write(self._folder)
        try:
            self._hold(first)
            while not self._over():
                pass
        finally:
            self._archive()
            record_path(self._folder, dashboard=self._jobs is not None).unlink(missing_ok=True)
            self._listener.close()

    def _over(self) -> bool:
        if self._needed:
            self._watch(_RECORD_SECONDS if self._head.warm else None)
            if self._head.warm and not record_path(self._folder, dashboard=True).exists():
                self._head = replace(self._head, warm=False)  # nobody could find it any more
            return False
        if self._unfinished():
            self._dismiss()
            while not self._watch(_JOBS_SECONDS) and self._unfinished():
                pass
            return False
        self._archive()
        return not self._watch(0)  # whoever came meanwhile has to find it alive

    def _watch(self, seconds: float | None) -> bool:
        """Serve connections for so long, or until something happens; whether it is needed now."""
        ready, _, _ = select.select([self._listener, *self._holders], [], [], seconds)
        for connection in ready:
            if connection is self._listener:
                self._hold(self._listener.accept()[0])
            else:
                self._hear(connection)
        if self._needed:
            self._dismiss()
        return self._needed

    def _hold(self, connection: socket.socket) -> None:
        self._holders.append(connection)
        with suppress(OSError):
            connection.sendall(HELLO)

    @property
    def _needed(self) -> bool:
        return bool(self._holders) or self._head.warm

    def _hear(self, connection: socket.socket) -> None:
        """What can be read of a holder is its end, or a word of `Hold.ask`."""
        word = b""
        with suppress(OSError):
            word = connection.recv(64).strip()
        if not word:
            self._holders.remove(connection)
            self._leaving.append(connection)
            return
        if word in (b"stay", b"leave"):
            self._head = replace(self._head, warm=word == b"stay")
            self._head.write(self._folder)
        with suppress(OSError):
            connection.sendall(json.dumps(self._state()).encode() + b"\n")

    def _state(self) -> dict[str, Any]:
        """What it has, and what is at work; `users` are the other holders."""
        import ray

        has: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        free: dict[str, float] = ray.available_resources()  # type: ignore[no-untyped-call]
        return {
            "cpus": has.get("CPU", 0),
            "cpus_free": free.get("CPU", 0),
            "gpus": has.get("GPU", 0),
            "actors": _actors(),
            "jobs": self._unfinished(),
            "users": len(self._holders) - 1,
        }

    def _dismiss(self) -> None:
        """Tell those who wait for the end that it stays."""
        for connection in self._leaving:
            with suppress(OSError):
                connection.sendall(STAYING)
            connection.close()
        self._leaving.clear()

    def _unfinished(self) -> list[str]:
        """Ids of the jobs that have not ended."""
        if self._jobs is None:
            return []
        try:
            jobs = [job for job in self._jobs.jobs() if job["type"] == "SUBMISSION"]
        except PluginError:
            return []  # without its dashboard it cannot tell anybody about jobs any more
        return [job["submission_id"] for job in jobs if job["status"] not in TERMINAL]

    def _archive(self) -> None:
        """Keep what is known of the jobs whose results were not fetched."""
        for folder in (self._folder / "jobs").glob("*/"):
            if self._jobs is not None and not (folder / "info.json").exists():
                with suppress(PluginError, OSError):
                    _archive_job(self._jobs, self._head, folder)
            for payload in folder.glob("payload-*"):  # of a job that never came to read it
                payload.unlink(missing_ok=True)


def _archive_job(jobs: JobsApi, head: Head, folder: Path) -> None:
    info = jobs.info(folder.name)
    if info is not None:
        path = head.job_log_path(folder.name)
        write_private(folder / "log.txt", path.read_bytes() if path.exists() else b"")
        write_private(folder / "info.json", json.dumps(info).encode())


def _actors() -> int:
    """How many are alive, without those that Ray runs jobs with."""
    from ray.util.state import list_actors

    try:
        alive = list_actors(filters=[("state", "=", "ALIVE")], timeout=_ACTORS_SECONDS)
    except Exception:  # Ray raises whatever its many layers raise
        return 0
    return sum(actor["class_name"] != "JobSupervisor" for actor in alive)


def _temp_dir() -> str:
    """Ray puts sockets some 60 characters below it, and 107 is the most that a socket's path may have."""
    short = len(tempfile.gettempdir()) <= _TEMP_DIR_LENGTH
    return tempfile.mkdtemp(prefix="synapse-", dir=None if short else "/tmp")


def _exit_on_sigterm() -> None:
    def leave(signum: int, frame: object) -> NoReturn:
        sys.exit(0)

    signal.signal(signal.SIGTERM, leave)


def _free_port() -> int:
    """One below those that the kernel gives out by itself: such a one may be taken before Ray comes to it."""
    while True:
        port = secrets.choice(_PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


if __name__ == "__main__":
    main()
