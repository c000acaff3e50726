"""Errors of the plugin runtime; raised by the Python API, and turned into diagnostics by the floors above."""

from typing import Any


class PluginError(Exception):
    """Something about a plugin or its run is wrong.

    Attributes:
        message: One line for a person.
        details: More of it as data (a list of pydantic's problems, a traceback), or None.
    """

    def __init__(self, message: str, details: Any = None) -> None:
        super().__init__(message)
        self.message = message
        self.details = details

    def __str__(self) -> str:
        return self.message


class ValidationError(PluginError):
    """Params or a result do not fit their model; `details` lists the problems."""


class ActionNotFoundError(PluginError):
    """The plugin offers no action of that name; `details` lists those it does offer."""


class ExecutionError(PluginError):
    """An action was started and did not complete; `details` is {reason, type, message, traceback}."""


class PluginNotFoundError(PluginError):
    """There is no plugin at that path or under that module name."""


class PluginConfigError(PluginError):
    """A config.yaml cannot be used; `details` is {path, line, column} where known."""


class PluginLoadError(PluginError):
    """The plugin's code does not import; `details` is {file, line, cause, traceback}."""
