"""The catalog: what it keeps, when that is stale, and that it imports no more than it must."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent

import pytest

import synapse_spec
from synapse_spec.plugins.errors import ActionNotFoundError, PluginConfigError, PluginLoadError, PluginNotFoundError
from synapse_spec.spec.catalog import Catalog, SchemasNotFresh
from synapse_spec.spec.export import Target
from synapse_spec.spec.export import export as exported
from synapse_spec.spec.facts import ActionFacts
from synapse_spec.spec.model import PluginRef
from tests.conftest import PRELUDE, MakePlugin

CODE = """
    from pydantic import Field

    class Params(BaseModel):
        epochs: int = 3

    @action(description="Runs.", params=Params)
    def run(params, ctx): ...
"""


def look_up(folder: Path, name: str = "run", **options: bool) -> ActionFacts:
    """What a new process would find out, and keep."""
    catalog = Catalog(folder.parent, **options)  # type: ignore[arg-type]
    facts = catalog.action(PluginRef(path=folder), name)
    settled(folder)
    catalog.save()
    return facts


def settled(folder: Path) -> None:
    """Files that were only just written are not trusted: let them be old."""
    while time.time() - max(path.stat().st_mtime for path in folder.rglob("*")) < 0.15:
        time.sleep(0.02)


def cache_files(workspace: Path) -> list[Path]:
    return sorted((workspace / ".synapse" / "cache" / "plugins").glob("*.json"))


def default_of(facts: ActionFacts) -> object:
    return facts.params["properties"]["epochs"]["default"]


@pytest.fixture
def plugin(make_plugin: MakePlugin) -> Path:
    return make_plugin("p", CODE)


def test_what_is_known_of_an_action(plugin: Path) -> None:
    facts = look_up(plugin)
    assert (facts.entrypoint, facts.description, facts.result, facts.dynamic) == (
        "plugin.act:run",
        "Runs.",
        None,
        False,
    )
    assert facts.params["properties"]["epochs"]["type"] == "integer"
    assert list(facts.files) == ["plugin/act.py"]
    assert facts.code.startswith("sha256:")


def test_what_is_known_of_a_plugin(make_plugin: MakePlugin, tmp_path: Path) -> None:
    config = """
        name: P
        code: p
        version: 1.2.3
        env: {A: 1}
        runtime_env: {pip: [numpy]}
        actions: {run: plugin.act.run, two: "plugin.act:two"}
    """
    folder = make_plugin("p", CODE, config=dedent(config))
    facts = Catalog(tmp_path).plugin(PluginRef(path=folder))
    assert (facts.code, facts.version, facts.env, facts.runtime_env) == ("p", "1.2.3", {"A": "1"}, {"pip": ["numpy"]})
    assert facts.entrypoints == {"run": "plugin.act:run", "two": "plugin.act:two"}
    assert facts.actions == {}


SECOND_LOOK = """
    import json, sys
    from pathlib import Path
    from synapse_spec.spec.catalog import Catalog
    from synapse_spec.spec.model import PluginRef
    folder = Path(sys.argv[1])
    catalog = Catalog(folder.parent)
    facts = catalog.action(PluginRef(path=folder), "run")
    print(json.dumps([facts.params["properties"]["epochs"]["default"], sorted(sys.modules)]))
"""


def second_look(folder: Path) -> tuple[object, set[str]]:
    done = subprocess.run(
        [sys.executable, "-c", dedent(SECOND_LOOK), str(folder)], capture_output=True, text=True, check=True
    )
    default, modules = json.loads(done.stdout)
    return default, set(modules)


def test_the_second_look_up_imports_nothing(plugin: Path) -> None:
    default, modules = second_look(plugin)
    assert default == 3
    assert "pydantic" in modules
    look_up(plugin)
    default, modules = second_look(plugin)
    assert default == 3
    assert not {"pydantic", "yamlrocks", "jsonschema", "plugin", "plugin.act"} & modules


VALIDATE = """
    import json, sys
    from synapse_spec.spec.validate import validate_files
    checked = validate_files([sys.argv[1]])
    print(json.dumps([[item.code for item in checked.diagnostics], sorted(sys.modules)]))
