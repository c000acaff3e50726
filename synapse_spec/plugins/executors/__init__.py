"""The executors: one module each, one Protocol, and no base class."""

from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from synapse_spec.plugins.action import ActionLike


@runtime_checkable
class ExecutorProtocol(Protocol):
    """Runs actions and gives their results."""

    def execute(self, action_cls: "ActionLike", params: dict[str, Any], **kwargs: Any) -> Any:
        """Run the action with `params`.

        Raises:
            ValidationError: The params or the result do not fit.
            ExecutionError: The action failed.
        """
        ...


__all__ = ["ExecutorProtocol"]
