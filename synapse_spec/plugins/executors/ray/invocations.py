"""What the two Ray executors share: an action of the caller's as an invocation for another process."""

import os
from pathlib import Path
from typing import Any

from synapse_spec.plugins.action import ActionLike, entrypoint_of
from synapse_spec.plugins.errors import PluginLoadError
from synapse_spec.plugins.execution import Invocation, check_params, load_action
from synapse_spec.plugins.loader import source_of
from synapse_spec.plugins.source import PluginSource


def cache_folder() -> Path:
    """Where the embedded cluster of the Python API keeps its record, for every process of the user to find."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser().absolute() / "synapse-spec" / "ray"


def folder_of(working_dir: Path | str | None) -> Path | None:
    """As `invocation_of` takes it."""
    return Path(working_dir).expanduser().resolve() if working_dir is not None else None


def invocation_of(
    action: ActionLike | str,
    params: dict[str, Any],
    env: dict[str, str],
    job_id: str | None,
    folder: Path | None,
) -> Invocation:
    """The action with its params, checked as far as can be done here.

    Args:
        action: The action, or its entrypoint in `folder`.
        params: For it.
        env: Laid over the environment.
        job_id: Shown to the action.
        folder: The working directory, by `folder_of`.

    Raises:
        ValidationError: The params do not fit.
        PluginLoadError: Another process could not import the action.
    """
    entrypoint = action if isinstance(action, str) else entrypoint_of(action)
    source = _source(action, entrypoint, folder)
    loaded = action if not isinstance(action, str) else _loaded(source, entrypoint)
    if loaded is not None:
        check_params(loaded, params)
    name = entrypoint.rpartition(":")[2]
    return Invocation(source, name, entrypoint, params, env, job_id, str(folder) if folder is not None else None)


def _source(action: ActionLike | str, entrypoint: str, folder: Path | None) -> PluginSource:
    known = source_of(action)
    if known is not None:
        return known
    module = entrypoint.partition(":")[0] if ":" in entrypoint else entrypoint.rpartition(".")[0]
    if module == "__main__":
        raise PluginLoadError(
            f"{entrypoint!r} is in the script itself, which other processes cannot import: use a module"
        )
    if isinstance(action, str) and folder is not None:
        return PluginSource.from_path(folder)
    return PluginSource.from_module(module)


def _loaded(source: PluginSource, entrypoint: str) -> ActionLike | None:
    """The action behind an entrypoint; None if what it needs is installed only where it will run."""
    try:
        return load_action(source, entrypoint)
    except PluginLoadError as error:
        if (error.details or {}).get("missing"):
            return None
        raise
