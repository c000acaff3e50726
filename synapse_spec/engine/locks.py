"""One OS lock a run, held while a process is at it and released by the kernel when that process dies."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from synapse_spec.spec.child_names import as_file
from synapse_spec.spec.workspace import Workspace

_POLL_SECONDS = 0.2
# Who looks whether a lock is held takes it for an instant.
_GLANCE_SECONDS = 0.05


class LockHeld(Exception):
    """Another process is at the run."""

    def __init__(self, name: str) -> None:
        super().__init__(f"another process is at run {name!r}")
        self.name = name


def lock_path(workspace: Workspace, name: str) -> Path:
    return workspace.locks / f"{as_file(name)}.lock"


@contextmanager
def run_lock(workspace: Workspace, name: str, *, wait: bool, stop: Event) -> Iterator[None]:
    """Hold the run's lock.

    Raises:
        LockHeld: Another process has it, and `wait` is false or `stop` was set meanwhile.
    """
    from filelock import FileLock, Timeout

    workspace.ensure()
    workspace.locks.mkdir(exist_ok=True)
    lock = FileLock(lock_path(workspace, name), thread_local=False)
    while True:
        try:
            lock.acquire(timeout=_GLANCE_SECONDS, poll_interval=0.01)
            break
        except Timeout:
            if not wait or stop.wait(_POLL_SECONDS):
                raise LockHeld(name) from None
    try:
        yield
    finally:
        lock.release()


def is_held(workspace: Workspace, name: str) -> bool:
    """Whether a living process has the run's lock; looks without leaving a trace."""
    try:
        descriptor = os.open(lock_path(workspace, name), os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # lookers are not in each other's way
    except OSError as error:
        return error.errno in (errno.EACCES, errno.EAGAIN)
    finally:
        os.close(descriptor)
    return False
