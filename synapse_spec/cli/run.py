"""`synapse run PLUGIN ACTION`: run_plugin from the shell, without a spec."""

import json
from contextlib import suppress
from typing import Any

import click

from synapse_spec.cli.exits import INVALID, OK, RUN_FAILED
from synapse_spec.cli.output import only_ours_on_stdout, say
from synapse_spec.plugins.enums import ExecutionMode


@click.command("run")
@click.argument("plugin")
@click.argument("action")
@click.option("-p", "--param", "params", multiple=True, metavar="KEY=VALUE", help="A param; VALUE is JSON, else text.")
@click.option("-m", "--mode", type=click.Choice([str(mode) for mode in ExecutionMode]), default="local")
@click.option("--env", multiple=True, metavar="KEY=VALUE", help="An environment variable of the action.")
@click.option("--ray-address", metavar="ADDRESS", help="A Ray cluster, for task and job.")
def command(plugin: str, action: str, mode: str, ray_address: str | None, **given: tuple[str, ...]) -> int:
    """Run ACTION of PLUGIN (a folder or a module) and print its result as JSON.

    In mode job the result is waited for as well.
    """
    from synapse_spec.plugins.errors import ExecutionError, ValidationError

    params = _nested(given["params"])
    options: dict[str, Any] = {"env": dict(_pair(item, "--env") for item in given["env"])}
    if ray_address is not None:
        if mode == ExecutionMode.LOCAL:
            raise click.UsageError("--ray-address is for --mode task and job")
        options["ray_address"] = ray_address
    with only_ours_on_stdout():
        try:
            perform = _perform_job if mode == ExecutionMode.JOB else _perform
            result = perform(plugin, action, params, ExecutionMode(mode), options)
        except ValidationError as error:
            say(f"error: {error.message}")
            started = isinstance(error.details, dict)  # then it is the result that does not fit
            return RUN_FAILED if started else INVALID
        except ExecutionError as error:
            say((error.details or {}).get("traceback") or "")
            say(f"error: {error.message}")
            return RUN_FAILED
    click.echo(json.dumps(result, indent=2, ensure_ascii=False))
    return OK


def _perform(plugin: str, action: str, params: dict[str, Any], mode: ExecutionMode, options: dict[str, Any]) -> Any:
    from synapse_spec.plugins.runner import run_plugin

    return run_plugin(plugin, action, params, mode=mode, **options)


def _perform_job(plugin: str, action: str, params: dict[str, Any], _: ExecutionMode, options: dict[str, Any]) -> Any:
    from synapse_spec.plugins.errors import ExecutionError
    from synapse_spec.plugins.executors.ray.job import RayJobExecutor
    from synapse_spec.plugins.requires import demand
    from synapse_spec.plugins.runner import find_plugin

    discovery = find_plugin(plugin)
    demand(discovery.config.requires, ExecutionMode.JOB)
    executor = RayJobExecutor(**(options | {"env": discovery.config.env | options["env"]}))
    job = executor.submit(discovery.get_action_class(action), params, action_name=action)
    say(f"job {job}")
    try:
        for line in executor.stream_logs(job):
            say(line.rstrip("\n"))
        return executor.get_result(job)
    except KeyboardInterrupt:
        executor.stop(job)
        raise
    finally:
        with suppress(ExecutionError):  # one that was just stopped has not ended yet
            executor.delete(job)


def _nested(params: tuple[str, ...]) -> dict[str, Any]:
    """`a.b=1` makes {"a": {"b": 1}}."""
    found: dict[str, Any] = {}
    for item in params:
        key, text = _pair(item, "--param")
        *parents, last = key.split(".")
        place = found
        for part in parents:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise click.UsageError(f"--param {key}: {part!r} has a value already")
        place[last] = _value(text)
    return found


def _value(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_json)
    except ValueError:
        return text


def _no_json(word: str) -> Any:
    """NaN and the infinities, which Python would read."""
    raise ValueError(word)


def _pair(text: str, option: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not separator or not key:
        raise click.UsageError(f"{option} takes KEY=VALUE, not {text!r}")
    return key, value
