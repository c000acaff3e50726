"""Large results are kept beside the status file."""

from pathlib import Path
from typing import Any

import pytest

from synapse_spec.engine.results import MAX_INLINE_BYTES, fetch, stow
from synapse_spec.spec.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


@pytest.mark.parametrize("result", [None, 0, "text", [], {"a": 1}, {"file": "x", "sha256": "y", "bytes": 1}])
def test_a_small_result_is_itself(result: Any, workspace: Workspace) -> None:
    assert stow(result, "a", workspace) == result
    assert fetch(result, workspace) == result
    assert not workspace.home.exists()


def test_the_limit_is_in_bytes(workspace: Workspace) -> None:
    fits, too_long = "x" * (MAX_INLINE_BYTES - 2), "x" * (MAX_INLINE_BYTES - 1)
    assert stow(fits, "a", workspace) == fits
    pointer = stow(too_long, "a", workspace)
    assert pointer["bytes"] == MAX_INLINE_BYTES + 1
    assert stow("ä" * (MAX_INLINE_BYTES // 2), "a", workspace)["bytes"] == MAX_INLINE_BYTES + 2
    assert fetch(pointer, workspace) == too_long
    assert stow(too_long, "a", workspace) == pointer


def test_the_pointer_holds_in_another_place(workspace: Workspace, tmp_path: Path) -> None:
    pointer = stow(list(range(99_999)), "a", workspace)
    moved = tmp_path / "moved"
    moved.mkdir()
    workspace.home.rename(moved / ".synapse")
    assert fetch(pointer, Workspace(moved)) == list(range(99_999))


def test_a_result_that_is_gone_or_changed_is_told(workspace: Workspace) -> None:
    pointer = stow(list(range(99_999)), "a", workspace)
    file = workspace.root / pointer["file"]
    file.write_text("[]")
    with pytest.raises(LookupError, match=r"has been changed; run it again with --force"):
        fetch(pointer, workspace)
    file.unlink()
    with pytest.raises(LookupError, match=r"which is gone; run it again with --force"):
        fetch(pointer, workspace)