"""
SPEC = """\
apiVersion: synapse.dev/v1
kind: Run
metadata: {name: a}
spec: {plugin: {path: p}, action: run, params: {epochs: 1}}
"""
VALIDATOR = """
    class Strict(Params):
        @model_validator(mode="after")
        def never(self):
            raise ValueError("never")
"""


@pytest.mark.parametrize(("model", "codes", "asked"), [("Params", [], False), ("Strict", ["SS107"], True)])
def test_validate_asks_only_the_models_of_which_the_schema_does_not_say_all(
    make_plugin: MakePlugin, tmp_path: Path, model: str, codes: list[str], asked: bool
) -> None:
    code = "from pydantic import model_validator\n" + dedent(CODE) + dedent(VALIDATOR)
    code += f"\n@action(name='run', params={model})\ndef run(params, ctx): ...\n"
    look_up(make_plugin("p", code, config="name: p\ncode: p\nactions: {run: 'plugin.act:run'}"))
    (tmp_path / "a.yaml").write_text(SPEC)
    command = [sys.executable, "-c", dedent(VALIDATE), str(tmp_path / "a.yaml")]
    said, modules = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert said == codes
    assert bool({"pydantic", "plugin.act", "jsonschema"} & set(modules)) == asked


def test_an_edit_is_seen(plugin: Path) -> None:
    first = look_up(plugin)
    (plugin / "plugin" / "act.py").write_text(PRELUDE + dedent(CODE).replace("3", "4"))
    second = look_up(plugin)
    assert (default_of(first), default_of(second)) == (3, 4)
    assert first.code != second.code


def test_edits_within_one_tick_of_the_clock_are_seen(plugin: Path) -> None:
    """Also of the same length, and with the times put back: what was written just now is not kept."""
    path = plugin / "plugin" / "act.py"
    for number in range(10, 30):
        path.write_text(PRELUDE + dedent(CODE).replace("3", str(number)))
        catalog = Catalog(plugin.parent)
        assert default_of(catalog.action(PluginRef(path=plugin), "run")) == number
        catalog.save()


def test_a_file_whose_times_were_put_back_is_seen(plugin: Path) -> None:
    path = plugin / "plugin" / "act.py"
    assert default_of(look_up(plugin)) == 3
    before = path.stat()
    path.write_text(PRELUDE + dedent(CODE).replace("3", "5"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert default_of(look_up(plugin)) == 5


@pytest.mark.parametrize("name", ["plugin/new.py", "data/labels.txt"])
def test_a_new_file_and_one_that_is_gone_are_seen(plugin: Path, name: str) -> None:
    look_up(plugin)
    target = plugin / name
    target.parent.mkdir(exist_ok=True)
    target.write_text("x = 1\n")
    assert "pydantic" in second_look(plugin)[1]
    look_up(plugin)
    assert "pydantic" not in second_look(plugin)[1]
    target.unlink()
    assert "pydantic" in second_look(plugin)[1]


def test_an_edit_of_the_config_is_seen(plugin: Path) -> None:
    look_up(plugin)
    config = plugin / "config.yaml"
    config.write_text(config.read_text().replace("run:", "walk:"))
    assert look_up(plugin, "walk").entrypoint == "plugin.act:run"
    with pytest.raises(ActionNotFoundError, match="'p' has no action 'run'; it has walk"):
        look_up(plugin, "run")


def test_an_edit_of_code_outside_the_plugin_is_seen(
    make_plugin: MakePlugin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = tmp_path / "lib" / "beside"
    library.mkdir(parents=True)
    (library / "defaults.py").write_text("EPOCHS = 3\n")
    monkeypatch.syspath_prepend(str(tmp_path / "lib"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "lib"))
    folder = make_plugin("p", "from beside.defaults import EPOCHS\n" + dedent(CODE).replace("3", "EPOCHS"))
    first = look_up(folder)
    assert default_of(first) == 3
    assert "pydantic" not in second_look(folder)[1]
    (library / "defaults.py").write_text("EPOCHS = 40\n")  # Python sees no edit of one size within a second
    assert "pydantic" in second_look(folder)[1]
    assert second_look(folder)[0] == 40
    (library / "defaults.py").unlink()
    with pytest.raises(subprocess.CalledProcessError):
        second_look(folder)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        '"text"',
        "{}",
        '{"version": VERSION}',
        '{"version": VERSION, "state": [], "facts": {}}',
        '{"version": VERSION, "state": STATE, "facts": {"actions": {"run": {}}}}',
        '{"version": VERSION, "state": STATE, "facts": {"actions": []}}',
        '{"version": VERSION, "state": STATE}',
        '{"version": "0/3.1/0", "state": STATE, "facts": {}}',
        "\x00\xff",
    ],
)
def test_a_broken_cache_is_ignored_and_mended(plugin: Path, content: str) -> None:
    look_up(plugin)
    (path,) = cache_files(plugin.parent)
    whole = path.read_text()
    kept = json.loads(whole)
    content = content.replace("VERSION", json.dumps(kept["version"])).replace("STATE", json.dumps(kept["state"]))
    path.write_text(content, encoding="latin-1")
    assert default_of(look_up(plugin)) == 3
    assert path.read_text() == whole


def test_what_was_only_just_written_is_not_kept(plugin: Path) -> None:
    later = time.time() + 60  # however long this takes, it is not old
    os.utime(plugin / "plugin" / "act.py", (later, later))
    catalog = Catalog(plugin.parent)
    catalog.action(PluginRef(path=plugin), "run")
    catalog.save()
    assert cache_files(plugin.parent) == []


def test_a_cache_is_of_one_place(plugin: Path, tmp_path: Path) -> None:
    look_up(plugin)
    moved = plugin.rename(tmp_path / "moved")
    assert look_up(moved).params == look_up(moved).params
    assert len(cache_files(tmp_path)) == 2


def test_only_the_action_that_is_asked_for_is_imported(make_plugin: MakePlugin, tmp_path: Path) -> None:
    trap = f"from pathlib import Path\nPath({str(tmp_path / 'imported')!r}).touch()\nraise SystemExit(3)\n"
    files = {"plugin/act.py": PRELUDE + dedent(CODE), "plugin/other.py": trap}
    folder = make_plugin("p", files, actions={"run": "plugin.act:run", "other": "plugin.other:run"})
    assert default_of(look_up(folder)) == 3
    assert not (tmp_path / "imported").exists()
    with pytest.raises(PluginLoadError):
        look_up(folder, "other")
    assert (tmp_path / "imported").exists()


def test_actions_that_were_asked_for_at_different_times_are_kept_together(make_plugin: MakePlugin) -> None:
    two = dedent(CODE) + dedent(CODE).replace("def run", "def walk")
    folder = make_plugin("p", two, actions={"run": "plugin.act:run", "walk": "plugin.act:walk"})
    look_up(folder, "run")
    look_up(folder, "walk")
    (path,) = cache_files(folder.parent)
    assert set(json.loads(path.read_bytes())["facts"]["actions"]) == {"run", "walk"}


def test_a_cache_that_other_code_of_ours_has_written_is_not_used(tmp_path: Path) -> None:
    ours = tmp_path / "synapse_spec"
    shutil.copytree(Path(synapse_spec.__file__).parent, ours, ignore=shutil.ignore_patterns("__pycache__"))
    versions = []
    for content in (None, None, "# later\n"):
        if content:
            (ours / "plugins" / "code.py").write_text((ours / "plugins" / "code.py").read_text() + content)
        command = [sys.executable, "-c", "from synapse_spec.spec import cache; print(cache.made_by())"]
        versions.append(subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout)
    assert versions[0] == versions[1] != versions[2]


def test_each_plugin_is_looked_up_once(plugin: Path, tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    assert catalog.plugin(PluginRef(path=plugin)) is catalog.plugin(PluginRef(path=plugin))
    raised = []
    for _ in range(2):
        with pytest.raises(PluginNotFoundError) as caught:
            catalog.plugin(PluginRef(path=tmp_path / "none"))
        raised.append(caught.value)
    assert raised[0] is raised[1]


def test_plugins_that_cannot_be_used(make_plugin: MakePlugin, tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    empty = make_plugin("empty", {}, config="")
    bare = make_plugin("bare", {"notes.txt": ""})
    with pytest.raises(PluginConfigError):
        catalog.plugin(PluginRef(path=empty))
    with pytest.raises(PluginNotFoundError):
        catalog.plugin(PluginRef(path=bare))
    with pytest.raises(PluginNotFoundError, match="no_such_module"):
        catalog.plugin(PluginRef(module="no_such_module"))


def test_a_module_as_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "catalog_module.py").write_text(PRELUDE + dedent(CODE))
    monkeypatch.syspath_prepend(str(tmp_path))
    catalog = Catalog(tmp_path)
    facts = catalog.action(PluginRef(module="catalog_module"), "run")
    assert facts.entrypoint == "catalog_module:run"
    assert list(facts.files) == ["catalog_module.py"]
    del sys.modules["catalog_module"]


def test_the_files_of_a_digest_that_was_seen_are_known_later(plugin: Path) -> None:
    facts = look_up(plugin)
    catalog = Catalog(plugin.parent)
    assert catalog.known_files(facts.code) == facts.files
    assert catalog.known_files("sha256:none") is None


def export(folder: Path, schemas: Path) -> None:
    schemas.mkdir(exist_ok=True)
    for path, text in exported([PluginRef(path=folder)], Target(schemas, folder.parent)).files.items():
        path.write_text(text, encoding="utf-8")


@pytest.fixture
def needy(make_plugin: MakePlugin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A plugin with exported schemas whose library is there no more."""
    library = tmp_path / "site-packages" / "a_heavy_library.py"
    library.parent.mkdir()
    library.write_text("")
    monkeypatch.syspath_prepend(str(library.parent))
    folder = make_plugin("p", "import a_heavy_library\n" + dedent(CODE))
    export(folder, tmp_path / "schemas")
    sys.modules.pop("a_heavy_library", None)
    library.unlink()
    sys.path_importer_cache.clear()
    text = (folder / "plugin" / "act.py").read_text()
    (folder / "plugin" / "act.py").write_text("# a comment, so that it is loaded anew\n" + text)
    return folder


