"""Specs in the three modes on the embedded cluster, by the program as its users start it."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from synapse_spec.plugins import yaml
from synapse_spec.plugins.executors.ray.cluster import reach
from synapse_spec.plugins.executors.ray.embedded import Head

pytestmark = pytest.mark.ray

MODES = ("local", "task", "job")
DONE = 0

ACTIONS = r"""
import logging
import os
import subprocess
import time

from pydantic import BaseModel

from plugin.names import NAME
from synapse_spec.plugins.action import BaseAction
from synapse_spec.plugins.decorators import action


class Params(BaseModel):
    seconds: float = 0.0
    text: str = ""


class Say(BaseAction[Params]):
    def execute(self):
        from plugin.late import LATE

        print(f"printed by {NAME}")
        logging.getLogger("lib").info("logged by %s", NAME)
        subprocess.run(["echo", "echoed by a child"])
        self.ctx.set_progress(1, 1, "work")
        self.ctx.set_metrics({"loss": 0.5}, "train")
        seen = {"env": os.environ.get("GREETING"), "cwd": os.getcwd()}
        return {"name": NAME, "late": LATE, "text": self.params.text, **seen}


@action(params=Params)
def wait(params, ctx):
    open(params.text, "w").close() if params.text else None
    time.sleep(params.seconds)
    return {"waited": params.seconds}


@action()
def fail(params, ctx):
    raise ValueError("no such luck")


@action()
def raw(params, ctx):
    os.write(1, b"\xff\xfe no text\n")
    return "done"


@action()
def die(params, ctx):
    os._exit(7)
