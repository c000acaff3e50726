"""What plan says after a change: tests/cases/plan.

A case is a text file: what it is about, then commands, each after a `$`, with what they print below them. All of them
start in a copy of `workspace`. Commands are those of synapse, of which only plan's output is kept; `write FILE`, with
the file's lines below it; `edit FILE`, with the lines to take out after a `-` and those to put there after a `+`; and
any program, such as mv. To add a case, write it without any output and run with UPDATE_CASES=1, which puts that in;
then read what it says.
"""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest
from click.testing import CliRunner

from synapse_spec.cli.main import program
from tests.engine.project import tree

CASES = Path(__file__).parents[1] / "cases" / "plan"
UPDATE = bool(os.environ.get("UPDATE_CASES"))
NAMES = sorted(path.stem for path in CASES.glob("*.txt"))


def commands(text: str) -> list[tuple[str, list[str]]]:
    """The words before the first command, as if they were one, and each command with the lines below it."""
    parts = re.split(r"^(?=\$ )", text, flags=re.MULTILINE)
    return [(lines[0], lines[1:]) for lines in (part.rstrip("\n").split("\n") for part in parts)]


def edit(path: Path, lines: list[str]) -> None:
    """Replace each block of `-` lines by the `+` lines that follow it; without any of the first, append the others."""
    text, old = path.read_text(encoding="utf-8"), ""
    for sign, group in groupby(lines, key=lambda line: line[0]):
        block = "".join(f"{line[1:]}\n" for line in group)
        if sign == "-":
            assert text.count(block) == 1, f"{path} must hold this once:\n{block}"
            old, text = block, text.replace(block, "\0")
        else:
            text = text.replace("\0", block) if old else text + block
            old = ""
    path.write_text(text.replace("\0", ""), encoding="utf-8")


def perform(command: str, lines: list[str]) -> list[str]:
    """Carry a command out, in the working directory; the lines that belong below it."""
    name, *words = shlex.split(command.removeprefix("$ "))
    if name == "synapse":
        return list(synapse(words))
    if name == "write":
        path = Path(words[0])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    elif name == "edit":
        edit(Path(words[0]), lines)
    else:
        subprocess.run([name, *words], check=True)
    return lines


def synapse(words: list[str]) -> Iterator[str]:
    before = tree(Path())
    result = CliRunner().invoke(program, words, prog_name="synapse")
    assert "Traceback" not in result.output
    if words[0] == "plan":
        assert tree(Path()) == before, "a plan changes nothing"
        yield from result.output.splitlines()
    if result.exit_code:
        yield f"[exit {result.exit_code}]"


@pytest.mark.parametrize("name", NAMES)
def test_case(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(CASES / "workspace", tmp_path / "work", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("TOKEN", "hunter2")
    path = CASES / f"{name}.txt"
    text = path.read_text(encoding="utf-8")
    (title, rest), *steps = commands(text)
    parts = [[title, *rest], *([command, *perform(command, lines)] for command, lines in steps)]
    found = "\n\n".join("\n".join(part) for part in parts) + "\n"
    if UPDATE:
        path.write_text(found, encoding="utf-8")
    assert found == text or UPDATE
    assert "hunter2" not in found


def test_there_are_enough_cases_and_every_reason_is_among_them() -> None:
    texts = [(CASES / f"{name}.txt").read_text(encoding="utf-8") for name in NAMES]
    assert len([text for text in texts if "$ synapse plan" in text]) >= 60
    reasons = ["new", "unchanged", "spec changed", "code changed", "input changed", "failed before", "cancelled before"]
    reasons += ["interrupted", "requested", "suspended", "running", "waiting for"]
    assert [reason for reason in reasons if not re.search(rf"  {reason}\b", "".join(texts))] == []
