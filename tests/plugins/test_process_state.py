"""Runs inside runs: threads of an action may run actions, all others wait for their turn."""

import os
import threading
from pathlib import Path

import pytest

from synapse_spec.plugins.process_state import ProcessState
from synapse_spec.plugins.runner import run_plugin

SECONDS = 20

NESTED = """
import os
from concurrent.futures import ThreadPoolExecutor
from synapse_spec.plugins.decorators import action
from synapse_spec.plugins.runner import run_plugin

@action()
def outer(params, ctx):
    def inner(number):
        return run_plugin(params["other"], "who", {"number": number}, env={"NUMBER": str(number)})
    with ThreadPoolExecutor(3) as threads:
        inside = list(threads.map(inner, range(6)))
    import plugin.late
    return {"inside": inside, "own": plugin.late.NAME, "env": os.environ.get("NUMBER")}
"""
WHO = """
import os
from synapse_spec.plugins.decorators import action
import plugin.late

@action()
def who(params, ctx):
    assert os.environ["NUMBER"] == str(params["number"])
    return f"{plugin.late.NAME} {params['number']}"
"""


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    for name, text in (("outer", NESTED), ("inner", WHO)):
        (tmp_path / name / "plugin").mkdir(parents=True)
        (tmp_path / name / "plugin/act.py").write_text(text)
        (tmp_path / name / "plugin/late.py").write_text(f"NAME = {name!r}")
    return tmp_path


def test_an_action_waits_for_its_own_threads_that_run_actions(plugins: Path) -> None:
    found: list[object] = []

    def call() -> None:
        found.append(run_plugin(plugins / "outer", "outer", {"other": str(plugins / "inner")}))

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(SECONDS)
    assert found == [{"inside": [f"inner {number}" for number in range(6)], "own": "outer", "env": None}]
    assert "NUMBER" not in os.environ


def test_threads_of_others_wait_even_if_they_were_started_meanwhile() -> None:
    state, order = ProcessState(), list[str]()

    def other() -> None:
        with state:
            order.append("other")

    holding, started = threading.Event(), threading.Event()

    def holder() -> None:
        with state:
            holding.set()
            assert started.wait(SECONDS)
            order.append("holder")

    threads = [threading.Thread(target=target) for target in (holder, other)]
    threads[0].start()
    assert holding.wait(SECONDS)
    threads[1].start()
    threads[1].join(0.1)
    started.set()
    for thread in threads:
        thread.join(SECONDS)
    assert order == ["holder", "other"]


def test_a_thread_that_outlives_its_action_waits_like_any_other() -> None:
    state, order = ProcessState(), list[str]()
    over, held = threading.Event(), threading.Event()

    def late() -> None:
        assert over.wait(SECONDS)
        with state:
            order.append("late")

    with state:
        thread = threading.Thread(target=late)
        thread.start()

    def holder() -> None:
        with state:
            over.set()
            assert not held.wait(0.1)
            order.append("holder")

    other = threading.Thread(target=holder)
    other.start()
    for waiting in (other, thread):
        waiting.join(SECONDS)
    assert order == ["holder", "late"]


def test_the_outer_run_ends_after_those_of_its_threads() -> None:
    state, order = ProcessState(), list[str]()
    entered, go_on = threading.Event(), threading.Event()

    def inner() -> None:
        with state:
            entered.set()
            assert go_on.wait(SECONDS)
            order.append("inner")

    with state:
        thread = threading.Thread(target=inner)
        thread.start()
        assert entered.wait(SECONDS)
        threading.Timer(0.1, go_on.set).start()
    order.append("outer")
    thread.join(SECONDS)
    assert order == ["inner", "outer"]
