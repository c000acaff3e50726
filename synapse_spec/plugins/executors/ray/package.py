"""Packs a plugin and what runs it into one zip, for clusters that see neither our files nor an installed synapse-spec.

The same content gives the same bytes, so that Ray keeps it once. Used by `job` and `task`.
"""

import io
import json
import os
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from synapse_spec.plugins.execution import Invocation
from synapse_spec.plugins.executors.ray.entry import PACKED_FILES
from synapse_spec.plugins.source import PluginSource

_SKIPPED_FOLDERS = frozenset({"__pycache__", "node_modules"})
_SKIPPED_ENDINGS = (".pyc", ".pyo", ".status.yaml", ".status.yml")
_EPOCH = (1980, 1, 1, 0, 0, 0)


def packed_code(source: PluginSource | None) -> dict[str, Path]:
    """Name in the package -> file: the plugin, and this package's own source."""
    own_root = Path(__file__).parents[4]
    own = _tree(own_root / "synapse_spec", own_root)
    files = {name: path for name, path in own if path.suffix == ".py"}
    if source is not None:
        for top in _shipped(source):
            files |= {f"{PACKED_FILES}/{name}": path for name, path in _tree(top, source.import_root)}
    return files


def zipped(files: dict[str, Path], payload: dict[str, Any] | None = None) -> bytes:
    """The package; with a payload its `payload.json`."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as package:
        for name, path in sorted(files.items()):
            mode = 0o755 if os.access(path, os.X_OK) else 0o644
            package.writestr(_member(name, mode), path.read_bytes())
        if payload is not None:
            package.writestr(_member("payload.json", 0o600), json.dumps(payload))
    return content.getvalue()


def relative(invocation: Invocation) -> Invocation:
    """The invocation with paths relative to the plugin's import root, as `entry` expects them in a package."""
    source = invocation.source
    if source is None:
        return replace(invocation, working_dir=None)
    root = source.import_root
    folder = source.folder.relative_to(root)
    working_dir = Path(invocation.working_dir or source.folder)
    inside = working_dir.relative_to(root) if working_dir.is_relative_to(root) else folder
    return replace(invocation, source=replace(source, folder=folder, import_root=Path()), working_dir=str(inside))


def _shipped(source: PluginSource) -> list[Path]:
    """A plugin folder as a whole; of a module its top-level package only, since site-packages may be its root."""
    if source.module is None:
        return [source.import_root]
    top = source.import_root / source.module.partition(".")[0]
    return [top if top.is_dir() else top.with_suffix(".py")]


def _tree(top: Path, root: Path) -> Iterator[tuple[str, Path]]:
    if top.is_file():
        yield top.relative_to(root).as_posix(), top
    for folder, subfolders, names in os.walk(top):
        subfolders[:] = sorted(name for name in subfolders if not name.startswith(".") and name not in _SKIPPED_FOLDERS)
        for name in names:
            path = Path(folder, name)
            if not name.startswith(".") and not name.endswith(_SKIPPED_ENDINGS) and path.is_file():
                yield path.relative_to(root).as_posix(), path


def _member(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _EPOCH)
    info.external_attr = mode << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    return info
