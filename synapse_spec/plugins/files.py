"""Which files of a plugin folder count as its code: not caches, tests, hidden ones, nor what git ignores.

`.synapseignore` has git's patterns, and the last word over git's own. Used by `code`, and by the catalog to see what
has changed.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from synapse_spec.plugins.errors import PluginConfigError
from synapse_spec.plugins.source import PluginSource

# Size, mtime_ns, ctime_ns, inode.
type State = list[int]

MOST_FILES = 50_000
_RULES = (".gitignore", ".synapseignore")
_SKIPPED_FOLDERS = frozenset({"__pycache__", "tests", "test", "node_modules", "site-packages", "outputs"})
_SKIPPED_ENDINGS = (".pyc", ".pyo", ".status.yaml", ".status.yml", ".md", "~", ".bak", ".orig", ".swp")


def plugin_files(source: PluginSource) -> Iterator[Path]:
    """The files of the plugin that may be code or data of it, in a stable order; of a lone module, its file.

    Raises:
        PluginConfigError: There are more than MOST_FILES files or folders.
    """
    return (path for path, counts in _survey(source) if counts)


def watched_files(source: PluginSource) -> Iterator[Path]:
    """These, and those that say which count: config.yaml and the files of ignore rules.

    Raises:
        PluginConfigError: As above.
    """
    return (path for path, _ in _survey(source))


def state_of(path: str | Path) -> State:
    """What tells a file from what it was before, and from the one that replaced it, without reading it."""
    info = os.stat(path)
    return [info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino]


def fingerprint(paths: Iterator[Path]) -> dict[str, State]:
    """State of each file, by its path."""
    return {str(path): state_of(path) for path in paths}


def _survey(source: PluginSource) -> Iterator[tuple[Path, bool]]:
    """Each file, and whether it counts as code."""
    if source.config_path.is_file():
        yield source.config_path, False
    module = source.import_root.joinpath(*(source.module or "").split("."))
    if not module.is_dir():
        yield module.with_name(f"{module.name}.py"), True
        return
    ignored, links = _Ignored(), _Links()
    for place in _above(source.folder):
        yield from ((path, False) for path in ignored.learn(place))
    left = MOST_FILES
    for folder, subfolders, names in os.walk(source.folder, followlinks=True):
        here = Path(folder)
        yield from ((path, False) for path in ignored.learn(here))
        inner = sorted(name for name in subfolders if _is_source(name) and here / name not in ignored)
        subfolders[:] = [name for name in inner if links.may_enter(here / name)]
        left -= 1
        for name in sorted(names):
            path = here / name
            if _counts(path, source) and path not in ignored and path.is_file():
                left -= 1
                yield path, True
            if left < 0:
                raise _too_many(source.folder)
    if ignored.by_git:
        yield from ((path, True) for path in _tracked(source, ignored))


def _counts(path: Path, source: PluginSource) -> bool:
    is_config = path == source.config_path
    return not path.name.startswith(".") and not path.name.endswith(_SKIPPED_ENDINGS) and not is_config


def _tracked(source: PluginSource, ignored: "_Ignored") -> Iterator[Path]:
    """Files that are in git although a rule of it is against them."""
    import subprocess

    command = ["git", "ls-files", "-z", "--cached", "--ignored", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=source.folder, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):  # no git, or no repository
        return
    for name in sorted(filter(None, os.fsdecode(listed).split("\0"))):
        path = source.folder / name
        passed_over = ignored.by_us(path) or not all(map(_is_source, Path(name).parts[:-1]))
        if path in ignored and not passed_over and _counts(path, source) and path.is_file():
            yield path


class _Links:
    """Links to folders are followed, but not within what was reached by a link: so there is an end to it."""

    def __init__(self) -> None:
        self._followed: list[Path] = []

    def may_enter(self, folder: Path) -> bool:
        if not folder.is_symlink():
            return True
        if any(map(folder.is_relative_to, self._followed)) or folder.parent.resolve().is_relative_to(folder.resolve()):
            return False
        self._followed.append(folder)
        return True


def _too_many(folder: Path) -> PluginConfigError:
    said = f"{folder} has more than {MOST_FILES:,} files and folders that may be code or data of the plugin"
    return PluginConfigError(f"{said}; name those that are not in {folder / _RULES[1]}")


def _is_source(folder: str) -> bool:
    return not folder.startswith(".") and folder not in _SKIPPED_FOLDERS and not folder.endswith(".egg-info")


def _above(folder: Path) -> list[Path]:
    """The folders above, from the root of the git repository down, whose rules hold here too."""
    if (folder / ".git").exists():
        return []
    above = list(folder.parents)
    root = next((index for index, place in enumerate(above) if (place / ".git").exists()), None)
    return [] if root is None else above[root::-1]


class _Ignored:
    """The rules of the folders that were entered so far; the innermost that speaks of a file decides."""

    def __init__(self) -> None:
        self.by_git = False
        self._rules: list[tuple[Path, Any, bool]] = []

    def learn(self, folder: Path) -> Iterator[Path]:
        """Take in the rules of a folder; the files that they stand in."""
        for name in _RULES:
            path = folder / name
            if path.is_file():
                from pathspec import GitIgnoreSpec

                lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
                self._rules.append((folder, GitIgnoreSpec.from_lines(lines), name == _RULES[0]))
                yield path

    def __contains__(self, path: Path) -> bool:
        ending = "/" if self._rules and path.is_dir() else ""
        for folder, rules, is_gits in reversed(self._rules):
            said = _said(folder, rules, path, ending)
            if said is not None:
                self.by_git |= said and is_gits
                return said
        return False

    def by_us(self, path: Path) -> bool:
        """Whether it is ignored, whatever git's own rules say."""
        ours = [(folder, rules) for folder, rules, is_gits in reversed(self._rules) if not is_gits]
        return next((said for item in ours if (said := _said(*item, path)) is not None), False)


def _said(folder: Path, rules: Any, path: Path, ending: str = "") -> bool | None:
    """What the rules of a folder say of a path: whether it is ignored, or nothing."""
    if not path.is_relative_to(folder):
        return None
    said = rules.check_file(path.relative_to(folder).as_posix() + ending).include
    return None if said is None else bool(said)
