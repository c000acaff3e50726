"""How an execution ended, as a value that crosses process borders. Made by `perform` and by the Ray executors."""

from dataclasses import asdict, dataclass, field
from typing import Any

from synapse_spec.plugins.errors import ExecutionError, PluginLoadError, ValidationError


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """An exception as data; the traceback starts in the plugin's code."""

    type: str
    message: str
    traceback: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an execution ended.

    Attributes:
        reason: Completed, or why not: ActionFailed, InvalidParams, InvalidResult, PluginLoadFailed, TimedOut,
            PendingTimedOut, Interrupted, Cancelled, WorkerDied, Unschedulable, JobLost.
        result: JSON-compatible; only of a completed one.
        error: What was raised, if anything was.
        metrics: The last values of each step.
        span: When it began and ended, in seconds since 1970, where that is known better than by when it was heard of.
    """

    reason: str
    result: Any = None
    error: ErrorInfo | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    span: tuple[float, float] | None = None

    @property
    def ok(self) -> bool:
        return self.reason == "Completed"

    def to_wire(self) -> dict[str, Any]:
        fields = {name: getattr(self, name) for name in self.__slots__}  # the result as it is: it may be large
        return fields | {"error": self.error and asdict(self.error)}

    @classmethod
    def from_wire(cls, wire: dict[str, Any]) -> "Outcome":
        return cls(**(wire | {"error": wire["error"] and ErrorInfo(**wire["error"])}))

    def unwrap(self) -> Any:
        """The result.

        Raises:
            ValidationError: The params or the result did not fit.
            PluginLoadError: The plugin's code did not import.
            ExecutionError: Anything else.
        """
        if self.ok:
            return self.result
        kinds = {
            "InvalidParams": ValidationError,
            "InvalidResult": ValidationError,
            "PluginLoadFailed": PluginLoadError,
        }
        error = self.error or ErrorInfo(self.reason, "")
        kind = kinds.get(self.reason, ExecutionError)
        message = error.message if kind is not ExecutionError else f"{self.reason}: {error.type}: {error.message}"
        raise kind(message, {"reason": self.reason, **asdict(error)})
