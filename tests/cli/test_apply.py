"""`synapse apply` in mode local: what runs, what is written, what is shown."""

import json
import os
import re
import shutil
from collections.abc import Callable
from textwrap import dedent
from typing import Any

import pytest

from synapse_spec.plugins import yaml
from tests.engine.project import LAB, Project, run, tree

CHAIN = (
    run("a", "add"),
    run("b", params={"from": "${{ runs.a.result.sum }}"}),
    run("c", params={"from": "${{ runs.b.result }}"}),
    run("other", "add", params={"a": 5}),
)


def phases(project: Project) -> dict[str, str]:
    return {name: status.phase for name, status in project.statuses().items()}


def reasons(project: Project, *words: str) -> dict[str, str]:
    return {name: text for name, text in project.steps(*words).items() if text != "unchanged"}


# What runs


def test_a_chain_runs_once_and_is_then_left_alone(project: Project) -> None:
    project.write(*CHAIN)
    done = project.apply()
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr.endswith("4 runs: 4 succeeded\n")
    assert project.status("c").result == {"from": {"from": 3}}
    before = tree(project.root)
    again = project.apply()
    assert (again.exit_code, again.stdout) == (0, "")
    assert again.stderr == "nothing to do: 4 runs (4 succeeded)\n"
    after = tree(project.root)
    cache = f".synapse{os.sep}cache"
    assert {k: v for k, v in after.items() if cache not in k} == {k: v for k, v in before.items() if cache not in k}
    assert project.executions("add") == 2


def test_the_status_says_all_there_is_to_say(project: Project) -> None:
    spec = project.write(run("a", "talk", params={"n": 1}, env={"LEVEL": 3}))
    project.apply()
    (document,) = yaml.parse(spec.with_name("spec.status.yaml").read_bytes())
    status = document["status"]
    assert list(status) == [
        *("phase", "reason", "message", "conditions", "observedDigest", "inputs", "lastApplied", "mode", "attempt"),
        *("result", "metrics", "plugin", "provenance", "logs"),
    ]
    assert status["lastApplied"] == {
        "plugin": {"path": "lab"},
        "action": "talk",
        "entrypoint": "plugin.act:talk",
        "params": {"n": 1},
        "env": {"LEVEL": "3"},
    }
    assert status["attempt"]["handle"] == f"synapse-a-{status['observedDigest'][7:19]}-1"
    assert status["metrics"] == {"train": {"loss": 0.25}}
    assert status["plugin"] == {"code": "lab", "version": status["plugin"]["version"]}
    assert (project.root / status["logs"]).is_file()


def edit_param(project: Project) -> None:
    project.edit("spec.yaml", "a: 5", "a: 6")


def edit_code(project: Project) -> None:
    project.edit("lab/plugin/act.py", "params.a + params.b", "params.b + params.a")


def edit_data(project: Project) -> None:
    (project.root / "lab" / "weights.bin").write_bytes(b"1")


def edit_env(project: Project) -> None:
    project.edit("lab/config.yaml", "name: lab", "name: lab\nenv: {LEVEL: debug}")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (edit_param, {"other": "spec changed: params.a 5 -> 6"}),
        (
            edit_code,
            {
                "a": "code changed: plugin/act.py",
                "b": "waiting for a",
                "c": "waiting for b",
                "other": "code changed: plugin/act.py",
            },
        ),
        (
            edit_data,
            {
                "a": "code changed: weights.bin",
                "b": "waiting for a",
                "c": "waiting for b",
                "other": "code changed: weights.bin",
            },
        ),
        (
            edit_env,
            {
                "a": "spec changed: env.LEVEL (not set) -> 'debug'",
                "b": "waiting for a",
                "c": "waiting for b",
                "other": "spec changed: env.LEVEL (not set) -> 'debug'",
            },
        ),
    ],
)
def test_what_is_computed_has_changed(
    project: Project, change: Callable[[Project], None], expected: dict[str, str]
) -> None:
    project.write(*CHAIN)
    project.apply()
    change(project)
    assert reasons(project) == expected
    assert project.apply().exit_code == 0
    assert reasons(project) == {}


