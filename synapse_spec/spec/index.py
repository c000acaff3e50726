"""What YAML files held when they were last read, so that those that have not changed need not be parsed again.

It is kept in `.synapse/cache/files/`, one file for each folder. Specs and statuses are looked up by the commands that
plan; only `apply` writes it, since the others change nothing.
"""

import hashlib
import json
import os
import zlib
from pathlib import Path
from typing import Any

from synapse_spec.plugins.files import State, state_of
from synapse_spec.spec.cache import is_settled, made_by, write
from synapse_spec.spec.workspace import Workspace


class Index:
    """The files of one workspace, by their state.

    Args:
        workspace: Its cache is read, and written by `save`.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._home = workspace.home / "cache" / "files"
        self._folders: dict[str, dict[str, tuple[State, Any]]] = {}
        self._changed: set[str] = set()

    def get(self, path: str) -> tuple[State, Any] | None:
        """State and content of a file, if it is as it was when the content was put here.

        Args:
            path: Absolute.
        """
        folder, _, name = path.rpartition("/")
        kept = self._of(folder).get(name)
        if kept is None:
            return None
        try:
            return kept if kept[0] == state_of(path) else None
        except OSError:
            return None

    def put(self, path: str, state: State, content: Any) -> None:
        """Keep what a file of that state holds, unless it may still be written without that showing in its state."""
        folder, _, name = path.rpartition("/")
        if is_settled(state):
            self._of(folder)[name] = (state, content)
            self._changed.add(folder)

    def save(self) -> None:
        """Write what is new; files that are gone are forgotten.

        Raises:
            OSError: It cannot be written.
        """
        for folder in self._changed:
            entries = self._folders[folder].items()
            body = json.dumps({name: kept for name, kept in entries if os.path.exists(f"{folder}/{name}")})
            write(self._path(folder), f"{_seal(body.encode())}\n{body}")
        self._changed.clear()

    def _of(self, folder: str) -> dict[str, tuple[State, Any]]:
        if folder not in self._folders:
            try:
                seal, _, body = self._path(folder).read_bytes().partition(b"\n")
            except OSError:
                seal, body = b"", b""
            self._folders[folder] = json.loads(body) if seal.decode(errors="replace") == _seal(body) else {}
        return self._folders[folder]

    def _path(self, folder: str) -> Path:
        near = os.path.relpath(folder, self.workspace.root)
        return self._home / f"{hashlib.sha256(near.encode()).hexdigest()[:24]}.json"


def _seal(body: bytes) -> str:
    """What was written by other code of ours, or was damaged, has another one."""
    return f"{made_by()}/{zlib.crc32(body):08x}"
