"""What may be imported where: Ray only when it is used, and on a cluster's machines only what is there."""

import subprocess
import sys

import pytest

PACKAGE = "synapse_spec.plugins.executors.ray"
CALLERS = ["", ".cluster", ".embedded", ".head", ".job", ".jobs_api", ".runtime_env", ".task"]


def imported(modules: list[str], absent: list[str]) -> None:
    """Import the modules in a fresh process where others cannot be imported."""
    code = f"import sys; sys.modules.update(dict.fromkeys({absent!r})); import {', '.join(modules)}"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_ray_is_imported_when_it_is_used() -> None:
    imported([PACKAGE + name for name in CALLERS], ["ray"])


@pytest.mark.parametrize("name", [".entry", ".actor"])
def test_what_runs_on_a_cluster_needs_pydantic_only(name: str) -> None:
    absent = ["click", "filelock", "jsonschema", "jsonschema_rs", "ray", "rich", "ruamel", "yamlrocks"]
    imported([PACKAGE + name], absent)
