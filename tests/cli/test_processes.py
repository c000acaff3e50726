"""`synapse apply` in processes of their own: signals, crashes, two at once, pipes and terminals."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from synapse_spec.engine.locks import is_held
from synapse_spec.spec.workspace import Workspace
from tests.engine.project import COMMAND, Project, run, until


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err


def started(project: Project, *words: str, name: str = "a", **options: Any) -> subprocess.Popen[str]:
    """An apply that is at work on a run."""
    count = project.executions(name)
    process = project.start("apply", "spec.yaml", *words, **options)
    until(lambda: project.executions(name) > count)
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_interrupts_and_the_next_apply_goes_on(project: Project, tmp_path: Path, number: int) -> None:
    project.write(run("done"), run("a", "wait", params={"name": "a"}), run("b", dependsOn=["a"]))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    process = started(project, env=os.environ | {"TMPDIR": str(scratch)})
    process.send_signal(number)
    code, out, err = ended(process)
    assert (code, out) == (130, "")
    assert err.endswith("interrupted\n")
    assert "Traceback" not in err
    status = project.status("a")
    assert (status.phase, status.reason, status.metrics) == ("Failed", "Interrupted", {"work": {"loss": 0.5}})
    assert list(project.statuses()) == ["done", "a"]
    assert list(scratch.iterdir()) == []
    assert not is_held(Workspace(project.root), "a")
    assert project.steps() == {"done": "unchanged", "a": "interrupted", "b": "waiting for a"}
    project.go()
    assert project.apply().exit_code == 0
    assert project.attempt("a") == 2
    assert project.status("a").history[0]["reason"] == "Interrupted"


def test_a_key_on_the_terminal_interrupts_the_children_of_an_action_too(project: Project) -> None:
    """Ctrl-C goes to all processes of the terminal; what an action makes of its child's end does not count."""
    code = (
        "import pathlib, subprocess, sys\n"
        "from synapse_spec.plugins.decorators import action\n\n\n"
        "@action()\n"
        "def go(params, ctx):\n"
        "    pathlib.Path('../runs').mkdir(exist_ok=True)\n"
        "    pathlib.Path('../runs/a').write_text('x')\n"
        "    subprocess.run([sys.executable, '-c', 'import time; time.sleep(30)'], check=True)\n"
    )
    project.plugin("parent", {"act.py": code}, {"go": "act:go"})
    project.write(run("a", "go", plugin={"path": "parent"}))
    process = started(project, start_new_session=True)
    os.killpg(process.pid, signal.SIGINT)
    code_, _, err = ended(process)
    assert code_ == 130, err
    assert project.status("a").reason == "Interrupted"


def test_who_insists_gets_out_at_once(project: Project) -> None:
    project.write(run("a", "deaf"))
    process = started(project, name="deaf")
    process.send_signal(signal.SIGINT)
    until(lambda: project.executions("deaf") == 2)
    process.send_signal(signal.SIGINT)
    assert ended(process)[0] == 130
    assert not is_held(Workspace(project.root), "a")


def test_what_was_killed_is_found_interrupted(project: Project) -> None:
    project.write(run("a", "wait", params={"name": "a"}))
    process = started(project)
    process.kill()
    assert ended(process)[0] == -signal.SIGKILL
    assert project.status("a").phase == "Running"
    assert project.steps() == {"a": "interrupted"}
    project.go()
    assert project.apply().exit_code == 0
    assert (project.status("a").phase, project.attempt("a")) == ("Succeeded", 2)
    assert project.executions("a") == 2


def test_two_applies_at_once_run_each_run_once(project: Project) -> None:
    names = [f"n{number}" for number in range(6)]
    project.write(*(run(name, params={"name": name}) for name in names), run("last", dependsOn=names))
    processes = [project.start("apply", "spec.yaml", "-o", "json") for _ in range(3)]
    for process in processes:
        code, out, err = ended(process)
        assert code == 0, err
        assert {record["phase"] for record in json.loads(out)["runs"]} == {"Succeeded"}
    assert [project.executions(name) for name in (*names, "echo")] == [1] * 7
    assert {status.attempt.number for status in project.statuses().values() if status.attempt} == {1}