def test_a_changed_upstream_result_runs_what_uses_it_and_nothing_else(project: Project) -> None:
    project.write(run("a", "add"), run("b", params={"from": "${{ runs.a.result.sum }}"}), run("c", dependsOn=["a"]))
    project.apply()
    project.write(
        run("a", "add", params={"a": 7}),
        run("b", params={"from": "${{ runs.a.result.sum }}"}),
        run("c", dependsOn=["a"]),
    )
    assert reasons(project)["b"] == "waiting for a"
    project.apply()
    assert project.status("b").result == {"from": 9}
    assert project.executions("echo") == 3  # b twice, c once: it waits for a, and takes nothing from it


def comment_code(project: Project) -> None:
    project.edit("lab/plugin/act.py", "    executions(", "    # a comment\n    executions(", first=True)


def reformat_code(project: Project) -> None:
    project.edit("lab/plugin/act.py", '{"sum": params.a + params.b}', "{\n        'sum': (params.a + params.b),\n    }")


def document_code(project: Project) -> None:
    project.edit("lab/plugin/act.py", "def add(params, ctx):", 'def add(params, ctx):\n    """Adds."""')


def add_label(project: Project) -> None:
    project.edit("spec.yaml", "name: a", "name: a\n  labels: {team: vision}")


def comment_spec(project: Project) -> None:
    project.edit("spec.yaml", "kind: Run", "kind: Run  # the first")


def change_how(project: Project) -> None:
    how = "mode: task\n  timeout: 1h\n  retry: {limit: 3}\n  resources: {cpus: 2}"
    project.edit("spec.yaml", "action: add", f"action: add\n  {how}")


def touch_files(project: Project) -> None:
    for path in (*project.root.glob("lab/**/*.py"), project.root / "spec.yaml"):
        os.utime(path, (1, 1))


def move_checkout(project: Project) -> None:
    moved = project.root.with_name("moved")
    shutil.copytree(project.root, moved, ignore=shutil.ignore_patterns(".synapse"))
    project.root = moved


def rename_plugin(project: Project) -> None:
    (project.root / "lab").rename(project.root / "laboratory")
    project.edit("spec.yaml", "path: lab", "path: laboratory")


def add_a_test(project: Project) -> None:
    (project.root / "lab" / "tests").mkdir()
    (project.root / "lab" / "tests" / "test_act.py").touch()


@pytest.mark.parametrize(
    "change",
    [
        comment_code,
        reformat_code,
        document_code,
        add_label,
        comment_spec,
        change_how,
        touch_files,
        move_checkout,
        rename_plugin,
        add_a_test,
    ],
)
def test_what_is_computed_is_still_the_same(project: Project, change: Callable[[Project], None]) -> None:
    project.write(*CHAIN)
    project.apply()
    change(project)
    before = (project.root / "spec.status.yaml").read_bytes()
    done = project.apply()
    assert done.stderr == "nothing to do: 4 runs (4 succeeded)\n"
    assert (project.root / "spec.status.yaml").read_bytes() == before


def test_a_reference_to_a_place_moves_with_the_checkout(project: Project) -> None:
    project.write(run("a", params={"here": "${{ spec.dir }}", "run": "${{ run.name }}"}))
    project.apply()
    assert project.status("a").result == {"here": str(project.root), "run": "a"}
    move_checkout(project)
    assert project.apply().stderr.startswith("nothing to do")


def test_reruns_can_be_limited(project: Project) -> None:
    project.write(run("a", "add", rerunOn=["code"]), run("b", "add", rerunOn=["spec", "inputs"]))
    project.apply()
    project.edit("spec.yaml", "action: add", "action: add\n  params: {a: 9}")
    assert reasons(project) == {"b": "spec changed: params.a (not set) -> 9"}
    edit_code(project)
    assert reasons(project) == {
        "a": "code changed: plugin/act.py",
        "b": "spec changed: params.a (not set) -> 9",
    }


