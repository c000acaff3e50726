"""Secrets are read late and shown never."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_spec.engine.secrets import Masker, SecretMissing, read_secrets
from synapse_spec.plugins.events import Event, Log, Metrics, Output, Progress, render, to_wire
from synapse_spec.plugins.outcome import ErrorInfo, Outcome
from synapse_spec.spec.model import Run, Secret, SpecFile
from tests.engine.test_plan import unit

KEY = "-----BEGIN KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEF\n-----END KEY-----\n"


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


@pytest.mark.parametrize(
    ("secret", "text", "shown"),
    [
        ("hunter2", "it is hunter2, hunter2!", "it is ***, ***!"),
        ("abc", "abc is too short to hide", "abc is too short to hide"),
        ("", "nothing", "nothing"),
        (KEY, "MIIEvQIBADANBg", "***"),
        (KEY, f"key = {KEY!r}", "key = '***'"),
        ('pass"word\\1', 'json: {"p": "pass\\"word\\\\1"}', 'json: {"p": "***"}'),
        ("geheim·ß", "geheim·ß geheim\\u00b7\\u00df", "*** ***"),
    ],
)
def test_a_secret_is_masked_in_any_form(secret: str, text: str, shown: str) -> None:
    seen: list[Event] = []
    Masker({"A": secret}).emit(seen.append)(Output(text))
    assert seen == [Output(shown)]


def test_a_secret_that_holds_another_is_masked_as_a_whole() -> None:
    masker = Masker({"A": "user", "B": "user:password"})
    assert masker.outcome(Outcome("Completed", "user:password of user")).result == "*** of ***"


secrets = st.sampled_from(["hunter2", "output", "kind", "text", "info", "message", "Completed", "loss", "type"])


@given(secrets)
def test_every_part_of_what_a_run_tells_is_masked_and_stays_what_it_is(secret: str) -> None:
    """Also where the secret is a word that our own records use."""
    seen: list[Event] = []
    emit = Masker({"A": secret}).emit(seen.append)
    said: list[Event] = [
        Output(f"<{secret}>"),
        Log("message", {"message": secret, secret: [secret]}, secret),
        Metrics({secret: 1.5}, secret),
        Progress(1, 2, secret),
    ]
    for event in said:
        emit(event)
    assert [type(event) for event in seen] == [type(event) for event in said]
    assert not any(secret in value for event in seen for value in texts(list(to_wire(event).values())[1:]))
    assert all(render(event) for event in seen)
    told = Outcome("ActionFailed", {secret: [secret]}, ErrorInfo(secret, secret, secret), {secret: {secret: secret}})
    masked = Masker({"A": secret}).outcome(told)
    assert masked == Outcome("ActionFailed", {"***": ["***"]}, ErrorInfo("***", "***", "***"), {"***": {"***": "***"}})


def texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for item in (*value.keys(), *value.values()) for text in texts(item)]
    if isinstance(value, list):
        return [text for item in value for text in texts(item)]
    return [value] if isinstance(value, str) else []
