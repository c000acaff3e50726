"""`synapse schema export|check`: what is written, what is stale and why, and what exported schemas are good for."""

import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from click.testing import CliRunner, Result

from synapse_spec.cli.main import program
from tests.conftest import PRELUDE, MakePlugin

CODE = """
    class Params(BaseModel):
        "What it needs."
        epochs: int = 3

    @action(params=Params)
    def run(params, ctx):
        return {}
"""
RUN = "apiVersion: synapse.dev/v1\nkind: Run\nmetadata: {name: a}\nspec:\n  plugin: {path: p}\n  action: run\n"
COMMON = [f"schemas/synapse.{name}schema.json" for name in ("", "config.", "toml.")]
FILES = ["schemas/p.schema.json", *COMMON]
HOW = "'synapse schema export' writes them anew"


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


def stale(*args: str) -> list[str]:
    """What `check` says; exit code 3 if that is anything."""
    result = schema("check", *args)
    said = lines(result)
    assert (result.exit_code, said[-1:]) == ((3, [HOW]) if said else (0, []))
    return said[:-1]


def edit(file: str, old: str, new: str) -> None:
    text = Path(file).read_text()
    assert old in text
    Path(file).write_text(text.replace(old, new))


def test_export_writes_what_is_missing_and_then_nothing(folder: Path) -> None:
    result = schema("export", "p")
    assert (result.exit_code, lines(result)) == (0, [f"wrote {name}" for name in FILES])
    times = [(folder / name).stat().st_mtime_ns for name in FILES]
    result = schema("export", "p")
    assert (result.exit_code, lines(result)) == (0, [f"{name} is fresh" for name in FILES])
    assert [(folder / name).stat().st_mtime_ns for name in FILES] == times


def test_check_finds_what_is_missing() -> None:
    assert stale("p") == [f"{name}: missing" for name in FILES]
    schema("export", "p")
    assert stale("p") == []
    Path(FILES[1]).unlink()
    assert stale() == [f"{FILES[1]}: missing"]


def test_check_says_which_code_changed_and_which_params() -> None:
    schema("export")
    edit("p/plugin/act.py", "epochs: int = 3", "epochs: int = 3  # a comment")
    assert stale() == []
    edit("p/plugin/act.py", "epochs: int = 3", "rate: float = 0.5")
    assert stale() == ["p:run: code changed: plugin/act.py", "p:run: params changed: rate added, epochs removed"]
    edit("p/plugin/act.py", "rate: float", "1/0\n    rate: float")
    assert stale() == [
        "p:run: code changed: plugin/act.py",
        "p:run: it does not load here: module 'plugin.act' of the plugin does not import at p/plugin/act.py:8: "
        "ZeroDivisionError: division by zero",
    ]
    edit("p/plugin/act.py", "1/0\n    rate: float", "rate: int")
    schema("export")
    edit("p/plugin/act.py", "rate: int = 0.5", "rate: int = 1")
    assert stale()[1] == "p:run: params changed: rate changed"
    assert (schema("export").exit_code, stale()) == (0, [])


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("p/plugin/act.py", "@action", "X = 1\n@action", "p:run: code changed: plugin/act.py"),
        ("p/plugin/act.py", "What it needs", "What it takes", "p:run: docstrings changed: plugin/act.py"),
        ("p/config.yaml", "act:run", "act:walk", "p:run: entrypoint changed: plugin.act:run -> plugin.act:walk"),
        ("p/config.yaml", "run: plugin", "walk: plugin", "p:run: the plugin has no such action any more"),
        ("p/config.yaml", "plugin.act", "plugin.cat", "p:run: the plugin folder 'p' has no module 'plugin.cat'"),
        ("p/config.yaml", "code: p", "code: q", "schemas/q.schema.json: missing"),
        ("p/config.yaml", "code: p", "kode: p", "p: config.yaml: 'code' is required"),
        (FILES[0], '"default": 3', '"default": 4', "schemas/p.schema.json: edited by hand"),
        (FILES[0], "}\n", "}\n\n", "schemas/p.schema.json: edited by hand"),
        (FILES[0], "{", "", "schemas/p.schema.json: not valid JSON"),
        (FILES[0], '"synapse": "', '"synapse": "0.0', "schemas/p.schema.json: written by an older synapse"),
        (FILES[1], "}\n", "}\n\n", "schemas/synapse.schema.json: not what synapse makes of the schemas beside it"),
        (FILES[2], "env", "enf", "schemas/synapse.config.schema.json: not what synapse makes"),
    ],
)
def test_why_something_is_stale(file: str, old: str, new: str, said: str) -> None:
    schema("export")
    edit(file, old, new)
    assert any(line.startswith(said) for line in stale()), stale()


