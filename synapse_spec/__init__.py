"""synapse-spec: run plugin actions declaratively from YAML run specs.

Owns the few names that people reach for first. They load on first use, so that
`import synapse_spec` costs nothing and pulls in neither pydantic nor Ray.
"""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from synapse_spec.plugins.action import BaseAction as BaseAction
    from synapse_spec.plugins.context import RuntimeContext as RuntimeContext
    from synapse_spec.plugins.decorators import action as action
    from synapse_spec.plugins.discovery import PluginDiscovery as PluginDiscovery
    from synapse_spec.plugins.enums import ExecutionMode as ExecutionMode
    from synapse_spec.plugins.runner import run_plugin as run_plugin

_HOMES = {
    "BaseAction": "synapse_spec.plugins.action",
    "ExecutionMode": "synapse_spec.plugins.enums",
    "PluginDiscovery": "synapse_spec.plugins.discovery",
    "RuntimeContext": "synapse_spec.plugins.context",
    "action": "synapse_spec.plugins.decorators",
    "run_plugin": "synapse_spec.plugins.runner",
}

__all__ = ["BaseAction", "ExecutionMode", "PluginDiscovery", "RuntimeContext", "__version__", "action", "run_plugin"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
