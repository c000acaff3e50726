"""Carrying out a plan: order, locks, requests to cancel, time limits, and what goes wrong meanwhile."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from synapse_spec.engine.backends import Backends
from synapse_spec.engine.locks import is_held, run_lock
from synapse_spec.engine.options import Options, Report
from synapse_spec.engine.plan import make_plan
from synapse_spec.engine.reconcile import Reconciler
from synapse_spec.engine.stage import Stage
from synapse_spec.engine.status import Attempt, Identity, RunStatus, Start
from synapse_spec.engine.store import StatusFile
from synapse_spec.plugins.events import Event, render
from synapse_spec.plugins.outcome import Outcome
from synapse_spec.spec.catalog import Catalog
from synapse_spec.spec.diagnostics import InvalidSpec
from synapse_spec.spec.load import load
from synapse_spec.spec.model import Run
from synapse_spec.spec.workspace import Workspace
from tests.engine.project import Project, run, until
from tests.engine.test_status import T0, T1


class Told:
    """An observer that remembers."""

    def __init__(self, on_event: Callable[[str], object] = lambda text: None) -> None:
        self.lines: list[str] = []
        self._on_event = on_event

    def phase(self, run: Run, status: RunStatus) -> None:
        self.lines.append(f"{run.name} {status.phase} {status.reason}")

    def event(self, run: Run, event: Event) -> None:
        self._on_event(render(event))

    def note(self, run: Run, text: str) -> None:
        self.lines.append(f"{run.name}: {text}")


class Trial:
    """One apply of a project's spec, from the plan to the report."""

    def __init__(self, project: Project, observer: Any = None, **options: Any) -> None:
        loaded = load([str(project.root / "spec.yaml")])
        assert not loaded.diagnostics
        self.workspace = Workspace(project.root)
        self.runs = {run.name: run for run in loaded.runs}
        catalog = Catalog(project.root)
        file = StatusFile.of(loaded.files[0], self.runs)
        statuses = file.read()
        self.stage = Stage(
            workspace=self.workspace,
            catalog=catalog,
            files={loaded.files[0].path: file},
            statuses=statuses,
            backends=Backends(self.workspace, None, uses=(), task_limit=1),
            observer=observer or Told(),
            options=Options(**options),
        )
        owned = {name for name in self.runs if is_held(self.workspace, name)}
        force = self.stage.options.force
        self.plan = make_plan(
            loaded.runs, catalog, statuses, force=lambda name: name in force, owned=lambda name: name in owned
        )

    def run(self) -> Report:
        return Reconciler(self.plan, self.stage).run()

    @property
    def told(self) -> list[str]:
        observer = self.stage.observer
        assert isinstance(observer, Told)
        return observer.lines


@contextmanager
def beside(work: Callable[[], object]) -> Iterator[None]:
    """Something that happens meanwhile."""
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def request_cancel(workspace: Workspace, name: str) -> None:
    workspace.cancels.mkdir(parents=True, exist_ok=True)
    (workspace.cancels / name).touch()


@pytest.fixture(autouse=True)
def signals_as_they_were() -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGURG)
    before = [signal.getsignal(number) for number in numbers]
    yield
    assert [signal.getsignal(number) for number in numbers] == before


def test_runs_go_in_the_order_of_their_dependencies(project: Project) -> None:
    project.write(run("c", dependsOn=["b"]), run("b", dependsOn=["a"]), run("a"), run("d"))
    trial = Trial(project)
    report = trial.run()
    assert sorted(report.ran) == ["a", "b", "c", "d"]
    assert report.ran.index("a") < report.ran.index("b") < report.ran.index("c")
    assert list(project.statuses()) == ["c", "b", "a", "d"]
    assert not any(is_held(trial.workspace, name) for name in "abcd")


def test_a_run_that_takes_too_long_ends_and_the_others_go_on(project: Project) -> None:
    project.write(run("slow", "wait", timeout="300ms", params={"name": "slow"}), run("next"))
    trial = Trial(project)
    trial.run()
    status = project.status("slow")
    assert (status.phase, status.reason) == ("Failed", "TimedOut")
    assert status.message == "the run took longer than its timeout"
    assert status.metrics == {"work": {"loss": 0.5}}
    assert status.attempt is not None
    assert 0.3 <= (status.attempt.seconds or 0) < 5
    assert project.status("next").phase == "Succeeded"
    assert "TimedOut" in project.log("slow")


def test_each_attempt_has_its_own_time(project: Project) -> None:
    retry = {"limit": 1, "backoff": "10ms"}
    project.write(run("slow", "wait", timeout="250ms", params={"name": "slow"}, retry=retry))
    Trial(project).run()
    assert project.executions("slow") == 2
    assert (project.attempt("slow"), project.status("slow").reason) == (2, "TimedOut")


