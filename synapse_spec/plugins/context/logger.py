"""The logger of a RuntimeContext: one sink for events, with the methods of a standard logger for messages."""

import sys
from typing import Any

from synapse_spec.plugins.events import Emit, Event, Log, render, storable


class ContextLogger:
    """Passes events on to `emit`; made by `execution.perform`, or by hand in a plugin's own tests."""

    def __init__(self, emit: Emit | None = None) -> None:
        self.emit: Emit = emit or _print_event

    def log(self, level: str, event: str, data: dict[str, Any], file: str | None = None) -> None:
        self.emit(Log(event, data, file, str(level)))

    def debug(self, message: str, *args: Any) -> None:
        self._say("debug", message, args)

    def info(self, message: str, *args: Any) -> None:
        self._say("info", message, args)

    def warning(self, message: str, *args: Any) -> None:
        self._say("warning", message, args)

    def error(self, message: str, *args: Any) -> None:
        self._say("error", message, args)

    def _say(self, level: str, message: str, args: tuple[Any, ...]) -> None:
        self.emit(Log("message", {"message": storable(message % args if args else message)}, None, level))


def _print_event(event: Event) -> None:
    print(render(event), file=sys.stderr)
