"""What a cluster's head leaves behind, and how it is removed: processes, sockets. Used by `head` and `embedded`."""

import ctypes
import os
import shutil
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

_COLLECT_SECONDS = 3.0
_PR_SET_CHILD_SUBREAPER = 36


def sweep(pid: int, token: str) -> None:
    """Kill what the head `pid` left behind: all that inherited its token, whatever their parent is by now."""
    mark = f"RAY_AUTH_TOKEN={token}".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            inherited = mark in (entry / "environ").read_bytes().split(b"\0")
            if int(entry.name) != os.getpid() and (inherited or _is_renamed_part(entry, pid)):
                os.kill(int(entry.name), 9)


def _is_renamed_part(entry: Path, pid: int) -> bool:
    """Parts of Ray that set their own title have overwritten their environment with it."""
    return os.getsid(int(entry.name)) == pid and (entry / "cmdline").read_bytes().startswith(b"ray")


def remove_dead_listeners(since: float) -> None:
    """Remove what multiprocessing in Ray's dashboard leaves behind: folders of sockets that nobody listens on."""
    alive = Path("/proc/net/unix").read_text() if sys.platform == "linux" else ""
    for folder in Path(tempfile.gettempdir()).glob("pymp-*"):
        with suppress(OSError):
            sockets = list(folder.glob("listener-*"))
            ours = folder.stat().st_uid == os.getuid() and folder.stat().st_mtime >= since - 1
            if ours and sockets == list(folder.iterdir()) and not any(str(path) in alive for path in sockets):
                shutil.rmtree(folder)


def adopt_orphans() -> None:
    """Become the parent of what outlives its own parent below us, so that it can be collected (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def collect_orphans() -> None:
    deadline = time.monotonic() + _COLLECT_SECONDS
    with suppress(ChildProcessError):
        while time.monotonic() < deadline:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.01)
