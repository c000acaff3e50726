"""The workspace: the folder that owns `.synapse/`, and what stands where in it. Used by the engine and the commands."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from synapse_spec.spec.child_names import as_file

_MARKS = ("synapse.toml", ".git")
_FOREIGN = frozenset({"node_modules", "site-packages"})
# Other tools have files of this name too.
_OF_PLUGIN = re.compile(rb"""^["']?(actions|code)["']?\s*:""", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Workspace:
    """The nearest parent of a spec with synapse.toml or .git, else the spec's own folder."""

    root: Path

    @classmethod
    def of(cls, start: Path) -> "Workspace":
        """The workspace of a file or folder; absolute."""
        folder = (start if start.is_dir() else start.parent).resolve()
        for place in (folder, *folder.parents):
            if any((place / mark).exists() for mark in _MARKS):
                return cls(place)
        return cls(folder)

    @property
    def home(self) -> Path:
        return self.root / ".synapse"

    @property
    def locks(self) -> Path:
        return self.home / "locks"

    @property
    def ray(self) -> Path:
        return self.home / "ray"

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def cancels(self) -> Path:
        """Requests to cancel a run, one empty file each."""
        return self.home / "cancel"

    def cancel(self, run: str) -> Path:
        return self.cancels / as_file(run)

    def log(self, run: str, attempt: int) -> Path:
        return self.logs / as_file(run) / f"{attempt}.log"

    def ensure(self) -> None:
        """Make `.synapse/`, which git ignores by itself."""
        self.home.mkdir(parents=True, exist_ok=True)
        ignore = self.home / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n")


def plugin_folders(folder: Path) -> list[Path]:
    """The plugin folders below a folder, itself included: those whose config.yaml has the keys of one."""
    found = []
    for place, subfolders, files in os.walk(folder):
        if "config.yaml" in files and _OF_PLUGIN.search(Path(place, "config.yaml").read_bytes()):
            found.append(Path(place))
            subfolders.clear()
        subfolders[:] = sorted(name for name in subfolders if not name.startswith((".", "__")) and name not in _FOREIGN)
        if "pyvenv.cfg" in files:
            subfolders.clear()
    return found