def test_a_file_of_the_code_that_is_gone_or_new() -> None:
    Path("p/labels.txt").write_text("a\n")
    schema("export")
    Path("p/labels.txt").unlink()
    assert stale() == ["p:run: code changed: labels.txt is gone"]
    schema("export")
    Path("p/names.txt").write_text("a\n")
    assert stale() == ["p:run: code changed: names.txt"]


def test_line_ends_of_another_system_are_no_edit() -> None:
    schema("export")
    for name in FILES:
        Path(name).write_bytes(Path(name).read_bytes().replace(b"\n", b"\r\n"))
    assert stale() == []


def test_without_arguments_it_is_all_of_the_workspace(folder: Path, make_plugin: MakePlugin) -> None:
    make_plugin("deep/inside/q", CODE, config="name: q\ncode: q\nactions: {run: plugin.act:run}\n")
    make_plugin(".venv/hidden", CODE)
    make_plugin("node_modules/n", CODE)
    make_plugin("env/lib/installed", CODE)
    Path("env/pyvenv.cfg").touch()
    make_plugin("hydra", {"config.yaml": "defaults: [a]\n"})
    make_plugin("specs", {"a.yaml": RUN.replace("path: p", "path: ../bare")})
    make_plugin("bare", {"plugin/act.py": PRELUDE + dedent(CODE)})
    Path("p/deeper").mkdir()
    os.chdir("p/deeper")
    result = schema("export")
    assert result.exit_code == 0
    written = [name for name in os.listdir(folder / "schemas") if not name.startswith("synapse.")]
    assert sorted(written) == ["bare.schema.json", "p.schema.json", "q.schema.json"]
    assert stale() == []


def test_a_plugin_that_is_gone(make_plugin: MakePlugin) -> None:
    gone = make_plugin("gone", CODE)
    Path("schemas").mkdir()
    Path("schemas/mine.schema.json").write_text("{}")
    schema("export")
    gone.rename(gone.parent / ".hidden")
    assert stale("p") == []
    assert stale() == ["gone: the plugin is gone"]
    assert "schemas/gone.schema.json" not in schema("export", "p").stderr
    assert Path("schemas/gone.schema.json").exists()
    assert "removed schemas/gone.schema.json: its plugin is gone" in lines(schema("export"))
    assert not Path("schemas/gone.schema.json").exists()
    assert Path("schemas/mine.schema.json").exists()
    assert stale() == []


@pytest.mark.parametrize("name", ["p", "./p", "p/", "p/config.yaml", "specs", "specs/a.yaml", "specs/*.yaml", "."])
def test_what_may_be_named(name: str) -> None:
    Path("specs").mkdir()
    Path("specs/a.yaml").write_text(RUN.replace("path: p", "path: ../p"))
    assert lines(schema("export", name)) == [f"wrote {name}" for name in FILES]


def test_another_folder() -> None:
    assert lines(schema("export", "p", "--to", "one"))[0] == "wrote one/p.schema.json"
    assert stale("p", "--to", "one") == []
    Path("synapse.toml").write_text('[schemas]\nfolder = "two"\n')
    assert lines(schema("export"))[0] == "wrote two/p.schema.json"
    assert stale() == []
    Path("a.yaml").write_text(RUN)
    assert CliRunner().invoke(program, ["validate", "--offline", "a.yaml"]).exit_code == 0


