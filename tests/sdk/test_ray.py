"""The plugins of `plugins/` as tasks and as jobs; and faults of the SDK that show on Ray only.

They are compared with the SDK's outcomes of local runs, since a task or job of its own takes it more than 5 s; some are
run by its own executors too, on the same cluster.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from synapse_spec.plugins.discovery import PluginDiscovery
from synapse_spec.plugins.errors import ExecutionError
from synapse_spec.plugins.execution import Invocation
from synapse_spec.plugins.executors.ray import RayActorExecutor, RayJobExecutor
from synapse_spec.plugins.executors.ray.cluster import Cluster, Lease
from synapse_spec.plugins.executors.ray.job import JobOptions, JobRunner
from synapse_spec.plugins.executors.ray.jobs_api import JobsApi
from synapse_spec.plugins.executors.ray.task import TaskOptions, TaskPool
from synapse_spec.plugins.outcome import Outcome
from tests.conftest import MakePlugin
from tests.sdk import outcomes
from tests.sdk.cases import Case, all_cases, check
from tests.sdk.conftest import SDK_PRELUDE

pytestmark = pytest.mark.ray

CASES = all_cases()
JOBS = [case for case in CASES if case.job]
BY_THEM = ["inference: execute", "typed: a model"]

THEIRS = """
import json, sys
kind, folder, action, params, address = sys.argv[1:]
sys.path.insert(0, folder)  # where models of results are looked for
from synapse_sdk.plugins.discovery import PluginDiscovery
entrypoint = PluginDiscovery.from_path(folder).get_action_entrypoint(action)
if kind == "task":
    from synapse_sdk.plugins.executors.ray.task import RayActorExecutor
    result = RayActorExecutor(env={}, ray_address=address, working_dir=folder).execute(entrypoint, json.loads(params))
else:
    from synapse_sdk.plugins.executors.ray.jobs_api import RayJobsApiExecutor
    executor = RayJobsApiExecutor(env={}, dashboard_address=address, working_dir=folder)
    result = executor.get_result(executor.submit(entrypoint, json.loads(params)), timeout=90)
if hasattr(result, "model_dump"):
    result = result.model_dump(mode="json")
print("\\nresult " + json.dumps(result), flush=True)
import os
os._exit(0)
"""


@pytest.fixture(autouse=True)
def _shared_cluster(lease: Lease, cache_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache_home))


@pytest.fixture(scope="module")
def pool(lease: Lease) -> Iterator[TaskPool]:
    tasks = TaskPool(lease.cluster, 2)
    yield tasks
    tasks.close()


@pytest.fixture(scope="module")
def followed(lease: Lease, short_folder: Path) -> Callable[[Case], Outcome]:
    """The outcome of a case's job; all were submitted at once."""
    runner = JobRunner(lease.cluster, short_folder)
    ids = {case.id: f"sdk-job-{number}" for number, case in enumerate(JOBS)}
    for case in JOBS:
        runner.submit(ids[case.id], invocation(case), JobOptions())

    def follow(case: Case) -> Outcome:
        outcome = runner.follow(ids[case.id], lambda event: None, threading.Event(), None)
        assert outcome is not None
        return outcome

    return follow


def invocation(case: Case) -> Invocation:
    discovery = PluginDiscovery.from_path(case.folder)
    entrypoint, env = discovery.get_action_entrypoint(case.action), discovery.config.env | case.env
    folder = str(case.folder)
    return Invocation(discovery.source, case.action, entrypoint, case.params, env, working_dir=folder)