"""


@dataclass(frozen=True, slots=True)
class Workspace:
    """A workspace whose embedded cluster is held by the tests, so that they start it once."""

    folder: Path

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        command = self.command(*words)
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=90, check=False)

    def start(self, *words: str) -> "subprocess.Popen[str]":
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        return subprocess.Popen(self.command(*words), cwd=self.folder, text=True, **pipes)  # type: ignore[call-overload, no-any-return]

    @staticmethod
    def command(*words: str) -> list[str]:
        return [sys.executable, "-m", "synapse_spec", *words]

    def spec(self, file: str, *runs: dict[str, Any]) -> str:
        """Write a spec file; each run is its name, and fields of `spec`."""
        documents = []
        for run in runs:
            name = run.pop("name")
            spec = {"plugin": {"path": run.pop("plugin", "one")}, **run}
            head = {"apiVersion": "synapse.dev/v1", "kind": "Run", "metadata": {"name": name}}
            documents.append(yaml.dump({**head, "spec": spec}))
        (self.folder / file).write_text("---\n".join(documents))
        return file

    def status(self, file: str) -> dict[str, dict[str, Any]]:
        path = self.folder / file.replace(".yaml", ".status.yaml")
        if not path.exists():
            return {}
        return {item["metadata"]["name"]: item["status"] for item in yaml.parse(path.read_bytes())}

    def log(self, name: str) -> str:
        return (self.folder / ".synapse" / "logs" / name / "1.log").read_text()


@pytest.fixture(scope="module")
def workspace() -> Iterator[Workspace]:
    folder = Path(tempfile.mkdtemp(prefix="modes-"))
    (folder / "synapse.toml").touch()
    for name in ("one", "two"):
        _write_plugin(folder / name, name)
    with reach(None, folder / ".synapse" / "ray", dashboard=True):
        yield Workspace(folder)
    shutil.rmtree(folder)


def _write_plugin(folder: Path, name: str) -> None:
    entries = "".join(f"  {action}: plugin.act:{thing}\n" for action, thing in _ENTRIES.items())
    files = {
        "config.yaml": f"name: {name}\ncode: {name}\nenv: {{GREETING: from config}}\nactions:\n{entries}",
        "plugin/__init__.py": "",
        "plugin/names.py": f"NAME = {name!r}\n",
        "plugin/late.py": f"LATE = 'late {name}'\n",
        "plugin/act.py": textwrap.dedent(ACTIONS),
    }
    for path, text in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)


_ENTRIES = {"say": "Say", "wait": "wait", "fail": "fail", "die": "die", "raw": "raw"}


def test_two_plugins_with_one_package_name_in_each_mode(workspace: Workspace) -> None:
    runs = [
        {"name": f"{plugin}-{mode}", "plugin": plugin, "action": "say", "mode": mode, "params": {"text": mode}}
        for mode in MODES
        for plugin in ("one", "two")
    ]
    spec = workspace.spec("both.yaml", *runs)

    done = workspace.run("apply", spec)

    assert done.returncode == DONE, done.stderr
    for name, status in workspace.status(spec).items():
        plugin, _, mode = name.partition("-")
        cwd = str((workspace.folder / plugin).resolve())
        expected = {"name": plugin, "late": f"late {plugin}", "text": mode, "env": "from config", "cwd": cwd}
        assert status["result"] == expected
        assert status["metrics"] == {"train": {"loss": 0.5}}
        for line in (f"printed by {plugin}", f"logged by {plugin}", "echoed by a child", "progress work 1/1"):
            assert line in workspace.log(name), (name, line)
            assert any(text.startswith(name) and line in text for text in done.stderr.splitlines()), (name, line)
    assert done.stdout == ""

    before = {path: path.stat().st_mtime_ns for path in workspace.folder.glob("*.status.yaml")}
    again = workspace.run("apply", spec)
    assert again.returncode == DONE
    assert "nothing to do" in again.stderr
    assert before == {path: path.stat().st_mtime_ns for path in workspace.folder.glob("*.status.yaml")}


def test_the_modes_give_equal_statuses(workspace: Workspace) -> None:
    for mode in MODES:
        run = {"name": "same", "action": "say", "mode": mode, "params": {"text": "x"}, "env": {"GREETING": "hello"}}
        assert workspace.run("apply", workspace.spec(f"same-{mode}.yaml", run)).returncode == DONE
    local, task, job = (workspace.status(f"same-{mode}.yaml")["same"] for mode in MODES)
    for status in (local, task, job):
        assert status["result"]["env"] == "hello"
        assert status.pop("mode") in MODES
        assert status.pop("attempt")["number"] == 1
        assert status.pop("conditions")[0]["status"] == "True"
        status["provenance"].pop("ray", None)
    assert local == task == job


@pytest.mark.parametrize("mode", MODES)
def test_a_failing_action(workspace: Workspace, mode: str) -> None:
    spec = workspace.spec(
        f"fail-{mode}.yaml",
        {"name": "bad", "action": "fail", "mode": mode},
        {"name": "after", "action": "say", "mode": mode, "dependsOn": ["bad"]},
        {"name": "other", "action": "say"},
    )
    done = workspace.run("apply", spec)
    assert done.returncode == 1
    statuses = workspace.status(spec)
    error = statuses["bad"]["error"]
    assert (error["type"], error["message"]) == ("ValueError", "no such luck")
    first_frame = error["traceback"].splitlines()[1]
    assert f"{workspace.folder.resolve()}/one/plugin/act.py" in first_frame
    assert statuses["after"]["phase"] == "Blocked"
    assert statuses["other"]["phase"] == "Succeeded"
    assert "no such luck" in workspace.log("bad")


@pytest.mark.parametrize("mode", ["task", "job"])
def test_a_worker_that_dies(workspace: Workspace, mode: str) -> None:
    spec = workspace.spec(f"die-{mode}.yaml", {"name": f"die-{mode}", "action": "die", "mode": mode})
    assert workspace.run("apply", spec).returncode == 1
    status = workspace.status(spec)[f"die-{mode}"]
    assert (status["phase"], status["reason"]) == ("Failed", "WorkerDied")


@pytest.mark.parametrize("mode", MODES)
def test_output_that_is_no_text(workspace: Workspace, mode: str) -> None:
    spec = workspace.spec(f"raw-{mode}.yaml", {"name": f"raw-{mode}", "action": "raw", "mode": mode})
    assert workspace.run("apply", spec).returncode == DONE
    assert "\ufffd\ufffd no text" in workspace.log(f"raw-{mode}")


@pytest.mark.parametrize("mode", ["task", "job"])
def test_timeout(workspace: Workspace, mode: str) -> None:
    run = {"name": f"late-{mode}", "action": "wait", "mode": mode, "params": {"seconds": 60}, "timeout": "2s"}
    spec = workspace.spec(f"late-{mode}.yaml", run)
    assert workspace.run("apply", spec).returncode == 1
    assert workspace.status(spec)[f"late-{mode}"]["reason"] == "TimedOut"


def test_others_go_on_while_a_local_run_is_busy(workspace: Workspace) -> None:
    spec = workspace.spec(
        "busy.yaml",
        {"name": "busy", "action": "wait", "params": {"seconds": 12}},
        {"name": "quick", "action": "wait", "mode": "task"},
        {"name": "after-quick", "action": "wait", "mode": "job", "dependsOn": ["quick"]},
    )
    process = workspace.start("apply", spec)
    _wait_for(lambda: workspace.status(spec).get("after-quick", {}).get("phase") == "Succeeded", process, 11)
    assert workspace.status(spec)["busy"]["phase"] == "Running"
    assert process.wait(30) == DONE


def test_a_sweep_keeps_to_its_limit(workspace: Workspace) -> None:
    """Children of one matrix, as tasks one after the other, and as jobs with ids of their own."""
    params = {"seconds": 0.3}
    tasks = {"action": "wait", "mode": "task", "params": params, "matrix": {"n": [1, 2, 3]}, "maxParallel": 1}
    jobs = {"action": "wait", "mode": "job", "params": {"seconds": "${{ matrix.s }}"}, "matrix": {"s": [0, 0.1]}}
    spec = workspace.spec("sweep.yaml", {"name": "tasks", **tasks}, {"name": "jobs", **jobs})
    done = workspace.run("apply", spec)
    assert done.returncode == DONE, done.stderr
    tasks_told, jobs_told = (whole["children"] for whole in workspace.status(spec).values())
    spans = sorted((child["attempt"]["startedAt"], child["attempt"]["finishedAt"]) for child in tasks_told)
    assert all(earlier[1] <= later[0] for earlier, later in pairwise(spans))
    assert [child["result"] for child in jobs_told] == [{"waited": 0}, {"waited": 0.1}]
    assert jobs_told[1]["attempt"]["handle"].startswith("synapse-jobs-s-0-1-")
    assert "nothing to do: 5 runs" in workspace.run("apply", spec).stderr


def test_a_job_that_is_not_waited_for_is_picked_up_by_status(workspace: Workspace) -> None:
    spec = workspace.spec("later.yaml", {"name": "later", "action": "wait", "mode": "job", "params": {"seconds": 1}})
    assert workspace.run("apply", spec, "--no-wait").returncode == DONE
    assert workspace.status(spec)["later"]["phase"] == "Running"
    _wait_for(lambda: "Succeeded" in workspace.run("status", spec).stdout, None, 20)
    assert workspace.status(spec)["later"]["result"] == {"waited": 1.0}


def test_cancel_of_a_job_nobody_waits_for(workspace: Workspace) -> None:
    spec = workspace.spec("drop.yaml", {"name": "drop", "action": "wait", "mode": "job", "params": {"seconds": 60}})
    assert workspace.run("apply", spec, "--no-wait").returncode == DONE
    done = workspace.run("cancel", "drop", spec)
    assert done.returncode == DONE, done.stderr
    assert workspace.status(spec)["drop"]["phase"] == "Cancelled"


@pytest.mark.parametrize("mode", ["task", "job"])
def test_cancel_of_a_run_at_work(workspace: Workspace, mode: str) -> None:
    started = workspace.folder / f"started-cancel-{mode}"
    params = {"seconds": 60, "text": str(started)}
    spec = workspace.spec(
        f"stop-{mode}.yaml", {"name": f"stop-{mode}", "action": "wait", "mode": mode, "params": params}
    )
    process = workspace.start("apply", spec)
    _wait_for(started.exists, process, 30)
    assert workspace.run("cancel", f"stop-{mode}", spec).returncode == DONE
    assert process.wait(30) == 1
    assert workspace.status(spec)[f"stop-{mode}"]["phase"] == "Cancelled"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_task(workspace: Workspace, number: signal.Signals) -> None:
    name = f"cut-task-{number.name.lower()}"
    started = workspace.folder / f"started-{name}"
    params = {"seconds": 60, "text": str(started)}
    spec = workspace.spec(f"{name}.yaml", {"name": name, "action": "wait", "mode": "task", "params": params})
    process = workspace.start("apply", spec)
    _wait_for(started.exists, process, 30)
    process.send_signal(number)
    assert process.wait(30) == 130
    assert process.stdout is not None
    assert "SIGTERM" not in process.stdout.read(), "Ray has told of it too"
    status = workspace.status(spec)[name]
    assert (status["phase"], status["reason"]) == ("Failed", "Interrupted")
    assert "interrupted" in workspace.run("plan", spec).stdout


def test_an_interrupted_job_is_adopted(workspace: Workspace) -> None:
    started = workspace.folder / "started-job"
    params = {"seconds": 6, "text": str(started)}
    spec = workspace.spec("cut-job.yaml", {"name": "cut-job", "action": "wait", "mode": "job", "params": params})
    process = workspace.start("apply", spec)
    _wait_for(started.exists, process, 30)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert workspace.status(spec)["cut-job"]["phase"] == "Running"
    started.unlink()

    assert workspace.run("apply", spec).returncode == DONE

    status = workspace.status(spec)["cut-job"]
    assert (status["phase"], status["attempt"]["number"]) == ("Succeeded", 1)
    assert not started.exists(), "the job was run a second time"


def test_each_cluster_that_cannot_be_reached_is_told(workspace: Workspace) -> None:
    table = workspace.folder / "synapse.toml"
    text = table.read_text()
    table.write_text('[clusters.one]\naddress = "127.0.0.1:1"\n[clusters.two]\ndashboard = "http://127.0.0.1:2"\n')
    wanted = {"one-task": "one", "two-job": "two", "two-more": "two"}
    runs = [{"name": name, "action": "say", "mode": name[4:] if name != "two-more" else "job", "cluster": cluster}
            for name, cluster in wanted.items()]  # fmt: skip
    try:
        done = workspace.run("apply", workspace.spec("clusters.yaml", *runs))
    finally:
        table.write_text(text)
    assert done.returncode == 6
    assert "'one'" in done.stderr
    assert "(needed by one-task)" in done.stderr
    assert "(needed by two-job, two-more)" in done.stderr


def test_an_unreachable_cluster_changes_nothing(workspace: Workspace) -> None:
    spec = workspace.spec("far.yaml", {"name": "far", "action": "say", "mode": "task"})
    done = workspace.run("apply", spec, "--ray-address", "127.0.0.1:1")
    assert done.returncode == 6
    assert "127.0.0.1:1" in done.stderr
    assert "Traceback" not in done.stderr
    assert workspace.status(spec) == {}


def test_the_embedded_cluster_goes_with_the_apply_that_started_it() -> None:
    with tempfile.TemporaryDirectory(prefix="gone-") as name:
        folder = Path(name)
        (folder / "synapse.toml").touch()
        _write_plugin(folder / "one", "one")
        alone = Workspace(folder)
        runs = [{"name": mode, "action": "wait", "mode": mode, "params": {"seconds": 2}} for mode in ("task", "job")]
        process = alone.start("apply", alone.spec("one.yaml", *runs))
        _wait_for(lambda: Head.read(folder / ".synapse" / "ray", dashboard=True) is not None, process, 30)
        head = Head.read(folder / ".synapse" / "ray", dashboard=True)
        assert head is not None
        assert process.wait(60) == DONE
        assert not Path(head.temp_dir).exists()
        assert _with_token(head.token) == []


def _with_token(token: str) -> list[str]:
    """Processes that inherited the cluster's token."""
    mark = f"RAY_AUTH_TOKEN={token}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (entry / "environ").read_bytes():
                found.append((entry / "cmdline").read_bytes().decode(errors="replace"))
        except OSError:
            continue
    return found


def _wait_for(condition: Callable[[], bool], process: "subprocess.Popen[str] | None", seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if process is not None and process.poll() is not None:
            raise AssertionError(f"it ended early:\n{process.stdout.read() if process.stdout else ''}")
        if time.monotonic() > deadline:
            raise AssertionError("it did not happen in time" + os.linesep)
        time.sleep(0.1)
