"""Secrets of a run's env: read when the run starts, and kept out of all that is written or shown."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import astuple, fields, replace
from pathlib import Path
from typing import Any

from synapse_spec.plugins.events import Emit, Event
from synapse_spec.plugins.outcome import ErrorInfo, Outcome
from synapse_spec.spec.model import Run, Secret

_MASK = "***"
# A shorter value would blacken ordinary words, and protects nothing.
_SHORTEST_MASKED = 4


class SecretMissing(Exception):
    """The source of a secret is not there; `name` is the env name."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


def read_secrets(run: Run, environ: Mapping[str, str] = os.environ, *, lenient: bool = False) -> dict[str, str]:
    """Values of the run's secrets by env name.

    Args:
        run: The run.
        environ: Where `fromEnv` looks.
        lenient: Leave out those that cannot be read: enough to mask what a run tells that is at work already.

    Raises:
        SecretMissing: A variable is not set, or a file cannot be read.
    """
    found, missing = _sought(run, environ)
    if missing and not lenient:
        raise missing[0]
    return found


def missing_secrets(run: Run, environ: Mapping[str, str] = os.environ) -> list[SecretMissing]:
    """Those of the run's secrets that cannot be read."""
    return _sought(run, environ)[1]


def _sought(run: Run, environ: Mapping[str, str]) -> tuple[dict[str, str], list[SecretMissing]]:
    found: dict[str, str] = {}
    missing: list[SecretMissing] = []
    for name, value in run.env.items():
        if isinstance(value, Secret):
            try:
                found[name] = _read(name, value, run, environ)
            except SecretMissing as error:
                missing.append(error)
    return found, missing


def _read(name: str, secret: Secret, run: Run, environ: Mapping[str, str]) -> str:
    if secret.from_env is not None:
        if secret.from_env not in environ:
            raise SecretMissing(name, f"{secret.from_env} is not set in the environment of synapse")
        return environ[secret.from_env]
    path = Path(run.file.path).parent / Path(str(secret.from_file)).expanduser()
    try:
        return path.read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", error)
        raise SecretMissing(name, f"{secret.from_file} cannot be read: {why}") from None


class Masker:
    """Replaces secret values in whatever a run tells."""

    def __init__(self, secrets: Mapping[str, str]) -> None:
        forms = {form for value in secrets.values() for form in _forms(value) if len(form) >= _SHORTEST_MASKED}
        self._values = sorted(forms, key=len, reverse=True)

    def emit(self, emit: Emit) -> Emit:
        """An `emit` that masks before it passes on."""
        if not self._values:
            return emit

        def masked(event: Event) -> None:
            emit(replace(event, **{item.name: self._clean(getattr(event, item.name)) for item in fields(event)}))

        return masked

    def outcome(self, outcome: Outcome) -> Outcome:
        error = outcome.error and ErrorInfo(*(self._clean(text) for text in astuple(outcome.error)))
        return replace(outcome, result=self._clean(outcome.result), error=error, metrics=self._clean(outcome.metrics))

    def _clean(self, value: Any) -> Any:
        if isinstance(value, str):
            for secret in self._values:
                value = value.replace(secret, _MASK)
            return value
        if isinstance(value, dict):
            return {self._clean(key): self._clean(item) for key, item in value.items()}
        return [self._clean(item) for item in value] if isinstance(value, list) else value


def _forms(value: str) -> Iterator[str]:
    """How a secret may show: as it is, one of its lines, or as Python and JSON write it."""
    yield value
    yield from value.splitlines()
    yield repr(value)[1:-1]
    yield json.dumps(value)[1:-1]
