"""What a plugin asks Ray to prepare for its workers: runtime_env, requirements and wheels, and the word of the run.

Pure but for reading the plugin's files. Called by the engine and by the Ray executors.
"""

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from synapse_spec.plugins.files import State, state_of
from synapse_spec.plugins.source import CONFIG_NAME, PluginSource

# Ray takes one of these at a time.
_MANAGERS = ("pip", "uv", "conda")
_FILE_OPTION = re.compile(r"(-r|-c|-e|-f|--requirement|--constraint|--editable|--find-links)(?:\s+|=|(?<=^..))(\S.*)")
_INCLUDES = ("-r", "--requirement")
_LOCAL = re.compile(r"\.{0,2}/|\S+\.whl(\s|$)")


class Needs(Protocol):
    """What counts of a plugin's config: PluginConfig has it, and what the engine keeps of one."""

    @property
    def runtime_env(self) -> dict[str, Any]: ...
    @property
    def package_manager(self) -> str: ...
    @property
    def package_manager_options(self) -> list[str]: ...
    @property
    def wheels_dir(self) -> str: ...


def of_plugin(config: Needs, source: PluginSource, run: dict[str, Any]) -> dict[str, Any]:
    """The runtime_env of a run of the plugin; files of the plugin by their absolute paths.

    Args:
        config: The plugin's.
        source: Where the plugin is, with its requirements.txt and its folder of wheels.
        run: The runtime_env of the run, which goes before the plugin's.
    """
    requirements: list[str] = []
    if source.module is None or source.folder != source.import_root:  # what lies beside a lone module is not its own
        requirements = [*requirements_of(source.folder), *wheels_of(source.folder / config.wheels_dir)]
    manager, options = str(config.package_manager), config.package_manager_options
    return merge(config.runtime_env, run, requirements, package_manager=manager, options=options)


def of_source(source: PluginSource | None, run: dict[str, Any]) -> dict[str, Any]:
    """The same, of a plugin whose config has not been read; without one the run's own word.

    Raises:
        PluginConfigError: It cannot be used.
    """
    from synapse_spec.plugins.config import PluginConfig, read_config

    if source is None:
        return run
    path = source.config_path
    return of_plugin(read_config(path) if path.is_file() else PluginConfig(name="-", code="-"), source, run)


def state_of_needs(source: PluginSource | None) -> list[State]:
    """What changes when a plugin's config or its requirements.txt does; not with files that it includes."""
    if source is None:
        return []
    folder = str(source.folder)
    return [_state(f"{folder}/{CONFIG_NAME}"), _state(f"{folder}/requirements.txt")]


def _state(path: str) -> State:
    try:
        return state_of(path)
    except OSError:  # there is none
        return []


def requirements_of(folder: Path) -> list[str]:
    """The lines of the folder's requirements.txt and of those that it includes; none without the file.

    Comments are left out, and paths made absolute: Ray writes the lines to a file of its own.
    """
    return list(_lines(folder / "requirements.txt", frozenset()))


def wheels_of(folder: Path) -> list[str]:
    """The wheels in the folder, as requirements that change with their content; of several builds the fitting one."""
    versions: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("*.whl")):
        name, version = path.name.split("-")[:2]
        versions.setdefault(f"{name}=={version}", []).append(path)
    lines = []
    for pinned, paths in versions.items():
        if len(paths) > 1:
            lines += [f"--find-links {folder}", pinned]
        else:
            digest = hashlib.sha256(paths[0].read_bytes()).hexdigest()
            lines.append(f"{pinned.partition('==')[0]} @ {paths[0].as_uri()}#sha256={digest}")
    return list(dict.fromkeys(lines))


def without_installed(runtime_env: dict[str, Any]) -> dict[str, Any]:
    """Without the packages, where this Python has them all: for workers that it runs itself."""
    for manager in runtime_env.keys() & {"pip", "uv"}:
        field = runtime_env[manager]
        packages = field.get("packages") if isinstance(field, dict) else field
        if isinstance(packages, list) and all(map(_is_installed, packages)):
            return {name: value for name, value in runtime_env.items() if name != manager}
    return runtime_env


def merge(
    plugin: dict[str, Any],
    spec: dict[str, Any],
    requirements: Sequence[str] = (),
    *,
    package_manager: str = "pip",
    options: Sequence[str] = (),
) -> dict[str, Any]:
    """The runtime_env of a run.

    The spec's fields win over the plugin's, `env_vars` one by one. Requirements join what the package manager installs
    anyway; with conda they are left to its environment, which Ray does not combine with pip or uv.

    Args:
        plugin: The runtime_env of the plugin's config.
        spec: That of the run.
        requirements: The plugin's, as `requirements_of` gives them.
        package_manager: pip or uv, for the requirements.
        options: Given to the package manager.
    """
    chosen = next((name for name in _MANAGERS if name in spec), None)
    kept = {name: value for name, value in plugin.items() if chosen is None or name not in _MANAGERS}
    merged = kept | spec
    if env_vars := (plugin.get("env_vars") or {}) | (spec.get("env_vars") or {}):
        merged["env_vars"] = {name: str(value) for name, value in env_vars.items()}
    if requirements and "conda" not in merged:
        manager = next((name for name in _MANAGERS if name in merged), package_manager)
        merged[manager] = _with_requirements(merged.get(manager), manager, requirements, options)
    return merged


def _with_requirements(field: Any, manager: str, requirements: Sequence[str], options: Sequence[str]) -> dict[str, Any]:
    """Ray's field is a list of packages, or a mapping that has one under `packages`, or a requirements file's path."""
    settings = dict(field) if isinstance(field, dict) else {"packages": field or []}
    listed = settings.get("packages", [])
    if isinstance(listed, str):
        listed = [f"-r {listed}"]
    settings["packages"] = list(dict.fromkeys([*requirements, *listed]))
    if options:
        name = f"{manager}_install_options" if manager == "pip" else "uv_pip_install_options"
        settings[name] = list(dict.fromkeys([*options, *settings.get(name, [])]))
    return settings


def _lines(path: Path, including: frozenset[Path]) -> Iterator[str]:
    path = Path(os.path.normpath(path))
    if not path.is_file() or path in including:
        return
    text = re.sub(r"\\\r?\n", " ", path.read_text(encoding="utf-8-sig"))
    for raw in text.splitlines():
        line = raw.split(" #", 1)[0].strip()
        option = _FILE_OPTION.fullmatch(line)
        if option and "://" not in option[2]:
            if option[1] in _INCLUDES:
                yield from _lines(path.parent / option[2], including | {path})
            else:
                yield f"{option[1]} {path.parent / option[2]}"
        elif _LOCAL.match(line) and "://" not in line:
            yield str(path.parent / line)
        elif line and not line.startswith("#"):
            yield line


@cache
def _is_installed(line: str) -> bool:
    from importlib import metadata

    from packaging.requirements import InvalidRequirement, Requirement

    if _FILE_OPTION.fullmatch(line):
        return False
    if line.startswith("-"):  # where to get packages from
        return True
    try:
        wanted = Requirement(line)
        if wanted.marker is not None and not wanted.marker.evaluate():
            return True
        plain = not wanted.url and not wanted.extras
        return plain and wanted.specifier.contains(metadata.version(wanted.name), prereleases=True)
    except (InvalidRequirement, metadata.PackageNotFoundError):
        return False
