"""`synapse schema export|check`: what is written, what is stale, and why that is so."""

import json
import os
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from synapse_spec.cli.main import program
from tests.conftest import MakePlugin

CODE = """
    class Params(BaseModel):
        epochs: int = 3

    @action(params=Params)
    def run(params, ctx): ...
"""
FILES = ("schemas/p.schema.json", "schemas/synapse.schema.json")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, make_plugin: MakePlugin, monkeypatch: pytest.MonkeyPatch) -> Path:
    make_plugin("p", CODE)
    (tmp_path / "synapse.toml").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def schema(*args: str) -> Result:
    return CliRunner().invoke(program, ["schema", *args])


def lines(result: Result) -> list[str]:
    assert result.stdout == ""
    return result.stderr.splitlines()


def test_export_writes_what_is_missing_and_then_nothing(folder: Path) -> None:
    result = schema("export", "p")
    assert (result.exit_code, lines(result)) == (0, [f"wrote {name}" for name in FILES])
    times = [(folder / name).stat().st_mtime_ns for name in FILES]
    result = schema("export", "p")
    assert (result.exit_code, lines(result)) == (0, [f"{name} is fresh" for name in FILES])
    assert [(folder / name).stat().st_mtime_ns for name in FILES] == times


def test_check_finds_what_is_missing_and_what_is_stale(folder: Path) -> None:
    result = schema("check", "p")
    assert result.exit_code == 3
    assert lines(result) == [f"{name}: missing; 'synapse schema export' writes it" for name in FILES]
    schema("export", "p")
    assert (schema("check", "p").exit_code, lines(schema("check", "p"))) == (0, [])
    act = folder / "p" / "plugin" / "act.py"
    act.write_text(act.read_text() + "# a comment\n")
    assert schema("check", "p").exit_code == 0
    act.write_text(act.read_text().replace("3", "4"))
    result = schema("check", "p")
    assert result.exit_code == 3
    assert lines(result) == [f"{name}: stale; 'synapse schema export' writes it anew" for name in FILES]
    assert schema("export", "p").exit_code == 0
    assert schema("check", "p").exit_code == 0
    assert (
        json.loads((folder / FILES[0]).read_text())["actions"]["run"]["params"]["properties"]["epochs"]["default"] == 4
    )


def test_code_that_changes_no_schema_still_makes_the_digest_stale(folder: Path) -> None:
    schema("export", "p")
    act = folder / "p" / "plugin" / "act.py"
    act.write_text(act.read_text() + "HELPER = 1\n")
    assert lines(schema("check", "p")) == [f"{FILES[0]}: stale; 'synapse schema export' writes it anew"]


def test_a_file_that_was_edited_by_hand_is_stale(folder: Path) -> None:
    schema("export", "p")
    for content in (b"", b"\xff\xfe", (folder / FILES[1]).read_bytes() + b"\n"):
        (folder / FILES[1]).write_bytes(content)
        assert lines(schema("check", "p")) == [f"{FILES[1]}: stale; 'synapse schema export' writes it anew"]


def test_of_the_plugins_that_specs_name(folder: Path) -> None:
    text = "apiVersion: synapse.dev/v1\nkind: Run\nmetadata: {name: a}\nspec: {plugin: {path: ../p}, action: run}\n"
    (folder / "specs").mkdir()
    (folder / "specs" / "a.yaml").write_text(text)
    by_spec = lines(schema("export", "specs", "--to", "one"))
    by_plugin = lines(schema("export", "./p", "--to", "two"))
    assert by_spec == ["wrote one/p.schema.json", "wrote one/synapse.schema.json"]
    assert [name.replace("two", "one") for name in by_plugin] == by_spec
    for name in os.listdir("one"):
        assert Path("one", name).read_bytes() == Path("two", name).read_bytes()
    assert schema("check", "specs/a.yaml", "--to", "two").exit_code == 0


def test_of_a_module(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(folder / "p"))
    try:
        result = schema("export", "plugin.act")
    finally:
        for name in ("plugin", "plugin.act"):  # a module is imported as any other, and stays
            sys.modules.pop(name, None)
    assert (result.exit_code, lines(result)[0]) == (0, "wrote schemas/plugin.act.schema.json".replace("n.a", "n-a"))


def test_a_spec_that_is_invalid_or_a_plugin_that_does_not_load(folder: Path, make_plugin: MakePlugin) -> None:
    (folder / "bad.yaml").write_text("apiVersion: synapse.dev/v1\nkind: Run\n")
    result = schema("export", "bad.yaml")
    assert result.exit_code == 3
    assert "error[SS102]" in result.stderr
    make_plugin("broken", {"plugin/act.py": "1 / 0\n"}, actions={"run": "plugin.act:run"})
    result = schema("export", "p", "broken")
    assert result.exit_code == 3
    assert "ZeroDivisionError" in result.stderr
    assert not (folder / "schemas").exists()
    assert schema("export", "nowhere/at/all").exit_code == 3


def test_export_takes_no_schema_for_granted(folder: Path) -> None:
    """What is exported comes from the code, not from what was exported or kept before."""
    schema("export", "p")
    path = folder / FILES[0]
    path.write_text(path.read_text().replace('"default": 3', '"default": 7'))
    assert schema("check", "p").exit_code == 3
    schema("export", "p")
    assert '"default": 3' in path.read_text()


def test_wrong_use() -> None:
    assert schema("export").exit_code == 64
    assert schema("check").exit_code == 64
    assert schema("import", "p").exit_code == 64
