"""Where a result comes from."""

import platform
import subprocess
from pathlib import Path

import synapse_spec
from synapse_spec.engine.provenance import provenance
from synapse_spec.plugins.enums import ExecutionMode


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def repository(folder: Path) -> Path:
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "train.yaml").write_text("a: 1\n")
    (folder / "train.status.yaml").write_text("a: 1\n")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    return folder


def test_outside_of_git_there_are_versions(tmp_path: Path) -> None:
    expected = {"python": platform.python_version(), "synapseSpec": synapse_spec.__version__}
    assert provenance(tmp_path, ExecutionMode.LOCAL) == expected


def test_inside_of_git_there_is_the_commit(tmp_path: Path) -> None:
    folder = repository(tmp_path / "clean")
    (folder / "new.txt").touch()
    (folder / "train.status.yaml").write_text("a: 2\n")
    found = provenance(folder, ExecutionMode.LOCAL)
    assert found["gitCommit"] == git(folder, "rev-parse", "HEAD")
    assert found["gitDirty"] is False


def test_a_changed_file_makes_it_dirty(tmp_path: Path) -> None:
    folder = repository(tmp_path / "dirty")
    (folder / "train.yaml").write_text("a: 2\n")
    assert provenance(folder, ExecutionMode.LOCAL)["gitDirty"] is True


def test_before_the_first_commit_there_is_none(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    assert "gitCommit" not in provenance(tmp_path, ExecutionMode.LOCAL)
