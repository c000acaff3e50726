"""Imports plugin code so that each plugin folder has its own modules, even under the same names.

While a plugin is active its folder heads sys.path and its own modules stand in sys.modules; afterwards both are as
they were, and the modules are kept aside for the next time. So `import plugin.helper` finds the right one also late,
inside `execute`. Called by discovery and by `execution.perform`.
"""

import importlib
import inspect
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, NoReturn

from synapse_spec.plugins.errors import PluginLoadError
from synapse_spec.plugins.source import PluginSource

_SOURCE_MARK = "__synapse_source__"
_OURS = __name__.partition(".")[0]
_INSTALLED = frozenset({"site-packages", "dist-packages"})

Stamp = tuple[int, ...]


@dataclass(eq=False, slots=True)
class _Namespace:
    """The modules of one plugin folder, and the finder that imports them.

    Attributes:
        names: Top-level names that are the plugin's own; portions are those of folders without `__init__.py`.
        modules: Its modules, here while it is not active.
        stamps: The state of their files just before they were read.
        foreign: Names in sys.modules that are not its own.
        path_before, path_after: What its code added to sys.path, before and after its own root.
    """

    source: PluginSource
    names: frozenset[str]
    portions: frozenset[str]
    modules: dict[str, ModuleType] = field(default_factory=dict)
    stamps: dict[str, Stamp] = field(default_factory=dict)
    foreign: set[str] = field(default_factory=set)
    path_before: list[str] = field(default_factory=list)
    path_after: list[str] = field(default_factory=list)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """What Python's own finder finds, with a loader that reads no bytecode for the plugin's files."""
        if not _active or _active[-1] is not self:
            return None
        spec = PathFinder.find_spec(name, path, target)
        loader = spec and spec.loader
        if spec is not None and isinstance(loader, SourceFileLoader) and belongs(loader.path, self.root):
            self.stamps[loader.path] = _stamp(loader.path)
            spec.loader = _PluginLoader(loader.name, loader.path)
            spec.loader_state = self.source
        return spec

    @property
    def root(self) -> Path:
        return self.source.import_root

    def install(self) -> dict[str, ModuleType]:
        """Put its modules into sys.modules; those that made way for them."""
        claimed = {name for name in self.names if name in sys.modules}
        claimed |= {name for name in self.portions if name in sys.modules and not _file_of(sys.modules[name])}
        displaced = {}
        if claimed or not self.modules.keys().isdisjoint(sys.modules.keys()):
            for name in list(sys.modules):
                if name in self.modules or name.partition(".")[0] in claimed:
                    displaced[name] = sys.modules.pop(name)
        self.foreign = set(sys.modules)
        sys.modules.update(self.modules)
        return displaced

    def put_aside(self) -> None:
        """Take its modules out of sys.modules."""
        # First all, then out: a namespace package's path asks for its parent in sys.modules.
        own = {name: sys.modules[name] for name in sys.modules.keys() - self.foreign if self._owns(name)}
        self.modules = own
        for name in own:
            del sys.modules[name]

    def _owns(self, name: str) -> bool:
        if name in self.modules:
            return True
        path = _path_of(sys.modules[name])
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


class _PluginLoader(SourceFileLoader):
    """Loads a plugin's file from its source, and marks the module as the plugin's."""

    def path_stats(self, path: str) -> NoReturn:
        # Bytecode is trusted when whole-second time and size agree: an edit within the second would run the old
        # code. Without stats Python neither reads nor writes any.
        raise OSError

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = ModuleType(spec.name)
        vars(module)[_SOURCE_MARK] = spec.loader_state
        return module


_namespaces: dict[Path, _Namespace] = {}
_active: list[_Namespace] = []
# sys.modules, sys.path, os.environ and the working directory are the process's: one plugin at a time may hold them.
process_state = threading.RLock()


@contextmanager
def active(source: PluginSource | None) -> Iterator[None]:
    """Let `source` be the plugin whose modules imports find; may be nested, other threads wait for their turn."""
    with process_state:
        if source is None:
            yield
        elif source.module is not None:
            with _on_path(str(source.import_root)):
                yield
        elif _active and _active[-1].root == source.import_root:
            yield
        else:
            with _swapped_in(_namespace(source)):
                yield


