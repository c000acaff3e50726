"""Imports plugin code so that each plugin folder has its own modules, even under the same names.

While a plugin is active its folder heads sys.path and its own modules stand in sys.modules; afterwards both are as
they were, and the modules are kept aside for the next time. So `import plugin.helper` finds the right one also late,
inside `execute`. Called by discovery and by `execution.perform`.
"""

import importlib
import os
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

from synapse_spec.plugins.errors import PluginLoadError
from synapse_spec.plugins.source import PluginSource

_SOURCE_MARK = "__synapse_source__"
_INSTALLED = frozenset({"site-packages", "dist-packages"})


@dataclass(eq=False, slots=True)
class _Namespace:
    """The modules of one plugin folder, and the state (mtime_ns, size) of the files they came from."""

    source: PluginSource
    names: frozenset[str]
    modules: dict[str, ModuleType] = field(default_factory=dict)
    stamps: dict[str, tuple[int, int]] = field(default_factory=dict)


_namespaces: dict[Path, _Namespace] = {}
_active: list[_Namespace] = []
# sys.modules, sys.path, os.environ and the working directory are the process's: one plugin at a time may hold them.
process_state = threading.RLock()


@contextmanager
def active(source: PluginSource) -> Iterator[None]:
    """Let `source` be the plugin whose modules imports find; may be nested, other threads wait for their turn."""
    with process_state:
        if source.module is not None:
            if str(source.import_root) not in sys.path:
                sys.path.append(str(source.import_root))
            yield
        elif _active and _active[-1].source.import_root == source.import_root:
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
    if not module_name or not qualname:
        raise PluginLoadError(f"entrypoint {entrypoint!r} is not of the form 'module:Class'")
    thing: Any = load_module(source, module_name)
    file = getattr(thing, "__file__", None) or module_name
    for part in qualname.split("."):
        try:
            thing = getattr(thing, part)
        except AttributeError:
            near = get_close_matches(part, dir(thing), 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise PluginLoadError(f"entrypoint {entrypoint!r}: {_shown(file, source)} has no {part!r}{hint}") from None
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
        vars(module)[_SOURCE_MARK] = source
        return module


def source_of(action: Any) -> PluginSource | None:
    """The plugin that an action was loaded from, or None if it came by an ordinary import."""
    function = getattr(action, "execute", action)
    found = getattr(function, "__globals__", {}).get(_SOURCE_MARK)
    return found if isinstance(found, PluginSource) else None


def belongs(path: str, root: Path) -> bool:
    """Whether the file is the plugin's own: under its root, and neither installed there nor hidden."""
    start = f"{root}{os.sep}"
    if not path.startswith(start):
        return False
    return not any(part in _INSTALLED or part.startswith(".") for part in path[len(start) :].split(os.sep))


@contextmanager
def _swapped_in(space: _Namespace) -> Iterator[None]:
    root = str(space.source.import_root)
    old_path, old_bytecode = list(sys.path), sys.dont_write_bytecode
    # Only names that the plugin itself would answer to make way: everything else stays shared.
    displaced = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] in space.names}
    sys.modules.update(space.modules)
    before = set(sys.modules) - space.modules.keys()
    sys.path[:] = [root, *(entry for entry in old_path if entry != root)]
    # A .pyc is trusted when whole-second time and size agree: an edit within the second would run the old code.
    sys.dont_write_bytecode = True
    _active.append(space)
    try:
        yield
    finally:
        _active.pop()
        for name in sys.modules.keys() - before:
            _keep_aside(name, space)
        sys.modules.update(displaced)
        sys.path[:] = old_path
        sys.dont_write_bytecode = old_bytecode


def _keep_aside(name: str, space: _Namespace) -> None:
    """Move a module from sys.modules to its plugin, if it is the plugin's own."""
    module = sys.modules[name]
    path = _path_of(module)
    if path is None or not belongs(path, space.source.import_root):
        return
    del sys.modules[name]
    space.modules[name] = module
    vars(module)[_SOURCE_MARK] = space.source
    if os.path.isfile(path):
        space.stamps.setdefault(path, _stamp(path))


def _path_of(module: ModuleType) -> str | None:
    """The module's file, or a namespace package's folder."""
    file = getattr(module, "__file__", None)
    if isinstance(file, str):
        return file
    return next(iter(getattr(module, "__path__", ())), None)


def _namespace(source: PluginSource) -> _Namespace:
    """The plugin's modules as they were loaded; none once one of their files has changed."""
    space = _namespaces.get(source.import_root)
    if space is None or any(_stamp(path) != stamp for path, stamp in space.stamps.items()):
        importlib.invalidate_caches()
        space = _namespaces[source.import_root] = _Namespace(source, _own_names(source.import_root))
    return space


def _own_names(root: Path) -> frozenset[str]:
    """Top-level names that importing from `root` answers to; the standard library's and ours stay as they are."""
    names = set()
    for entry in os.scandir(root):
        if entry.name.endswith(".py"):
            names.add(entry.name[:-3])
        elif entry.is_dir() and any(item.name.endswith(".py") for item in os.scandir(entry)):
            names.add(entry.name)
    return frozenset(names - sys.stdlib_module_names - {__name__.partition(".")[0]})


def _stamp(path: str) -> tuple[int, int]:
    try:
        info = os.stat(path)
    except OSError:
        return (0, 0)
    return (info.st_mtime_ns, info.st_size)


def _load_error(source: PluginSource, name: str, error: BaseException) -> PluginLoadError:
    """What went wrong at import, at the last place in the plugin's own code."""
    file, line = None, None
    for frame in traceback.extract_tb(error.__traceback__):
        if belongs(frame.filename, source.import_root):
            file, line = frame.filename, frame.lineno
    if isinstance(error, SyntaxError) and error.filename:
        file, line = error.filename, error.lineno
    cause = f"{type(error).__name__}: {error.msg if isinstance(error, SyntaxError) else error}"
    place = f" at {_shown(file, source)}:{line}" if file else ""
    details = {
        "file": file,
        "line": line,
        "cause": cause,
        "traceback": "".join(traceback.format_exception(error)),
        "missing": error.name if isinstance(error, ModuleNotFoundError) else None,
    }
    return PluginLoadError(f"module {name!r} of the plugin does not import{place}: {cause}", details)


def _shown(file: str, source: PluginSource) -> str:
    return os.path.relpath(file, source.folder.parent) if os.path.isabs(file) else file
