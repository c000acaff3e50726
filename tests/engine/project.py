"""A workspace to try the engine and the commands on: a plugin with small real actions, specs, both ways to call."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from synapse_spec.cli.main import program
from synapse_spec.engine.status import RunStatus
from synapse_spec.engine.store import StatusFile
from synapse_spec.plugins import yaml

COMMAND = [sys.executable, "-m", "synapse_spec"]

LAB = '''
import logging
import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

from pydantic import BaseModel

from synapse_spec.plugins.decorators import action


class Numbers(BaseModel):
    a: int = 1
    b: int = 2


def executions(name):
    """Count one execution of `name`; how many there were."""
    file = Path("../runs", name)
    file.parent.mkdir(exist_ok=True)
    with file.open("a") as stream:
        stream.write("x")
    return file.stat().st_size


@action(params=Numbers)
def add(params, ctx):
    executions("add")
    return {"sum": params.a + params.b}


@action()
def echo(params, ctx):
    """Gives back what it gets."""
    executions(params.get("name", "echo"))
    return params


@action()
def fail(params, ctx):
    executions(params.get("name", "fail"))
    return _inner(params.get("message", "no luck"))


def _inner(message):
    raise ValueError(message)


@action()
def flaky(params, ctx):
    """Fails until it has been called `good` times."""
    if executions("flaky") < params["good"]:
        raise RuntimeError("not yet")
    return {"calls": executions("flaky") - 1}


@action()
def wait(params, ctx):
    """Says that it has begun, then works until it is told to end or the time is over."""
    executions(params["name"])
    ctx.set_metrics({"loss": 0.5}, "work")
    print("at work", flush=True)
    deadline = time.monotonic() + params.get("seconds", 30)
    while time.monotonic() < deadline and not Path("../go").exists():
        time.sleep(0.02)
    return {"done": params["name"]}


@action()
def stubborn(params, ctx):
    """Takes no interrupt for an answer."""
    executions("stubborn")
    try:
        time.sleep(30)
    except KeyboardInterrupt:
        return {"partial": True}


@action()
def deaf(params, ctx):
    """Hears an interrupt and takes its time."""
    executions("deaf")
    try:
        time.sleep(30)
    except KeyboardInterrupt:
        executions("deaf")
        time.sleep(30)


@action()
def talk(params, ctx):
    print("printed")
    print("to stderr", file=sys.stderr)
    logging.getLogger("lab").info("logged")
    os.write(1, b"raw descriptor\\n")
    subprocess.run([sys.executable, "-c", "print('from a child')"], check=True)
    ctx.set_progress(1, 2, "halves")
    ctx.set_progress(2, 2, "halves")
    ctx.set_metrics({"loss": 0.25}, "train")
    ctx.log_message("told {what}", what="so")
    ctx.log("sampled", {"n": 3})
    return {"ok": True}


@action()
def steps(params, ctx):
    for number in range(1, 501):
        ctx.set_progress(number, 500)
        ctx.set_metrics({"loss": 1 / number}, "train")


@action()
def leak(params, ctx):
    """Shows a secret wherever it can."""
    secret = os.environ["TOKEN"]
    print(f"the token is {secret}")
    ctx.log("token", {"value": secret})
    ctx.set_metrics({secret: 1}, "leak")
    if params.get("fail"):
        raise ValueError(f"refused: {secret}")
    return {"token": secret, "nested": [{secret: 1}], "length": len(secret)}


@action()
def big(params, ctx):
    return {"items": list(range(params["count"])), "first": "here"}


@action()
def quit(params, ctx):
    sys.exit(params.get("code", 3))


@action()
def surroundings(params, ctx):
    return {"cwd": os.getcwd(), "env": os.environ.get("GREETING"), "ctx": ctx.env.get("GREETING"), "job": ctx.job_id}


@action()
def odd(params, ctx):
    return {"set": object()}


@action()
def own_interrupt(params, ctx):
    raise KeyboardInterrupt


@action()
def vandal(params, ctx):
    """Breaks the status file that will be written next."""
    Path("../spec.status.yaml").write_text("not: [a status")


@action()
def fork(params, ctx):
    """How a forked process ends that is told to."""
    child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(30,))
    child.start()
    time.sleep(0.2)  # a signal that comes while it is being forked is lost
    child.terminate()
    child.join()
    return child.exitcode
'''

ACTIONS = tuple(re.findall(r"@action\(.*\)\ndef (\w+)", LAB))


def run(name: str, action: str = "echo", *, labels: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    """A Run document of the lab plugin."""
    metadata: dict[str, Any] = {"name": name} | ({"labels": labels} if labels else {})
    body = {"plugin": {"path": "lab"}, "action": action, **spec}
    return {"apiVersion": "synapse.dev/v1", "kind": "Run", "metadata": metadata, "spec": body}


class Project:
    """A workspace at `root` with the plugin `lab`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "synapse.toml").touch()
        self.plugin("lab", {"plugin/act.py": LAB}, {name: f"plugin.act:{name}" for name in ACTIONS})

    def plugin(self, name: str, files: dict[str, str], actions: dict[str, str]) -> Path:
        folder = self.root / name
        entries = "".join(f"  {action}: {entrypoint}\n" for action, entrypoint in actions.items())
        for path, text in {**files, "config.yaml": f"name: {name}\ncode: {name}\nactions:\n{entries}"}.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
        return folder

    def write(self, *runs: dict[str, Any], file: str = "spec.yaml") -> Path:
        """Write a spec file."""
        path = self.root / file
        path.write_text("---\n".join(yaml.dump(document) for document in runs), encoding="utf-8")
        return path

    def cli(self, *words: str, stdin: str | None = None) -> Result:
        """A command in this process, called from the project's folder."""
        before = Path.cwd()
        os.chdir(self.root)
        try:
            return CliRunner().invoke(program, list(words), input=stdin)
        finally:
            os.chdir(before)

    def apply(self, *words: str) -> Result:
        return self.cli("apply", "spec.yaml", *words)

    def json(self, *words: str) -> Any:
        """What a command prints with -o json."""
        return json.loads(self.cli(*words, "-o", "json").stdout)

    def steps(self, *words: str) -> dict[str, str]:
        """Why each run would run, by its name."""
        return {record["name"]: record["message"] for record in self.json("plan", "spec.yaml", *words)["runs"]}

    def start(self, *words: str, **options: Any) -> subprocess.Popen[str]:
        """A command in a process of its own."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
        return subprocess.Popen([*COMMAND, *words], cwd=self.root, text=True, **(pipes | options))

    def call(self, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *words],
            cwd=self.root,
            text=True,
            timeout=60,
            check=False,
            **({"capture_output": True} | options),
        )

    def statuses(self, file: str = "spec") -> dict[str, RunStatus]:
        return StatusFile(self.root / f"{file}.status.yaml").read()

    def status(self, name: str, file: str = "spec") -> RunStatus:
        return self.statuses(file)[name]

    def attempt(self, name: str) -> int:
        """The number of a run's last attempt."""
        attempt = self.status(name).attempt
        return attempt.number if attempt is not None else 0

    def executions(self, name: str) -> int:
        """How often an action has run that counts itself under this name."""
        path = self.root / "runs" / name
        return path.stat().st_size if path.exists() else 0

    def log(self, name: str, attempt: int = 1) -> str:
        return (self.root / ".synapse" / "logs" / name / f"{attempt}.log").read_text(encoding="utf-8")

    def edit(self, path: str, old: str, new: str, *, first: bool = False) -> None:
        file = self.root / path
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new, 1 if first else -1), encoding="utf-8")

    def go(self) -> None:
        """Let the actions end that wait for it."""
        (self.root / "go").touch()


def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait for something that another process or thread brings about."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


def tree(root: Path) -> dict[str, tuple[int, bytes]]:
    """Every file under `root` with its time and content."""
    return {
        str(path.relative_to(root)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }
