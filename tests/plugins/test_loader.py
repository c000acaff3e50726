"""The isolated loader: each plugin folder has its own modules, and the process keeps its own."""

import importlib
import os
import sys
import threading
import types
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from synapse_spec.plugins.errors import PluginLoadError
from synapse_spec.plugins.loader import active, belongs, load_module, load_object, source_of
from synapse_spec.plugins.source import PluginSource
from tests.conftest import PRELUDE, MakePlugin


def value_of(folder: Path, entrypoint: str = "plugin.act:VALUE") -> Any:
    return load_object(PluginSource.from_path(folder), entrypoint)


def called(folder: Path, entrypoint: str = "plugin.act:run") -> Any:
    """What a function of the plugin gives, called while the plugin is active."""
    source = PluginSource.from_path(folder)
    function = load_object(source, entrypoint)
    with active(source):
        return function()


@pytest.fixture
def ordinary_plugin() -> Iterator[types.ModuleType]:
    """A module named `plugin` that the process imported by itself."""
    module = sys.modules["plugin"] = types.ModuleType("plugin")
    yield module
    del sys.modules["plugin"]


def test_same_named_packages_are_each_their_own(make_plugin: MakePlugin) -> None:
    folders = [make_plugin(name, {"plugin/__init__.py": "", "plugin/act.py": f"VALUE = '{name}'"}) for name in "ab"]
    assert [value_of(folder) for folder in folders * 2] == ["a", "b", "a", "b"]


def test_late_imports_find_the_plugins_own_modules(make_plugin: MakePlugin) -> None:
    act = "def run():\n    from plugin import late\n    import helper\n    return late.NAME, helper.NAME\n"
    folders = [
        make_plugin(name, {"plugin/act.py": act, "plugin/late.py": f"NAME = '{name}'", "helper.py": f"NAME = '{name}'"})
        for name in "ab"
    ]
    assert [called(folder) for folder in folders * 2] == [("a", "a"), ("b", "b")] * 2


def test_modules_are_loaded_once(make_plugin: MakePlugin) -> None:
    folder = make_plugin(
        "a", {"plugin/act.py": "from plugin.state import SEEN\nVALUE = SEEN\n", "plugin/state.py": "SEEN = []"}
    )
    value_of(folder).append(1)
    assert value_of(folder) == [1]


def test_a_module_of_the_process_makes_way_and_comes_back(
    make_plugin: MakePlugin, ordinary_plugin: types.ModuleType
) -> None:
    for files in ({"plugin/__init__.py": "VALUE = 1"}, {"plugin/act.py": "VALUE = 1"}):
        folder = make_plugin(f"p{len(files)}-{next(iter(files))[7]}", files)
        entrypoint = "plugin:VALUE" if "plugin/__init__.py" in files else "plugin.act:VALUE"
        assert value_of(folder, entrypoint) == 1
        assert sys.modules["plugin"] is ordinary_plugin


def test_a_module_imported_by_the_process_meanwhile_is_not_lost(make_plugin: MakePlugin) -> None:
    act = """
        import os, sys
        sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
        import inner
        VALUE = inner.VALUE
        """
    folder = make_plugin("a", {"plugin/act.py": act, "plugin/lib/inner.py": "VALUE = 1"})
    assert value_of(folder) == 1
    ours = sys.modules["inner"] = types.ModuleType("inner")
    try:
        assert value_of(folder) == 1
        assert sys.modules["inner"] is ours
    finally:
        del sys.modules["inner"]


def test_places_that_a_plugin_adds_to_sys_path_hold_for_it_alone(make_plugin: MakePlugin) -> None:
    act = """
        import os, sys
        here = os.path.dirname(__file__)
        sys.path.insert(0, here + "/lib")
        sys.path.append(here + "/more")
        def run():
            import inner, outer
            return inner.VALUE, outer.VALUE
        """
    files = {"plugin/act.py": act, "plugin/lib/inner.py": "VALUE = 1", "plugin/more/outer.py": "VALUE = 2"}
    folder = make_plugin("a", files)
    assert called(folder) == (1, 2)
    assert called(folder) == (1, 2)
    with pytest.raises(ImportError):
        importlib.import_module("inner")