def test_force_runs_what_is_asked_for(project: Project) -> None:
    project.write(*CHAIN)
    project.apply()
    done = project.apply("--force", "--only", "a")
    assert (done.exit_code, project.executions("add")) == (0, 3)
    assert project.attempt("a") == 2
    assert reasons(project) == {}  # the same result is the same input
    project.apply("--force")
    assert (project.executions("add"), project.executions("echo")) == (5, 4)
    assert [entry["attempt"] for entry in project.status("a").history] == [2]


def test_only_takes_what_it_needs_along(project: Project) -> None:
    project.write(*CHAIN)
    assert project.apply("--only", "b").exit_code == 0
    assert phases(project) == {"a": "Succeeded", "b": "Succeeded"}
    unknown = project.apply("--only", "x")
    assert (unknown.exit_code, "there is no run 'x'; there are a, b, c, other" in unknown.stderr) == (64, True)


def test_a_selector_picks_by_labels(project: Project) -> None:
    project.write(
        run("a", labels={"team": "x", "size": "s"}), run("b", labels={"team": "x"}), run("c", dependsOn=["a"])
    )
    assert project.apply("-l", "team=x", "--selector", "size=s").exit_code == 0
    assert list(project.statuses()) == ["a"]
    assert project.apply("-l", "team=none").stderr == "nothing to do: no run was picked\n"
    assert project.apply("-l", "team").exit_code == 64


def test_what_is_not_selected_may_hold_back(project: Project) -> None:
    project.write(run("a"), run("b", dependsOn=["a"], labels={"x": "y"}))
    done = project.apply("-l", "x=y")
    assert (done.exit_code, phases(project)) == (1, {"b": "Blocked"})
    assert project.status("b").message == "waiting for a"


def test_suspended_runs_do_not_run_and_come_back(project: Project) -> None:
    project.write(run("a", "add", suspend=True), run("b", params={"x": "${{ runs.a.result.sum }}"}))
    assert project.apply().exit_code == 1
    assert phases(project) == {"a": "Suspended", "b": "Blocked"}
    project.edit("spec.yaml", "suspend: true", "suspend: false")
    assert project.apply().exit_code == 0
    assert phases(project) == {"a": "Succeeded", "b": "Succeeded"}
    before = (project.root / "spec.status.yaml").read_bytes()
    project.edit("spec.yaml", "suspend: false", "suspend: true")
    assert project.apply().exit_code == 0  # its result is there for b
    assert phases(project) == {"a": "Suspended", "b": "Succeeded"}
    project.edit("spec.yaml", "suspend: true", "suspend: false")
    done = project.apply()
    assert (done.exit_code, done.stderr) == (0, "a released: Succeeded before\nnothing to do: 2 runs (2 succeeded)\n")
    assert (project.root / "spec.status.yaml").read_bytes() == before
    assert project.executions("add") == 1


def test_what_is_blocked_is_free_again_once_its_dependency_is_as_before(project: Project) -> None:
    project.write(*CHAIN)
    project.apply()
    before = {name: status.phase for name, status in project.statuses().items()}
    project.edit("spec.yaml", "action: add", "action: fail", first=True)
    assert project.apply().exit_code == 1
    assert phases(project) == {"a": "Failed", "b": "Blocked", "c": "Blocked", "other": "Succeeded"}
    assert project.status("b").result == {"from": 3}
    project.edit("spec.yaml", "action: fail", "action: add")
    assert project.apply().exit_code == 0
    assert phases(project) == before
    assert project.executions("echo") == 2  # the same input again: b and c need not run
    assert project.apply().stderr.startswith("nothing to do")


# What goes wrong


