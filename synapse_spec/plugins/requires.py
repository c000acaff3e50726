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

from synapse_spec.plugins.config import PluginRequires
from synapse_spec.plugins.enums import ExecutionMode
from synapse_spec.plugins.errors import PluginLoadError
from synapse_spec.plugins.sdk import DISTRIBUTION

_CUDA_FILE = Path("/usr/local/cuda/version.json")


def demand(requires: PluginRequires | None, mode: ExecutionMode) -> None:
    """Go on only if all is met.

    Raises:
        PluginLoadError: Something is not; says what, and what is here.
    """
    if requires is not None and (problems := [f"requires.{name}: {words}" for name, words in unmet(requires, mode)]):
        raise PluginLoadError(f"the plugin cannot run here: {'; '.join(problems)}")


def unmet(requires: PluginRequires, mode: ExecutionMode) -> Iterator[tuple[str, str]]:
    """What is not met: the key, and what is wrong, in words.

    A plugin that asks for a version of the SDK and none is installed here may not need it; if it does, its code does
    not load.
    """
    if requires.python is not None:
        yield from _held("python", requires.python, "Python", platform.python_version())
    if mode is not ExecutionMode.LOCAL:
        return
    if requires.sdk is not None and (sdk := _installed()) is not None:
        yield from _held("sdk", requires.sdk, DISTRIBUTION, sdk)
    if requires.cuda is not None:
        yield from _held("cuda", requires.cuda, "CUDA", _cuda())


def _held(key: str, wanted: str, what: str, version: str | None) -> Iterator[tuple[str, str]]:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import InvalidVersion

    text = f"=={wanted}.*" if wanted[:1].isdigit() else wanted
    try:
        specifiers = SpecifierSet(text)
    except InvalidSpecifier:
        yield key, f"{wanted!r} is no version specifier, such as '>=1.2,<2'"
        return
    try:
        met = version is not None and specifiers.contains(version, prereleases=True)
    except InvalidVersion:
        met = False
    if not met:
        yield key, f"{what} {wanted} is asked for, and here is {version or 'none'}"


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
