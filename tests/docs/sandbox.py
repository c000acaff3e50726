"""Does in a folder what a page tells its reader to do, and holds what happens against what the page says."""

import difflib
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from tests.docs.pages import Block

# Where the pages say that their reader is.
READERS_FOLDER = "/home/you/tour"
_PRINT = re.compile(r"\s*print\(.*\)  # (.*)")
_VARYING = [
    (re.compile(r"\b\d+\.\d+s\b"), "0.0s"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "f" * 64),
    (re.compile(r"\bsynapse-([a-z0-9-]+)-[0-9a-f]{12}-(\d+)\b"), r"synapse-\1-ffffffffffff-\2"),
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z"), "2026-01-01T00:00:00.000Z"),
    (re.compile(r"(durationSeconds|python|ray|synapseSpec|gitCommit|gitDirty|synapse): ?\S+"), r"\1: …"),
    (re.compile(r"(?<=\S) {2,}"), "  "),
]


class Sandbox:
    """A reader's folder.

    Args:
        folder: Made if missing.
        tools: A folder for the programs that the pages use.
        environ: Laid over the environment.
    """

    def __init__(self, folder: Path, tools: Path, environ: dict[str, str]) -> None:
        self.folder = folder
        self._tools = tools
        folder.mkdir(parents=True, exist_ok=True)
        tools.mkdir(parents=True, exist_ok=True)
        # Whatever the environment has under these names, the pages are about the program and the Python of the tests.
        for name, words in {"synapse": "-P -m synapse_spec ", "python": ""}.items():
            program = tools / name
            program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {words}"$@"\n')
            program.chmod(0o755)
        self._environ = os.environ | {"PATH": f"{tools}:{os.environ['PATH']}", "COLUMNS": "100"} | environ
        self._environ.pop("RAY_ADDRESS", None)

    def play(self, blocks: Iterable[Block]) -> None:
        for block in blocks:
            if block.language == "edit":
                self._edit(block)
            elif block.language == "console":
                self._converse(block)
            elif block.is_script:
                self._run_script(block)
            elif block.excerpt:
                self.hold_excerpt(block, str(block.file))
            elif block.file is not None:
                self.write(block)

    def write(self, block: Block) -> None:
        """Make the file that the block is."""
        path = self.folder / str(block.file)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, encoding="utf-8")

    def _edit(self, block: Block) -> None:
        path, (old, new) = self.folder / str(block.file), block.text.split(" -> ")
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"line {block.line}: {block.file} has {old!r} {text.count(old)} times"
        path.write_text(text.replace(old, new), encoding="utf-8")

    def run(self, command: str) -> str:
        """What a shell command prints, on stdout and stderr."""
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=self.folder,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=200,
            check=False,
        )
        return done.stdout

    def _converse(self, block: Block) -> None:
        """Run the block's commands, and compare what they print with what stands below each."""
        said, got = "", ""
        for part in re.split(r"^(?=\$ )", block.text, flags=re.MULTILINE):
            if part:
                command, _, output = part.removeprefix("$ ").partition("\n")
                said += f"$ {command}\n{output}"
                got += f"$ {command}\n{self.run(command)}"
        before, now = self._steady(said), self._steady(got)
        changes = "\n".join(difflib.unified_diff(before.splitlines(), now.splitlines(), "the page", "now", lineterm=""))
        assert before == now, f"the block at line {block.line} is no longer true:\n{changes}"

    def _run_script(self, block: Block) -> None:
        """Run a Python block; what follows `print(...)  #` must be among what is printed, in that order."""
        path = self._tools / "block.py"
        path.write_text(block.text, encoding="utf-8")
        printed = self._steady(self.run(f"python '{path}' 2>&1 || echo \"exit code $?\""))
        assert "exit code " not in printed, f"the block at line {block.line} fails:\n{printed}"
        rest = iter(printed.splitlines())
        for line in block.text.splitlines():
            if line.strip().startswith("print("):
                match = _PRINT.fullmatch(line)
                assert match, f"the block at line {block.line} does not say what this prints: {line}"
                assert self._steady(match[1]).strip() in rest, f"not printed: {match[1]}\n{printed}"

    def hold_excerpt(self, block: Block, name: str) -> None:
        """The lines of an excerpt stand in the file in that order; those between two `…` right after each other."""
        whole = self._steady((self.folder / name).read_text(encoding="utf-8"))
        place = 0
        for part in re.split(r"^\s*…\n", block.text, flags=re.MULTILINE):
            found = whole.find(self._steady(part), place)
            assert found >= 0, f"line {block.line}: {name} has no such lines:\n{part}\n--- it is\n{whole}"
            place = found + len(self._steady(part))

    def _steady(self, text: str) -> str:
        """The text without what differs from run to run and from place to place."""
        text = text.replace(str(self.folder), READERS_FOLDER)
        for pattern, word in _VARYING:
            text = pattern.sub(word, text)
        return "\n".join(line.rstrip() for line in text.splitlines())
