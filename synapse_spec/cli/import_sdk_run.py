"""`synapse import-sdk-run`: the options of a `plugin run` of synapse-sdk's command line as a spec."""

import json
import os
import shlex
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import click

from synapse_spec.cli.exits import OK
from synapse_spec.cli.output import say

_REMOTE_NAMES = {"infer": "inference", "deploy": "deployment"}

_THEIRS = click.Command(
    "plugin run",
    params=[
        click.Argument(["action"]),
        click.Option(["--plugin", "-p"]),
        click.Option(["--path"], default="."),
        click.Option(["--params"]),
        click.Option(["--mode", "-m"], type=click.Choice(["local", "task", "job", "jobs-api", "remote"])),
        click.Option(["--ray-address"]),
        click.Option(["--gpus"], type=int),
        click.Option(["--cpus"], type=int),
        click.Option(["--input", "-i"]),
        click.Option(["--infer-path"], default="/"),
        click.Option(["--host"]),
        click.Option(["--token", "-t"]),
        click.Option(["--debug/--no-debug"], default=None),
        click.Option(["--debug-sdk"], is_flag=True),
        click.Option(["--lang", "-l"]),
    ],
    add_help_option=False,
)


@click.command("import-sdk-run", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("--to", "target", type=click.Path(path_type=Path), metavar="FILE", help="Write a new file; else stdout.")
@click.option("--name", help="The run's name; by default made of the action's.")
@click.argument("words", nargs=-1, required=True, type=click.UNPROCESSED)
def command(words: tuple[str, ...], target: Path | None, name: str | None) -> int:
    """Turn WORDS, a `synapse plugin run …` of synapse-sdk, into a run spec; what has no counterpart is said."""
    from synapse_spec.cli.init import check, write
    from synapse_spec.plugins import yaml
    from synapse_spec.spec.scaffold import run_name

    check(name, target)
    given = _parsed(list(words))
    folder = Path(os.path.abspath(target.parent if target else Path.cwd()))
    spec = _spec(given, folder)
    document = {
        "apiVersion": "synapse.dev/v1",
        "kind": "Run",
        "metadata": {"name": name or run_name(given["action"])},
        "spec": spec,
    }
    for note in _notes(given, spec):
        say(f"note: {note}")
    text = yaml.dump(document)
    if target is None:
        click.echo(text, nl=False)
    else:
        write(target, text)
        say(f"wrote {target}")
    return OK


def _parsed(words: list[str]) -> dict[str, Any]:
    if len(words) == 1:  # the whole line in quotes
        words = shlex.split(words[0])
    pairs = list(pairwise(words))
    if ("plugin", "run") in pairs:  # whatever starts the program
        words = words[pairs.index(("plugin", "run")) + 2 :]
    try:
        context = _THEIRS.make_context("synapse plugin run", words)
    except click.UsageError as error:
        raise click.UsageError(f"in the command line of synapse-sdk: {error.format_message()}") from None
    given: dict[str, Any] = context.params
    given["mode"] = "job" if given["mode"] == "jobs-api" else given["mode"]
    return given


def _spec(given: dict[str, Any], folder: Path) -> dict[str, Any]:
    from synapse_spec.cli.plugin import Plugin
    from synapse_spec.plugins.source import CONFIG_NAME

    ref = Plugin.named(given["path"]).ref
    if not (Path(str(ref.path)) / CONFIG_NAME).is_file():
        raise click.UsageError(f"{given['path']} has no {CONFIG_NAME}, which the SDK wants: name the plugin by --path")
    remote, mode = given["mode"] == "remote", given["mode"]
    spec: dict[str, Any] = {
        "plugin": {"path": Path(os.path.relpath(str(ref.path), folder)).as_posix()},
        "action": _REMOTE_NAMES.get(given["action"], given["action"]) if remote else given["action"],
        "mode": "job" if remote else mode,
        "params": _params(given),
        "env": _env(given),
        "resources": {name: given[name] for name in ("cpus", "gpus") if given[name] is not None},
        "cluster": _cluster(given, folder),
    }
    if mode not in ("task", "job", "remote"):
        del spec["resources"], spec["cluster"]
    return {key: value for key, value in spec.items() if value}


def _params(given: dict[str, Any]) -> dict[str, Any]:
    params = _json("--params", given["params"]) if given["params"] else {}
    if not isinstance(params, dict):
        raise click.UsageError("--params must be a JSON object")
    if _for_inference(given):
        params |= {"input": _json("--input", given["input"]), "path": given["infer_path"]}
    return params


def _for_inference(given: dict[str, Any]) -> bool:
    return bool(given["mode"] == "remote" and given["action"] == "infer" and given["input"])


def _env(given: dict[str, Any]) -> dict[str, Any]:
    env: dict[str, Any] = {}
    if given["lang"]:
        env["SYNAPSE_LANGUAGE"] = given["lang"]
    if given["host"]:
        env["SYNAPSE_HOST"] = given["host"]
    if given["token"]:
        env["SYNAPSE_ACCESS_TOKEN"] = {"fromEnv": "SYNAPSE_ACCESS_TOKEN"}
    return env


def _cluster(given: dict[str, Any], folder: Path) -> str | None:
    """The name that synapse.toml has for the address."""
    from synapse_spec.spec.settings import read_settings
    from synapse_spec.spec.workspace import Workspace

    address = _address(given)
    if address is None:
        return None
    existing = next(place for place in (folder, *folder.parents) if place.is_dir())
    clusters = read_settings(Workspace.of(existing).root)[0].clusters or {}
    return next((name for name, cluster in clusters.items() if address in cluster.values()), None)


def _address(given: dict[str, Any]) -> str | None:
    address = given["ray_address"]
    return None if address in (None, "", "auto") else str(address)


def _notes(given: dict[str, Any], spec: dict[str, Any]) -> Iterator[str]:
    """What has no counterpart, and what to do instead."""
    mode, address = given["mode"], _address(given)
    yield from _notes_on_content(given, spec)
    if mode is None:
        yield "without --mode the SDK asks for one; a spec without a mode is run locally"
    if mode == "remote":
        yield "--mode remote runs it on the Synapse platform; the spec runs it as a job on a Ray cluster of yours"
    if given["plugin"]:
        yield f"--plugin {given['plugin']} is a name on the platform; the spec names the plugin's folder"
    if mode in (None, "local") and any(given[name] is not None for name in ("cpus", "gpus")):
        yield "--cpus and --gpus are for tasks and jobs"
    if address is not None and "cluster" not in spec:
        yield (
            f"--ray-address {address} is given to apply, or stands in synapse.toml under a name that the spec's "
            "cluster may say; a spec has no address"
        )
    if given["token"]:
        yield "the token is not written; set SYNAPSE_ACCESS_TOKEN where synapse runs"
    if given["input"] and not _for_inference(given):
        yield "--input and --infer-path are for --mode remote and the action infer; the SDK drops them too"
    if given["debug"] is not None:
        yield "--debug and --no-debug are for the platform, and are dropped"
    if given["debug_sdk"]:
        yield "--debug-sdk has no counterpart: the SDK is what is installed there, or what runtimeEnv asks for"


def _notes_on_content(given: dict[str, Any], spec: dict[str, Any]) -> Iterator[str]:
    """What of the action and its params would not be as it was there."""
    from synapse_spec.cli.plugin import Plugin

    offered = Plugin.named(given["path"]).offered
    if offered and spec["action"] not in offered:
        yield f"the plugin has no action {spec['action']!r}; it has {', '.join(offered)}"
    for name, value in spec.get("params", {}).items():
        if isinstance(value, str) and not os.path.isabs(value) and os.path.exists(value):
            yield f"params.{name}: a run's working directory is the plugin's folder; {value!r} is looked for there"
        if "${{" in json.dumps(value):
            yield f"params.{name}: in a spec, ${{{{ … }}}} is a reference"


def _json(option: str, text: str | None) -> Any:
    try:
        value = json.loads(text or "null")
        json.dumps(value, allow_nan=False)
        return value
    except ValueError as error:
        raise click.UsageError(f"{option} is not JSON: {error}") from None
