"""run_plugin: one call that finds an action and runs it in a mode."""

import os
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from synapse_spec.plugins import loader, sdk
from synapse_spec.plugins.action import ActionLike
from synapse_spec.plugins.context import PluginEnvironment
from synapse_spec.plugins.discovery import PluginDiscovery
from synapse_spec.plugins.enums import ExecutionMode
from synapse_spec.plugins.errors import PluginError, PluginNotFoundError
from synapse_spec.plugins.executors.local import LocalExecutor, env_overlay
from synapse_spec.plugins.requires import demand
from synapse_spec.plugins.results import to_json

__all__ = ["ExecutionMode", "run_plugin"]

_RAY_OPTIONS = ("ray_address", "runtime_env", "working_dir", "num_cpus", "num_gpus", "job_id")


def run_plugin(
    plugin_code: str | Path,
    action: str,
    params: dict[str, Any] | None = None,
    *,
    mode: ExecutionMode | str = ExecutionMode.LOCAL,
    **executor_kwargs: Any,
) -> Any:
    """Run an action of a plugin.

    Args:
        plugin_code: The plugin folder (or its config file), or the name of an importable module.
        action: The action's name.
        params: Validated with the action's params model before anything is started.
        mode: LOCAL (this process), TASK (a Ray actor) or JOB (a Ray job).
        **executor_kwargs: `action_cls`, `env`, `language` (of messages, for actions of synapse-sdk), `job_id`,
            `working_dir`; for TASK and JOB also `runtime_env`, `ray_address`, `num_cpus`, `num_gpus`.

    Returns:
        The result as JSON-compatible data for LOCAL and TASK; the job's id for JOB.

    Raises:
        ValueError: No such mode.
        TypeError: An option that the mode does not know.
        PluginNotFoundError, PluginConfigError, PluginLoadError, ActionNotFoundError: The plugin cannot be used.
        ValidationError: The params or the result do not fit.
        ExecutionError: The action failed.
    """
    try:
        return _run(plugin_code, action, params, _mode(mode), executor_kwargs)
    except PluginError as error:
        raise sdk.of_both(error)  # noqa: B904 - it is the same error


def _run(plugin_code: str | Path, action: str, params: Any, mode: ExecutionMode, options: dict[str, Any]) -> Any:
    action_cls: ActionLike | None = options.pop("action_cls", None)
    env = env_overlay(options.pop("env", None)) | _language(options.pop("language", None))
    _check_options(mode, options)
    if action_cls is None:
        discovery = find_plugin(plugin_code)
        demand(discovery.config.requires, mode)
        env = discovery.config.env | env
        # Once for all that a local run needs of the plugin; what waits for a cluster must not keep others waiting.
        with loader.active(discovery.source) if mode is ExecutionMode.LOCAL else nullcontext():
            return _executed(mode, discovery.get_action_class(action), params, env, options | {"action_name": action})
    return _executed(mode, action_cls, params, env, options | {"action_name": action})


def _executed(
    mode: ExecutionMode, action_cls: ActionLike, params: Any, env: dict[str, str], options: dict[str, Any]
) -> Any:
    plain = to_json({} if params is None else params, "params")
    return _EXECUTE[mode](action_cls, plain, PluginEnvironment(env), options)


def find_plugin(plugin_code: str | Path) -> PluginDiscovery:
    """The plugin at a path, or of that module name; a path is anything that exists or looks like one.

    Raises:
        PluginNotFoundError: Neither.
    """
    if not str(plugin_code):
        raise PluginNotFoundError("no plugin was named")
    path = os.path.expanduser(plugin_code)
    if os.path.exists(path):
        return PluginDiscovery.from_path(path)
    name = str(plugin_code)
    if not all(part.isidentifier() for part in name.split(".")):
        raise PluginNotFoundError(f"no plugin folder at {plugin_code}")
    return PluginDiscovery.from_module(name)


def _check_options(mode: ExecutionMode, options: dict[str, Any]) -> None:
    known = ("job_id", "working_dir") if mode is ExecutionMode.LOCAL else _RAY_OPTIONS
    unknown = [name for name in options if name not in known]
    if unknown:
        known = ("action_cls", "env", "language", *known)
        raise TypeError(f"mode {mode} knows no option {', '.join(unknown)}; it knows {', '.join(known)}")


def _mode(mode: ExecutionMode | str) -> ExecutionMode:
    try:
        return ExecutionMode(mode)
    except ValueError:
        raise ValueError(f"mode {mode!r} is none of {', '.join(ExecutionMode)}") from None


def _language(code: str | None) -> dict[str, str]:
    return {"SYNAPSE_LANGUAGE": code} if code else {}


def _local(action_cls: ActionLike, params: Any, env: PluginEnvironment, options: dict[str, Any]) -> Any:
    name = options.pop("action_name")
    return LocalExecutor(env, **options).execute(action_cls, params, action_name=name)


def _task(action_cls: ActionLike, params: Any, env: PluginEnvironment, options: dict[str, Any]) -> Any:
    from synapse_spec.plugins.executors.ray.kept import execute

    name, job_id = options.pop("action_name"), options.pop("job_id", None)
    return execute(action_cls, params, {"action_name": name, "env": env.to_dict(), "job_id": job_id}, options)


def _job(action_cls: ActionLike, params: Any, env: PluginEnvironment, options: dict[str, Any]) -> str:
    from synapse_spec.plugins.executors.ray.job import RayJobExecutor

    name = options.pop("action_name")
    return RayJobExecutor(env, **options).submit(action_cls, params, action_name=name)


_EXECUTE = {ExecutionMode.LOCAL: _local, ExecutionMode.TASK: _task, ExecutionMode.JOB: _job}