def test_a_request_to_cancel_ends_one_run(project: Project) -> None:
    project.write(run("long", "wait", params={"name": "long"}), run("after", dependsOn=["long"]), run("other"))

    def cancel() -> None:
        until(lambda: project.executions("long"))
        request_cancel(trial.workspace, "long")

    trial = Trial(project)
    with beside(cancel):
        trial.run()
    assert {name: status.phase for name, status in project.statuses().items()} == {
        "long": "Cancelled",
        "after": "Blocked",
        "other": "Succeeded",
    }
    assert project.status("after").message == "run 'long' is Cancelled"
    assert list(trial.workspace.cancels.iterdir()) == []


def test_a_request_that_was_left_behind_cancels_nothing(project: Project) -> None:
    project.write(run("a", "wait", params={"name": "a", "seconds": 0.5}))
    trial = Trial(project)
    request_cancel(trial.workspace, "a")
    trial.run()
    assert project.status("a").phase == "Succeeded"


def test_a_request_is_for_the_process_that_is_at_the_run(project: Project) -> None:
    """One that only waits for its turn leaves it alone."""
    project.write(run("a"))
    trial = Trial(project)

    def owner() -> None:
        with run_lock(trial.workspace, "a", wait=False, stop=threading.Event()):
            ready.set()
            request_cancel(trial.workspace, "a")
            time.sleep(0.6)
            seen.append((trial.workspace.cancels / "a").exists())

    ready, seen = threading.Event(), list[bool]()
    with beside(owner):
        ready.wait()
        trial.run()
    assert seen == [True]
    assert project.status("a").phase == "Succeeded"


def test_what_an_interrupted_action_returns_does_not_count(project: Project) -> None:
    project.write(run("a", "stubborn"))
    trial = Trial(project)

    def cancel() -> None:
        until(lambda: project.executions("stubborn"))
        time.sleep(0.1)
        request_cancel(trial.workspace, "a")

    with beside(cancel):
        trial.run()
    assert (project.status("a").phase, project.status("a").result) == ("Cancelled", None)


def test_an_action_that_interrupts_itself_has_failed(project: Project) -> None:
    project.write(run("a", "own_interrupt"), run("b"))
    Trial(project).run()
    status = project.status("a")
    assert (status.reason, status.message) == ("ActionFailed", "KeyboardInterrupt: raised by the action itself")
    assert project.status("b").phase == "Succeeded"


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
def test_processes_that_an_action_forks_end_as_they_are_told(project: Project) -> None:
    project.write(run("a", "fork"))
    Trial(project).run()
    assert project.status("a").result == -signal.SIGTERM


def test_cancelling_ends_the_wait_for_the_next_attempt(project: Project) -> None:
    project.write(run("a", "fail", retry={"limit": 3, "backoff": "1h"}))
    trial = Trial(project)

    def cancel() -> None:
        until(lambda: "a: next attempt in 300 s" in trial.told)
        request_cancel(trial.workspace, "a")

    with beside(cancel):
        trial.run()
    assert project.executions("fail") == 1
    assert project.status("a").reason == "ActionFailed"


def test_other_runs_go_on_while_one_is_waited_for(project: Project) -> None:
    project.write(run("a", "add"), run("b"), run("c", dependsOn=["b"]))
    trial = Trial(project)

    def owner() -> None:
        with run_lock(trial.workspace, "a", wait=False, stop=threading.Event()):
            ready.set()
            until(lambda: project.executions("echo") == 2)
            assert project.executions("add") == 0

    ready = threading.Event()
    with beside(owner):
        ready.wait()
        report = trial.run()
    assert report.ran == ["b", "c", "a"]
    assert project.executions("add") == 1


def test_without_waiting_a_run_of_another_process_is_left_to_it(project: Project) -> None:
    project.write(run("a"), run("b", dependsOn=["a"]), run("c", dependsOn=["b"]), run("d"))
    trial = Trial(project, wait=False)
    with run_lock(trial.workspace, "a", wait=False, stop=threading.Event()):
        report = trial.run()
    assert report.locked == ["a"]
    assert list(project.statuses()) == ["d"]


@pytest.mark.parametrize("reason", ["Completed", "ActionFailed", "Cancelled"])
@pytest.mark.parametrize("force", [frozenset(), frozenset({"a"})])
def test_what_another_process_did_meanwhile_counts(project: Project, reason: str, force: frozenset[str]) -> None:
    """Two applies at once run each run once, failing and forced ones included."""
    project.write(run("a", "fail"), run("b", dependsOn=["a"]))
    trial = Trial(project, force=force)
    identity = trial.plan.entries["a"].identity
    assert identity is not None
    start = Start(identity, {}, "local", Attempt(1, "h-1", T0), {}, {}, "x.log")
    file = StatusFile(project.root / "spec.status.yaml", ["a", "b"])
    file.update("a", lambda status: status.started(start).finished(Outcome(reason), T1))
    trial.run()
    assert project.executions("fail") == 0
    assert project.status("a").reason == reason
    assert project.status("b").phase == ("Succeeded" if reason == "Completed" else "Blocked")


def test_what_was_interrupted_meanwhile_is_run(project: Project) -> None:
    project.write(run("a"))
    trial = Trial(project)
    identity = trial.plan.entries["a"].identity
    assert identity is not None
    start = Start(identity, {}, "local", Attempt(1, "h-1", T0), {}, {}, "x.log")
    StatusFile(project.root / "spec.status.yaml").update("a", lambda status: status.started(start))
    trial.run()
    assert project.attempt("a") == 2


