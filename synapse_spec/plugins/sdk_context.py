"""The context of synapse-sdk that its actions get: its own classes, reporting to ours. Used by `sdk`.

Imported only when a plugin has imported the SDK.
"""

from functools import cache
from typing import Any

from synapse_spec.plugins.context import PluginEnvironment, RuntimeContext, plain
from synapse_spec.plugins.events import Emit, Log, Metrics, Progress

_LEVELS = {"success": "info", "danger": "error", "critical": "error"}


def context_like(ctx: RuntimeContext) -> Any:
    """A RuntimeContext of the SDK with what is in ours, and with the clients that its credentials give."""
    from synapse_sdk.plugins.context import RuntimeContext as TheirContext
    from synapse_sdk.utils.agent import create_agent_client
    from synapse_sdk.utils.auth import build_runtime_clients

    clients = build_runtime_clients()
    return TheirContext(
        logger=_logger_class()(ctx.logger.emit),
        env=_environment_class()(ctx.env.to_dict()),
        job_id=ctx.job_id,
        language=ctx.env.get_str("SYNAPSE_LANGUAGE", "") or None,
        client=clients.client,
        v2_client=clients.v2_client,
        agent_client=create_agent_client(),
        checkpoint=ctx.checkpoint,
    )


class _Forwarding:
    """What makes a logger of the SDK tell us; goes before its BaseLogger."""

    def __init__(self, emit: Emit) -> None:
        super().__init__()
        self._emit = emit

    def set_progress(self, current: int, total: int, step: str | None = None) -> None:
        """Any numbers are taken, since an empty data set is no reason to end an action."""
        if total > 0 and 0 <= current <= total:
            super().set_progress(current, total, step)  # type: ignore[misc]
        else:
            self._raise_if_finished()  # type: ignore[attr-defined]
        effective = step if step is not None else self._current_step  # type: ignore[attr-defined]
        self._emit(Progress(int(current), int(total), effective))

    def log_metric(self, category: Any, key: str, value: float, **metrics: Any) -> None:
        self._raise_if_finished()  # type: ignore[attr-defined]
        self._emit(Metrics(plain({key: value, **metrics}), str(getattr(category, "value", category))))

    def log_message(self, message: str, level: Any = None, *, context: Any = None) -> None:
        self._say("message", {"content": message}, level=level if level is not None else context)

    def log_event(self, event: str, data: dict[str, Any], file: str | None = None) -> None:
        self._say(event, data, file)

    def log_visualization(self, category: str, group: str, index: int, image: str, **meta: Any) -> None:
        self._say("visualization", {"category": category, "group": group, "index": index, **meta}, image)

    def log_trials(self, data: dict[str, Any] | None = None, **fields: Any) -> None:
        self._say("trials", data if data is not None else {name: value for name, value in fields.items() if value})

    def _say(self, event: str, data: dict[str, Any], file: str | None = None, level: Any = None) -> None:
        self._raise_if_finished()  # type: ignore[attr-defined]
        self._log_impl(event, data, file, self._current_step, level)  # type: ignore[attr-defined]

    def _log_impl(
        self, event: str, data: dict[str, Any], file: str | None, step: str | None, level: Any = None
    ) -> None:
        told = plain(data) | ({"step": step} if step else {})
        if event in ("message", "debug") and "content" in told:
            event, told = "message", {"message": told.pop("content"), **told}
        word = str(getattr(level, "value", "info"))
        if word in _LEVELS:
            told["level"] = word
        self._emit(Log(event, told, str(file) if file is not None else None, _LEVELS.get(word, word)))

    def _on_metrics(self, step: str, metrics: dict[str, Any]) -> None:
        self._emit(Metrics(plain(metrics), step))

    def _on_progress(self, progress: Any, step: str | None) -> None:
        if progress.status == "failed":
            self._emit(Log("progress_failed", {"step": step}, None, "error"))


class _Readable:
    """What makes an environment of the SDK read booleans as ours does; goes before its PluginEnvironment."""

    def get_bool(self, key: str, default: bool | None = None) -> bool | None:
        return PluginEnvironment({key: self.get(key)}).get_bool(key, default)  # type: ignore[attr-defined]


@cache
def _logger_class() -> Any:
    from synapse_sdk.loggers import BaseLogger

    return type("EventLogger", (_Forwarding, BaseLogger), {})


@cache
def _environment_class() -> Any:
    from synapse_sdk.plugins.context import PluginEnvironment as Theirs

    return type("PluginEnvironment", (_Readable, Theirs), {})
