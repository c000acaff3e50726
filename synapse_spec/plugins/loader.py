"""Imports plugin code so that each plugin folder has its own modules, even under the same names.

While a plugin is active its folder heads sys.path and its own modules stand in sys.modules; afterwards both are as
they were, and the modules are kept aside for the next time. So `import plugin.helper` finds the right one also late,
inside `execute`. Called by discovery and by `execution.perform`.
"""

import importlib
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from types import ModuleType, TracebackType
from typing import Any

from synapse_spec.plugins import sdk
from synapse_spec.plugins.errors import PluginLoadError
from synapse_spec.plugins.namespace import SOURCE_MARK, Namespace, belongs, namespace_of
from synapse_spec.plugins.process_state import ProcessState
from synapse_spec.plugins.source import PluginSource

__all__ = ["active", "belongs", "is_active", "load_module", "load_object", "own_part", "process_state", "source_of"]

_active: list[Namespace] = []
# sys.modules, sys.path, os.environ and the working directory are the process's: one plugin at a time may hold them.
process_state = ProcessState()


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
            with _swapped_in(namespace_of(source)):
                yield


def is_active(source: PluginSource) -> bool:
    """Whether `source` is the plugin that imports find, with its files as they were when it was loaded."""
    return bool(_active) and _active[-1] is namespace_of(source)


@contextmanager
def _swapped_in(space: Namespace) -> Iterator[None]:
    outer = _active[-1] if _active else None
    if outer is not None:
        outer.put_aside()
    path, displaced = list(sys.path), space.displace()
    space.extend_path()
    space.install()
    _active.append(space)
    try:
        yield
    finally:
        _active.pop()
        space.put_aside()
        space.restore_path(path)
        sys.modules.update(displaced)
        if outer is not None:
            outer.install()


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


def load_object(source: PluginSource, entrypoint: str, adapt: Callable[[Any, str], Any] | None = None) -> Any:
    """The object that `module:qualname` (or `module.qualname`) names in the plugin, or what `adapt` makes of it.

    Raises:
        PluginLoadError: The module does not import, or has no such name; says where and why.
    """
    module_name, _, qualname = entrypoint.partition(":") if ":" in entrypoint else entrypoint.rpartition(".")
    if not qualname or not all(part and "/" not in part for part in module_name.split(".")):
        raise PluginLoadError(f"entrypoint {entrypoint!r} is not of the form 'package.module:Class'")
    with active(source):
        thing: Any = load_module(source, module_name)
        file = getattr(thing, "__file__", None) or module_name
        for part in qualname.split("."):
            try:
                thing = getattr(thing, part)
            except AttributeError:
                near = get_close_matches(part, dir(thing), 1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                place = _shown(file, source)
                raise PluginLoadError(f"entrypoint {entrypoint!r}: {place} has no {part!r}{hint}") from None
        thing = adapt(thing, f"{module_name}:{qualname}") if adapt is not None else thing
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
            importlib.invalidate_caches()  # what was missing may be there next time, within one tick of the clock
            raise _load_error(source, name, error) from error
        if source.module is not None:
            vars(module)[SOURCE_MARK] = source
        return module


def source_of(action: Any) -> PluginSource | None:
    """The plugin that an action was loaded from, or None if it came by an ordinary import."""
    function = getattr(action, "execute", action)
    marked = getattr(action, "__dict__", {}).get(SOURCE_MARK) or getattr(function, "__globals__", {}).get(SOURCE_MARK)
    return marked if isinstance(marked, PluginSource) else None


def _mark(thing: Any, source: PluginSource) -> None:
    """Note on the plugin's own classes and functions where they are from: their code may be a library's."""
    home = sys.modules.get(getattr(thing, "__module__", ""))
    if callable(thing) and getattr(home, SOURCE_MARK, None) == source:
        with suppress(AttributeError):  # no action, then; whoever asked for one says so
            setattr(thing, SOURCE_MARK, source)


def own_part(trace: TracebackType | None, is_own: Callable[[str], bool]) -> TracebackType | None:
    """The traceback from its first frame in a file that is the plugin's own."""
    while trace is not None and not is_own(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    return trace


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
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    details = {
        "file": file,
        "line": line,
        "cause": cause,
        "traceback": "".join(shown.format()),
        "missing": missing,
    }
    if missing == sdk.PACKAGE:
        way = f"pip install {sdk.DISTRIBUTION}" + (f" (it is imported{place})" if place else "")
        return PluginLoadError(f"the plugin needs {sdk.DISTRIBUTION}, which is not installed: {way}", details)
    first = cause.partition("\n")[0]
    return PluginLoadError(f"module {name!r} of the plugin does not import{place}: {first}", details)


def _shown(file: str, source: PluginSource) -> str:
    return os.path.relpath(file, source.folder.parent) if os.path.isabs(file) else file