def test_packages_without_init_files(make_plugin: MakePlugin, ordinary_plugin: types.ModuleType) -> None:
    deep = "plugin/one/two/three/four"
    folders = [make_plugin(name, {f"{deep}/act.py": f"VALUE = '{name}'"}) for name in "ab"]
    entrypoint = deep.replace("/", ".") + ".act:VALUE"
    assert [value_of(folder, entrypoint) for folder in folders * 2] == ["a", "b", "a", "b"]
    assert sys.modules["plugin"] is ordinary_plugin


def test_a_folder_of_scripts_named_like_a_library_does_not_hide_it(make_plugin: MakePlugin) -> None:
    import numpy as np

    files = {"plugin/act.py": "import numpy\nVALUE = numpy\n", "numpy/convert.py": "", "json/x.py": ""}
    assert value_of(make_plugin("a", files)) is np
    assert sys.modules["numpy"] is np


def test_the_main_module_stays_where_it_is(make_plugin: MakePlugin) -> None:
    files = {"plugin/act.py": "import __main__\nVALUE = __main__\n", "__main__.py": "1 / 0", "__init__.py": "1 / 0"}
    assert value_of(make_plugin("a", files)) is sys.modules["__main__"]


def test_a_package_named_like_a_library_is_the_plugins_own_inside(make_plugin: MakePlugin) -> None:
    import hypothesis

    files = {"plugin/act.py": "import hypothesis\nVALUE = hypothesis.VALUE\n", "hypothesis/__init__.py": "VALUE = 1"}
    assert value_of(make_plugin("a", files)) == 1
    assert sys.modules["hypothesis"] is hypothesis
    assert "hypothesis.strategies" in sys.modules


def test_libraries_that_a_plugin_imports_stay_shared(make_plugin: MakePlugin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "this", raising=False)
    code = "import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()):\n    import this as VALUE\n"
    first, second = (value_of(make_plugin(name, {"plugin/act.py": code})) for name in "ab")
    assert first is second is sys.modules["this"]


def test_our_own_package_is_no_plugins_even_under_its_root(make_plugin: MakePlugin) -> None:
    import synapse_spec

    folder = make_plugin("a", {"plugin/act.py": "import synapse_spec.late\nVALUE = synapse_spec\n"})
    (folder / "synapse_spec").mkdir()
    (folder / "synapse_spec" / "late.py").write_text("")
    package = types.ModuleType("synapse_spec.late")
    package.__file__ = str(folder / "synapse_spec" / "late.py")
    with active(PluginSource.from_path(folder)):
        sys.modules["synapse_spec.late"] = package
    assert sys.modules.pop("synapse_spec.late") is package
    assert sys.modules["synapse_spec"] is synapse_spec