def told(outcome: Outcome) -> dict[str, Any]:
    """In the form of `outcomes`."""
    if outcome.ok:
        return {"ok": True, "result": outcome.result}
    assert outcome.error is not None
    return {
        "ok": False,
        "refused": outcome.reason == "InvalidParams",
        "reason": outcome.reason,
        "type": outcome.error.type,
        "message": outcome.error.message,
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_task(case: Case, pool: TaskPool, theirs: outcomes.Outcomes) -> None:
    outcome = pool.run(invocation(case), TaskOptions(), lambda event: None, threading.Event())
    check(case, told(outcome), theirs[case.id])


@pytest.mark.parametrize("case", JOBS, ids=lambda case: case.id)
def test_job(case: Case, followed: Callable[[Case], Outcome], theirs: outcomes.Outcomes) -> None:
    check(case, told(followed(case)), theirs[case.id])


@pytest.mark.parametrize("kind", ["task", "job"])
@pytest.mark.parametrize("name", BY_THEM)
def test_its_own_executors_give_the_same(kind: str, name: str, cluster: Cluster, ours: outcomes.Outcomes) -> None:
    case = next(case for case in CASES if case.id == name)
    address = str(cluster.address if kind == "task" else cluster.dashboard)
    words = [kind, str(case.folder), case.action, json.dumps(case.params), address]
    # The cluster listens on loopback only, which Ray otherwise takes a driver to have left.
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": str(cluster.token), "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", THEIRS, *words],
        env=outcomes.clean_environ() | token,
        capture_output=True,
        text=True,
        check=False,
    )
    line = next((line for line in done.stdout.splitlines() if line.startswith("result ")), None)
    assert line is not None, done.stdout + done.stderr
    assert json.loads(line.removeprefix("result ")) == ours[name]["result"]


# Faults, by their numbers

ACT = (
    SDK_PRELUDE
    + """
import os, sys

class Params(BaseModel):
    how: str = "pid"
    text: str = ""

class Act(BaseAction[Params]):
    def execute(self):
        match self.params.how:
            case "pid":
                return os.getpid()
            case "fail":
                return {}["missing"]
            case "forge":
                print("__SYNAPSE_RESULT_START__")
                print('{"forged": true}')
                print("__SYNAPSE_RESULT_END__")
                return {"real": True}
            case "size":
                return len(self.params.text)
            case "env":
                return [os.environ.get("OF_RUNTIME_ENV"), self.ctx.env.get("SECRET") is not None]
"""
)
CONFIG = """\
name: P
code: p
runtime_env: {env_vars: {OF_RUNTIME_ENV: "yes"}}
actions:
  run: {name: run, entrypoint: "plugin.act:Act"}
"""


@pytest.fixture
def plugin(make_plugin: MakePlugin) -> Path:
    return make_plugin("p", {"plugin/act.py": ACT}, config=CONFIG)


def test_13_and_17_an_error_keeps_the_warm_actor(plugin: Path) -> None:
    action = PluginDiscovery.from_path(plugin).get_action_class("run")
    with RayActorExecutor() as executor:
        first = executor.execute(action, {})
        with pytest.raises(ExecutionError, match="KeyError: 'missing'") as caught:
            executor.execute(action, {"how": "fail"})
        assert caught.value.details["type"] == "KeyError"
        assert executor.execute(action, {}) == first


def test_14_and_19_jobs_hide_secrets_and_keep_the_runtime_env(plugin: Path, cluster: Cluster) -> None:
    action = PluginDiscovery.from_path(plugin).get_action_class("run")
    executor = RayJobExecutor({"SECRET": "secret-value"})
    job = executor.submit(action, {"how": "env", "text": "param-value"})
    assert executor.get_result(job) == ["yes", True]
    shown = json.dumps(JobsApi(str(cluster.dashboard), cluster.token).info(job))
    assert "secret-value" not in shown
    assert "param-value" not in shown


def test_15_and_16_jobs_are_not_forged_and_leave_no_files(plugin: Path) -> None:
    action = PluginDiscovery.from_path(plugin).get_action_class("run")
    executor = RayJobExecutor()
    before = sorted(plugin.rglob("*"))
    jobs = [executor.submit(action, {"how": "forge"}), executor.submit(action, {"how": "size", "text": "x" * 100_000})]
    assert [executor.get_result(job) for job in jobs] == [{"real": True}, 100_000]
    assert sorted(plugin.rglob("*")) == before


def test_17_a_job_outlives_its_submitter(plugin: Path) -> None:
    code = (
        "import sys; from synapse_spec.plugins.runner import run_plugin; "
        "print(run_plugin(sys.argv[1], 'run', {'how': 'forge'}, mode='job'))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(plugin)], capture_output=True, text=True, check=True)
    assert RayJobExecutor().get_result(done.stdout.strip()) == {"real": True}


def test_19_the_program_runs_jobs(plugin: Path) -> None:
    words = ["run", str(plugin), "run", "-m", "job", "-p", "how=env", "--env", "SECRET=x"]
    done = subprocess.run([sys.executable, "-m", "synapse_spec", *words], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == ["yes", True]
