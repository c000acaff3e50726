"""What a plugin asks Ray to prepare for its workers: its config's runtime_env, its requirements, and the spec's word.

Pure but for reading requirements.txt; called by the engine.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

# Ray takes one of these at a time.
_MANAGERS = ("pip", "uv", "conda")


def requirements_of(folder: Path) -> list[str]:
    """The lines of the folder's requirements.txt, without comments; none without the file."""
    path = folder / "requirements.txt"
    if not path.is_file():
        return []
    lines = (line.split(" #", 1)[0].strip() for line in path.read_text(encoding="utf-8-sig").splitlines())
    return [line for line in lines if line and not line.startswith("#")]


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
