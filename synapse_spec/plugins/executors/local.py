"""LocalExecutor: actions in this process. Used by `run_plugin`; the engine calls `execution.perform` itself."""

from pathlib import Path
from typing import Any

from synapse_spec.plugins.action import ActionLike, entrypoint_of
from synapse_spec.plugins.config import text_of
from synapse_spec.plugins.context import PluginEnvironment
from synapse_spec.plugins.context.logger import ContextLogger
from synapse_spec.plugins.execution import Invocation, check_params, perform
from synapse_spec.plugins.loader import active, source_of


class LocalExecutor:
    """Runs actions in this process, one at a time.

    Args:
        env: Laid over the process environment for the time of each run.
        job_id: Shown to the action as `ctx.job_id`.
        working_dir: The working directory for the time of each run; unchanged by default.
    """

    def __init__(
        self,
        env: PluginEnvironment | dict[str, Any] | None = None,
        job_id: str | None = None,
        *,
        working_dir: Path | str | None = None,
    ) -> None:
        self._env = env_overlay(env)
        self._job_id = job_id
        self._working_dir = str(Path(working_dir).absolute()) if working_dir is not None else None

    def execute(self, action_cls: ActionLike, params: dict[str, Any], **kwargs: Any) -> Any:
        """Run the action and give its result as JSON-compatible data.

        Args:
            action_cls: The action.
            params: For it.
            **kwargs: `action_name`, its name in the plugin's config; the class's or function's by default.

        Raises:
            ValidationError: The params or the result do not fit.
            ExecutionError: The action failed; the original exception's type, message and traceback are in `details`.
        """
        source, entrypoint = source_of(action_cls), entrypoint_of(action_cls)
        name = kwargs.get("action_name") or entrypoint.rpartition(":")[2]
        invocation = Invocation(source, name, entrypoint, params, self._env, self._job_id, self._working_dir)
        outcome = perform(invocation, ContextLogger().emit, action=action_cls)
        if outcome.reason == "InvalidParams":
            with active(source):
                check_params(action_cls, params)  # raises, with every problem as data
        return outcome.unwrap()


def env_overlay(env: Any) -> dict[str, str]:
    """A mapping, or a PluginEnvironment of ours or of synapse-sdk's, as environment variables: text only."""
    values = env.to_dict() if hasattr(env, "to_dict") else env or {}
    return {name: text_of(value) for name, value in values.items()}
