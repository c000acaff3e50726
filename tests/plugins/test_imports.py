"""What importing costs: nothing heavy until it is needed."""

import json
import subprocess
import sys

import pytest

HEAVY = {"ray", "jsonschema", "jsonschema_rs", "rich", "click", "ruamel", "filelock"}


def imported_by(statements: str) -> set[str]:
    code = f"import sys, json\n{statements}\nprint(json.dumps(sorted(name.partition('.')[0] for name in sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize(
    ("statements", "absent"),
    [
        ("import synapse_spec", HEAVY | {"pydantic", "yamlrocks"}),
        ("import synapse_spec.plugins.discovery", HEAVY),
        ("import synapse_spec.plugins.runner", HEAVY),
        ("import synapse_spec.plugins.executors.local", HEAVY),
        ("import synapse_spec.plugins.executors.ray", HEAVY),
        ("import synapse_spec.plugins.execution, synapse_spec.plugins.capture", HEAVY | {"yamlrocks"}),
        ("from synapse_spec import BaseAction, action, run_plugin, ExecutionMode, RuntimeContext", HEAVY),
    ],
)
def test_imports(statements: str, absent: set[str]) -> None:
    modules = imported_by(statements)
    assert "synapse_spec" in modules
    assert not modules & absent
