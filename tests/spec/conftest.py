"""What the tests of the spec floor share."""

from pathlib import Path
from textwrap import dedent, indent
from typing import Any, Protocol

import pytest

from synapse_spec.spec.catalog import Catalog
from synapse_spec.spec.diagnostics import Diagnostic
from synapse_spec.spec.load import load
from synapse_spec.spec.model import Run
from synapse_spec.spec.validate import validate


class WriteRun(Protocol):
    def __call__(self, name: str, plugin: Path, params: str = "{}", *, action: str = "run", more: str = "") -> Path: ...


@pytest.fixture
def write_run(tmp_path: Path) -> WriteRun:
    """Writes NAME.yaml in tmp_path with one run; `params` and `more` (other fields of spec) are YAML."""

    def write(name: str, plugin: Path, params: str = "{}", *, action: str = "run", more: str = "") -> Path:
        path = tmp_path / f"{name}.yaml"
        head = f"apiVersion: synapse.dev/v1\nkind: Run\nmetadata: {{name: {name}}}\nspec:\n"
        body = f"plugin: {{path: {plugin}}}\naction: {action}\nparams:\n{indent(dedent(params), '  ')}\n{dedent(more)}"
        path.write_text(head + indent(body, "  "), encoding="utf-8")
        return path

    return write


def runs_at(*paths: Path) -> list[Run]:
    loaded = load(map(str, paths))
    assert loaded.diagnostics == []
    return loaded.runs


def problems_at(*paths: Path, **options: Any) -> list[Diagnostic]:
    """What `validate` says, with the workspace beside the first path."""
    return validate(load(map(str, paths)), Catalog(paths[0].parent), **options)
