"""The workspace of a file or folder, and `.synapse/` in it."""

from pathlib import Path

import pytest

from synapse_spec.spec.workspace import Workspace


@pytest.mark.parametrize("mark", ["synapse.toml", ".git"])
def test_the_nearest_parent_with_a_mark(tmp_path: Path, mark: str) -> None:
    inner = tmp_path / "repo" / "specs" / "deep"
    inner.mkdir(parents=True)
    (tmp_path / "repo" / mark).touch()
    (inner / "a.yaml").touch()
    assert Workspace.of(inner / "a.yaml").root == tmp_path / "repo"
    assert Workspace.of(inner).root == tmp_path / "repo"
    (inner / "synapse.toml").touch()
    assert Workspace.of(inner / "a.yaml").root == inner


def test_else_the_own_folder(tmp_path: Path) -> None:
    assert Workspace.of(tmp_path / "none.yaml").root == tmp_path


def test_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert Workspace.of(tmp_path / "link").root == tmp_path / "real"


def test_git_ignores_what_synapse_keeps(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.ensure()
    workspace.ensure()
    assert (tmp_path / ".synapse" / ".gitignore").read_text() == "*\n"
    assert workspace.log("train", 2) == tmp_path / ".synapse" / "logs" / "train" / "2.log"
