"""What the pages say of the command line: every command and option they name exists, and docs/cli.md names all."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from synapse_spec.cli import exits
from synapse_spec.cli.main import VERBS, program
from tests.docs.pages import PAGES, ROOT, blocks, prose
from tests.docs.sandbox import Sandbox

PAGE = ROOT / "docs" / "cli.md"
_CODE = re.compile(r"`([^`\n]+)`")


def _said(page: Path) -> Iterator[str]:
    """Commands on a page: in its console and shell blocks, and in its prose where they start with a verb."""
    for block in blocks(page):
        if block.language in ("console", "sh"):
            for line in block.text.splitlines():
                at = re.search(r"(?:^|[/ ])synapse( .*)", line.removeprefix("$ "))
                if at and (block.language != "console" or line.startswith("$ ")):
                    yield f"synapse{at[1]}"
    for code in _CODE.findall(prose(page)):
        words = code.removeprefix(".venv/bin/").split()
        if words[:1] == ["synapse"] and len(words) > 1:
            yield code.removeprefix(".venv/bin/")
        elif words and words[0] in VERBS and any(word.startswith("-") for word in words):
            yield f"synapse {code}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_exists(page: Path) -> None:
    for said in _said(page):
        command: click.Command = program
        for word in shlex.split(said, comments=True)[1:]:
            if word in ("|", "2>&1", ">", "&&", ";"):
                break
            if word.startswith("-") and word != "-":
                assert word.partition("=")[0] in {*_options(command), "-h", "--help"}, f"{page.name}: {said}: {word}"
            elif isinstance(command, click.Group):
                context = click.Context(command)
                found = command.get_command(context, word)
                assert found is not None, f"{page.name}: {said}: there is no {word}"
                command = found


def test_the_pages_name_commands() -> None:
    """So that the test above has something to look at."""
    assert {said.split()[1] for page in PAGES for said in _said(page)} >= set(VERBS)


def test_every_option_of_every_verb_is_documented() -> None:
    parts = re.split(r"^## (.*)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    chapters = dict(zip(parts[1::2], parts[2::2], strict=True))
    for name, command in _commands(program):
        assert name in chapters, f"{name} has no chapter"
        missing = [option for option in _options(command) if f"`{option}" not in chapters[name]]
        assert not missing, f"{name}: {', '.join(missing)}"


def test_the_exit_codes_are_those_there_are() -> None:
    table = re.findall(r"^\| (\d+) \|", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    codes = {value for name, value in vars(exits).items() if name.isupper() and isinstance(value, int)}
    assert [int(code) for code in table] == sorted(codes)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_there(shell: str, sandbox: Sandbox) -> None:
    assert "_synapse_completion" in sandbox.run(f"_SYNAPSE_COMPLETE={shell}_source synapse")


def _options(command: click.Command) -> list[str]:
    params = [param for param in command.params if isinstance(param, click.Option)]
    return [option for param in params for option in (*param.opts, *param.secondary_opts)]


def _commands(group: click.Group, path: str = "") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from _commands(command, f"{path}{name} ")
        else:
            yield f"{path}{name}", command