def test_the_second_apply_waits_for_the_first(project: Project) -> None:
    project.write(run("a", "wait", params={"name": "a"}), run("b", params={"x": "${{ runs.a.result.done }}"}))
    first = started(project)
    assert project.steps() == {"a": "running", "b": "waiting for a"}
    second = project.start("apply", "spec.yaml")
    assert second.stderr is not None
    assert second.stderr.readline() == "a another process is at it; waiting for that\n"
    impatient = project.cli("apply", "spec.yaml", "--no-wait")
    assert impatient.exit_code == 5
    assert "error: another process is at a" in impatient.stderr
    project.go()
    assert ended(first)[0] == 0
    assert ended(second)[0] == 0
    assert (project.executions("a"), project.executions("echo")) == (1, 1)


def test_a_cancelled_run_leaves_the_others_alone(project: Project) -> None:
    project.write(run("a", "wait", params={"name": "a"}), run("b", dependsOn=["a"]), run("c"))
    process = started(project)
    (project.root / "broken.yaml").write_text("apiVersion: synapse.dev/v1\nkind: [")  # edited meanwhile
    done = project.cli("cancel", "a")
    assert (done.exit_code, done.stderr) == (0, "a: Cancelled\n")
    code, _, err = ended(process)
    assert code == 1
    assert "a Cancelled in" in err
    assert {name: status.phase for name, status in project.statuses().items()} == {
        "a": "Cancelled",
        "b": "Blocked",
        "c": "Succeeded",
    }
    assert project.status("a").message == "the run was stopped on request"
    (project.root / "broken.yaml").unlink()
    assert project.steps() == {"a": "cancelled before", "b": "waiting for a", "c": "unchanged"}


def test_a_log_is_followed_to_its_end(project: Project) -> None:
    project.write(run("a", "wait", params={"name": "a"}))
    process = started(project)
    logs = project.start("logs", "a", "-f")
    assert logs.stdout is not None
    assert logs.stdout.readline() == "metrics work loss=0.5\n"
    assert logs.stdout.readline() == "at work\n"
    assert logs.poll() is None
    project.go()
    assert ended(logs)[0] == 0
    assert ended(process)[0] == 0


def test_children_print_to_stderr_and_stdout_is_one_document(project: Project) -> None:
    project.write(run("a", "talk"))
    done = project.call("apply", "spec.yaml", "-o", "json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["runs"][0]["phase"] == "Succeeded"
    assert "a | from a child\n" in done.stderr


def test_that_nobody_reads_on_is_no_reason_to_stop(project: Project) -> None:
    project.write(run("a", "talk"), run("b", "fail"))
    reader, writer = os.pipe()
    os.close(reader)
    process = project.start("apply", "spec.yaml", stderr=writer, stdout=writer)
    os.close(writer)
    assert process.wait(timeout=30) == 1
    assert {name: status.phase for name, status in project.statuses().items()} == {"a": "Succeeded", "b": "Failed"}


def test_a_reader_that_has_seen_enough_is_no_error(project: Project) -> None:
    project.write(run("a"))
    reader, writer = os.pipe()
    os.close(reader)
    processes = [project.start("plan", "spec.yaml", *more, stdout=writer) for more in ((), ("-o", "json"))]
    os.close(writer)
    for process in processes:
        code, _, err = ended(process)
        assert code == 0
        assert "Traceback" not in err
        assert "BrokenPipe" not in err


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_may_be_closed(project: Project, closed: str) -> None:
    project.write(run("a", "talk"), run("b", "fail"))
    command = f"exec '{sys.executable}' -m synapse_spec apply spec.yaml -o json {closed}"
    done = subprocess.run(["sh", "-c", command], cwd=project.root, capture_output=True, timeout=60, check=False)
    assert done.returncode == 1
    assert {name: status.phase for name, status in project.statuses().items()} == {"a": "Succeeded", "b": "Failed"}
    assert "from a child" in project.log("a")


def on_terminal(project: Project, *words: str) -> tuple[int, str]:
    """A command whose stderr is a terminal."""
    ours, theirs = pty.openpty()
    process = project.start(*words, stderr=theirs, env=os.environ | {"TERM": "xterm", "COLUMNS": "100"})
    os.close(theirs)
    shown = b""
    try:
        while data := os.read(ours, 4096):
            shown += data
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    return process.wait(timeout=30), shown.decode()


def test_a_terminal_gets_bars_and_colour(project: Project) -> None:
    project.write(run("a", "talk"), run("b", "fail"))
    code, shown = on_terminal(project, "apply", "spec.yaml")
    assert code == 1
    assert "\x1b[32mSucceeded\x1b[0m in" in shown
    assert "\x1b[31mFailed\x1b[0m in" in shown
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown)
    for line in ("a | printed", "a | from a child", 'a | sampled {"n": 3}', "2 runs: 1 succeeded, 1 failed"):
        assert line in plain
    assert "?25h" in shown  # the cursor is there again


