"""docs/comparison-diagnostics.md: what both programs really print about the specs of tests/cases/comparison.

UPDATE_CASES=1 writes the blocks of the page, and the versions, anew.
"""

import os
import re
import subprocess
import sys
import sysconfig
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.cases import copied
from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "comparison-diagnostics.md"
CASES = ROOT / "tests" / "cases" / "comparison"
NAMES = [path.stem for path in sorted((CASES / "specs").glob("*.yaml"))]
UPDATE = bool(os.environ.get("UPDATE_CASES"))
COMMANDS = ["check-jsonschema --schemafile schemas/synapse.schema.json", "synapse validate"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with the cases, their plugin and its exported schemas."""
    folder = copied(CASES, tmp_path_factory.mktemp("comparison") / "cases")
    printed("synapse schema export plugins/demo", folder)
    return folder


def printed(command: str, folder: Path) -> str:
    """What a command prints, on stdout and stderr."""
    program, *words = command.split()
    peer = str(Path(sysconfig.get_path("scripts")) / "check-jsonschema")
    start = {"synapse": [sys.executable, "-m", "synapse_spec"], "check-jsonschema": [peer]}[program]
    environ = os.environ | {"COLUMNS": "100", "NO_COLOR": "1"}
    done = subprocess.run(
        [*start, *words], cwd=folder, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    return "\n".join(line.rstrip() for line in done.stdout.decode("utf-8").strip().splitlines())


def blocks(name: str, folder: Path) -> str:
    """The spec from where it gets interesting, and both answers."""
    lines = (CASES / "specs" / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
    spec = "\n".join(lines[lines.index("spec:") :])
    answers = [f"$ {command} specs/{name}.yaml" for command in COMMANDS]
    consoles = [f"```console\n{line}\n{printed(line[2:], folder)}\n```" for line in answers]
    return "\n\n".join([f"```yaml\n{spec}\n```", *consoles])


@pytest.mark.parametrize("name", NAMES)
def test_what_both_print(name: str, folder: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    # From the mark to the line of prose after the last block.
    pattern = re.compile(rf"(?<=<!-- case {name} -->\n\n).*?(?=\n\n(?!```)[^\n]*\n(?:\n## |\Z))", re.DOTALL)
    assert len(pattern.findall(page)) == 1, "a mark, the blocks and one line of prose"
    now = blocks(name, folder)
    if UPDATE:
        page = pattern.sub(lambda _: now, page)
        PAGE.write_text(page, encoding="utf-8")
    assert pattern.findall(page) == [now]


def test_each_case_is_shown_once_and_the_versions_are_those() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert re.findall(r"<!-- case (\S+) -->", page) == NAMES
    assert len(NAMES) == 12
    found = re.findall(r"check-jsonschema (\d[\w.]*\d)", page)
    if UPDATE:
        PAGE.write_text(page.replace(found[0], version("check-jsonschema")), encoding="utf-8")
    else:
        assert found == [version("check-jsonschema")]
