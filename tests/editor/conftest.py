"""A workspace with exported schemas, and one language server for all tests that look at it as an editor does."""

import json
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any
from uuid import uuid4

import pytest
from click.testing import CliRunner

from synapse_spec.cli.main import program
from tests.conftest import PRELUDE
from tests.editor.client import CURSOR, LanguageServer

PLUGIN = """
    from typing import Annotated, Literal
    from pydantic import Field

    class Step(BaseModel):
        kind: Literal["step"]
        every: int = Field(ge=1, description="Epochs between two steps.")

    class Cosine(BaseModel):
        kind: Literal["cosine"]
        warmup: float = 0.0

    class Layer(BaseModel):
        units: int = Field(ge=1, description="Neurons of the layer.")
        activation: Literal["relu", "tanh"] = "relu"

    class TrainParams(BaseModel):
        dataset: str = Field(description="The images.")
        epochs: int = Field(30, ge=1, le=1000, description="Times the model sees every image.")
        optimizer: Literal["adam", "sgd"] = Field("adam", description="How weights are updated.")
        shuffle: bool = Field(True, description="Whether the order changes.")
        limit: int | None = Field(None, description="At most so many images.")
        layers: list[Layer] = Field([], description="The hidden layers.")
        head: Layer | None = Field(None, description="The last layer.")
        schedule: Annotated[Step | Cosine, Field(discriminator="kind")] | None = Field(None, description="Of the rate.")

    class TrainAllParams(BaseModel):
        folder: str = Field(description="Where the datasets are.")

    @action(params=TrainParams, description="Trains a model.")
    def train(params, ctx): ...

    @action(params=TrainAllParams, description="Trains a model for each dataset.")
    def train_all(params, ctx): ...
"""
CONFIG = "name: Digits\ncode: digits\nactions: {train: plugin.act:train, train_all: plugin.act:train_all}\n"
HEAD = "apiVersion: synapse.dev/v1\nkind: Run\nmetadata: {name: a}\nspec:\n  plugin: {path: ../plugins/digits}\n"
OTHER = f"{HEAD}  action: train_all\n  params: {{folder: d}}\n---\n"
_HERE = Path(__file__).parent
_SERVER = _HERE / "node_modules" / "yaml-language-server" / "bin" / "yaml-language-server"


class Editor:
    """What people see of a document; texts hold the cursor, names are of files that no other test opens."""

    def __init__(self, server: LanguageServer, workspace: Path, before: str) -> None:
        self._server, self._workspace, self._before = server, workspace, before

    def complete(self, text: str, name: str = "") -> dict[str, dict[str, Any]]:
        """What is offered, by label."""
        items = self._at("completion", text, name)["items"]
        offered = {item["label"]: item for item in items}
        assert len(offered) == len(items), "something is offered twice"
        return offered

    def hover(self, text: str, name: str = "") -> str:
        value: str = self._at("hover", text, name)["contents"]["value"]
        return value

    def errors(self, text: str, name: str = "") -> list[tuple[str, str]]:
        """What is underlined, and why, in the order of the text."""
        text, path = self._before + text, self._path(name)
        self._server.open(path, text)
        lines, found = text.split("\n"), []
        for diagnostic in self._server.diagnostics(path):
            start, end = diagnostic["range"]["start"], diagnostic["range"]["end"]
            assert start["line"] == end["line"]
            underlined = lines[start["line"]][start["character"] : end["character"]]
            found.append((start["line"], start["character"], underlined, diagnostic["message"]))
        return [(underlined, message) for *_, underlined, message in sorted(found)]

    def _at(self, verb: str, text: str, name: str) -> Any:
        text, path = self._before + text, self._path(name)
        assert text.count(CURSOR) == 1
        self._server.open(path, text)
        return self._server.at(verb, path, text)

    def _path(self, name: str) -> Path:
        return self._workspace / (name or f"specs/{uuid4().hex}.yaml")


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("editor")
    plugin = folder / "plugins" / "digits"
    files = {"config.yaml": CONFIG, "plugin/__init__.py": "", "plugin/act.py": PRELUDE + dedent(PLUGIN)}
    for name, text in files.items():
        (plugin / name).parent.mkdir(parents=True, exist_ok=True)
        (plugin / name).write_text(text, encoding="utf-8")
    (folder / "synapse.toml").touch()
    result = CliRunner().invoke(program, ["schema", "export", str(plugin)])
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture(scope="session")
def server(workspace: Path) -> Iterator[LanguageServer]:
    """With the settings that the docs show."""
    scripts = Path(sysconfig.get_path("scripts"))
    if not _SERVER.exists():
        pytest.fail(f"no language server: run 'make test' once, or '{scripts / 'npm'} ci --prefix {_HERE}'")
    docs = (_HERE.parents[1] / "docs" / "editors.md").read_text(encoding="utf-8")
    schemas = json.loads(docs.split("```json\n")[1].split("```")[0])["yaml.schemas"]
    yaml = {"schemas": schemas, "schemaStore": {"enable": False}, "validate": True, "hover": True, "completion": True}
    with LanguageServer([str(scripts / "node"), str(_SERVER), "--stdio"], workspace, {"yaml": yaml}) as running:
        first = workspace / "specs" / "first.yaml"
        running.open(first, OTHER)
        running.diagnostics(
            first
        )  # by then it has read the schemas: what is asked before finds nothing on a busy machine
        yield running


@pytest.fixture(params=["only", "second"])
def editor(request: pytest.FixtureRequest, server: LanguageServer, workspace: Path) -> Editor:
    """Looks at a document that is the only one of its file, or comes after another one with another action."""
    return Editor(server, workspace, "" if request.param == "only" else OTHER)
