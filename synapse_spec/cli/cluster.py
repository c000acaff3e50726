"""`synapse cluster up|status|down`: a warm Ray on this machine, which tasks and jobs find by themselves."""

import time
from typing import Any

import click

from synapse_spec.cli.exits import LOCKED, OK, UNREACHABLE
from synapse_spec.cli.output import counted, duration, emit, format_option, say
from synapse_spec.plugins.executors.ray import warm
from synapse_spec.plugins.executors.ray.embedded import record_path
from synapse_spec.plugins.executors.ray.invocations import cache_folder


@click.group("cluster")
def command() -> None:
    """Keep a Ray warm on this machine, so that tasks and jobs need not wait for one to start."""


@command.command("up")
@click.option("--cpus", type=click.IntRange(1), help="How many CPUs it has; by default those of the machine.")
def up(cpus: int | None) -> int:
    """Start it, unless it is up; it stays until `synapse cluster down`."""
    begun = time.monotonic()
    state, was_up = warm.up(cache_folder(), cpus)
    say("it is up already" if was_up else f"up in {time.monotonic() - begun:.1f} s; synapse cluster down ends it")
    if cpus is not None and cpus != state.cpus:
        say(f"it has {counted(round(state.cpus), 'CPU')}; for another number end it first")
    _show(state)
    return OK


@command.command("status")
@format_option()
def status(form: str) -> int:
    """Show where it is and what is at work on it; exit code 6 if there is none."""
    state = warm.state(cache_folder())
    if form != "text":
        emit({"cluster": state and _record(state)}, form)
    elif state is None:
        say("there is no warm Ray on this machine; synapse cluster up starts one")
    else:
        _show(state)
    return OK if state is not None else UNREACHABLE


@command.command("down")
@click.option("--force", is_flag=True, help="Also if something is at work on it.")
def down(force: bool) -> int:
    """End it; refused while jobs or other processes are at work on it."""
    try:
        ended = warm.down(cache_folder(), force=force)
    except warm.InUse as error:
        say(f"error: {error.message}")
        return LOCKED
    say("it has ended" if ended else "there is no warm Ray on this machine")
    return OK


def _record(state: warm.State) -> dict[str, Any]:
    head = state.head
    return {
        "address": head.address,
        "dashboard": head.dashboard,
        "tokenFile": str(record_path(cache_folder(), dashboard=True)),
        "ray": head.ray,
        "python": head.python,
        "uptimeSeconds": round(time.time() - head.started, 1),
        "cpus": state.cpus,
        "cpusFree": state.cpus_free,
        "gpus": state.gpus,
        "actors": state.actors,
        "jobs": state.jobs,
        "users": state.users,
    }


def _show(state: warm.State) -> None:
    record = _record(state)
    rows = {
        "address": record["address"],
        "dashboard": record["dashboard"],
        "token": f"in {record['tokenFile']}",
        "versions": f"Ray {record['ray']}, Python {record['python']}",
        "up for": duration(record["uptimeSeconds"]),
        "CPUs": f"{state.cpus:g}, {state.cpus_free:g} free",
        "at work": ", ".join(
            (counted(state.actors, "actor"), counted(len(state.jobs), "job"), counted(state.users, "client"))
        ),
    }
    for name, value in rows.items():
        click.echo(f"{name:<10} {value}")
