"""Folders of cases, and how a test gets one to work in."""

import shutil
from pathlib import Path


def copied(cases: Path, to: Path) -> Path:
    """A copy of a folder of cases, as a workspace. Python files that no tool is to read here end in .txt until then."""
    shutil.copytree(cases, to)
    (to / "synapse.toml").touch()
    for path in to.rglob("*.py.txt"):
        path.rename(path.with_suffix(""))
    return to
