"""Secrets are shown never."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_spec.plugins.events import Event, Log, Metrics, Output, Progress, render, to_wire
from synapse_spec.plugins.masking import Masker
from synapse_spec.plugins.outcome import ErrorInfo, Outcome

KEY = "-----BEGIN KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEF\n-----END KEY-----\n"


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
