"""Tasks on the embedded cluster, as the engine runs them."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synapse_spec.plugins.events import Event, Output, Progress
from synapse_spec.plugins.execution import Invocation
from synapse_spec.plugins.executors.ray.task import TaskOptions, TaskPool
from synapse_spec.plugins.outcome import Outcome
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


def test_timeout_ends_the_process_and_its_children(pool: TaskPool, invoke: Invoke, tmp_path: Path) -> None:
    started = tmp_path / "started"
    outcome, events = run(pool, invoke("slow", {"started": str(started), "child": True}), timeout=3)
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
    invocations = [Invocation(source, "who", "plugin.act:who", {}) for source in [*sources, *sources]]
    results: dict[int, Any] = {}

    def collect(index: int) -> None:
        results[index] = run(pool, invocations[index])[0].result

    threads = [threading.Thread(target=collect, args=(index,)) for index in range(len(invocations))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [results[index] for index in range(6)] == names * 2


def test_idle_workers_let_go_of_what_they_hold(pool: TaskPool, invoke: Invoke) -> None:
    first = run(pool, invoke("ok"), num_cpus=1)[0].result["pid"]
    assert run(pool, invoke("ok"), num_cpus=1)[0].result["pid"] == first
    eventually(lambda: not alive(first))


def test_more_than_the_machine_has(pool: TaskPool, invoke: Invoke) -> None:
    outcome = run(pool, invoke("ok"), num_cpus=10_000)[0]
    assert outcome.error is not None
    assert "10000 CPU" in outcome.error.message
