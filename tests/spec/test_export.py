"""Exported schemas: the same bytes each time, valid, of all plugins in the folder, and gone with their plugin."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from jsonschema import Draft202012Validator

from synapse_spec.spec import exported
from synapse_spec.spec.export import Export, Target, export
from synapse_spec.spec.model import PluginRef
from tests.conftest import PRELUDE, MakePlugin

CODE = """
    class Tree(BaseModel):
        value: int = 0
        children: "list[Tree]" = []

    class TrainParams(BaseModel):
        dataset: str
        epochs: int = 3

    @action(description="Trains.", params=TrainParams, result=Tree)
    def train(params, ctx): ...

    @action()
    def free(params, ctx): ...
"""
ACTIONS = {"train": "plugin.act:train", "free": "plugin.act:free"}
COMMON = ["synapse.schema.json", "synapse.config.schema.json", "synapse.toml.schema.json"]


@pytest.fixture
def plugin(make_plugin: MakePlugin) -> Path:
    return make_plugin("digits", CODE, actions=ACTIONS)


@pytest.fixture
def target(tmp_path: Path) -> Target:
    return Target(tmp_path / "schemas", tmp_path)


def written(target: Target, *folders: Path, whole: bool = False) -> Export:
    """What is exported, as files."""
    done = export([PluginRef(path=folder) for folder in folders], target, whole=whole)
    target.folder.mkdir(exist_ok=True)
    for path, text in done.files.items():
        path.write_text(text, encoding="utf-8")
    return done


def content(target: Target, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((target.folder / f"{name}.schema.json").read_bytes())
    return found


def fits(target: Target, path: str, params: dict[str, Any], action: str = "train") -> bool:
    """Whether an editor takes these params of a spec that names the plugin so."""
    spec = {"plugin": {"path": path}, "action": action, "params": params}
    run = {"apiVersion": "synapse.dev/v1", "kind": "Run", "metadata": {"name": "a"}, "spec": spec}
    return jsonschema_rs.Draft202012Validator(content(target, "synapse")).is_valid(run)


def test_what_is_exported(plugin: Path, target: Target) -> None:
    done = written(target, plugin)
    assert [path.name for path in done.files] == ["digits.schema.json", *COMMON]
    assert (done.problems, done.gone) == ([], [])
    schema = content(target, "digits")
    assert (schema["plugin"], schema["references"]) == ("digits", [{"path": "digits"}])
    assert list(schema["files"]) == ["plugin/act.py"]
    assert list(schema["actions"]) == ["free", "train"]
    train = schema["actions"]["train"]
    assert train["code"].startswith("sha256:")
    assert (train["entrypoint"], train["description"]) == ("plugin.act:train", "Trains.")
    assert list(train["params"]["properties"]) == ["dataset", "epochs"]
    assert list(train["result"]["properties"]) == ["value", "children"]
    assert schema["actions"]["free"]["result"] is None


def test_every_schema_is_a_valid_one(plugin: Path, target: Target) -> None:
    written(target, plugin)
    actions = content(target, "digits")["actions"].values()
    schemas = [json.loads((target.folder / name).read_bytes()) for name in COMMON]
    schemas += [action["params"] for action in actions] + [action["result"] or {} for action in actions]
    for schema in schemas:
        Draft202012Validator.check_schema(schema)
        assert jsonschema_rs.meta.is_valid(schema | {"$schema": "https://json-schema.org/draft/2020-12/schema"})


def test_the_same_bytes_in_any_order_place_and_process(
    plugin: Path, make_plugin: MakePlugin, target: Target, tmp_path: Path
) -> None:
    other = make_plugin("another", CODE, actions=dict(reversed(ACTIONS.items())))
    first, second = written(target, plugin, other), written(target, other, plugin, other)
    assert first.files == second.files
    assert all(str(tmp_path) not in text and "\r" not in text and text.endswith("}\n") for text in first.files.values())
    elsewhere = tmp_path / "elsewhere"
    for folder in (plugin, other):
        shutil.copytree(folder, elsewhere / folder.name)
    (elsewhere / "synapse.toml").touch()
    for seed in ("1", "2"):
        subprocess.run(
            [sys.executable, "-m", "synapse_spec", "schema", "export"],
            cwd=elsewhere,
            env=os.environ | {"PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
        )
        for path, text in first.files.items():
            assert (elsewhere / "schemas" / path.name).read_text() == text


def test_exporting_one_keeps_the_others_in_the_editors_file(
    plugin: Path, make_plugin: MakePlugin, target: Target
) -> None:
    other = make_plugin("forest", CODE.replace("dataset", "wood"), actions=ACTIONS)
    written(target, plugin)
    done = written(target, other)
    assert [path.name for path in done.files] == ["forest.schema.json", *COMMON]
    assert fits(target, "../digits", {"dataset": "d"})
    assert not fits(target, "../digits", {"wood": "d"})
    assert fits(target, "../forest", {"wood": "d"})


def test_folders_of_one_name_have_rules_of_their_own(make_plugin: MakePlugin, target: Target) -> None:
    for code, param in (("one", "dataset"), ("two", "wood")):
        config = f"name: n\ncode: {code}\nactions: {{train: plugin.act:train}}\n"
        make_plugin(f"{code}/digits", CODE.replace("dataset", param), config=config)
    written(target, target.root / "one" / "digits", target.root / "two" / "digits")
    assert fits(target, "../one/digits", {"dataset": "d"})
    assert not fits(target, "../one/digits", {"wood": "d"})
    assert fits(target, "../two/digits/", {"wood": "d"})
    assert fits(target, "digits", {"what": "ever"})


def test_the_workspace_itself_as_a_plugin(make_plugin: MakePlugin, tmp_path: Path) -> None:
    folder = make_plugin(
        "cloned-as-it-pleased", CODE, actions=ACTIONS, config="name: n\ncode: n\nactions: {train: plugin.act:train}\n"
    )
    target = Target(folder / "schemas", folder)
    text = "".join(written(target, folder).files.values())
    assert "as-it-pleased" not in text
    for path in (".", "..", "../..", "../"):
        assert not fits(target, path, {"datset": "d"})
    assert fits(target, "../other", {"datset": "d"})


def test_a_plugin_under_two_names(plugin: Path, make_plugin: MakePlugin, target: Target) -> None:
    """Copies with one code are one plugin as long as they are the same."""
    config = (plugin / "config.yaml").read_text()
    copy = make_plugin("copy", CODE, config=config)
    written(target, plugin)
    written(target, copy)
    assert content(target, "digits")["references"] == [{"path": "copy"}, {"path": "digits"}]
    assert not fits(target, "digits", {})
    (copy / "plugin" / "act.py").write_text((copy / "plugin" / "act.py").read_text() + "\nx = 1\n")
    before = content(target, "digits")
    assert written(target, copy).problems == [("digits", "copy and digits have the same code; give one another")]
    assert content(target, "digits") == before


def test_a_plugin_that_was_moved(plugin: Path, target: Target) -> None:
    written(target, plugin)
    moved = plugin.rename(plugin.parent / "moved")
    assert written(target, moved, whole=True).gone == []
    assert content(target, "digits")["references"] == [{"path": "moved"}]


def test_a_plugin_that_is_gone(plugin: Path, make_plugin: MakePlugin, target: Target) -> None:
    other = make_plugin("other", CODE, actions=ACTIONS)
    written(target, plugin, other)
    (target.folder / "mine.schema.json").write_text('{"plugin": "mine", "actions": {}}')
    (plugin / "config.yaml").write_text("name: Renamed\ncode: renamed\nactions: {train: plugin.act:train}\n")
    (other / "config.yaml").write_text("name: [broken\n")
    assert written(target, plugin).gone == []
    done = written(target, plugin, whole=True)
    assert done.gone == [target.file("digits")]
    assert not fits(target, "digits", {}), "by its new code"
    assert not fits(target, "other", {}), "broken is not gone"


def test_a_broken_action_keeps_no_other_from_being_exported(make_plugin: MakePlugin, target: Target) -> None:
    files = {"plugin/act.py": PRELUDE + "@action()\ndef run(params, ctx): ...\n", "plugin/bad.py": "import not_there\n"}
    actions = {"bad": "plugin.bad:run", "run": "plugin.act:run", "dead": ".venv.lib.act:Run"}
    folder = make_plugin("p", files, actions=actions)
    whole = make_plugin("whole", CODE, actions=ACTIONS)
    done = written(target, folder, whole, target.root / "nowhere")
    assert list(content(target, "p")["actions"]) == ["run"]
    assert list(content(target, "whole")["actions"]) == ["free", "train"]
    nowhere, bad, dead = done.problems
    assert nowhere == ("nowhere", "there is no such folder")
    assert bad[0] == "p:bad"
    assert "No module named 'not_there'" in bad[1]
    assert dead[0] == "p:dead"


def test_what_does_not_import_here_stays_as_long_as_its_code_is_the_same(
    make_plugin: MakePlugin, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = target.root / "site-packages"
    library.mkdir()
    (library / "heavy_for_export.py").touch()
    code = "import heavy_for_export\n" + PRELUDE + "@action()\ndef run(params, ctx): ...\n"
    folder = make_plugin("p", {"plugin/act.py": code}, actions={"run": "plugin.act:run"})
    with monkeypatch.context() as patch:
        patch.syspath_prepend(str(library))
        first = written(target, folder)
    sys.modules.pop("heavy_for_export", None)
    act = folder / "plugin" / "act.py"
    act.write_text(act.read_text() + "# a comment, so that it is loaded anew\n")
    again = written(target, folder)
    assert (again.problems, again.files) == ([], first.files)
    act.write_text(act.read_text() + "x = 1\n")
    assert "heavy_for_export" in written(target, folder).problems[0][1]
    assert content(target, "p")["actions"] == {}


@pytest.mark.parametrize("code", ["../up", "a/b", ".hidden", "a b"])
def test_a_code_that_cannot_name_a_file(make_plugin: MakePlugin, target: Target, code: str) -> None:
    folder = make_plugin("p", CODE, config=f"name: p\ncode: '{code}'\nactions: {{train: plugin.act.train}}\n")
    done = written(target, folder)
    assert "cannot name a file of schemas" in done.problems[0][1]
    assert [path.name for path in done.files] == COMMON


@pytest.mark.parametrize("code", ["synapse", "Synapse", "synapse.config", "synapse.toml"])
def test_a_code_that_is_kept(make_plugin: MakePlugin, target: Target, code: str) -> None:
    folder = make_plugin("p", CODE, config=f"name: p\ncode: '{code}'\nactions: {{train: plugin.act.train}}\n")
    assert "is kept for synapse's own schemas" in written(target, folder).problems[0][1]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda text: "", "not valid JSON"),
        (lambda text: text[:-20], "not valid JSON"),
        (lambda text: "[" * 100_000, "not valid JSON"),
        (lambda text: "[]", "not what synapse writes"),
        (lambda text: "{}", "not what synapse writes"),
        (lambda text: '{"plugin": "digits", "actions": {}}', "written by an older synapse"),
        (lambda text: text.replace(f'"{exported.WRITER}"', '"0.0"'), "written by an older synapse"),
        (lambda text: text.replace(f'"{exported.WRITER}"', '"99.0"'), "written by synapse 99.0"),
        (lambda text: text.replace(f'"{exported.WRITER}"', "[]"), "written by an older synapse"),
        (lambda text: text.replace('"default": 3', '"default": 4'), "edited by hand"),
        (lambda text: text.replace('"seal"', '"sael"'), "edited by hand"),
        (lambda text: text.replace('"object"', '"objekt"'), "edited by hand"),
    ],
)
def test_a_file_that_cannot_be_believed(plugin: Path, target: Target, change: Any, why: str) -> None:
    written(target, plugin)
    path = target.file("digits")
    path.write_text(change(path.read_text()))
    with pytest.raises(exported.NotUsable, match=why):
        exported.read(path)
    with pytest.raises(exported.NotUsable, match="missing"):
        exported.read(target.file("none"))