def test_a_failing_action_stops_what_needs_it_and_nothing_else(project: Project) -> None:
    project.write(run("a", "fail"), run("b", dependsOn=["a"]), run("c", dependsOn=["b"]), run("d"))
    done = project.apply()
    assert done.exit_code == 1
    assert phases(project) == {"a": "Failed", "b": "Blocked", "c": "Blocked", "d": "Succeeded"}
    status = project.status("a")
    assert (status.reason, status.message) == ("ActionFailed", "ValueError: no luck")
    assert status.error is not None
    assert (status.error.type, status.error.message) == ("ValueError", "no luck")
    lines = status.error.traceback.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert "lab/plugin/act.py" in lines[1]
    assert lines[-1] == "ValueError: no luck"
    assert project.log("a") == status.error.traceback
    assert re.search(r"^a Failed in [\d.]+s: ValueError: no luck$", done.stderr, re.MULTILINE)
    assert "4 runs: 1 failed, 1 succeeded, 2 blocked\n" in done.stderr
    assert (project.status("b").message, project.status("c").message) == ("run 'a' is Failed", "run 'b' is Blocked")


def test_an_explicit_apply_runs_what_failed_again(project: Project) -> None:
    project.write(run("a", "flaky", params={"good": 3}), run("b", dependsOn=["a"]))
    assert project.apply().exit_code == 1
    assert reasons(project) == {"a": "failed before", "b": "waiting for a"}
    assert project.apply().exit_code == 1
    assert project.apply().exit_code == 0
    assert project.attempt("a") == 3
    assert [(entry["reason"], entry["attempt"]) for entry in project.status("a").history] == [("ActionFailed", 2)]


def test_a_retry_waits_longer_each_time(project: Project) -> None:
    retry = {"limit": 4, "backoff": "10ms", "factor": 2, "maxBackoff": "30ms"}
    project.write(run("a", "flaky", params={"good": 5}, retry=retry))
    done = project.apply()
    assert done.exit_code == 0
    notes = [line.rpartition(" in ")[2] for line in done.stderr.splitlines() if "next attempt" in line]
    assert notes == ["0.01 s", "0.02 s", "0.03 s", "0.03 s"]
    assert project.attempt("a") == 5
    assert "Running (local, attempt 5)" in done.stderr


def test_a_retry_ends_with_its_limit(project: Project) -> None:
    project.write(run("a", "fail", retry={"limit": 2, "backoff": "1ms"}))
    assert project.apply().exit_code == 1
    assert project.executions("fail") == 3


def test_fail_fast_starts_nothing_more(project: Project) -> None:
    project.write(run("a", "fail"), run("b"))
    assert project.apply("--fail-fast").exit_code == 1
    assert phases(project) == {"a": "Failed"}
    assert project.apply().exit_code == 1
    assert phases(project) == {"a": "Failed", "b": "Succeeded"}


@pytest.mark.parametrize(
    ("action", "reason", "message"),
    [
        ("quit", "ActionFailed", "SystemExit: the action called sys.exit(3)"),
        ("odd", "InvalidResult", "ValidationError: result.set is of type object, which has no JSON form"),
    ],
)
def test_no_action_takes_synapse_with_it(project: Project, action: str, reason: str, message: str) -> None:
    project.write(run("a", action), run("b"))
    assert project.apply().exit_code == 1
    assert (project.status("a").reason, project.status("a").message) == (reason, message)
    assert project.status("b").phase == "Succeeded"


def test_a_reference_into_nothing_fails_its_run(project: Project) -> None:
    project.write(run("a", "add"), run("b", params={"x": "${{ runs.a.result.nothing }}"}, retry={"limit": 3}), run("c"))
    assert project.apply().exit_code == 1
    status = project.status("b")
    assert status.reason == "InvalidParams"
    expected = "'${{ runs.a.result.nothing }}': the result of run 'a' has no 'nothing'; it has sum"
    assert status.message == f"ReferenceFailed: {expected}"
    assert project.attempt("b") == 1  # another would end the same way
    assert project.status("c").phase == "Succeeded"


def test_params_known_only_at_run_time_are_still_checked(project: Project) -> None:
    project.write(run("a", params={"n": "three"}), run("b", "add", params={"a": "${{ runs.a.result.n }}"}))
    assert project.apply().exit_code == 1
    assert project.status("b").reason == "InvalidParams"
    assert "params.a" in project.status("b").message
    assert project.executions("add") == 0


