"""`synapse init`: a new spec that is valid once it is filled in."""

from contextlib import chdir
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from synapse_spec.cli.main import program
from tests.conftest import PRELUDE, MakePlugin

CODE = """
    from pydantic import Field

    class Params(BaseModel):
        epochs: int = Field(3, ge=1, description="How often.")
        dataset: str

    class Easy(BaseModel):
        epochs: int = 3

    print("said on import")

    @action(params=Params, description="Trains.")
    def train(params, ctx): ...

    @action(params=Easy)
    def easy(params, ctx): ...

    @action()
    def free(params, ctx): ...
"""
ACTIONS = {name: f"plugin.act:{name}" for name in ("train", "easy", "free")}

TRAIN = """\
## Trains.
apiVersion: synapse.dev/v1
kind: Run
metadata:
  name: train
spec:
  plugin: {path: digits}
  action: train
  params:
    dataset:   # string, required

    ## How often.
    # epochs: 3   # integer (at least 1)

  ## How it runs; 'synapse explain run.spec' says more.
"""


@pytest.fixture
def plugin(make_plugin: MakePlugin, tmp_path: Path) -> Path:
    (tmp_path / "synapse.toml").touch()
    return make_plugin("digits", CODE, actions=ACTIONS)


def synapse(folder: Path, *args: object) -> Result:
    with chdir(folder):
        return CliRunner().invoke(program, list(map(str, args)))


def test_on_stdout(plugin: Path) -> None:
    result = synapse(plugin.parent, "init", "digits", "train")
    assert result.exit_code == 0
    assert result.stdout.startswith(TRAIN)
    assert "said on import" not in result.stdout


def test_into_a_file(plugin: Path, tmp_path: Path) -> None:
    result = synapse(tmp_path, "init", "digits/config.yaml", "train", "--to", "specs/a b/train.yaml", "--mode", "job")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "said on import\nwrote specs/a b/train.yaml; fill in dataset\n"
    spec = tmp_path / "specs" / "a b" / "train.yaml"
    text = spec.read_text()
    assert "  plugin: {path: ../../digits}\n  action: train\n  mode: job\n" in text
    missing = synapse(tmp_path, "validate", spec)
    assert missing.exit_code == 3
    assert missing.stderr.count("error[") == 1
    assert "train.yaml:11:5: error[SS106]: dataset: null is not a string" in missing.stderr
    assert "give it a value" in missing.stderr
    spec.write_text(text.replace("dataset:", "dataset: here"))
    assert synapse(tmp_path, "validate", spec).exit_code == 0


@pytest.mark.parametrize("action", ["easy", "free"])
def test_without_required_params_it_is_valid_at_once(plugin: Path, tmp_path: Path, action: str) -> None:
    result = synapse(tmp_path, "init", plugin, action, "--to", f"{action}.yaml")
    assert result.stderr == f"said on import\nwrote {action}.yaml; it is valid as it is\n"
    assert synapse(tmp_path, "validate", f"{action}.yaml").exit_code == 0


def test_with_exported_schemas_it_names_that_of_the_editors(plugin: Path, tmp_path: Path) -> None:
    assert synapse(tmp_path, "schema", "export", "digits").exit_code == 0
    synapse(tmp_path, "init", "digits", "train", "--to", "specs/train.yaml")
    first = (tmp_path / "specs" / "train.yaml").read_text().splitlines()[0]
    assert first == "# yaml-language-server: $schema=../schemas/synapse.schema.json"
    assert synapse(tmp_path, "init", "digits", "train").stdout.startswith(TRAIN)


def test_a_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "init_module.py").write_text(PRELUDE + "@action()\ndef run(params, ctx):\n    'Runs.'\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "  plugin: {module: init_module}\n" in synapse(tmp_path, "init", "init_module", "run").stdout


def test_names(plugin: Path, tmp_path: Path) -> None:
    assert "  name: other-1\n" in synapse(tmp_path, "init", "digits", "train", "--name", "other-1").stdout
    result = synapse(tmp_path, "init", "digits", "train", "--name", "Not_A_Name")
    assert result.exit_code == 64
    assert "--name must be up to 63 lower-case letters" in result.stderr


def test_a_file_that_exists_stays_as_it_is(plugin: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("mine\n")
    result = synapse(tmp_path, "init", "digits", "train", "--to", "mine.yaml")
    assert (result.exit_code, (tmp_path / "mine.yaml").read_text()) == (64, "mine\n")
    assert "mine.yaml exists; init writes new files only" in result.stderr


@pytest.mark.parametrize("name", ["train.json", "train", "train.status.yaml"])
def test_a_file_that_would_be_no_spec(plugin: Path, tmp_path: Path, name: str) -> None:
    result = synapse(tmp_path, "init", "digits", "train", "--to", name)
    assert (result.exit_code, (tmp_path / name).exists()) == (64, False)
    assert "is no name for a spec" in result.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("digits", "trian"), "plugin 'digits' has no action 'trian'; did you mean 'train'?"),
        (("digits", "zzz"), "plugin 'digits' has no action 'zzz'; it has train, easy, free"),
        (("./digit", "train"), "no plugin folder at './digit'; did you mean 'digits'?"),
        (("digit", "train"), "no module named 'digit' can be imported here; did you mean 'digits'?"),
        (("", "train"), "no plugin folder at ''"),
        (("digits/plugin/act.py", "train"), "no plugin folder at"),
    ],
)
def test_what_is_not_there(plugin: Path, tmp_path: Path, words: tuple[str, str], message: str) -> None:
    result = synapse(tmp_path, "init", *words, "--to", "train.yaml")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.startswith(f"error: {message}")
    assert not (tmp_path / "train.yaml").exists()