def test_no_colour_is_no_colour(project: Project) -> None:
    project.write(run("a"))
    _, shown = on_terminal(project, "--no-color", "apply", "spec.yaml")
    assert "\x1b[32m" not in shown
    assert "Succeeded in" in shown


@pytest.mark.parametrize(
    "words",
    [
        ["-c", "import synapse_spec"],
        ["-m", "synapse_spec", "--help"],
        ["-m", "synapse_spec", "--version"],
        ["-m", "synapse_spec", "apply", "spec.yaml"],
        ["-m", "synapse_spec", "plan", "spec.yaml"],
        ["-m", "synapse_spec", "status", "spec.yaml"],
        ["-m", "synapse_spec", "logs", "a"],
        ["-m", "synapse_spec", "run", "lab", "add"],
    ],
)
def test_heavy_libraries_are_not_imported_where_they_are_not_needed(project: Project, words: list[str]) -> None:
    project.write(run("a", "talk"))
    if "logs" in words:
        project.apply()
    command = [sys.executable, "-X", "importtime", *words]
    done = subprocess.run(command, cwd=project.root, capture_output=True, text=True, timeout=60, check=True)
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "synapse_spec" in imported
    assert imported.isdisjoint({"ray", "jsonschema", "rich", "ruamel"})
    if words[0] == "-c" or words[2].startswith("--"):
        assert imported.isdisjoint({"pydantic", "jsonschema_rs", "yamlrocks"})


def test_nothing_of_ours_is_left_in_the_folder_for_temporary_files(project: Project) -> None:
    project.write(run("a", "talk"), run("b", "fail"))
    with tempfile.TemporaryDirectory() as folder:
        done = project.call("apply", "spec.yaml", env=os.environ | {"TMPDIR": folder})
        assert done.returncode == 1
        assert os.listdir(folder) == []


def test_a_spec_is_piped_in(project: Project) -> None:
    text = project.write(run("a")).read_text()
    done = subprocess.run(
        [*COMMAND, "apply", "-"], cwd=project.root, input=text, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert project.status("a", "stdin").phase == "Succeeded"


def test_pruning_stops_what_is_at_work_of_a_run_that_is_gone(project: Project) -> None:
    project.write(run("a", "wait", params={"name": "a"}), run("b"))
    process = started(project)
    project.write(run("b"))
    done = project.cli("apply", "spec.yaml", "--prune")
    assert done.exit_code == 0
    assert "removed the status of a\n" in done.stderr
    code, _, err = ended(process)
    assert code == 1
    assert "a Cancelled in" in err
    assert set(project.statuses()) == {"b"}