def load_object(source: PluginSource, entrypoint: str) -> Any:
    """The object that `module:qualname` (or `module.qualname`) names in the plugin.

    Raises:
        PluginLoadError: The module does not import, or has no such name; says where and why.
    """
    module_name, _, qualname = entrypoint.partition(":") if ":" in entrypoint else entrypoint.rpartition(".")
    if not qualname or not all(part and "/" not in part for part in module_name.split(".")):
        raise PluginLoadError(f"entrypoint {entrypoint!r} is not of the form 'package.module:Class'")
    thing: Any = load_module(source, module_name)
    file = getattr(thing, "__file__", None) or module_name
    for part in qualname.split("."):
        try:
            thing = getattr(thing, part)
        except AttributeError:
            near = get_close_matches(part, dir(thing), 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise PluginLoadError(f"entrypoint {entrypoint!r}: {_shown(file, source)} has no {part!r}{hint}") from None
    _mark(thing, source)
    return thing


def load_module(source: PluginSource, name: str) -> ModuleType:
    """Import `name` as the plugin's code sees it.

    Raises:
        PluginLoadError: The import failed; names the plugin's file and line where it did.
    """
    with active(source):
        try:
            module = importlib.import_module(name)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # plugin code may also call sys.exit while it is imported
            raise _load_error(source, name, error) from error
        if source.module is not None:
            vars(module)[_SOURCE_MARK] = source
        return module


def source_of(action: Any) -> PluginSource | None:
    """The plugin that an action was loaded from, or None if it came by an ordinary import."""
    function = getattr(action, "execute", action)
    marked = getattr(action, "__dict__", {}).get(_SOURCE_MARK) or getattr(function, "__globals__", {}).get(_SOURCE_MARK)
    return marked if isinstance(marked, PluginSource) else None


def _mark(thing: Any, source: PluginSource) -> None:
    """Note on the plugin's own classes and functions where they are from: their code may be a library's."""
    space = _namespaces.get(source.import_root)
    if space is not None and callable(thing) and getattr(thing, "__module__", None) in space.modules:
        with suppress(AttributeError):  # no action, then; whoever asked for one says so
            setattr(thing, _SOURCE_MARK, source)


def belongs(path: str, root: Path) -> bool:
    """Whether the file is the plugin's own: under its root, and neither installed there nor hidden."""
    start = f"{root}{os.sep}"
    if not path.startswith(start):
        return False
    return not any(part in _INSTALLED or part.startswith(".") for part in path[len(start) :].split(os.sep))


def own_part(trace: TracebackType | None, is_own: Callable[[str], bool]) -> TracebackType | None:
    """The traceback from its first frame in a file that is the plugin's own."""
    while trace is not None and not is_own(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    return trace


@contextmanager
def _swapped_in(space: _Namespace) -> Iterator[None]:
    outer = _active[-1] if _active else None
    if outer is not None:
        outer.put_aside()
    displaced, path = space.install(), list(sys.path)
    space.extend_path()
    sys.meta_path.insert(sys.meta_path.index(PathFinder) if PathFinder in sys.meta_path else 0, space)
    _active.append(space)
    try:
        yield
    finally:
        _active.pop()
        sys.meta_path.remove(space)
        space.put_aside()
        space.restore_path(path)
        sys.modules.update(displaced)
        if outer is not None:
            sys.modules.update(outer.modules)


@contextmanager
def _on_path(root: str) -> Iterator[None]:
    added = root not in sys.path
    if added:
        sys.path.append(root)
    try:
        yield
    finally:
        if added and root in sys.path:
            sys.path.remove(root)


def _path_of(module: ModuleType) -> str | None:
    """The module's file, or a namespace package's folder."""
    return _file_of(module) or next(iter(getattr(module, "__path__", ())), None)


def _file_of(module: ModuleType) -> str | None:
    file = getattr(module, "__file__", None)
    return file if isinstance(file, str) else None


def _namespace(source: PluginSource) -> _Namespace:
    """The plugin's modules as they were loaded; none once one of their files has changed."""
    space = _namespaces.get(source.import_root)
    if space is None or any(_stamp(path) != stamp for path, stamp in space.stamps.items()):
        importlib.invalidate_caches()
        names, portions = _own_names(source.import_root)
        space = _namespaces[source.import_root] = _Namespace(source, names, portions)
    return space


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
    shared = sys.stdlib_module_names | {_OURS}
    return frozenset(names - shared), frozenset(portions - shared)


def _stamp(path: str) -> Stamp:
    try:
        info = os.stat(path)
    except OSError:
        return ()
    return (info.st_mtime_ns, info.st_ctime_ns, info.st_size, info.st_ino)


def _load_error(source: PluginSource, name: str, error: BaseException) -> PluginLoadError:
    """What went wrong at import, at the last place in the plugin's own code."""
    start = own_part(error.__traceback__, lambda place: belongs(place, source.import_root))
    shown = traceback.TracebackException(type(error), error, start)  # survives an exception whose str() fails
    file, line = None, None
    for frame in shown.stack:
        if belongs(frame.filename, source.import_root):
            file, line = frame.filename, frame.lineno
    text = str(shown)
    if isinstance(error, SyntaxError) and error.filename:
        file, line, text = error.filename, error.lineno, error.msg
    cause = f"{type(error).__name__}: {text}"
    place = f" at {_shown(file, source)}:{line}" if file else ""
    details = {
        "file": file,
        "line": line,
        "cause": cause,
        "traceback": "".join(shown.format()),
        "missing": error.name if isinstance(error, ModuleNotFoundError) else None,
    }
    first = cause.partition("\n")[0]
    return PluginLoadError(f"module {name!r} of the plugin does not import{place}: {first}", details)


def _shown(file: str, source: PluginSource) -> str:
    return os.path.relpath(file, source.folder.parent) if os.path.isabs(file) else file
