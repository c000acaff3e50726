"""docs/ci.md: its examples fit the schemas of the CI systems, and give the files that they go on with."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from synapse_spec.cli.main import program
from synapse_spec.plugins import yaml
from tests.docs.pages import ROOT, Block, blocks

EXAMPLES = [block for block in blocks(ROOT / "docs" / "ci.md") if block.language == "yaml"]
CHECKS = {
    "GitHub Actions": ("check_jsonschema", "--builtin-schema=vendor.github-workflows"),
    "GitLab": ("check_jsonschema", "--builtin-schema=vendor.gitlab-ci"),
    "pre-commit": ("pre_commit", "validate-config"),
}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda block: f"line {block.line}")
def test_examples_are_valid(example: Block, tmp_path: Path) -> None:
    file = tmp_path / "example.yaml"
    file.write_text(example.text)
    command = [sys.executable, "-m", *CHECKS[example.section], str(file)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_system_has_an_example() -> None:
    assert {example.section for example in EXAMPLES} == set(CHECKS)


def commands(value: Any) -> list[str]:
    """The commands of ours in a configuration."""
    if isinstance(value, dict | list):
        return [line for item in (value.values() if isinstance(value, dict) else value) for line in commands(item)]
    return [value] if isinstance(value, str) and value.startswith("synapse ") else []


@pytest.mark.parametrize("line", [line for item in EXAMPLES for line in commands(yaml.parse(item.text.encode()))])
def test_commands_work(line: str) -> None:
    words = shlex.split(line.partition(">")[0])[1:]
    assert CliRunner().invoke(program, [*words, "--help"]).exit_code == 0


def test_what_is_handed_on_is_what_was_written() -> None:
    written = [
        (name, example.text.count(name))
        for example in EXAMPLES
        for name in re.findall(r"synapse .* > (\S+)", example.text)
    ]
    assert written == [("synapse.sarif", 2), ("synapse.xml", 2)]


def test_the_hooks_are_those_of_the_manifest() -> None:
    (manifest,) = yaml.parse((ROOT / ".pre-commit-hooks.yaml").read_bytes())
    offered = [hook["id"] for hook in manifest]
    for example in EXAMPLES:
        if example.section == "pre-commit":
            (config,) = yaml.parse(example.text.encode())
            assert [hook["id"] for hook in config["repos"][0]["hooks"]] == offered
