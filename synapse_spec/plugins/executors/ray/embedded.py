"""The Ray of this machine, seen from its users: finds the living one of a folder, or starts one; knows when it is gone.

The cluster runs in a process of its own (`head`) and lives while somebody holds a connection to its socket, which the
kernel closes for those who die. Called by `cluster.reach`; `head` shares the record and the cleaning.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from synapse_spec.plugins.executors.ray.errors import ClusterUnreachable
from synapse_spec.plugins.executors.ray.leftovers import sweep

START_SECONDS = 60.0
END_SECONDS = 10.0
_CLEAN_SECONDS = 90.0  # environments that Ray has made for runs go with it: tens of thousands of files each
_ANSWER_SECONDS = 20.0
STAYING = b"staying\n"
HELLO = b"held\n"
_NEEDED = {
    *("PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TMPDIR", "VIRTUAL_ENV"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
}
_NEEDED_STARTS = (
    "LC_",
    "LD_",
    "DYLD_",
    "PYTHON",
    "CONDA",
    "CUDA",
    "NVIDIA",
    "ROCR_",
    "HIP_",
    "PIP_",
    "UV_",
    "XDG_",
    "RAY_",
)
_children: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True, slots=True)
class Head:
    """The record of a running head, `cluster.json` in its folder: as secret as its token.

    Attributes:
        pid: The head's process.
        address: host:port of Ray's GCS.
        dashboard: http://host:port, or None: then it can run tasks, but no jobs.
        token: Whoever has it may run code there.
        temp_dir: Ray's own files; removed when the head ends.
        socket: Whoever is connected to it keeps the head alive.
        ray, python: Versions.
        started: When, in seconds since the epoch.
        warm: It stays without holders, until `synapse cluster down`.
    """

    pid: int
    address: str
    dashboard: str | None
    token: str
    temp_dir: str
    socket: str
    ray: str
    python: str
    started: float = 0.0
    warm: bool = False

    @classmethod
    def read(cls, folder: Path, *, dashboard: bool) -> "Head | None":
        """The record in the folder, whether that head is alive or not."""
        try:
            return cls(**json.loads(record_path(folder, dashboard=dashboard).read_bytes()))
        except (OSError, ValueError, TypeError):
            return None

    def job_log_path(self, submission_id: str) -> Path:
        """What a job writes; it is not there before Ray has begun with the job."""
        return Path(self.temp_dir, "session_latest", "logs", f"job-driver-{submission_id}.log")

    def write(self, folder: Path) -> None:
        path = record_path(folder, dashboard=self.dashboard is not None)
        write_private(path, json.dumps(asdict(self), indent=2).encode())


@dataclass(frozen=True, slots=True)
class Hold:
    """A head that lives at least until `release`."""

    head: Head
    connection: socket.socket

    def ask(self, word: str) -> dict[str, Any]:
        """What the head answers to `state`, `stay` and `leave`: what it has and what is at work on it (`warm.State`).

        Raises:
            ClusterUnreachable: It has ended.
        """
        try:
            self.connection.settimeout(_ANSWER_SECONDS)
            self.connection.sendall(f"{word}\n".encode())
            answer: dict[str, Any] = json.loads(self.connection.makefile("rb", buffering=0).readline())
        except (OSError, ValueError):
            message = f"the Ray of this machine (process {self.head.pid}) does not answer"
            raise ClusterUnreachable(message) from None
        return answer

    def release(self, *, wait: bool) -> None:
        """Let go; with `wait` return when the head is gone, or says that others or jobs keep it."""
        gone = False
        with suppress(OSError):
            # Not close alone: a forked child of ours may have a copy of the descriptor.
            self.connection.shutdown(socket.SHUT_WR if wait else socket.SHUT_RDWR)
            if wait:
                self.connection.settimeout(_CLEAN_SECONDS)
                gone = self.connection.recv(len(STAYING)) == b""
        self.connection.close()
        _reap(self.head.pid if gone else None)
        deadline = time.monotonic() + END_SECONDS
        while gone and runs(self.head) and time.monotonic() < deadline:  # one that is not our child closes first
            time.sleep(0.01)
        if gone:
            clean_after(self.head)


def record_path(folder: Path, *, dashboard: bool) -> Path:
    """Two heads may live side by side, since one that was started for tasks alone cannot serve jobs."""
    return folder / ("cluster.json" if dashboard else "tasks.json")


def hold(folder: Path, *, dashboard: bool, start: bool, cpus: int | None = None) -> Hold:
    """Hold the living head of the folder, or one that is started for it.

    Args:
        folder: Where heads of one workspace find each other.
        dashboard: Jobs will be needed.
        start: Start one if none is alive.
        cpus: How many one that is started has; by default those of the machine.

    Raises:
        ClusterUnreachable: None is alive and none may be, or could be, started.
    """
    held = _living(folder, dashboard)
    if held is not None:
        return held
    if not start:
        raise ClusterUnreachable(f"no Ray is running for {folder}")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = FileLock(record_path(folder, dashboard=dashboard).with_suffix(".lock"), mode=0o600)
    try:
        with lock.acquire(timeout=START_SECONDS):
            return _living(folder, dashboard) or _start(folder, dashboard, cpus)
    except Timeout:
        message = f"another process has been starting Ray for {folder} for {START_SECONDS:.0f} s"
        raise ClusterUnreachable(message) from None


def is_running(folder: Path) -> bool:
    """Whether the head that serves jobs is there; one that ends takes its record away first."""
    head = Head.read(folder, dashboard=True)
    return head is not None and runs(head)


def is_warm(folder: Path) -> bool:
    """Whether the head there is one that stays until it is told to end."""
    head = Head.read(folder, dashboard=True)
    return head is not None and head.warm and runs(head)


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read; readers see all of it or none."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(content)
    beside.replace(path)


def _living(folder: Path, dashboard: bool) -> Hold | None:
    """The head with the dashboard serves both; one without is for those who need none."""
    for kind in (True,) if dashboard else (True, False):
        head = Head.read(folder, dashboard=kind)
        if head is not None:
            held = _connect(head)
            if held is not None:
                return held
    return None


def _connect(head: Head) -> Hold | None:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(END_SECONDS)
    with suppress(OSError):
        connection.connect(head.socket)
        if connection.recv(len(HELLO)) == HELLO:
            return Hold(head, connection)
    connection.close()  # it is dead, or was just ending
    return None


def _start(folder: Path, dashboard: bool, cpus: int | None) -> Hold:
    dead = Head.read(folder, dashboard=dashboard)
    if dead is not None and runs(dead):
        raise ClusterUnreachable(
            f"the Ray of {folder} (process {dead.pid}) runs, but does not answer; end that process"
        )
    if dead is not None:
        clean_after(dead)
    ours, its = socket.socketpair()
    options = [*(["--dashboard"] if dashboard else []), *(["--cpus", str(cpus)] if cpus is not None else [])]
    command = [sys.executable, "-P", "-m", "synapse_spec.plugins.executors.ray.head", str(folder), *options]
    log = folder / f"head-{'jobs' if dashboard else 'tasks'}.log"
    with its, log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--holder", str(its.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=[its.fileno()],
            start_new_session=True,
            cwd=folder,
            env=needed_environ(),
        )
    _children.append(process)
    try:
        if not dashboard:  # for tasks alone, whose driver this process is about to become: it has to wait anyway
            import ray  # noqa: F401
        _wait_ready(ours, log)
    except BaseException:
        ours.close()
        process.terminate()
        _reap(process.pid)
        raise
    head = Head.read(folder, dashboard=dashboard)
    if head is None:
        raise ClusterUnreachable(f"Ray started, but its record in {folder} cannot be read")
    return Hold(head, ours)


def _wait_ready(connection: socket.socket, log: Path) -> None:
    connection.settimeout(START_SECONDS)
    try:
        answer = connection.makefile("rb", buffering=0).readline()
    except TimeoutError:
        raise ClusterUnreachable(f"Ray did not start within {START_SECONDS:.0f} s; see {log}") from None
    if answer != HELLO:
        reason = json.loads(answer)["error"] if answer.endswith(b"}\n") else _last_line(log)
        raise ClusterUnreachable(f"Ray could not be started: {reason} (more in {log})")


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "its process ended without a word")


def clean_after(head: Head) -> None:
    """Remove what a head that was killed could not; one that ends by itself leaves nothing."""
    if not runs(head) and Path(head.temp_dir).exists():
        sweep(head.pid, head.token)
        shutil.rmtree(head.temp_dir, ignore_errors=True)


def runs(head: Head) -> bool:
    """Whether the head's process lives, and the number was not given to another one since."""
    try:
        os.kill(head.pid, 0)
        return b".ray.head" in Path(f"/proc/{head.pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return not Path("/proc/self").exists()
    except OSError:
        return False


def _reap(ended: int | None) -> None:
    """Collect heads of ours that have ended, so that none stays as a zombie; wait for one that is just ending."""
    for child in list(_children):
        with suppress(subprocess.TimeoutExpired):
            if child.pid == ended:
                child.wait(END_SECONDS)
        if child.poll() is not None:
            _children.remove(child)


def needed_environ() -> dict[str, str]:
    """What Ray and its workers need of our environment. The rest, secrets among it, travels with each run instead."""
    return {name: value for name, value in os.environ.items() if name in _NEEDED or name.startswith(_NEEDED_STARTS)}