def test_what_the_params_model_refuses_is_said_before_anything_runs(project: Project) -> None:
    model = LAB.replace(
        "    b: int = 2\n", "    b: int = 2\n\n    def model_post_init(self, _):\n        assert self.a < 9\n"
    )
    (project.root / "lab" / "plugin" / "act.py").write_text(model)
    project.write(run("first"), run("a", "add", params={"a": 9}))
    done = project.apply()
    assert done.exit_code == 3
    assert "error[SS107]" in done.stderr
    assert not (project.root / "spec.status.yaml").exists()
    assert project.executions("echo") == 0


@pytest.mark.parametrize(
    ("break_it", "code"),
    [
        (lambda p: shutil.rmtree(p.root / "lab"), "SS201"),
        (lambda p: (p.root / "lab" / "config.yaml").write_text(""), "SS202"),
        (lambda p: (p.root / "lab" / "config.yaml").write_text("- a\n- list\n"), "SS202"),
        (lambda p: (p.root / "lab" / "config.yaml").write_text("a: [1\n"), "SS202"),
        (lambda p: p.edit("spec.yaml", "action: add", "action: ad", first=True), "SS203"),
        (lambda p: p.edit("lab/config.yaml", "plugin.act:add", "plugin.none:add"), "SS204"),
        (lambda p: p.edit("lab/config.yaml", "plugin.act:add", "plugin.act:nothing"), "SS204"),
        (lambda p: p.edit("lab/plugin/act.py", "import logging", "import logging, no_such_library"), "SS204"),
        (lambda p: p.edit("lab/plugin/act.py", "import logging", "import logging, ("), "SS204"),
        (lambda p: p.edit("spec.yaml", "params:\n    a: 5", "params: 5"), "SS101"),
        (lambda p: p.edit("spec.yaml", "a: 5", "a: [5"), "SS002"),
    ],
)
def test_nothing_runs_and_nothing_is_written_if_anything_is_invalid(
    project: Project, break_it: Callable[[Project], Any], code: str
) -> None:
    project.write(*CHAIN)
    break_it(project)
    before = tree(project.root)
    done = project.apply()
    assert (done.exit_code, done.stdout) == (3, "")
    assert f"error[{code}]" in done.stderr
    assert done.stderr.rstrip().endswith("; nothing was run")
    assert tree(project.root) == before


def test_a_broken_status_file_is_left_as_it_is(project: Project) -> None:
    project.write(*CHAIN)
    project.apply()
    file = project.root / "spec.status.yaml"
    file.write_text(file.read_text().replace("phase: Succeeded", "phase: [Succeeded", 1))
    before = tree(project.root)
    for words in (("apply", "spec.yaml"), ("plan", "spec.yaml"), ("status", "spec.yaml"), ("apply", ".", "--prune")):
        done = project.cli(*words)
        assert done.exit_code == 3
        assert "spec.status.yaml:7:" in done.stderr
        assert "error[SS401]" in done.stderr
        assert "restore it from git, or delete it to start anew" in done.stderr
    assert tree(project.root) == before


def test_files_that_cannot_be_written_are_named(project: Project) -> None:
    project.write(run("a"))
    (project.root / ".synapse").write_text("in the way")
    done = project.apply()
    assert done.exit_code == 3
    assert f"{project.root / '.synapse'}: File exists" in done.stderr


def test_a_result_that_is_gone_is_told(project: Project) -> None:
    project.write(run("a", "big", params={"count": 99_999}), run("b", params={"x": "${{ runs.a.result.first }}"}))
    assert project.apply().exit_code == 0
    assert project.status("a").result.keys() == {"file", "sha256", "bytes"}
    assert project.status("b").result == {"x": "here"}
    shutil.rmtree(project.root / ".synapse" / "results")
    project.edit("spec.yaml", "x: $", "y: $")
    done = project.apply()
    assert done.exit_code == 1
    assert "which is gone; run it again with --force" in project.status("b").message
    assert project.apply("--force", "--only", "a").exit_code == 0
    assert project.apply().exit_code == 0
    assert project.status("b").result == {"y": "here"}