class TestEditedCode:
    """What is run is what is in the files now."""

    def test_same_second_and_same_size(self, make_plugin: MakePlugin) -> None:
        folder = make_plugin("a", {"plugin/act.py": "VALUE = 0\n"})
        path = folder / "plugin" / "act.py"
        when = path.stat().st_mtime_ns
        for number in range(5):
            path.write_text(f"VALUE = {number}\n")
            os.utime(path, ns=(when, when + number))
            assert value_of(folder) == number

    def test_a_helper(self, make_plugin: MakePlugin) -> None:
        folder = make_plugin(
            "a", {"plugin/act.py": "from plugin.helper import VALUE\n", "plugin/helper.py": "VALUE = 1"}
        )
        assert value_of(folder) == 1
        (folder / "plugin/helper.py").write_text("VALUE = 2")
        assert value_of(folder) == 2

    def test_during_the_run(self, make_plugin: MakePlugin) -> None:
        act = "from pathlib import Path\nVALUE = 1\ndef run():\n    Path(__file__).write_text('VALUE = 2')\n"
        folder = make_plugin("a", {"plugin/act.py": act})
        called(folder)
        assert value_of(folder) == 2

    def test_a_replaced_file_with_the_old_times(self, make_plugin: MakePlugin) -> None:
        folder = make_plugin("a", {"plugin/act.py": "VALUE = 1\n"})
        assert value_of(folder) == 1
        path = folder / "plugin" / "act.py"
        old, new = path.stat(), folder / "new"
        new.write_text("VALUE = 2\n")
        os.utime(new, ns=(old.st_atime_ns, old.st_mtime_ns))
        new.replace(path)
        assert value_of(folder) == 2

    def test_a_new_file_and_a_removed_one(self, make_plugin: MakePlugin) -> None:
        act = "try:\n    from plugin.extra import VALUE\nexcept ImportError:\n    VALUE = 0\n"
        folder = make_plugin("a", {"plugin/act.py": "import plugin.extra\nVALUE = plugin.extra.VALUE"})
        with pytest.raises(PluginLoadError):
            value_of(folder)
        (folder / "plugin/extra.py").write_text("VALUE = 1")
        assert value_of(folder) == 1
        (folder / "plugin/act.py").write_text(act)
        (folder / "plugin/extra.py").unlink()
        assert value_of(folder) == 0

    def test_code_that_was_broken(self, make_plugin: MakePlugin) -> None:
        folder = make_plugin("a", {"plugin/act.py": "import plugin.helper\nVALUE = 1", "plugin/helper.py": "1 / 0"})
        for _ in range(2):
            with pytest.raises(PluginLoadError, match="ZeroDivisionError"):
                value_of(folder)
        (folder / "plugin/helper.py").write_text("1 / 1")
        assert value_of(folder) == 1

    def test_a_stale_bytecode_file_is_not_trusted(self, make_plugin: MakePlugin) -> None:
        import py_compile

        folder = make_plugin("a", {"plugin/act.py": "VALUE = 1\n"})
        path = folder / "plugin" / "act.py"
        when = path.stat().st_mtime
        assert py_compile.compile(str(path))
        path.write_text("VALUE = 2\n")
        os.utime(path, (when, when))
        assert value_of(folder) == 2

    def test_no_bytecode_is_written(self, make_plugin: MakePlugin) -> None:
        folder = make_plugin(
            "a", {"plugin/act.py": "from plugin.helper import VALUE\n", "plugin/helper.py": "VALUE = 1"}
        )
        value_of(folder)
        assert not list(folder.rglob("__pycache__"))


BROKEN = [
    pytest.param(
        {"plugin/act.py": "x = 1\ny = undefined\n"}, "plugin/act.py", 2, "NameError: name 'undefined'", id="name"
    ),
    pytest.param(
        {"plugin/act.py": "x = 1\n\ndef f(:\n"}, "plugin/act.py", 3, "SyntaxError: invalid syntax", id="syntax"
    ),
    pytest.param(
        {"plugin/act.py": "\nimport not_there\n"}, "plugin/act.py", 2, "No module named 'not_there'", id="missing"
    ),
    pytest.param(
        {"plugin/act.py": "import plugin.helper\n", "plugin/helper.py": "\n\nint('x')\n"},
        "plugin/helper.py",
        3,
        "ValueError: invalid literal",
        id="in a helper",
    ),
    pytest.param(
        {"plugin/act.py": "\nimport json\njson.loads('{')\n"}, "plugin/act.py", 3, "JSONDecodeError", id="in a library"
    ),
    pytest.param({"plugin/act.py": "import sys\nsys.exit(0)\n"}, "plugin/act.py", 2, "SystemExit: 0", id="exit"),
    pytest.param(
        {"plugin/act.py": "from json import lods\n"}, "plugin/act.py", 1, "cannot import name 'lods'", id="from"
    ),
    pytest.param(
        {"plugin/act.py": "class E(Exception):\n    def __str__(self):\n        1 / 0\nraise E\n"},
        "plugin/act.py",
        4,
        "E: ",
        id="an error that cannot be shown",
    ),
]


