"""The context an action runs in: how it reports, and what it may read. Built by `execution.perform`."""

import enum
import math
from typing import Any

from synapse_spec.plugins.context.environment import PluginEnvironment
from synapse_spec.plugins.context.logger import ContextLogger
from synapse_spec.plugins.enums import LogLevel
from synapse_spec.plugins.events import Log, Metrics, Progress, storable

__all__ = ["PluginEnvironment", "RuntimeContext"]

_MAX_BITS = 14_000  # Python refuses to write longer ones as decimal text
_MAX_DEPTH = 50


class RuntimeContext:
    """What an action gets beside its params.

    Attributes:
        logger: Takes every event; also usable like a standard logger (`info`, `warning`…).
        env: The environment as the action sees it; the same values are in `os.environ`.
        job_id: Identifier of this execution, or None.
        client: Always None here: there is no backend.
        checkpoint: A checkpoint to go on from, or None.
    """

    def __init__(
        self,
        logger: ContextLogger,
        env: PluginEnvironment | None = None,
        job_id: str | None = None,
        client: Any = None,
        checkpoint: dict[str, Any] | None = None,
    ) -> None:
        self.logger = logger
        self.env = env if env is not None else PluginEnvironment.from_environ()
        self.job_id = job_id
        self.client = client
        self.checkpoint = checkpoint

    def log(
        self, event: str, data: dict[str, Any], file: str | None = None, level: LogLevel | str = LogLevel.INFO
    ) -> None:
        """Record a structured entry; `data` must be JSON-compatible, other values are shown as text."""
        self.logger.emit(Log(event, plain(data), file, str(level)))

    def set_progress(self, current: int, total: int, step: str | None = None) -> None:
        """Report `current` of `total` units done; total 0 (an empty data set) is fine."""
        self.logger.emit(Progress(int(current), int(total), step))

    def set_metrics(self, value: dict[str, Any], step: str) -> None:
        """Report values measured in `step`; the last ones of each step are kept in the status."""
        self.logger.emit(Metrics(plain(value), step))

    def log_message(
        self,
        message: str | dict[str, str],
        level: LogLevel | str = LogLevel.INFO,
        *,
        language: str | None = None,
        step: str | None = None,
        **values: Any,
    ) -> None:
        """Tell people something; `{name}` in the text is filled from keywords.

        Args:
            message: The text, or a text for each language code; `language` picks one, else English, else the first.
            level: debug, info, warning or error.
            language: ISO 639-1 code.
            step: The step it belongs to.
            **values: What `{name}` stands for.
        """
        text = _in_language(message, language) if isinstance(message, dict) else message
        data = {"message": text.format(**values) if values else text}
        self.log("message", data | ({"step": step} if step else {}), level=level)

    def log_metric(self, category: str, key: str, value: float | int, **metrics: Any) -> None:
        """Report one metric of `category`, such as ("train", "loss", 0.5), with others beside it."""
        self.logger.emit(Metrics(plain({key: value, **metrics}), category))

    def log_dev_event(self, message: str, data: dict[str, Any] | None = None) -> None:
        """Record something for the plugin's developers."""
        self.log("dev", {"message": message, "data": data}, level=LogLevel.DEBUG)

    def end_log(self) -> None:
        """Say that the plugin has no more to log."""
        self.log("end", {})


def _in_language(texts: dict[str, str], language: str | None) -> str:
    return texts.get(language or "en") or texts.get("en") or next(iter(texts.values()), "")


def plain(value: Any, depth: int = 0) -> Any:
    """`value` with everything JSON-compatible: events cross process borders, and a metric must not end a run."""
    if depth > _MAX_DEPTH:
        return "…"
    match value:
        case enum.Enum():
            return plain(value.value, depth + 1)
        case None | bool():
            return value
        case str():
            return storable(value)
        case int():
            return int(value) if value.bit_length() <= _MAX_BITS else hex(value)
        case float():
            return float(value) if math.isfinite(value) else str(float(value))
        case dict():
            return {storable(str(key)): plain(item, depth + 1) for key, item in value.items()}
        case list() | tuple():
            return [plain(item, depth + 1) for item in value]
    try:
        return plain(value.item(), depth + 1)  # numpy's and torch's scalars
    except (AttributeError, TypeError, ValueError, RuntimeError):
        return storable(str(value))
