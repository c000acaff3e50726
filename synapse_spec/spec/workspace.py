"""The workspace: the folder that owns `.synapse/`, and what stands where in it. Used by the engine and the commands."""

from dataclasses import dataclass
from pathlib import Path

_MARKS = ("synapse.toml", ".git")


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
    def cancels(self) -> Path:
        """Requests to cancel a run, one empty file each."""
        return self.home / "cancel"

    def log(self, key: str, attempt: int) -> Path:
        return self.home / "logs" / key / f"{attempt}.log"

    def ensure(self) -> None:
        """Make `.synapse/`, which git ignores by itself."""
        self.home.mkdir(parents=True, exist_ok=True)
        ignore = self.home / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n")