def test_a_large_result_does_not_fill_the_status_file(project: Project) -> None:
    big = {"x": "${{ runs.a.result }}", "n": "${{ runs.a.result.items[2] }}"}
    project.write(run("a", "big", params={"count": 99_999}), run("b", params=big))
    assert project.apply().exit_code == 0
    assert project.status("b").applied["params"] == {"x": "${{ runs.a.result }}", "n": 2}
    assert project.status("b").result.keys() == {"file", "sha256", "bytes"}
    assert (project.root / "spec.status.yaml").stat().st_size < 10_000
    assert project.apply().stderr.startswith("nothing to do")


def test_what_an_action_does_to_its_params_stays_its_own(project: Project) -> None:
    code = """
        from synapse_spec.plugins.decorators import action

        @action()
        def give(params, ctx):
            return {"items": [1, 2]}

        @action()
        def take(params, ctx):
            params["items"].append(3)
            return params["items"]
        """
    project.plugin("mutate", {"act.py": dedent(code)}, {"give": "act:give", "take": "act:take"})
    plugin = {"plugin": {"path": "mutate"}}
    taken = {"items": "${{ runs.a.result.items }}"}
    project.write(
        run("a", "give", **plugin), run("b", "take", params=taken, **plugin), run("c", "take", params=taken, **plugin)
    )
    assert project.apply().exit_code == 0
    assert [project.status(name).result for name in "bc"] == [[1, 2, 3], [1, 2, 3]]
    assert project.apply().stderr.startswith("nothing to do")


# Surroundings


