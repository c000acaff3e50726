"""Specs of the plugins of `plugins/`: what is refused is told by `validate`, and all else runs by `apply`."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yamlrocks
from click.testing import CliRunner, Result

from synapse_spec.cli.main import program
from tests.sdk import outcomes
from tests.sdk.cases import PLUGINS, Case, all_cases

CASES = all_cases()


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workspace")
    (folder / "synapse.toml").touch()
    shutil.copytree(PLUGINS, folder / "plugins", ignore=shutil.ignore_patterns("cases.json", "__pycache__"))
    return folder


@pytest.fixture(autouse=True)
def _there(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workspace)
    monkeypatch.setenv("HOME", str(workspace))


def command(*words: str) -> Result:
    return CliRunner().invoke(program, words)


def write(file: str, cases: list[Case]) -> None:
    runs = [
        {
            "apiVersion": "synapse.dev/v1",
            "kind": "Run",
            "metadata": {"name": f"run-{CASES.index(case)}"},
            "spec": {
                "plugin": {"path": f"plugins/{case.kind}"},
                "action": case.action,
                "params": case.params,
                "env": case.env,
            },
        }
        for case in cases
    ]
    Path(file).write_text("---\n".join(json.dumps(run) + "\n" for run in runs), encoding="utf-8")


def test_what_is_refused_is_told_before(ours: outcomes.Outcomes) -> None:
    refused = [case for case in CASES if (ours[case.id].get("refused") and not case.backend) or case.strict]
    write("refused.yaml", refused)
    done = command("validate", "refused.yaml", "-o", "json")
    told = {item["line"] for item in json.loads(done.stdout)["diagnostics"]}
    lines = Path("refused.yaml").read_text(encoding="utf-8").splitlines()
    assert [lines[number - 1] for number in told] == [line for line in lines if line.startswith("{")]


def test_the_rest_is_valid_and_runs(ours: outcomes.Outcomes) -> None:
    """Params of which only the backend could tell are valid here."""
    cases = [case for case in CASES if (not ours[case.id].get("refused") or case.backend) and not case.strict]
    write("rest.yaml", cases)
    done = command("validate", "rest.yaml")
    assert done.exit_code == 0, done.output
    assert command("plan", "rest.yaml", "--detailed-exitcode").exit_code == 2

    command("apply", "rest.yaml")
    statuses = yamlrocks.loads_all(Path("rest.status.yaml").read_bytes())
    for case, document in zip(cases, statuses, strict=True):
        expected, status = ours[case.id], document["status"]
        assert (status["phase"] == "Succeeded") == expected["ok"], case
        assert status.get("result") == expected.get("result"), case
    assert command("plan", "rest.yaml").exit_code == 0
    _check_events([document["status"] for document in statuses])


def _check_events(statuses: list[dict[str, Any]]) -> None:
    """What the SDK's context was told is in the status and in the log."""
    report = next(status for status in statuses if "report" in status["lastApplied"]["action"])
    assert report["metrics"] == {"work": {"loss": 0.5}, "train": {"epoch": 1, "loss": 0.25}}
    log = Path(report["logs"]).read_text(encoding="utf-8")
    for said in (
        "progress work 2/2 (100%)",
        "progress step of the logger 1/4 (25%)",
        'custom {"answer": 42} file=some.txt',
        "Working on 2",
        "warning: 안녕",
        "localized 1",
        "warning: warning",
        "error: error",
        "warning: told by the logger",
        'happened {"at": 3}',
    ):
        assert said in log, log


def test_inspect_shows_params_and_results() -> None:
    shown = json.loads(command("inspect", "plugins/typed", "-o", "json").stdout)
    assert "kind" in json.dumps(shown)
    assert "Result" in json.dumps(shown)
    assert "leftOver" not in json.dumps(shown), "results have their fields by name"


def test_a_reference_names_a_field_as_the_result_has_it() -> None:
    head = {"apiVersion": "synapse.dev/v1", "kind": "Run"}
    first = {"plugin": {"path": "plugins/typed"}, "action": "model", "params": {"kind": "model"}}
    params = {"count": "${{ runs.first.result.left }}"}
    second = {"plugin": {"path": "plugins/classic"}, "action": "report", "params": params}
    runs = [head | {"metadata": {"name": name}, "spec": spec} for name, spec in (("first", first), ("second", second))]
    Path("chain.yaml").write_text("---\n".join(json.dumps(run) + "\n" for run in runs))
    done = command("apply", "chain.yaml")
    assert done.exit_code == 0, done.output
    assert yamlrocks.loads_all(Path("chain.status.yaml").read_bytes())[1]["status"]["result"]["params"]["count"] == 3


def test_schemas_are_exported_and_used_offline() -> None:
    write("one.yaml", [case for case in CASES if case.id == "train: steps"])
    assert command("schema", "export", "one.yaml").exit_code == 0
    done = command("validate", "one.yaml", "--offline")
    assert done.exit_code == 0, done.output
