"""Packs a plugin and what runs it into one zip, for clusters that see neither our files nor an installed synapse-spec.

The same content gives the same bytes, so that Ray keeps it once. Used by `job` and `task`.
"""

import io
import json
import os
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from synapse_spec.plugins.execution import Invocation
from synapse_spec.plugins.executors.ray.entry import PACKED_FILES
from synapse_spec.plugins.executors.ray.jobs_api import package_name
from synapse_spec.plugins.files import fingerprint
from synapse_spec.plugins.source import PluginSource

_SKIPPED_FOLDERS = frozenset({"__pycache__", "node_modules"})
_SKIPPED_ENDINGS = (".pyc", ".pyo", ".status.yaml", ".status.yml")
_EPOCH = (1980, 1, 1, 0, 0, 0)


# What Ray's package managers replace by the folder that a package was unpacked to.
_UNPACKED = "${RAY_RUNTIME_ENV_CREATE_WORKING_DIR}"


class Uploads:
    """Packages of plugins in a driver's cluster: made and shipped once, as long as the files stay as they are."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[PluginSource | None, tuple[dict[str, list[int]], str]] = {}

    def uri(self, source: PluginSource | None) -> str:
        """Of the plugin's package."""
        with self._lock:
            state = fingerprint(iter(_plugin_files(source).values()))
            known, uri = self._known.get(source, (None, ""))
            if known != state:
                uri = _upload(source)
                self._known[source] = (state, uri)
            return uri

    def renew(self, source: PluginSource | None, uri: str) -> None:
        """Ship it again if Ray has dropped it, as it does when no actor has used it for a while."""
        from ray._private.runtime_env.packaging import package_exists

        if not package_exists(uri):
            _upload(source)


def packed_code(source: PluginSource | None) -> dict[str, Path]:
    """Name in the package -> file: the plugin, and this package's own source."""
    return _own_files() | _plugin_files(source)


def relative_env(runtime_env: dict[str, Any], source: PluginSource | None) -> dict[str, Any]:
    """The runtime env with the plugin's files where its package will have been unpacked."""
    if source is None:
        return runtime_env
    before, after = f"{source.import_root}{os.sep}", f"{_UNPACKED}/{PACKED_FILES}/"

    def moved(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: moved(item) for name, item in value.items()}
        if isinstance(value, list):
            return [moved(item) for item in value]
        return value.replace(before, after) if isinstance(value, str) else value

    return {name: moved(value) if name in ("pip", "uv") else value for name, value in runtime_env.items()}


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


@cache
def _own_files() -> dict[str, Path]:
    own_root = Path(__file__).parents[4]
    return {name: path for name, path in _tree(own_root / "synapse_spec", own_root) if path.suffix == ".py"}


def _plugin_files(source: PluginSource | None) -> dict[str, Path]:
    if source is None:
        return {}
    trees = [_tree(top, source.import_root) for top in _shipped(source)]
    return {f"{PACKED_FILES}/{name}": path for tree in trees for name, path in tree}


def _upload(source: PluginSource | None) -> str:
    from ray._private.runtime_env.packaging import upload_package_to_gcs

    content = zipped(packed_code(source))
    uri = f"gcs://{package_name(content)}"
    upload_package_to_gcs(uri, content)
    return uri


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
