"""Reading specs: which files, which documents, and what becomes of them."""

import io
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from synapse_spec.plugins.enums import ExecutionMode
from synapse_spec.plugins.yaml import MAX_BYTES
from synapse_spec.spec.load import load
from synapse_spec.spec.model import PluginRef, Resources, Retry, Run, Secret

MINIMAL = "apiVersion: synapse.dev/v1\nkind: Run\nmetadata: {name: NAME}\nspec: {plugin: {module: m}, action: a}\n"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def named(name: str) -> str:
    return MINIMAL.replace("NAME", name)


def names(*paths: object) -> list[str]:
    loaded = load(map(str, paths))
    assert loaded.diagnostics == []
    return [run.name for run in loaded.runs]


def only(tmp_path: Path, text: str) -> Run:
    (run,) = load([str(write(tmp_path / "specs" / "a.yaml", text))]).runs
    return run


def test_a_minimal_run_has_defaults(tmp_path: Path) -> None:
    run = only(tmp_path, named("train"))
    assert (run.name, run.document, run.action, run.mode) == ("train", 0, "a", ExecutionMode.LOCAL)
    assert run.plugin == PluginRef(module="m")
    assert (run.params, run.env, run.runtime_env, run.labels, run.depends_on, run.inputs) == ({}, {}, {}, {}, (), ())
    assert (run.timeout, run.retry, run.resources, run.suspend) == (None, Retry(), Resources(), False)
    assert run.rerun_on == {"spec", "code", "inputs"}
    assert run.file.status_path == str(tmp_path / "specs" / "a.status.yaml")


def test_every_field_is_read(tmp_path: Path) -> None:
    run = only(
        tmp_path,
        """
apiVersion: synapse.dev/v1
kind: Run
metadata: {name: train, labels: {team: vision}, annotations: {note: "${{ anything }}"}}
spec:
  plugin: {path: ../plugins/digits/}
  action: train
  mode: job
  params: {epochs: 30, dataset: "${{ runs.prepare.result.path }}", x: ["${{ runs.other.result }}"]}
  dependsOn: [first, prepare]
  env: {LEVEL: debug, N: 3, ON: true, OFF: false, KEY: {fromEnv: K}, TOKEN: {fromFile: /t}, M: "${{ runs.env.result }}"}
  resources: {cpus: 2, gpus: 0.5, memory: 8GiB, custom: {tpu: 1}}
  runtimeEnv: {pip: [numpy]}
  timeout: 2h
  retry: {limit: 2, backoff: 10s, factor: 3, maxBackoff: 5m}
  suspend: true
  rerunOn: [spec]
""",
    )
    assert run.plugin == PluginRef(path=tmp_path / "plugins" / "digits")
    assert run.mode is ExecutionMode.JOB
    assert run.inputs == ("prepare", "other", "env")
    assert run.depends_on == ("first", "prepare", "other", "env")
    secrets = {"KEY": Secret(from_env="K"), "TOKEN": Secret(from_file="/t")}
    assert (
        run.env == {"LEVEL": "debug", "N": "3", "ON": "true", "OFF": "false", "M": "${{ runs.env.result }}"} | secrets
    )
    assert run.resources == Resources(2, 0.5, 8 * 2**30, {"tpu": 1})
    assert run.runtime_env == {"pip": ["numpy"]}
    assert (run.timeout, run.retry) == (7200.0, Retry(2, 10.0, 3, 300.0))
    assert (run.suspend, run.rerun_on, run.labels) == (True, {"spec"}, {"team": "vision"})


def test_the_waits_between_attempts() -> None:
    retry = Retry(limit=5, backoff=10, factor=2, max_backoff=60)
    assert [retry.delay(failures) for failures in (1, 2, 3, 4, 9)] == [10, 20, 40, 60, 60]


def test_a_secret_is_shown_as_its_reference() -> None:
    assert Secret(from_env="A").to_spec() == {"fromEnv": "A"}
    assert Secret(from_file="/a").to_spec() == {"fromFile": "/a"}


def test_documents_in_order_and_empty_ones_passed_over(tmp_path: Path) -> None:
    path = write(tmp_path / "a.yaml", f"---\n# nothing\n---\n{named('b')}---\n{named('a')}...\n---\n")
    loaded = load([str(path)])
    assert [(run.name, run.document) for run in loaded.runs] == [("b", 1), ("a", 2)]