def test_an_action_runs_in_its_plugin_folder_with_its_environment(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GREETING", "from outside")
    project.write(
        run("outside", "surroundings"),
        run("spec", "surroundings", env={"GREETING": True}),
        run("reference", "surroundings", env={"GREETING": "${{ runs.spec.result.cwd }}!"}),
    )
    folder = str(project.root / "lab")
    assert project.apply().exit_code == 0
    results = {name: status.result for name, status in project.statuses().items()}
    assert results["outside"]["env"] == results["outside"]["ctx"] == "from outside"
    assert results["spec"]["env"] == results["spec"]["ctx"] == "true"
    assert results["reference"]["env"] == f"{folder}!"
    assert {result["cwd"] for result in results.values()} == {folder}
    attempt = project.status("spec").attempt
    assert attempt is not None
    assert results["spec"]["job"] == attempt.handle
    assert os.environ["GREETING"] == "from outside"
    project.edit("lab/config.yaml", "name: lab", "name: lab\nenv: {GREETING: from config}")
    project.apply()
    assert project.status("outside").result["env"] == "from config"
    assert project.status("spec").result["env"] == "true"


def test_two_plugins_of_one_package_name_work_in_one_apply(project: Project) -> None:
    for name in ("one", "two"):
        code = "from synapse_spec.plugins.decorators import action\n\n\n@action()\ndef go(params, ctx):\n"
        late = f"{code}    from plugin import late\n    return late.NAME\n"
        files = {"plugin/__init__.py": "", "plugin/act.py": late, "plugin/late.py": f"NAME = {name!r}\n"}
        project.plugin(name, files, {"go": "plugin.act:go"})
    project.write(*(run(f"r-{name}", "go", plugin={"path": name}) for name in ("one", "two")))
    assert project.apply().exit_code == 0
    assert [status.result for status in project.statuses().values()] == ["one", "two"]


def test_secrets_are_used_and_never_shown(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE", "hunter2-from-env")
    (project.root / "token").write_text("hunter3-from-file\n")
    project.write(
        run("env", "leak", env={"TOKEN": {"fromEnv": "SOURCE"}}),
        run("file", "leak", env={"TOKEN": {"fromFile": "token"}}),
        run("fails", "leak", env={"TOKEN": {"fromEnv": "SOURCE"}}, params={"fail": True}),
    )
    shown = project.cli("plan", "spec.yaml", "-o", "json").stdout
    done = project.apply("-o", "json")
    shown += done.stdout + done.stderr + project.cli("status", "spec.yaml").output
    assert done.exit_code == 1
    assert project.status("env").result == {"token": "***", "nested": [{"***": 1}], "length": 16}
    assert project.status("fails").message == "ValueError: refused: ***"
    assert project.status("env").applied["env"] == {"TOKEN": {"fromEnv": "SOURCE"}}
    assert "env   | the token is ***" in done.stderr
    assert "the token is ***" in project.log("env")
    assert "hunter" not in shown
    written = {path: data for path, (_, data) in tree(project.root).items() if path != "token"}
    assert not [path for path, data in written.items() if b"hunter" in data]
    monkeypatch.setenv("SOURCE", "another value")
    assert set(reasons(project)) == {"fails"}  # the value is no part of what is computed


@pytest.mark.parametrize("source", [{"fromEnv": "NOT_SET_ANYWHERE"}, {"fromFile": "not-there"}])
def test_a_secret_without_a_source_is_told_before_anything_runs(project: Project, source: dict[str, str]) -> None:
    project.write(run("a"), run("b", dependsOn=["a"], env={"TOKEN": source}))
    done = project.apply()
    assert done.exit_code == 3
    assert "error[SS305]" in done.stderr
    assert "spec.yaml:21:" in done.stderr
    assert project.executions("echo") == 0
    assert not (project.root / "spec.status.yaml").exists()


# Plans


def test_a_dry_run_only_shows(project: Project) -> None:
    project.write(*CHAIN)
    before = tree(project.root)
    done = project.apply("--dry-run")
    assert done.exit_code == 0
    assert done.stdout.splitlines()[1].split() == ["a", "run", "local", "new"]
    assert tree(project.root) == before


@pytest.mark.parametrize("change", [edit_param, edit_code, change_how, lambda project: project.apply("--only", "a")])
def test_a_plan_that_no_longer_holds_is_refused(project: Project, change: Callable[[Project], Any]) -> None:
    project.write(*CHAIN)
    assert project.cli("plan", "spec.yaml", "--out", "plan.json").exit_code == 0
    change(project)
    done = project.apply("--plan", "plan.json")
    assert done.exit_code == 3
    assert "plan.json: error[SS402]: specs, code or statuses have moved since this plan was made" in done.stderr


def test_a_plan_that_holds_is_carried_out(project: Project) -> None:
    project.write(*CHAIN)
    project.cli("plan", "spec.yaml", "--out", "plan.json")
    comment_code(project)
    assert project.apply("--plan", "plan.json").exit_code == 0
    assert phases(project) == dict.fromkeys(("a", "b", "c", "other"), "Succeeded")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"digest": 1}', "null"])
def test_a_file_that_is_no_plan_is_refused(project: Project, text: str) -> None:
    project.write(run("a"))
    (project.root / "plan.json").write_text(text)
    done = project.apply("--plan", "plan.json")
    assert done.exit_code == 3
    assert "error[SS402]" in done.stderr
    assert project.apply("--plan", "none.json").exit_code == 64


def test_prune_forgets_runs_that_are_gone(project: Project) -> None:
    project.write(run("a"), run("b"))
    project.apply()
    project.write(run("b"))
    assert "spec.status.yaml still has a, whose run is gone; --prune removes it" in project.apply().stderr
    done = project.apply("--prune")
    assert done.stderr.splitlines()[0] == "removed the status of a"
    assert list(project.statuses()) == ["b"]
    project.write(run("c"))
    project.apply("--prune")
    assert list(project.statuses()) == ["c"]


def test_a_run_may_move_to_another_file(project: Project) -> None:
    project.write(run("a"), run("b", "add"), file="z.yaml")
    project.cli("apply", ".")
    project.write(run("a"), file="z.yaml")
    project.write(run("b", "add"), file="c.yaml")
    assert project.cli("apply", ".", "--prune").stderr == "nothing to do: 2 runs (2 succeeded)\n"
    project.write(run("b", "add", params={"a": 3}), file="c.yaml")
    assert project.cli("apply", ".").exit_code == 0
    assert project.executions("add") == 2
    done = project.cli("apply", ".")
    assert done.stderr.startswith("nothing to do")
    assert "z.status.yaml still has b" in done.stderr
    project.cli("apply", ".", "--prune")
    assert list(project.statuses("z")) == ["a"]
    assert project.status("b", "c").result == {"sum": 5}


def test_the_history_holds_five_earlier_outcomes(project: Project) -> None:
    for number in range(8):
        project.write(run("a", "add", params={"a": number}))
        project.apply()
    status = project.status("a")
    assert [entry["attempt"] for entry in status.history] == [1] * 5
    assert len({entry["digest"] for entry in status.history}) == 5
    project.write(run("a", "add", params={"a": 6}))
    project.apply()
    assert project.attempt("a") == 2


# What is shown


def test_what_an_action_tells_reaches_the_terminal_and_the_log(project: Project) -> None:
    project.write(run("a", "talk"))
    done = project.apply()
    told = [
        *("printed", "to stderr", "INFO lab: logged", "raw descriptor", "from a child"),
        *("progress halves 1/2 (50%)", "progress halves 2/2 (100%)", "metrics train loss=0.25", "told so"),
        'sampled {"n": 3}',
    ]
    assert project.log("a").splitlines() == told
    assert done.stderr.splitlines()[1:-2] == [f"a | {line}" for line in told]
    assert done.stdout == ""


def test_progress_does_not_flood_what_is_no_terminal(project: Project) -> None:
    project.write(run("a", "steps"))
    done = project.apply()
    shown = [line for line in done.stderr.splitlines() if " | " in line]
    assert len(shown) < 10
    assert "a | progress 500/500 (100%)" in shown
    assert len(project.log("a").splitlines()) == 1000
    assert project.status("a").metrics == {"train": {"loss": 0.002}}


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_one_document_is_all_that_is_on_stdout(project: Project, form: str) -> None:
    project.edit("lab/plugin/act.py", "import logging", "import logging\n\nprint('while it is imported')\n")
    project.write(run("a", "talk"), run("b", "fail"))
    done = project.apply("-o", form)
    assert done.exit_code == 1
    document = json.loads(done.stdout) if form == "json" else yaml.parse(done.stdout.encode())[0]
    assert document["version"] == 1
    assert [(record["name"], record["step"], record["phase"]) for record in document["runs"]] == [
        ("a", "run", "Succeeded"),
        ("b", "run", "Failed"),
    ]
    assert "while it is imported" in done.stderr


def test_a_spec_is_read_from_standard_input(project: Project) -> None:
    text = project.write(run("a")).read_text()
    (project.root / "spec.yaml").unlink()
    done = project.cli("apply", "-", stdin=text)
    assert done.exit_code == 0
    assert project.status("a", "stdin").phase == "Succeeded"
    bad = project.cli("apply", "-", stdin=text.replace("echo", "ecko"))
    assert bad.exit_code == 3
    assert "<stdin>:8:11: error[SS203]" in bad.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--timeout", "soon"], "'soon' is not a duration such as 90s, 10m or 1h30m"),
        (["--output", "xml"], "'xml' is not one of"),
        (["--nonsense"], "No such option"),
    ],
)
def test_wrong_usage_is_told(project: Project, words: list[str], message: str) -> None:
    project.write(run("a"))
    done = project.apply(*words)
    assert done.exit_code == 64
    assert message in done.stderr
    assert project.cli("apply").exit_code == 64


def test_giving_up_has_its_own_exit_code(project: Project) -> None:
    project.write(run("a", "wait", params={"name": "a"}))
    done = project.apply("--timeout", "300ms")
    assert done.exit_code == 4
    assert "gave up waiting" in done.stderr
    assert project.status("a").reason == "Interrupted"
