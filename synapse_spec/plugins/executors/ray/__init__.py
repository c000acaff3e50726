"""Actions on Ray: actors for `task`, jobs for `job`. Importing it imports no Ray."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synapse_spec.plugins.executors.ray.job import RayJobExecutor as RayJobExecutor
    from synapse_spec.plugins.executors.ray.task import RayActorExecutor as RayActorExecutor

_HOMES = {
    "RayActorExecutor": "synapse_spec.plugins.executors.ray.task",
    "RayJobExecutor": "synapse_spec.plugins.executors.ray.job",
}

__all__ = ["RayActorExecutor", "RayJobExecutor"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
