"""The modules of one plugin folder: what they are called, when they are stale, how they come and go.

Called by the loader, which decides which plugin is the active one.
"""

import importlib
import inspect
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from itertools import takewhile
from pathlib import Path
from types import ModuleType
from typing import NoReturn

from synapse_spec.plugins import sdk_import
from synapse_spec.plugins.source import PluginSource

SOURCE_MARK = "__synapse_source__"
_OURS = __name__.partition(".")[0]
_SHARED = sys.stdlib_module_names | {_OURS, "__main__"}
_INSTALLED = frozenset({"site-packages", "dist-packages"})

Stamp = tuple[int, ...]


@dataclass(eq=False, slots=True)
class Namespace:
    """The modules of one plugin folder, and the finder that imports them.

    Attributes:
        names: Top-level names that are the plugin's own; portions are those of folders without `__init__.py`.
        modules: Its modules, here while it is not active.
        stamps: The state of their files just before they were read.
        last: The name that came last into sys.modules before its own did: what stands before it is others'.
        path_before, path_after: What its code added to sys.path, before and after its own root.
    """

    source: PluginSource
    names: frozenset[str]
    portions: frozenset[str]
    modules: dict[str, ModuleType] = field(default_factory=dict)
    stamps: dict[str, Stamp] = field(default_factory=dict)
    last: str | None = None
    path_before: list[str] = field(default_factory=list)
    path_after: list[str] = field(default_factory=list)

    @property
    def root(self) -> Path:
        return self.source.import_root

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """What Python's own finder finds, with a loader that reads no bytecode for the plugin's files."""
        spec = PathFinder.find_spec(name, path, target)
        loader = spec and spec.loader
        if spec is not None and name == sdk_import.LAZY:
            return sdk_import.lazily(spec)
        if spec is not None and isinstance(loader, SourceFileLoader) and belongs(loader.path, self.root):
            self.stamps[loader.path] = _stamp(loader.path)
            spec.loader = _PluginLoader(loader.name, loader.path)
            spec.loader_state = self.source
        return spec

    def displace(self) -> dict[str, ModuleType]:
        """Take out of sys.modules what stands where its own modules belong."""
        claimed = {name for name in self.names if name in sys.modules}
        claimed |= {name for name in self.portions if name in sys.modules and not _file_of(sys.modules[name])}
        if not claimed and self.modules.keys().isdisjoint(sys.modules.keys()):
            return {}
        return {
            name: sys.modules.pop(name)
            for name in list(sys.modules)
            if name in self.modules or name.partition(".")[0] in claimed
        }

    def install(self) -> None:
        """Let imports find its modules."""
        self.last = next(reversed(sys.modules), None)
        sys.modules.update(self.modules)
        sys.meta_path.insert(sys.meta_path.index(PathFinder) if PathFinder in sys.meta_path else 0, self)

    def put_aside(self) -> None:
        """Take its modules out of sys.modules, those that were imported meanwhile too."""
        sys.meta_path.remove(self)
        # First all, then out: a namespace package's path asks for its parent in sys.modules.
        come = takewhile(lambda name: name != self.last, reversed(sys.modules))
        self.modules = {name: sys.modules[name] for name in list(come) if self._owns(name)}
        for name in self.modules:
            del sys.modules[name]

    def _owns(self, name: str) -> bool:
        if name in self.modules:
            return True
        module = sys.modules[name]
        path = _file_of(module) or next(iter(getattr(module, "__path__", ())), None)
        return path is not None and belongs(path, self.root) and name.partition(".")[0] != _OURS

    def extend_path(self) -> None:
        rest = [entry for entry in sys.path if entry != str(self.root)]
        sys.path[:] = [*self.path_before, str(self.root), *rest, *self.path_after]

    def restore_path(self, path: list[str]) -> None:
        """Make sys.path `path` again, and keep what the plugin's code added for the next time."""
        cut = sys.path.index(str(self.root)) if str(self.root) in sys.path else 0
        self.path_before = [entry for entry in sys.path[:cut] if entry not in path]
        self.path_after = [entry for entry in sys.path[cut + 1 :] if entry not in path]
        sys.path[:] = path


# Told of each module of a plugin before its code is run.
on_import: list[Callable[[ModuleType], object]] = []


class _PluginLoader(SourceFileLoader):
    """Loads a plugin's file from its source, and marks the module as the plugin's."""

    def path_stats(self, path: str) -> NoReturn:
        # Bytecode is trusted when whole-second time and size agree: an edit within the second would run the old
        # code. Without stats Python neither reads nor writes any.
        raise OSError

    def get_data(self, path: str) -> bytes:
        # Python asks for it just before it runs the code, and is through with us when that fails: no traceback has us.
        for told in on_import if self.name in sys.modules else ():
            told(sys.modules[self.name])
        return super().get_data(path)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = ModuleType(spec.name)
        vars(module)[SOURCE_MARK] = spec.loader_state
        return module


_namespaces: dict[Path, Namespace] = {}


def namespace_of(source: PluginSource) -> Namespace:
    """The plugin's modules as they were loaded; none once one of their files has changed."""
    space = _namespaces.get(source.import_root)
    if space is None or any(_stamp(path) != stamp for path, stamp in space.stamps.items()):
        importlib.invalidate_caches()
        names, portions = _own_names(source.import_root)
        space = _namespaces[source.import_root] = Namespace(source, names, portions)
    return space


def belongs(path: str, root: Path) -> bool:
    """Whether the file is the plugin's own: under its root, and neither installed there nor hidden."""
    start = f"{root}{os.sep}"
    if not path.startswith(start):
        return False
    return not any(part in _INSTALLED or part.startswith(".") for part in path[len(start) :].split(os.sep))


def _file_of(module: ModuleType) -> str | None:
    file = getattr(module, "__file__", None)
    return file if isinstance(file, str) else None


def _own_names(root: Path) -> tuple[frozenset[str], frozenset[str]]:
    """Top-level names of modules and packages under `root`, and of folders that are packages if no other one is."""
    names: set[str] = set()
    portions: set[str] = set()
    for entry in os.scandir(root):
        if name := inspect.getmodulename(entry.name):
            names.add(name)
        elif entry.is_dir():
            is_package = os.path.isfile(os.path.join(entry, "__init__.py"))
            (names if is_package else portions).add(entry.name)
    return frozenset(names - _SHARED), frozenset(portions - _SHARED)


def _stamp(path: str) -> Stamp:
    try:
        info = os.stat(path)
    except OSError:
        return ()
    return (info.st_mtime_ns, info.st_ctime_ns, info.st_size, info.st_ino)