@pytest.mark.parametrize(("files", "file", "line", "cause"), BROKEN)
def test_a_broken_import_is_reported_as_what_it_is(
    make_plugin: MakePlugin, files: dict[str, str], file: str, line: int, cause: str
) -> None:
    folder = make_plugin("a", files)
    with pytest.raises(PluginLoadError) as caught:
        value_of(folder)
    details = caught.value.details
    assert (details["file"], details["line"]) == (str(folder / file), line)
    assert cause in details["cause"]
    assert f"a/{file}:{line}" in caught.value.message
    assert cause in caught.value.message
    assert "\n" not in caught.value.message
    assert Path(file).name in details["traceback"]
    assert "synapse_spec" not in details["traceback"]


def test_a_missing_library_is_named_for_whoever_installs_it(make_plugin: MakePlugin) -> None:
    with pytest.raises(PluginLoadError) as caught:
        value_of(make_plugin("a", {"plugin/act.py": "import not_there.sub\n"}))
    assert caught.value.details["missing"] == "not_there"


def test_ctrl_c_during_an_import_passes(make_plugin: MakePlugin) -> None:
    with pytest.raises(KeyboardInterrupt):
        value_of(make_plugin("a", {"plugin/act.py": "raise KeyboardInterrupt\n"}))


@pytest.mark.parametrize(
    ("entrypoint", "said"),
    [
        ("plugin.act:Trian", "plugin/act.py has no 'Trian'; did you mean 'Train'?"),
        ("plugin.act.Trian", "did you mean 'Train'?"),
        ("plugin.act:Other", "has no 'Other'"),
        ("plugin.act:Train.Inner.Deeper", "has no 'Deeper'"),
        ("plugin.none:Train", "No module named 'plugin.none'"),
        ("nothing:Train", "No module named 'nothing'"),
        ("", "is not of the form"),
        ("Train", "is not of the form"),
        ("plugin.act:", "is not of the form"),
        (":Train", "is not of the form"),
        (".venv.lib.plugin.train.TrainAction", "is not of the form"),
        ("plugin/act.py:Train", "is not of the form"),
        ("plugin..act:Train", "is not of the form"),
        ("plugin.act:Train()", "did you mean 'Train'?"),
    ],
)
def test_an_entrypoint_that_leads_nowhere(make_plugin: MakePlugin, entrypoint: str, said: str) -> None:
    folder = make_plugin("a", {"plugin/act.py": "class Train:\n    class Inner: pass\n"})
    with pytest.raises(PluginLoadError) as caught:
        value_of(folder, entrypoint)
    assert said in caught.value.message


@pytest.mark.parametrize(
    "entrypoint", ["plugin.act:Train", "plugin.act.Train", "plugin.act:Train.Inner", "plugin:NAME"]
)
def test_an_entrypoint_by_dot_or_colon(make_plugin: MakePlugin, entrypoint: str) -> None:
    files = {"plugin/act.py": "class Train:\n    class Inner: pass\n", "plugin/__init__.py": "NAME = 'Train'"}
    assert value_of(make_plugin("a", files), entrypoint) is not None


class TestSourceOf:
    """An action knows its plugin, so that an executor can be given the action alone."""

    def test_of_a_class_and_a_function(self, make_plugin: MakePlugin) -> None:
        code = """
            class Act(BaseAction):
                def execute(self): ...
            class Below(Act): ...
            @action()
            def run(params, ctx): ...
            """
        folder = make_plugin("a", code)
        for name in ("Act", "Below", "run"):
            assert source_of(value_of(folder, f"plugin.act:{name}")) == PluginSource.from_path(folder)

    def test_of_one_whose_code_is_a_librarys(self, make_plugin: MakePlugin, tmp_path: Path) -> None:
        code = PRELUDE + dedent("""
            import functools
            class Base(BaseAction):
                def execute(self): ...
            def twice(function):
                @functools.wraps(function)
                def wrapper(params, ctx):
                    return [function(params, ctx), function(params, ctx)]
                return wrapper
            """)
        (tmp_path / "shared_lib.py").write_text(code)
        code = """
            from shared_lib import Base, twice
            class Act(Base): ...
            @action()
            @twice
            def run(params, ctx): ...
            """
        folder = make_plugin("a", code)
        sys.path.append(str(tmp_path))
        try:
            for name in ("Act", "run"):
                assert source_of(value_of(folder, f"plugin.act:{name}")) == PluginSource.from_path(folder)
            assert source_of(value_of(folder, "shared_lib:Base")) is None
            with active(PluginSource.from_path(make_plugin("b", code))):
                act = value_of(tmp_path / "b", "plugin.act:Act")
            assert source_of(act) == PluginSource.from_path(tmp_path / "b")
        finally:
            sys.path.remove(str(tmp_path))
            del sys.modules["shared_lib"]

    def test_of_an_ordinary_import(self) -> None:
        assert source_of(TestSourceOf) is None
        assert source_of(value_of) is None