@pytest.mark.parametrize("offline", [True, False])
def test_fresh_exported_schemas_are_used_without_importing_the_plugin(needy: Path, offline: bool) -> None:
    facts = look_up(needy, offline=offline)
    assert default_of(facts) == 3
    assert facts.description == "Runs."


def test_stale_ones_are_not(needy: Path) -> None:
    path = needy / "plugin" / "act.py"
    path.write_text(path.read_text().replace("3", "4"))
    with pytest.raises(SchemasNotFresh, match="no exported schema of p:run is current"):
        look_up(needy, offline=True)
    with pytest.raises(PluginLoadError, match="a_heavy_library"):
        look_up(needy)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"actions": []}', '{"actions": {"run": {}}}', '{"actions": {"run": 1}}']
)
def test_a_broken_export_is_as_none(needy: Path, content: str) -> None:
    (needy.parent / "schemas" / "p.schema.json").write_text(content)
    with pytest.raises(SchemasNotFresh):
        look_up(needy, offline=True)


def test_offline_nothing_is_imported_even_to_find_the_actions(make_plugin: MakePlugin, tmp_path: Path) -> None:
    trap = f"from pathlib import Path\nPath({str(tmp_path / 'imported')!r}).touch()\n"
    (tmp_path / "trap_module.py").write_text(trap)
    bare = make_plugin("bare", {"plugin/act.py": trap + PRELUDE + dedent(CODE)})
    listed = make_plugin("listed", {"plugin/act.py": trap + PRELUDE + dedent(CODE)}, config="name: a\ncode: a\n")
    catalog = Catalog(tmp_path, offline=True)
    for ref in (PluginRef(path=bare), PluginRef(path=listed), PluginRef(module="trap_module")):
        with pytest.raises(SchemasNotFresh, match="would have to be imported"):
            catalog.plugin(ref)
    assert not (tmp_path / "imported").exists()
