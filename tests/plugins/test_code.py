"""What an action's code is: what changes its digest, what does not, and which files are part of it."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synapse_spec.plugins.code import CodeDigest, code_digest
from synapse_spec.plugins.errors import PluginLoadError
from synapse_spec.plugins.files import fingerprint, plugin_files
from synapse_spec.plugins.source import PluginSource
from tests.conftest import MakePlugin

ENTRYPOINT = "plugin.act:run"

CODE = '''\
"""The module."""
import os
from plugin import helper as helping


class Params:
    """The params."""

    epochs: int = 3
    rate: float = 0.1


@helping.mark("a", strict=True)
def run(params, ctx, *, factor=2):
    """Run it."""
    # a comment
    total = 0
    for index in range(params.epochs):
        total += index * factor if index > 1 else 0x10
    name = f"{params.rate:.2f} of {total!r}"
    return {"total": total, "name": name, "text": "a" "b", "big": 1_000}
'''


def digest_of(folder: Path, entrypoint: str = ENTRYPOINT, workspace: Path | None = None) -> CodeDigest:
    return code_digest(PluginSource.from_path(folder), entrypoint, workspace)


def digest(code: str, folder: Path) -> str:
    (folder / "plugin").mkdir(parents=True, exist_ok=True)
    (folder / "plugin" / "act.py").write_text(dedent(code), encoding="utf-8")
    (folder / "plugin" / "helper.py").write_text("def mark(*args, **kwargs): return lambda thing: thing\n")
    return digest_of(folder).digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# a comment", "# another comment"),
        ("    # a comment\n", ""),
        ('"""The module."""', '"""Another\n\ndocstring."""'),
        ('"""The module."""\n', ""),
        ('    """The params."""\n\n', ""),
        ('"""Run it."""', "'Walk it.'"),
        ("import os\n", "import os  # noqa\n\n\n"),
        ('"a" "b"', '("a"\n "b")'),
        ('"a" "b"', "'ab'"),
        ("1_000", "1000"),
        ("0x10", "0X10"),
        ("total = 0", "total = (0)"),
        ("ctx, *, factor=2", "ctx, *,\n        factor = 2,\n"),
        ("    total = 0\n", "    total = 0;\n"),
        ("\n", "\r\n"),
        ('f"{params', 'f"{ params'),
    ],
)
def test_what_does_not_count(tmp_path: Path, old: str, new: str) -> None:
    assert old in CODE
    assert CODE.replace(old, new) != CODE
    assert digest(CODE.replace(old, new), tmp_path) == digest(CODE, tmp_path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("epochs: int = 3", "epochs: int = 4"),
        ("epochs: int = 3", "epochs: int"),
        ("epochs: int", "epochs: float"),
        ("0.1", "0.10000000000000002"),
        ("0x10", "16.0"),
        ("0x10", "True"),
        ("strict=True", "strict=False"),
        ('@helping.mark("a", strict=True)\n', ""),
        ('mark("a"', 'mark(b"a"'),
        ("factor=2", "factor=3"),
        ("*, factor", "factor"),
        ("index > 1", "index >= 1"),
        ("+=", "-="),
        ("import os", "import sys"),
        ("helper as helping", "helper as helping, __name__ as other"),
        (".2f", ".3f"),
        ("!r", "!s"),
        ('"a" "b"', '"a" + "b"'),
        ("class Params:", "class Params(object):"),
        ("def run", "async def run"),
        ('"""Run it."""', '"""Run it."""\n    pass'),
        ('{"total": total, "name": name', '{"name": name, "total": total'),
    ],
)
def test_what_does_count(tmp_path: Path, old: str, new: str) -> None:
    assert old in CODE
    assert digest(CODE.replace(old, new), tmp_path) != digest(CODE, tmp_path)


RUFF = shutil.which("ruff", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")

UGLY = """\
import  os,sys
from plugin.helper import (mark)
x = {  'a':1,'b' : [1,2,
3], }
def run( params,ctx ) :
    "doc"
    del (x, params)
    with (open('a') as f, open("b")):
        return (yield  x)
    if not(a in b) : print( (1,) , 'it\\'s' , u"u" , 0XFF , 1E5, 10L if 0 else 1J)
    for (i, j) in x: assert(i), "no"
    return lambda  : (   x  )
class A( ) :
    pass; y=1;
    z : int=3
""".replace("10L", "10")


@pytest.mark.parametrize("code", [CODE, UGLY, Path(__file__).read_text(), Path(ast.__file__).read_text()])
def test_a_formatter_changes_nothing(tmp_path: Path, code: str) -> None:
    before = digest(code, tmp_path)
    subprocess.run([str(RUFF), "format", "--isolated", "-q", str(tmp_path)], check=True)
    assert (tmp_path / "plugin" / "act.py").read_text() != UGLY
    assert digest((tmp_path / "plugin" / "act.py").read_text(), tmp_path) == before


NAMES = st.sampled_from(["a", "b", "run"])
EXPRESSIONS = st.recursive(
    st.integers().map(str)
    | st.floats(allow_nan=False, allow_infinity=False).map(repr)
    | NAMES
    | st.text(max_size=5).map(repr)
    | st.binary(max_size=3).map(repr),
    lambda inner: (
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]} + {pair[1]})")
        | st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.tuples(NAMES, inner).map(lambda pair: f"{pair[0]}(x={pair[1]})")
    ),
    max_leaves=6,
)
STATEMENTS = st.one_of(
    st.tuples(NAMES, EXPRESSIONS).map(lambda pair: f"{pair[0]} = {pair[1]}"),
    st.tuples(NAMES, EXPRESSIONS).map(lambda pair: f"def {pair[0]}(x={pair[1]}): return x"),
    st.tuples(NAMES, EXPRESSIONS).map(lambda pair: f"class {pair[0]}:\n    y: int = {pair[1]}"),
)
MODULES = st.lists(STATEMENTS, min_size=1, max_size=4)


@settings(max_examples=60, deadline=None)
@given(MODULES, MODULES, st.booleans())
def test_two_modules_have_one_digest_just_if_they_are_one_tree(
    tmp_path_factory: pytest.TempPathFactory, first: list[str], second: list[str], same: bool
) -> None:
    folder = tmp_path_factory.mktemp("code")
    if same:
        second = [f"\n# {number}\n{ast.unparse(ast.parse(item))}\n" for number, item in enumerate(first)]
    one, two = "\n".join(first), "\n".join(second)
    equal = ast.dump(ast.parse(one)) == ast.dump(ast.parse(two))
    assert (digest(one, folder) == digest(two, folder)) == equal


def test_trees_as_deep_and_numbers_as_long_as_python_takes(tmp_path: Path) -> None:
    for terms in (500, 3000):
        deep = f"x = {' + '.join(['1'] * terms)}\ny = 0x{'f' * 5000}\ns = '\\ud800'\n"
        assert digest(deep, tmp_path) == digest(deep, tmp_path)
        assert digest(deep, tmp_path) != digest(deep.replace("ff\n", "fe\n"), tmp_path)


def test_neither_order_nor_place_of_the_files_counts(tmp_path: Path) -> None:
    files = {f"plugin/{name}.py": f"value = {name!r}\n" for name in "zyxa"} | {"data/b.bin": "b", "data/a.bin": "a"}
    files["plugin/act.py"] = "from plugin import z, y, x, a\ndef run(): ...\n"
    digests = set()
    for place, names in (("one", sorted(files)), ("some/where/else", sorted(files, reverse=True))):
        for name in names:
            target = tmp_path / place / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(files[name])
        digests.add(repr(digest_of(tmp_path / place)))
    assert len(digests) == 1
    (tmp_path / "link").symlink_to(tmp_path / "one")
    assert repr(digest_of(tmp_path / "link")) in digests


def test_only_what_the_entry_module_reaches(make_plugin: MakePlugin) -> None:
    folder = make_plugin(
        "p",
        {
            "plugin/__init__.py": "from plugin.always import x\n",
            "plugin/always.py": "x = 1\n",
            "plugin/act.py": "from . import near\nfrom .deep.er import thing\nimport plugin.dotted.name\n"
            "def run():\n    import plugin.late\n",
            "plugin/near.py": "from .further import y\n",
            "plugin/further.py": "from plugin import act\ny = 1\n",
            "plugin/late.py": "",
            "plugin/deep/__init__.py": "",
            "plugin/deep/er.py": "from ..up import z\nthing = 1\n",
            "plugin/up.py": "z = 1\n",
            "plugin/dotted/name.py": "",
            "plugin/other_action.py": "import plugin.only_of_other\n",
            "plugin/only_of_other.py": "",
            "top.py": "",
        },
    )
    found = digest_of(folder)
    reached = ["__init__", "act", "always", "deep/__init__", "deep/er", "dotted/name", "further", "late", "near", "up"]
    assert sorted(found.files) == [f"plugin/{name}.py" for name in reached]
    assert not found.dynamic
    for name in ("plugin/other_action.py", "plugin/only_of_other.py", "top.py"):
        (folder / name).write_text("changed = 1\n")
        assert digest_of(folder).digest == found.digest
    for name in found.files:
        before = (folder / name).read_text()
        (folder / name).write_text(before + "changed = 1\n")
        assert digest_of(folder).digest != found.digest
        (folder / name).write_text(before)


@pytest.mark.parametrize(
    "line",
    [
        "importlib.import_module(name)",
        "__import__(name)",
        "exec(name)",
        "eval(name)",
        "runpy.run_path(name)",
        "pkgutil.iter_modules(name)",
        "importlib.util.spec_from_file_location(name, name)",
        "builtins.exec(name)",
        "return list(map(importlib.import_module, name))",
        "from importlib import import_module as load",
        "importlib.__import__(name)",
        "load = __import__",
        "getattr(__builtins__, '__import__')(name)",
        "getattr(importlib, 'import_module')(name)",
        "__builtins__['exec'](name)",
        "importlib.machinery.SourceFileLoader(name, name).load_module()",
        "pkgutil.resolve_name(name)",
        "import pydoc; pydoc.locate(name)",
        "from pydoc import locate",
        "import runpy as r",
        "import imp.x, zipimport",
    ],
)
def test_where_something_is_imported_dynamically_every_file_counts(make_plugin: MakePlugin, line: str) -> None:
    folder = make_plugin(
        "p", {"plugin/act.py": f"def run(name):\n    {line}\n", "plugin/any.py": "", "tests/test_it.py": ""}
    )
    found = digest_of(folder)
    assert found.dynamic
    assert sorted(found.files) == ["plugin/act.py", "plugin/any.py"]


def test_a_file_of_the_plugin_that_is_named_in_a_text_counts_with_what_it_imports(make_plugin: MakePlugin) -> None:
    code = "start(['python', 'scripts/one.py'], Path(__file__).parent / 'beside.py', '../out.py', 'no.py')\n"
    files = {
        "plugin/act.py": code,
        "plugin/beside.py": "",
        "plugin/other.py": "",
        "scripts/one.py": "import near\nfrom plugin import far\n",
        "scripts/near.py": "",
        "scripts/other.py": "",
        "plugin/far.py": "'plugin/template.py'",
        "plugin/template.py": "def {{ name }}",
    }
    folder = make_plugin("p", files)
    (folder.parent / "out.py").touch()
    found = digest_of(folder)
    names = ["plugin/act.py", "plugin/beside.py", "plugin/far.py", "plugin/template.py"]
    assert sorted(found.files) == [*names, "scripts/near.py", "scripts/one.py"]
    assert not found.dynamic
    (folder / "plugin/template.py").write_text("def {{ other }}")
    assert digest_of(folder).digest != found.digest


def test_methods_of_the_same_names_import_nothing(make_plugin: MakePlugin) -> None:
    code = "def run(model, eval):\n    model.eval()\n    model.exec(eval)\n"
    assert not digest_of(make_plugin("p", {"plugin/act.py": code})).dynamic


def test_a_package_comes_before_a_module_of_its_name(make_plugin: MakePlugin) -> None:
    files = {"plugin/act.py": "import plugin.both\n", "plugin/both.py": "", "plugin/both/__init__.py": ""}
    assert sorted(digest_of(make_plugin("p", files)).files) == ["plugin/act.py", "plugin/both/__init__.py"]


def test_other_files_count_by_their_bytes_and_some_do_not(make_plugin: MakePlugin) -> None:
    counted = {"data/labels.txt": "a", "model.json": "{}", "plugin/sub/config.yaml": "a: 1", "specs.yaml": ""}
    left_out = {
        "config.yaml": "name: p\ncode: p\n",
        "README.md": "",
        ".env": "",
        ".git/HEAD": "",
        "tests/data.txt": "",
        "plugin/__pycache__/act.cpython-312.pyc": "",
        "outputs/model.bin": "",
        "train.status.yaml": "",
        "node_modules/a.js": "",
        "p.egg-info/PKG-INFO": "",
    }
    folder = make_plugin("p", {"plugin/act.py": ""} | counted | left_out)
    found = digest_of(folder)
    assert sorted(found.files) == sorted(["plugin/act.py", *counted])
    for name in left_out:
        (folder / name).write_text("changed")
    assert digest_of(folder) == found
    (folder / "model.json").write_text("{ }")
    assert digest_of(folder).digest != found.digest


def test_a_file_that_is_renamed_counts(make_plugin: MakePlugin) -> None:
    folder = make_plugin("p", {"plugin/act.py": "", "data/a.txt": "x"})
    before = digest_of(folder).digest
    (folder / "data/a.txt").rename(folder / "data/b.txt")
    assert digest_of(folder).digest != before


def test_what_is_no_file_is_passed_over(make_plugin: MakePlugin) -> None:
    folder = make_plugin("p", {"plugin/act.py": ""})
    before = digest_of(folder)
    (folder / "dangling").symlink_to(folder / "nowhere")
    os.mkfifo(folder / "pipe")
    assert digest_of(folder) == before
    assert len(fingerprint(plugin_files(PluginSource.from_path(folder)))) == 1


def test_code_of_the_workspace_that_is_imported_counts(
    make_plugin: MakePlugin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_plugin("p", {"plugin/act.py": "import shared.tools\nimport json\nimport pydantic\n"})
    (tmp_path / "lib" / "shared").mkdir(parents=True)
    tools = tmp_path / "lib" / "shared" / "tools.py"
    tools.write_text("import plugin.none\n")
    monkeypatch.syspath_prepend(str(tmp_path / "lib"))
    found = digest_of(folder, workspace=tmp_path)
    assert sorted(found.files) == ["../lib/shared/tools.py", "plugin/act.py"]
    assert sorted(digest_of(folder).files) == ["plugin/act.py"]
    tools.write_text("x = 1\n")
    assert digest_of(folder, workspace=tmp_path).digest != found.digest


def test_the_runtime_itself_is_no_part_of_the_code(make_plugin: MakePlugin) -> None:
    folder = make_plugin("p", {"plugin/act.py": "from synapse_spec.plugins.action import BaseAction\n"})
    workspace = Path(__file__).parents[2]
    assert list(digest_of(folder, workspace=workspace).files) == ["plugin/act.py"]


def test_a_package_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "mine" / "digits"
    package.mkdir(parents=True)
    for name in ("__init__.py", "train.py", "weights.bin"):
        (package / name).touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    found = code_digest(PluginSource.from_module("mine.digits"), "mine.digits.train:Train")
    assert sorted(found.files) == ["__init__.py", "train.py", "weights.bin"]


def test_of_a_lone_module_only_what_it_imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lone.py").write_text("import beside\n")
    for name in ("beside.py", "other.py", "train.yaml", "data.bin"):
        (tmp_path / name).touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    source = PluginSource.from_module("lone")
    assert sorted(code_digest(source, "lone:run").files) == ["beside.py", "lone.py"]
    assert list(plugin_files(source)) == [tmp_path / "lone.py"]


@pytest.mark.parametrize(("entrypoint", "said"), [("plugin.gone:run", "'plugin.gone'"), ("os.path:join", "'os.path'")])
def test_an_entry_module_that_is_not_the_plugins(make_plugin: MakePlugin, entrypoint: str, said: str) -> None:
    folder = make_plugin("p", {"plugin/act.py": ""})
    with pytest.raises(PluginLoadError, match=f"the plugin folder 'p' has no module {said}"):
        digest_of(folder, entrypoint)


@pytest.mark.parametrize("entrypoint", ["plugin.act:run", "plugin.act.run"])
def test_both_forms_of_an_entrypoint(make_plugin: MakePlugin, entrypoint: str) -> None:
    folder = make_plugin("p", {"plugin/act.py": "def run(): ...\n"})
    assert digest_of(folder, entrypoint).digest == digest_of(folder).digest


@pytest.mark.parametrize(
    ("code", "line"), [("x = 1\ndef run(:\n", 2), ("x = 1\n  y = 2\n", 2), ("x = '\\x00", 1), ("x = 1\x00", 1)]
)
def test_what_is_no_python_is_said_with_its_place(make_plugin: MakePlugin, code: str, line: int) -> None:
    folder = make_plugin("p", {"plugin/act.py": ""})
    (folder / "plugin/act.py").write_text(code)
    with pytest.raises(PluginLoadError, match=rf"^not valid Python at p/plugin/act\.py:{line}: ") as caught:
        digest_of(folder)
    assert caught.value.details["file"] == str(folder / "plugin/act.py")


def test_a_broken_file_that_is_not_reached_is_no_matter(make_plugin: MakePlugin) -> None:
    assert digest_of(make_plugin("p", {"plugin/act.py": "", "plugin/broken.py": "def run(:\n"})).files
