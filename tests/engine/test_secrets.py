"""Secrets are read late."""

from dataclasses import replace
from pathlib import Path

import pytest

from synapse_spec.engine.secrets import SecretMissing, read_secrets
from synapse_spec.spec.model import Run, Secret, SpecFile
from tests.engine.test_plan import unit


@pytest.fixture
def run(tmp_path: Path) -> Run:
    (tmp_path / "token").write_text("from a file\n")
    (tmp_path / "two").write_text("one\ntwo\n\n")
    file = SpecFile(str(tmp_path / "a.yaml"), "a.yaml", b"")
    return unit("r", file=file, env={"PLAIN": "x", "A": Secret(from_env="B")})


def with_env(run: Run, secret: Secret) -> Run:
    return replace(run, env={"A": secret})


def test_values_come_from_the_environment_and_from_files_beside_the_spec(run: Run, tmp_path: Path) -> None:
    assert read_secrets(run, {"B": "value", "A": "other"}) == {"A": "value"}
    assert read_secrets(with_env(run, Secret(from_env="B")), {"B": ""}) == {"A": ""}
    assert read_secrets(with_env(run, Secret(from_file="token"))) == {"A": "from a file"}
    assert read_secrets(with_env(run, Secret(from_file=str(tmp_path / "token")))) == {"A": "from a file"}
    assert read_secrets(with_env(run, Secret(from_file="two"))) == {"A": "one\ntwo\n"}


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        (Secret(from_env="NOT_THERE"), "NOT_THERE is not set in the environment of synapse"),
        (Secret(from_file="none"), "none cannot be read: No such file or directory"),
        (Secret(from_file="."), " cannot be read: Is a directory"),
        (Secret(from_file="binary"), "binary cannot be read: "),
    ],
)
def test_a_source_that_is_missing_is_named(run: Run, tmp_path: Path, secret: Secret, words: str) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(SecretMissing) as caught:
        read_secrets(with_env(run, secret), {})
    assert words in str(caught.value)
    assert caught.value.name == "A"
    assert read_secrets(with_env(run, secret), {}, lenient=True) == {}