def test_of_a_module(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(folder / "p"))
    try:
        result = schema("export", "plugin.act")
    finally:
        for name in ("plugin", "plugin.act"):  # a module is imported as any other, and stays
            sys.modules.pop(name, None)
    assert (result.exit_code, lines(result)[0]) == (0, "wrote schemas/plugin-act.schema.json")
    assert json.loads(Path("schemas/plugin-act.schema.json").read_text())["references"] == [{"module": "plugin.act"}]
    assert stale("plugin.act") == []


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["nowhere/at/all"], "nowhere/at/all: error[SS001]: no such file or folder"),
        (["digts"], "digts: error[SS001]: no such plugin: neither a file nor a folder nor a module"),
        (["empty"], "empty: error[SS001]: neither a plugin nor a run spec in this folder"),
        (["bad.yaml"], "bad.yaml:1:1: error[SS102]"),
    ],
)
def test_what_names_no_plugin(args: list[str], said: str) -> None:
    Path("empty").mkdir()
    Path("bad.yaml").write_text("apiVersion: synapse.dev/v1\nkind: Run\n")
    for verb in ("export", "check"):
        result = schema(verb, *args)
        assert (result.exit_code, said in result.stderr, "Traceback" in result.stderr) == (3, True, False)


def test_a_spec_with_mistakes_names_its_plugin_all_the_same() -> None:
    Path("a.yaml").write_text(RUN + "  params: {epoks: 1}\n  mod: job\n")
    assert schema("export", "a.yaml").exit_code == 0


def test_a_broken_action_is_named_and_the_others_are_exported(make_plugin: MakePlugin) -> None:
    make_plugin("broken", {"plugin/act.py": "1 / 0\n"}, actions={"run": "plugin.act:run"})
    result = schema("export")
    assert result.exit_code == 3
    assert "error: not exported: broken:run: module 'plugin.act' of the plugin does not import" in result.stderr
    assert Path(FILES[0]).exists()
    assert stale() == ["broken:run: missing"]


def test_where_there_is_nothing(folder: Path, make_plugin: MakePlugin) -> None:
    make_plugin("empty", {"synapse.toml": "", "code/act.py": PRELUDE + dedent(CODE)})
    os.chdir("empty")
    for verb in ("export", "check"):
        result = schema(verb)
        assert result.exit_code == 3
        assert ".: error[SS001]: neither a plugin nor a run spec in this folder" in result.stderr
    assert not Path("schemas").exists()
    assert "wrote schemas/code.schema.json" in schema("export", "code").stderr


def test_the_last_plugin_is_gone() -> None:
    schema("export")
    Path("p").rename(".p")
    assert stale() == ["p: the plugin is gone"]
    result = schema("export")
    assert (result.exit_code, lines(result)[-1]) == (0, "removed schemas/p.schema.json: its plugin is gone")


def test_wrong_settings() -> None:
    Path("a.yaml").write_text(RUN)
    Path("synapse.toml").write_text("[schema]\n")
    for command in ("schema export", "schema check", "validate a.yaml", "plan a.yaml", "apply a.yaml"):
        result = CliRunner().invoke(program, command.split())
        assert (result.exit_code, "synapse.toml:1:2: error[SS004]: unknown setting 'schema'" in result.stderr) == (
            3,
            True,
        )
    assert sorted(os.listdir()) == ["a.yaml", "p", "synapse.toml"]


def test_wrong_use() -> None:
    assert schema("import", "p").exit_code == 64
    assert schema("export", "").exit_code == 64
    assert schema("check", "-o", "xml").exit_code == 64


def test_check_for_programs() -> None:
    schema("export")
    edit("p/plugin/act.py", "@action", "X = 1\n@action")
    result = schema("check", "-o", "json")
    assert (result.exit_code, result.stderr) == (3, "")
    item = {"file": "schemas/p.schema.json", "subject": "p:run", "why": "code changed: plugin/act.py"}
    assert json.loads(result.stdout) == {"version": 1, "stale": [item]}


