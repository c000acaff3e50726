"""Tasks on the embedded cluster, as the engine runs them."""

import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from synapse_spec.plugins.events import Event, Output, Progress
from synapse_spec.plugins.execution import Invocation
from synapse_spec.plugins.executors.ray.task import TaskOptions, TaskPool
from synapse_spec.plugins.outcome import ErrorInfo, Outcome
from synapse_spec.plugins.source import PluginSource
from tests.plugins.executors.ray.conftest import alive, eventually, write_plugin

pytestmark = pytest.mark.ray

Invoke = Callable[..., Invocation]


def run(pool: TaskPool, invocation: Invocation, **options: Any) -> tuple[Outcome, list[Event]]:
    events: list[Event] = []
    cancelled = options.pop("cancelled", threading.Event())
    return pool.run(invocation, TaskOptions(**options), events.append, cancelled), events


def test_result_and_events_come_back(
    pool: TaskPool, invoke: Invoke, plugin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNAPSE_TEST_CLIENT", "seen")
    outcome, events = run(pool, invoke("ok", {"value": 7}, env={"GIVEN": "given"}, job_id="a-task"))
    assert outcome.ok, outcome
    assert outcome.result | {"pid": 0} == {
        "value": 7, "cwd": str(plugin), "pid": 0, "env": "given", "own": "seen", "id": "a-task",
    }  # fmt: skip
    assert outcome.metrics == {"train": {"loss": 0.5}}
    texts = {event.text for event in events if isinstance(event, Output)}
    assert {"from a child", "to stderr", "WARNING lib: logged"} <= texts
    assert Progress(1, 2, "step") in events


def test_an_actor_is_used_again_also_after_the_action_failed(pool: TaskPool, invoke: Invoke) -> None:
    first = run(pool, invoke("ok"))[0].result
    failed = run(pool, invoke("fail"))[0]
    assert failed.reason == "ActionFailed"
    assert failed.error is not None
    assert (failed.error.type, failed.error.message) == ("ValueError", "wrong value")
    assert "plugin/act.py" in failed.error.traceback.splitlines()[1]
    assert run(pool, invoke("leave"))[0].reason == "ActionFailed"
    second = run(pool, invoke("ok"))[0].result
    assert (second["pid"], second["env"], second["own"]) == (first["pid"], None, None)


def test_a_warm_call_is_quick(pool: TaskPool, invoke: Invoke) -> None:
    run(pool, invoke("fail"))
    started = time.monotonic()
    for _ in range(20):
        run(pool, invoke("fail"))
    assert (time.monotonic() - started) / 20 < 0.1


def test_the_death_of_a_worker_is_told_and_survived(
    pool: TaskPool, invoke: Invoke, capfd: pytest.CaptureFixture[str]
) -> None:
    outcome = run(pool, invoke("die"))[0]
    assert outcome.reason == "WorkerDied"
    assert outcome.error is not None
    assert "died" in outcome.error.message
    assert "\n" not in outcome.error.message
    assert run(pool, invoke("ok"))[0].ok
    time.sleep(0.5)
    assert capfd.readouterr() == ("", "")


DEADLY = """
import ctypes, os, signal, subprocess, sys, time
from pathlib import Path
from synapse_spec.plugins.decorators import action

@action()
def in_c(params, ctx):
    # A child, a grandchild whose parent has gone, and C code that no signal from Python reaches.
    child = subprocess.Popen(["sleep", "77"])
    orphan = subprocess.run(["sh", "-c", "sleep 78 >/dev/null & echo $!"], stdout=subprocess.PIPE, text=True).stdout
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    Path(params["started"]).write_text(f"{os.getpid()} {child.pid} {orphan}")
    print("in C", flush=True)
    ctypes.PyDLL(None).sleep(60)

@action()
def die(params, ctx):
    for number in range(params.get("lines", 0)):
        print("line", number)
        time.sleep(0.05)
    print("last words")
    time.sleep(0.2)
    match params["how"]:
        case "exit":
            os._exit(3)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "segfault":
            ctypes.string_at(0)

@action()
def interrupt(params, ctx):
    raise KeyboardInterrupt

@action()
def leave_a_mess(params, ctx):
    import io, logging
    sys.stdout = sys.stderr = io.StringIO()
    logging.basicConfig(level="ERROR", force=True)
    os.environ["MESS"] = "1"
    os.chdir("/")

@action()
def pid(params, ctx):
    import logging
    print("printed")
    logging.getLogger("lib").info("logged")
    return {"pid": os.getpid(), "mess": os.environ.get("MESS"), "cwd": os.getcwd()}

class Power:
    def of(self, number):
        return number ** 2

def squared(number):
    return Power().of(number)

@action()
def shards(params, ctx):
    import ray
    return ray.get([ray.remote(squared).remote(number) for number in range(3)])

@action()
def steps(params, ctx):
    for step in range(4):
        ctx.set_progress(step, 4)
        time.sleep(0.3)
"""


@pytest.fixture(scope="module")
def deadly(short_folder: Path) -> Invoke:
    folder = write_plugin(short_folder / "deadly", DEADLY)
    source = PluginSource.from_path(folder)
    return lambda name, params=None: Invocation(
        source, name, f"plugin.act:{name}", params or {}, working_dir=str(folder)
    )


@pytest.mark.parametrize("reason", ["TimedOut", "Cancelled"])
def test_what_is_in_c_code_is_ended_with_its_children(
    pool: TaskPool, deadly: Invoke, tmp_path: Path, reason: str
) -> None:
    started, cancelled = tmp_path / "started", threading.Event()

    def cancel() -> None:
        eventually(started.exists)
        cancelled.set()

    if reason == "Cancelled":
        threading.Thread(target=cancel).start()
    assert run(pool, deadly("pid"))[0].ok  # a warm actor, so that the time is the action's
    limit = 4 if reason == "TimedOut" else None
    outcome, events = run(pool, deadly("in_c", {"started": str(started)}), timeout=limit, cancelled=cancelled)
    assert outcome.reason == reason
    assert events == [Output("in C")]
    eventually(lambda: not any(alive(int(pid)) for pid in started.read_text().split()))


@pytest.mark.parametrize("how", ["exit", "kill", "segfault"])
def test_each_way_to_die(pool: TaskPool, deadly: Invoke, how: str) -> None:
    outcome, events = run(pool, deadly("die", {"how": how}))
    assert events[0] == Output("last words")  # of a crash Ray tells more
    assert outcome.reason == "WorkerDied"
    assert outcome.error is not None
    told = "the worker process died: it crashed, left by itself or was killed, perhaps for want of memory"
    assert outcome.error.message == told
    assert run(pool, deadly("pid"))[0].ok


def test_what_came_while_it_ran_comes_once(pool: TaskPool, deadly: Invoke) -> None:
    outcome, events = run(pool, deadly("die", {"how": "exit", "lines": 8}))
    assert outcome.reason == "WorkerDied"
    assert events == [*(Output(f"line {number}") for number in range(8)), Output("last words")]


def test_what_an_action_raises_keeps_the_actor_and_what_it_changed_does_not(pool: TaskPool, deadly: Invoke) -> None:
    first = run(pool, deadly("pid"))[0].result
    failed = run(pool, deadly("interrupt"))[0]
    assert failed.reason == "ActionFailed"
    assert failed.error == ErrorInfo("KeyboardInterrupt", "raised by the action itself")
    assert run(pool, deadly("leave_a_mess"))[0].ok
    outcome, events = run(pool, deadly("pid"))
    assert outcome.result == first
    assert [event.text for event in events if isinstance(event, Output)] == ["printed", "INFO lib: logged"]


def test_events_come_while_it_runs(pool: TaskPool, deadly: Invoke) -> None:
    times: list[float] = []
    run(pool, deadly("pid"))
    outcome = pool.run(deadly("steps"), TaskOptions(), lambda event: times.append(time.monotonic()), threading.Event())
    assert outcome.ok
    assert len(times) == 4
    assert all(later - earlier > 0.1 for earlier, later in itertools.pairwise(times))


def test_an_action_may_start_ray_tasks_of_its_own_code(pool: TaskPool, deadly: Invoke) -> None:
    outcome = run(pool, deadly("shards"))[0]
    assert outcome.result == [0, 1, 4], outcome.error


def test_other_code_has_another_actor(pool: TaskPool, deadly: Invoke) -> None:
    first, again, other = (run(pool, deadly("pid"), code=code)[0].result["pid"] for code in ("one", "one", "two"))
    assert first == again != other


def test_timeout_ends_the_process(pool: TaskPool, invoke: Invoke, tmp_path: Path) -> None:
    started = tmp_path / "started"
    outcome, events = run(pool, invoke("slow", {"started": str(started)}), timeout=3)
    assert outcome.reason == "TimedOut"
    assert Output("slow is running") in events
    eventually(lambda: not alive(int(started.read_text())))


def test_cancel_ends_the_process(pool: TaskPool, invoke: Invoke, tmp_path: Path) -> None:
    started, cancelled = tmp_path / "started", threading.Event()
    outcomes: list[Outcome] = []
    slow = invoke("slow", {"started": str(started)})
    thread = threading.Thread(target=lambda: outcomes.append(run(pool, slow, cancelled=cancelled)[0]))
    thread.start()
    pid = int(eventually(lambda: started.exists() and started.read_text()))
    cancelled.set()
    thread.join(5)
    assert outcomes[0].reason == "Cancelled"
    eventually(lambda: not alive(pid))


def test_same_named_packages_and_more_plugins_than_actors(pool: TaskPool, short_folder: Path) -> None:
    text = "from synapse_spec.plugins.decorators import action\n@action()\ndef who(params, ctx):\n    return {!r}\n"
    names = ["one", "two", "three"]
    for name in names:
        write_plugin(short_folder / name, text.format(name))
    sources = [PluginSource.from_path(short_folder / name) for name in names]
    invocations = [Invocation(source, "who", "plugin.act:who", {}) for source in sources * 2]
    results: dict[int, Any] = {}

    def collect(index: int) -> None:
        results[index] = run(pool, invocations[index])[0].result

    threads = [threading.Thread(target=collect, args=(index,)) for index in range(len(invocations))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [results[index] for index in range(6)] == names * 2


def test_same_named_packages_interleaved(pool: TaskPool, short_folder: Path) -> None:
    text = "from synapse_spec.plugins.decorators import action\nfrom plugin.name import NAME\n@action()\n"
    text += "def who(params, ctx):\n    from plugin import late\n    return [NAME, late.NAME]\n"
    sources = []
    for name in ("left", "right"):
        folder = write_plugin(short_folder / name, text)
        for file in ("name", "late"):
            (folder / f"plugin/{file}.py").write_text(f"NAME = {name!r}\n")
        sources.append(PluginSource.from_path(folder))
    for _ in range(15):
        for source, name in zip(sources, ("left", "right"), strict=True):
            outcome = run(pool, Invocation(source, "who", "plugin.act:who", {}))[0]
            assert outcome.result == [name, name]


def test_short_tasks_of_two_plugins_do_not_drive_each_other_out(pool: TaskPool, short_folder: Path) -> None:
    text = "import os\nfrom synapse_spec.plugins.decorators import action\n@action()\n"
    folders = [
        write_plugin(short_folder / name, f"{text}def who(params, ctx):\n    return os.getpid()\n") for name in "ab"
    ]
    tasks = [Invocation(PluginSource.from_path(folder), "who", "plugin.act:who", {}) for folder in folders * 20]
    with ThreadPoolExecutor(6) as threads:
        pids = list(threads.map(lambda task: run(pool, task)[0].result, tasks))
    assert len(set(pids)) <= 5, "each plugin has one of two places, after one or two starts"


def test_idle_workers_let_go_of_what_they_hold(pool: TaskPool, invoke: Invoke) -> None:
    first = run(pool, invoke("ok"), num_cpus=1)[0].result["pid"]
    assert run(pool, invoke("ok"), num_cpus=1)[0].result["pid"] == first
    eventually(lambda: not alive(first))


def test_more_than_the_machine_has(pool: TaskPool, invoke: Invoke) -> None:
    outcome = run(pool, invoke("ok"), num_cpus=10_000)[0]
    assert outcome.error is not None
    assert "10000 CPU" in outcome.error.message
