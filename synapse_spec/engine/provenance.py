"""Where a result comes from: commit, versions. Read once a process, and only when something runs."""

import platform
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import synapse_spec
from synapse_spec.plugins.enums import ExecutionMode


def provenance(root: Path, mode: ExecutionMode) -> dict[str, Any]:
    """Commit of the workspace, and the versions that were at work."""
    found: dict[str, Any] = {}
    commit = git_commit(root)
    if commit is not None:
        found |= {"gitCommit": commit, "gitDirty": _git_dirty(root)}
    found["python"] = platform.python_version()
    if mode is not ExecutionMode.LOCAL:
        found["ray"] = _ray_version()
    return found | {"synapseSpec": synapse_spec.__version__}


@cache
def git_commit(root: Path) -> str | None:
    """The commit checked out at `root`, or None outside of git."""
    return _git(root, "rev-parse", "--verify", "-q", "HEAD")


@cache
def _git_dirty(root: Path) -> bool:
    """Whether tracked files differ from the commit; status files do not count, since synapse writes them."""
    return bool(_git(root, "status", "--porcelain", "--untracked-files=no", "--", ".", ":(exclude)*.status.yaml"))


@cache
def _ray_version() -> str:
    from importlib.metadata import version

    return version("ray")


def _git(root: Path, *words: str) -> str | None:
    command = ["git", "-C", str(root), "--no-optional-locks", *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
