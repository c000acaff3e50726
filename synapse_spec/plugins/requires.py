"""Versions that a plugin's config asks for under `requires`, held against what is here.

Called before a plugin runs, by `runner`, and by the checks of specs. What a task or a job finds is its cluster's: of
that only Python is known, which Ray wants to be the same.
"""

import json
import os
import platform
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from synapse_spec.plugins.config import PluginRequires
from synapse_spec.plugins.enums import ExecutionMode
from synapse_spec.plugins.errors import PluginLoadError
from synapse_spec.plugins.sdk import DISTRIBUTION

_CUDA_FILE = Path("/usr/local/cuda/version.json")


class Unmet(NamedTuple):
    """What is not met: the key, what is wrong in words, and whether that is certain."""

    key: str
    words: str
    certain: bool = True


def asked_for(requires: PluginRequires | None) -> dict[str, str]:
    """The keys that are given; others may stand there too, for other tools."""
    return requires.model_dump(include=set(PluginRequires.model_fields), exclude_none=True) if requires else {}


def demand(requires: PluginRequires | None, mode: ExecutionMode) -> None:
    """Go on only if all is met.

    Raises:
        PluginLoadError: Something is not; says what, and what is here.
    """
    problems = [f"requires.{item.key}: {item.words}" for item in unmet(asked_for(requires), mode) if item.certain]
    if problems:
        raise PluginLoadError(f"the plugin cannot run here: {'; '.join(problems)}")


def unmet(requires: dict[str, str], mode: ExecutionMode) -> Iterator[Unmet]:
    """What is not met.

    A plugin that asks for a version of the SDK where none is installed may not need it; if it does, its code does not
    load. CUDA may be hidden from us in a library that brings its own, so that none is found is not certain; nor is it
    that a plugin does not run with a newer version than those that it was made with.
    """
    if "python" in requires:
        yield from _held("python", requires["python"], "Python", platform.python_version())
    if mode is not ExecutionMode.LOCAL:
        return
    if "sdk" in requires and (sdk := _installed()) is not None:
        yield from _held("sdk", requires["sdk"], DISTRIBUTION, sdk)
    if "cuda" in requires:
        yield from _held("cuda", requires["cuda"], "CUDA", _cuda())


def _held(key: str, wanted: str, what: str, version: str | None) -> Iterator[Unmet]:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import InvalidVersion

    try:
        specifiers = SpecifierSet(f"=={wanted}.*" if wanted[:1].isdigit() else wanted)
    except InvalidSpecifier:
        yield Unmet(key, f"{wanted!r} is no version specifier, such as '>=1.2,<2'")
        return
    try:
        broken = [item for item in specifiers if version is None or not item.contains(version, prereleases=True)]
    except InvalidVersion:
        broken = list(specifiers)
    if broken:
        found = f"here is {version}" if version is not None else "none is found here"
        newer = all(item.operator in ("<", "<=") for item in broken)
        yield Unmet(key, f"{what} {wanted} is asked for, and {found}", version is not None and not newer)


def _installed() -> str | None:
    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return None


def _cuda() -> str | None:
    """The version of the CUDA toolkit, as images say it and as its installer leaves it."""
    if version := os.environ.get("CUDA_VERSION"):
        return version
    try:
        return str(json.loads(_CUDA_FILE.read_bytes())["cuda"]["version"])
    except (OSError, ValueError, LookupError, TypeError):
        return None
