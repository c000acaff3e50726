"""Secrets of a run's env: read when the run starts. `plugins.masking` keeps them out of what is written or shown."""

import os
from collections.abc import Mapping
from pathlib import Path

from synapse_spec.spec.model import Run, Secret


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