def test_a_module_plugin_is_imported_as_usual(make_plugin: MakePlugin, tmp_path: Path) -> None:
    make_plugin(
        "libs",
        {
            "own_actions/__init__.py": "",
            "own_actions/train.py": "def run():\n    import own_actions.late as m\n    return m.X",
            "own_actions/late.py": "X = 1",
        },
    )
    source = PluginSource.from_module("own_actions.train", (tmp_path / "libs",))
    try:
        run = load_object(source, "own_actions.train:run")
        with active(source):
            assert run() == 1
        assert sys.modules["own_actions.train"].run is run
    finally:
        for name in [name for name in sys.modules if name.startswith("own_actions")]:
            del sys.modules[name]


def test_plugins_of_several_threads_take_turns(make_plugin: MakePlugin) -> None:
    act = """
        import time
        from plugin import name
        def run():
            time.sleep(0.01)
            from plugin import late
            return name.X, late.X
        """
    folders = {
        name: make_plugin(
            name, {"plugin/act.py": act, "plugin/name.py": f"X = '{name}'", "plugin/late.py": f"X = '{name}'"}
        )
        for name in "abcd"
    }
    found: dict[str, Any] = {}
    threads = [threading.Thread(target=lambda n=name: found.update({n: called(folders[n])})) for name in folders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {name: (name, name) for name in "abcd"}


def test_a_plugin_inside_another(make_plugin: MakePlugin) -> None:
    files = {"plugin/act.py": "VALUE = 'outer'", "sub/plugin/act.py": "VALUE = 'inner'"}
    outer = make_plugin("a", files)
    with active(PluginSource.from_path(outer)):
        assert value_of(outer) == "outer"
        assert value_of(outer / "sub") == "inner"
        assert value_of(outer) == "outer"


def test_a_plugin_is_found_by_a_link_too(make_plugin: MakePlugin, tmp_path: Path) -> None:
    folder = make_plugin("a", {"plugin/act.py": "VALUE = []"})
    (tmp_path / "link").symlink_to(folder)
    assert value_of(tmp_path / "link") is value_of(folder)


def test_pickling_works_while_the_plugin_is_active(make_plugin: MakePlugin) -> None:
    act = "import pickle\nclass Point: x = 1\ndef run():\n    return pickle.loads(pickle.dumps(Point())).x\n"
    assert called(make_plugin("a", {"plugin/act.py": act})) == 1


@pytest.mark.parametrize(
    ("path", "own"),
    [
        ("/p/plugin/a.py", True),
        ("/p/a.py", True),
        ("/p2/a.py", False),
        ("/q/a.py", False),
        ("/p/.venv/lib/a.py", False),
        ("/p/venv/lib/python3.12/site-packages/a.py", False),
        ("<string>", False),
    ],
)
def test_belongs(path: str, own: bool) -> None:
    assert belongs(path, Path("/p")) is own


def test_load_module_gives_the_module(make_plugin: MakePlugin) -> None:
    folder = make_plugin("a", {"plugin/act.py": "VALUE = 1"})
    assert load_module(PluginSource.from_path(folder), "plugin.act").VALUE == 1