def test_a_folder_is_read_in_order_without_what_is_not_a_spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("b.yaml", "a.yml", "deep/er/c.yaml", "deep/d.yaml"):
        write(tmp_path / name, named(Path(name).stem))
    write(tmp_path / "plugins" / "digits" / "config.yaml", "name: x\n")
    for name in (
        "a.status.yaml",
        "b.status.yml",
        ".hidden.yaml",
        ".git/e.yaml",
        "__pycache__/f.yaml",
        "notes.txt",
        "plugins/digits/g.yaml",
    ):
        write(tmp_path / name, named("not-this"))
    write(tmp_path / "compose.yaml", "services: {}\n")
    write(tmp_path / "template.yaml", "{% if x %}\na: !Ref b\n")
    monkeypatch.chdir(tmp_path)
    loaded = load(["."])
    assert loaded.diagnostics == []
    assert [(run.name, run.file.shown) for run in loaded.runs] == [
        ("a", "a.yml"),
        ("b", "b.yaml"),
        ("d", "deep/d.yaml"),
        ("c", "deep/er/c.yaml"),
    ]


def test_a_plugin_folder_itself_may_hold_specs(tmp_path: Path) -> None:
    write(tmp_path / "config.yaml", "name: x\n")
    write(tmp_path / "run.yaml", named("run"))
    assert names(tmp_path) == ["run"]


def test_globs_and_names_and_each_file_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("b", "a"):
        write(tmp_path / "specs" / f"{name}.yaml", named(name))
        write(tmp_path / "specs" / f"{name}.status.yaml", "")
    monkeypatch.chdir(tmp_path)
    assert names("specs/*.yaml") == ["a", "b"]
    assert names("**/*.yaml") == ["a", "b"]
    assert names("specs/b.yaml", "specs", "specs/../specs/a.yaml", tmp_path / "specs" / "a.yaml") == ["b", "a"]


def test_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = named("train").replace("{module: m}", "{path: plugins/p}")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    (run,) = load(["-"]).runs
    assert (run.file.shown, run.file.path) == ("<stdin>", str(tmp_path / "stdin.yaml"))
    assert run.plugin.path == tmp_path / "plugins" / "p"


@pytest.mark.parametrize("path", ["none.yaml", "none/", "*.none"])
def test_what_is_not_there(tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (found,) = load([path]).diagnostics
    assert (found.code, found.path, found.message) == ("SS001", path, "no such file or folder")


def test_what_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.symlink_to(path)
    (found,) = load([str(path)]).diagnostics
    assert (found.code, found.message) == ("SS001", "cannot be read: Too many levels of symbolic links")


def bomb() -> str:
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x]"]
    return "\n".join(lines + [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("#" * (MAX_BYTES + 1), "the file has more than 10,485,760 bytes; that is not read"),
        ("a: " + "[" * 1001 + "]" * 1001, "there are more than 1000 levels"),
        ("- " * 1001 + "a", "there are more than 1000 levels"),
        (bomb(), "the aliases stand for too many values"),
    ],
    ids=["size", "levels", "block levels", "aliases"],
)
def test_what_is_too_much_is_said_quickly(tmp_path: Path, text: str, said: str) -> None:
    path = write(tmp_path / "a.yaml", text)
    start = time.process_time()
    (found,) = load([str(path)]).diagnostics
    assert time.process_time() - start < 2
    assert (found.code, found.message) == ("SS002", said)


def test_as_many_levels_as_are_allowed(tmp_path: Path) -> None:
    deep = "[" * 990 + "x" + "]" * 990
    run = only(tmp_path, named("a").replace("action: a", f"action: a, params: {{x: {deep}}}"))
    value: Any = run.params["x"]
    for _ in range(990):
        (value,) = value
    assert value == "x"


def test_what_can_be_checked_further_in_spite_of_an_error(tmp_path: Path) -> None:
    text = named("a") + "---\n" + named("b").replace("action: a", "action: a, mod: job, timeout: x, params: {p: 1}")
    loaded = load([str(write(tmp_path / "a.yaml", text))])
    assert [(run.name, run.params, run.timeout) for run in loaded.runs] == [("a", {}, None), ("b", {"p": 1}, None)]
    assert [item.code for item in loaded.diagnostics] == ["SS103", "SS101"]
    assert loaded.broken == {str(tmp_path / "a.yaml")}
    assert not loaded.hidden


@pytest.mark.parametrize(
    "text", ["a: [", "kind: Run\n", "just text", named("Not-A-Name"), named("a").replace("action", "acton")]
)
def test_runs_that_cannot_be_made_out_are_known_to_be_hidden(tmp_path: Path, text: str) -> None:
    loaded = load([str(write(tmp_path / "a.yaml", text))])
    assert loaded.runs == []
    assert loaded.hidden


def test_a_thousand_files_are_read_quickly(tmp_path: Path) -> None:
    for number in range(1000):
        write(tmp_path / f"r{number}.yaml", named(f"r{number}"))
    start = time.monotonic()
    assert len(names(tmp_path)) == 1000
    assert time.monotonic() - start < 3
