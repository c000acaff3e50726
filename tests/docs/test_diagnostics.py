"""docs/diagnostics.md: an entry for each code and no other, and examples that are what they are said to be."""

import re
from contextlib import chdir, nullcontext

import pytest
from click.testing import CliRunner

from synapse_spec.cli.main import program
from synapse_spec.spec.diagnostics import CODES
from tests.docs.pages import README, ROOT, Block, blocks, sections
from tests.docs.sandbox import Sandbox
from tests.sdk.hidden import without_sdk

PAGE = ROOT / "docs" / "diagnostics.md"
HEADER = "apiVersion: synapse.dev/v1\nkind: Run\nmetadata: {name: example}\n"
SPEC = "spec:\n  plugin: {path: plugins/words}\n  action: count\n  params: {text: ../../poem.txt}\n"


def test_each_code_has_its_entry() -> None:
    entries = [heading.split(": ", 1) for heading in sections(PAGE) if re.match(r"SS\d", heading)]
    assert dict(entries) == CODES
    assert [code for code, _ in entries] == list(CODES), "in the order of the codes"


@pytest.mark.parametrize("code", CODES)
def test_the_bad_example_has_the_problem(code: str, sandbox: Sandbox) -> None:
    assert f"[{code}]:" in _played(code, "Bad", sandbox)


@pytest.mark.parametrize("code", CODES)
def test_the_good_example_has_none(code: str, sandbox: Sandbox) -> None:
    assert "[SS" not in _played(code, "Good", sandbox)


def _played(code: str, kind: str, sandbox: Sandbox) -> str:
    """What the example prints: its own commands, which are compared, else `synapse validate`."""
    sandbox.play(block for block in blocks(README) if block.section == "A plugin" or block.file == "poem.txt")
    _write_spec(sandbox, SPEC)
    entry = [block for block in blocks(PAGE) if block.section.startswith(code)]
    example = [block for block in entry if block.above.startswith((kind, "Given"))]
    assert example, f"{code} has no such example"
    printed = ""
    for block in example:
        if block.language == "yaml" and block.file is None:
            _write_spec(sandbox, block.text)
        else:
            sandbox.play([block])
            printed += block.text if block.language == "console" else ""
    with without_sdk() if code == "SS207" else nullcontext():
        return printed or _validated(sandbox)


def _validated(sandbox: Sandbox) -> str:
    with chdir(sandbox.folder):
        done = CliRunner().invoke(program, ["validate", "words.yaml"])
    assert done.exit_code in (0, 3), done.output
    return done.output


def _write_spec(sandbox: Sandbox, text: str) -> None:
    whole = HEADER + text if text.startswith("spec:") else text
    sandbox.write(Block("yaml", whole, 0, "", file="words.yaml"))