def test_failing_fast_starts_nothing_more(project: Project) -> None:
    project.write(run("a", "fail"), run("b"), run("c", dependsOn=["a"]))
    Trial(project, fail_fast=True).run()
    assert {name: status.phase for name, status in project.statuses().items()} == {"a": "Failed"}


def test_giving_up_interrupts_what_is_at_work(project: Project) -> None:
    project.write(run("a", "wait", params={"name": "a"}), run("b"))
    trial = Trial(project, timeout=0.4)
    report = trial.run()
    assert report.gave_up
    status = project.status("a")
    assert (status.phase, status.reason) == ("Failed", "Interrupted")
    assert status.message == "synapse was stopped while the run was at work"
    assert "b" not in project.statuses()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_whole(project: Project, number: int) -> None:
    project.write(run("a", "wait", params={"name": "a"}), run("b"))

    def stop() -> None:
        until(lambda: project.executions("a"))
        os.kill(os.getpid(), number)

    with beside(stop), pytest.raises(KeyboardInterrupt):
        Trial(project).run()
    status = project.status("a")
    assert (status.phase, status.reason) == ("Failed", "Interrupted")
    assert "b" not in project.statuses()


def test_a_signal_waits_until_what_we_write_is_written(project: Project) -> None:
    """It comes between two runs: the one before stays what it is, the next is not begun."""
    project.write(run("a"), run("b"))

    class Stopper(Told):
        def phase(self, run: Run, status: RunStatus) -> None:
            if status.phase == "Succeeded":
                os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        Trial(project, Stopper()).run()
    assert {name: status.phase for name, status in project.statuses().items()} == {"a": "Succeeded"}


def test_a_signal_before_the_action_begins_keeps_it_from_beginning(project: Project) -> None:
    project.write(run("a", "add"))

    class Stopper(Told):
        def phase(self, run: Run, status: RunStatus) -> None:
            if status.phase == "Running":
                os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        Trial(project, Stopper()).run()
    assert project.status("a").reason == "Interrupted"
    assert project.executions("add") == 0


def test_a_signal_ends_the_wait_for_the_next_attempt(project: Project) -> None:
    project.write(run("a", "fail", retry={"limit": 3, "backoff": "1h"}))
    trial = Trial(project)

    def stop() -> None:
        until(lambda: "a: next attempt in 300 s" in trial.told)
        os.kill(os.getpid(), signal.SIGINT)

    with beside(stop), pytest.raises(KeyboardInterrupt):
        trial.run()
    assert project.status("a").reason == "ActionFailed"


def test_a_signal_ends_the_wait_for_another_process(project: Project) -> None:
    project.write(run("a"))
    trial = Trial(project)
    with run_lock(trial.workspace, "a", wait=False, stop=threading.Event()):
        timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            trial.run()
        timer.join()
    assert project.statuses() == {}


def test_a_status_file_that_breaks_meanwhile_is_not_overwritten(project: Project) -> None:
    project.write(run("a", "vandal"), run("b"))
    with pytest.raises(InvalidSpec):
        Trial(project).run()
    assert (project.root / "spec.status.yaml").read_text() == "not: [a status"


def test_a_defect_of_ours_ends_all_and_is_shown(project: Project) -> None:
    project.write(run("a"), run("b"))

    class Broken(Told):
        def phase(self, run: Run, status: RunStatus) -> None:
            raise RuntimeError("a defect")

    trial = Trial(project, Broken())
    with pytest.raises(RuntimeError, match="a defect"):
        trial.run()
    assert not is_held(trial.workspace, "a")
    assert trial.stage.leave.is_set()


def test_a_defect_of_ours_in_one_run_costs_that_run_alone(project: Project) -> None:
    project.write(run("a"), run("b", dependsOn=["a"]), run("c"))

    class BreaksOnce(Told):
        def phase(self, run: Run, status: RunStatus) -> None:
            super().phase(run, status)
            if self.lines == ["a Running Started"]:
                raise RuntimeError("a defect")

    with pytest.raises(RuntimeError, match="a defect"):
        Trial(project, BreaksOnce()).run()
    assert (project.status("a").phase, project.status("a").reason) == ("Failed", "InternalError")
    assert project.status("b").phase == "Blocked"
    assert project.status("c").phase == "Succeeded"


def test_a_blocked_run_that_is_at_work_elsewhere_is_not_overwritten(project: Project) -> None:
    project.write(run("a", "fail"), run("b", dependsOn=["a"]))
    trial = Trial(project)
    start = Start(Identity("s", "c", {}, "d"), {}, "local", Attempt(1, "h", T0), {}, {}, "x.log")
    StatusFile(project.root / "spec.status.yaml").update("b", lambda status: status.started(start))
    with run_lock(trial.workspace, "b", wait=False, stop=threading.Event()):
        trial.run()
    assert project.status("b").phase == "Running"
    trial = Trial(project)
    trial.run()
    assert project.status("b").phase == "Blocked"
