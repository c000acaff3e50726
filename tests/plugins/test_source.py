"""PluginSource: where a plugin's code is, found without importing it."""

import json
import sys
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from synapse_spec.plugins.errors import PluginNotFoundError
from synapse_spec.plugins.source import PluginSource
from tests.conftest import MakePlugin


def test_from_path_takes_the_folder_or_its_config(make_plugin: MakePlugin, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_plugin("demo", "def run(): ...")
    source = PluginSource.from_path(folder)
    assert (source.folder, source.import_root, source.module) == (folder, folder, None)
    assert source.config_path == folder / "config.yaml"
    assert PluginSource.from_path(str(folder / "config.yaml")) == source
    monkeypatch.chdir(folder.parent)
    assert PluginSource.from_path("demo") == source
    assert PluginSource.from_path("demo/../demo/") == source
    monkeypatch.setenv("HOME", str(folder.parent))
    assert PluginSource.from_path("~/demo") == source


def test_from_path_of_nothing(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("")
    for path in (tmp_path / "none", tmp_path / "notes.txt", tmp_path / "notes.txt" / "x"):
        with pytest.raises(PluginNotFoundError, match=str(path)):
            PluginSource.from_path(path)


MODULES = {
    "single.py": "raise SystemExit",
    "pack/__init__.py": "raise SystemExit",
    "pack/inner.py": "raise SystemExit",
    "pack/sub/__init__.py": "",
    "space/inner.py": "",
}


@pytest.mark.parametrize(
    ("name", "folder"),
    [("single", "."), ("pack", "pack"), ("pack.inner", "pack"), ("pack.sub", "pack/sub"), ("space.inner", "space")],
)
def test_from_module_imports_nothing(make_plugin: MakePlugin, name: str, folder: str) -> None:
    root = make_plugin("libs", MODULES)
    source = PluginSource.from_module(name, (root,))
    assert source == PluginSource((root / folder).resolve(), root, name)
    assert name not in sys.modules


@pytest.mark.parametrize(
    "name", ["none", "pack.none", "single.inner", "pack.inner.deeper", "", ".pack", "pack..sub", "sys"]
)
def test_from_module_of_nothing(make_plugin: MakePlugin, name: str) -> None:
    root = make_plugin("libs", MODULES)
    with pytest.raises(PluginNotFoundError, match=f"no module named {name!r}"):
        PluginSource.from_module(name, (root,))


def test_from_module_asks_import_hooks_too(make_plugin: MakePlugin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Editable installs may map a package by a finder instead of a path."""
    root = make_plugin("libs", MODULES)

    class Finder:
        @staticmethod
        def find_spec(name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
            if name != "pack":
                return None
            place = str(root / "pack" / "__init__.py")
            loader = SourceFileLoader(name, place)
            return spec_from_file_location(name, place, loader=loader, submodule_search_locations=[str(root / "pack")])

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder])
    assert PluginSource.from_module("pack.inner") == PluginSource(root / "pack", root, "pack.inner")


def test_wire() -> None:
    for source in (PluginSource(Path("/p"), Path("/p")), PluginSource(Path("/p/a"), Path("/p"), "a")):
        assert PluginSource.from_wire(json.loads(json.dumps(source.to_wire()))) == source
