"""What YAML files held when they were last read, so that those that have not changed need not be parsed again.

It is kept in `.synapse/cache/files/`, one file for each folder. Specs and statuses are looked up by the commands that
plan; only `apply` writes it, since the others change nothing.
"""

import hashlib
import json
import os
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
        """Keep what a file of that state holds, unless it was written a moment ago."""
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
            entries = self._folders[folder]
            texts = (_entry(name, kept) for name, kept in entries.items() if os.path.exists(f"{folder}/{name}"))
            listed = ",\n".join(text for text in texts if text is not None)
            write(self._path(folder), f'{{"version": {json.dumps(made_by())}, "files": {{{listed}}}}}')
        self._changed.clear()

    def _of(self, folder: str) -> dict[str, tuple[State, Any]]:
        if folder not in self._folders:
            try:
                stored = json.loads(self._path(folder).read_bytes())
                self._folders[folder] = stored["files"] if stored["version"] == made_by() else {}
            except (OSError, ValueError, LookupError, TypeError, RecursionError):  # none, or not ours
                self._folders[folder] = {}
        return self._folders[folder]

    def _path(self, folder: str) -> Any:
        near = os.path.relpath(folder, self.workspace.root)
        return self._home / f"{hashlib.sha256(near.encode()).hexdigest()[:24]}.json"


def _entry(name: str, kept: tuple[State, Any]) -> str | None:
    """None for one that is no shorter than its file, in which aliases stand for a lot, or too deep for JSON."""
    try:
        text = json.dumps(kept, separators=(",", ":"))
    except RecursionError:
        return None
    return f"{json.dumps(name)}:{text}" if len(text) < 2 * kept[0][0] + 1000 else None
