"""How a file gets its schema: by the editor's settings, or by a comment in each document."""

from pathlib import Path

import pytest

from tests.editor.client import LanguageServer
from tests.editor.conftest import HEAD, Editor

WRONG = f"{HEAD}  action: trian\n"
ERROR = ("trian", 'Value is not accepted. Valid values: "train", "train_all".')
MODELINE = "# yaml-language-server: $schema=../schemas/synapse.schema.json\n"


@pytest.fixture
def editor(server: LanguageServer, workspace: Path) -> Editor:
    return Editor(server, workspace, "")


@pytest.mark.parametrize("line", [MODELINE, "# $schema: ../schemas/synapse.schema.json\n"])
def test_a_comment_names_the_schema(editor: Editor, line: str) -> None:
    assert editor.errors(WRONG, "elsewhere/without.yaml") == []
    assert editor.errors(line + WRONG, f"elsewhere/{len(line)}.yaml") == [ERROR]


def test_a_comment_is_for_its_document_only(editor: Editor) -> None:
    assert editor.errors(f"{MODELINE}{WRONG}---\n{WRONG}", "elsewhere/once.yaml") == [ERROR]
    assert editor.errors(f"{MODELINE}{WRONG}---\n{MODELINE}{WRONG}", "elsewhere/twice.yaml") == [ERROR, ERROR]


def test_settings_are_for_all_documents_of_specs_and_for_nothing_else(editor: Editor) -> None:
    assert editor.errors(f"{WRONG}---\n{WRONG}", "specs/inner/two.yaml") == [ERROR, ERROR]
    assert editor.errors("apiVersion: synapse.dev/v1\nkind: RunStatus\n", "specs/inner/two.status.yaml") == []
    assert editor.errors("name: P\ncode: p\n", "specs/inner/config.yaml") == []


def test_the_config_of_a_plugin_has_a_schema_too(editor: Editor) -> None:
    start = "name: P\ncode: p\nactions:\n  run:\n"
    assert "entrypoint" in editor.complete(f"{start}    e▮\n", "plugins/a/config.yaml")
    assert "package.module:Name" in editor.hover(f"{start}    entry▮point: p.q:r\n", "plugins/b/config.yaml")
    [(underlined, message)] = editor.errors(f"{start}    entrypoint: 3\n", "plugins/c/config.yaml")
    assert (underlined, "string" in message) == ("3", True)
