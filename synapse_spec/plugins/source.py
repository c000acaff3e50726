"""Where a plugin's code lives. Made by discovery, carried by every invocation to wherever it runs."""

import os
import sys
from dataclasses import dataclass
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from synapse_spec.plugins.errors import PluginNotFoundError

CONFIG_NAME = "config.yaml"


@dataclass(frozen=True, slots=True)
class PluginSource:
    """A plugin folder, or an importable module.

    Attributes:
        folder: Absolute; the plugin's own files and the working directory of its actions under `apply`.
        import_root: Absolute; the folder that goes on `sys.path`.
        module: The importable name, or None for a plugin folder.
    """

    folder: Path
    import_root: Path
    module: str | None = None

    @classmethod
    def from_path(cls, path: Path | str) -> "PluginSource":
        """The plugin at a folder, or at its config file.

        Raises:
            PluginNotFoundError: There is neither.
        """
        if os.path.isabs(path) and os.path.isdir(path):  # the same as below, in a third of the time
            real = os.path.realpath(path)
            return _from_wire(real, real, None)
        place = Path(path).expanduser().absolute()
        try:
            if place.name == CONFIG_NAME and place.is_file():
                place = place.parent
            if not place.is_dir():
                raise PluginNotFoundError(f"no plugin folder at {path}")
            folder = place.resolve()
        except OSError as error:  # the path is too long, a circle of links, or goes through what may not be entered
            raise PluginNotFoundError(f"no plugin folder can be looked for there: {error.strerror}") from None
        return cls(folder, folder)

    @classmethod
    def from_module(cls, name: str, search: tuple[Path, ...] = ()) -> "PluginSource":
        """The plugin that is the module `name`, looked for on sys.path, then in `search`; nothing is imported.

        Raises:
            PluginNotFoundError: No such module.
        """
        where, origin = [*sys.path, *map(str, search)], ""
        parts = name.split(".")
        for depth, part in enumerate(parts):
            spec = PathFinder.find_spec(part, where) or (None if depth else _hooked(part))
            if spec is None:
                raise PluginNotFoundError(f"no module named {name!r} can be imported here")
            where, origin = list(spec.submodule_search_locations or ()), spec.origin or ""
        folder = Path(where[0]).resolve() if where else Path(origin).resolve().parent
        depth = len(parts) if where else len(parts) - 1
        return cls(folder, folder.parents[depth - 1] if depth else folder, name)

    @property
    def config_path(self) -> Path:
        return self.folder / CONFIG_NAME

    def to_wire(self) -> dict[str, Any]:
        return {"folder": str(self.folder), "importRoot": str(self.import_root), "module": self.module}

    @classmethod
    def from_wire(cls, wire: dict[str, Any]) -> "PluginSource":
        return _from_wire(wire["folder"], wire["importRoot"], wire["module"])


@cache
def _from_wire(folder: str, import_root: str, module: str | None) -> PluginSource:
    """One value for one plugin: the paths in it keep what was found out of them."""
    return PluginSource(Path(folder), Path(import_root), module)


def _hooked(name: str) -> ModuleSpec | None:
    """A top-level module that is on no path: an editable install may map its name by a finder of its own."""
    try:
        spec = find_spec(name)
    except ValueError:  # no name, or one without a spec, such as __main__
        return None
    return spec if spec is not None and (spec.has_location or spec.submodule_search_locations) else None
