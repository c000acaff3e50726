"""Bad specs and what is said of them: tests/cases/diagnostics.

A case is NAME.out: the command line, what it prints, and its exit code; the spec it names stands beside it. To add one,
write the spec and run with UPDATE_CASES=1, which writes NAME.out; then read what it says.
"""

import os
import platform
import shlex
import time
from contextlib import nullcontext
from pathlib import Path

import pytest
from click.testing import CliRunner

from synapse_spec.cli.main import program
from synapse_spec.spec.diagnostics import CODES
from tests.cases import copied
from tests.sdk.hidden import without_sdk

CASES = Path(__file__).parents[1] / "cases" / "diagnostics"
UPDATE = bool(os.environ.get("UPDATE_CASES"))


def specs() -> list[str]:
    """The files and folders of specs, by listing."""
    entries = (path for path in CASES.iterdir() if path.name != "plugins" and not path.name.startswith("."))
    return sorted(
        path.name for path in entries if path.is_dir() or (path.suffix == ".yaml" and ".status" not in path.name)
    )


def expected(name: str) -> Path:
    return CASES / f"{name.removesuffix('.yaml')}.out"


def names() -> list[str]:
    found = [path.name for path in sorted(CASES.glob("*.out"))]
    return sorted({*found, *(expected(name).name for name in specs())}) if UPDATE else found


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied(CASES, tmp_path_factory.mktemp("diagnostics") / "cases")


@pytest.mark.parametrize("name", names())
def test_case(name: str, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workspace)
    path, stem = CASES / name, name.removesuffix(".out")
    spec = stem if (CASES / stem).is_dir() else f"{stem}.yaml"
    transcript = path.read_text(encoding="utf-8") if path.exists() else f"$ synapse validate {spec}\n"
    command = transcript.partition("\n")[0]
    start = time.monotonic()
    with without_sdk() if stem == "sdk-missing" else nullcontext():
        result = CliRunner().invoke(program, shlex.split(command.removeprefix("$ synapse ")))
    assert time.monotonic() - start < 5, "a second is what it may take; a busy machine gets more"
    printed = result.output.replace(platform.python_version(), "3.X.Y")
    found = f"{command}\n{printed}[exit {result.exit_code}]\n"
    if UPDATE:
        path.write_text(found, encoding="utf-8")
    assert found == transcript or UPDATE
    assert "Traceback" not in found
    assert result.exit_code == (3 if " error[" in found else 0)


def test_every_spec_is_a_case_and_every_code_has_one() -> None:
    assert [name for name in specs() if not expected(name).exists()] == []
    said = "".join(path.read_text(encoding="utf-8") for path in CASES.glob("*.out"))
    assert [code for code in CODES if f"[{code}]" not in said] == []