HEAVY = "a_heavy_library"
COMMANDS = """
import json, sys
from click.testing import CliRunner
from synapse_spec.cli.main import program
results = [CliRunner().invoke(program, command.split()) for command in sys.argv[1:]]
print(json.dumps([[result.exit_code, result.output] for result in results]))
"""


def in_a_process(*commands: str, path: str = "") -> list[tuple[int, str]]:
    """Exit code and output of each command; `path` is where libraries are."""
    run = [sys.executable, "-c", COMMANDS, *commands]
    done = subprocess.run(run, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=True)
    return [(code, output) for code, output in json.loads(done.stdout)]


@pytest.fixture(params=["listed", "found in the code", "a module"])
def heavy(folder: Path, request: pytest.FixtureRequest) -> None:
    """A plugin that was exported where its library is there; specs that name it."""
    library = folder / "site-packages"
    library.mkdir()
    (library / f"{HEAVY}.py").touch()
    code = f"import {HEAVY}\n" + PRELUDE + dedent(CODE)
    Path("p/plugin/act.py").write_text(code)
    Path("heavy_module.py").write_text(code)
    if request.param == "found in the code":
        Path("p/config.yaml").write_text("name: p\ncode: p\n")
    run = RUN.replace("{path: p}", "{module: heavy_module}") if request.param == "a module" else RUN
    Path("a.yaml").write_text(run)
    Path("bad.yaml").write_text(run + "  params: {epoks: 1}\n")
    assert in_a_process("schema export a.yaml", path=str(library))[0][0] == 0


USES = ["validate", "validate --offline", "plan", "apply --dry-run"]


@pytest.mark.usefixtures("heavy")
def test_fresh_schemas_stand_in_for_a_plugin_that_does_not_import() -> None:
    results = in_a_process(*(f"{use} a.yaml" for use in [*USES, "schema check"]))
    assert [(code, HEAVY in output) for code, output in results] == [(0, False)] * 5, results
    results = in_a_process(*(f"{use} bad.yaml" for use in USES))
    assert [(code, "error[SS104]: unknown param 'epoks'" in output) for code, output in results] == [(3, True)] * 4


@pytest.mark.usefixtures("heavy")
def test_stale_ones_do_not() -> None:
    for file in ("p/plugin/act.py", "heavy_module.py"):
        edit(file, "epochs: int = 3", "epochs: int = 4")
    offline, here, check = in_a_process("validate --offline a.yaml", "validate a.yaml", "schema check a.yaml")
    assert (offline[0], "a.yaml:6:11: error[SS205]" in offline[1]) == (3, True)
    assert (here[0], "a.yaml:6:11: error[SS204]" in here[1], f"install '{HEAVY}' here" in here[1]) == (3, True, True)
    assert (check[0], HEAVY in check[1]) == (3, True)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"actions": {"run": 1}}'])
def test_a_damaged_file_is_as_none(content: str) -> None:
    schema("export")
    Path("a.yaml").write_text(RUN)
    Path(FILES[0]).write_text(content)
    result = CliRunner().invoke(program, ["validate", "--offline", "a.yaml"])
    assert (result.exit_code, "error[SS205]" in result.stderr) == (3, True)
    assert CliRunner().invoke(program, ["validate", "a.yaml"]).exit_code == 0


def test_check_imports_no_plugin_where_nothing_changed() -> None:
    trap = Path("trap/sitecustomize.py")
    trap.parent.mkdir()
    trap.write_text(
        "import sys\n"
        "class Trap:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'plugin': raise SystemExit('imported')\n"
        "sys.meta_path.insert(0, Trap())\n"
    )
    path = str(trap.parent.absolute())
    assert "SystemExit: imported" in in_a_process("schema export p", path=path)[0][1]
    schema("export")
    assert in_a_process("schema check", path=path) == [(0, "")]
