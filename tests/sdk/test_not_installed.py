"""Without synapse-sdk installed: one clear word for plugins that need it, and nothing missing for those that do not."""

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from tests.conftest import MakePlugin
from tests.sdk.cases import PLUGINS

BLOCK = """
    import sys

    class Blocker:
        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] == "synapse_sdk":
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    sys.meta_path.insert(0, Blocker())
"""


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Every process that has it starts as one in whose environment the SDK is not."""
    (tmp_path / "blocked").mkdir()
    (tmp_path / "blocked/sitecustomize.py").write_text(dedent(BLOCK))
    return os.environ | {"PYTHONPATH": str(tmp_path / "blocked")}


def command(environ: dict[str, str], folder: Path, *words: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "synapse_spec", *words],
        cwd=folder,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def test_run_says_what_to_install(environ: dict[str, str], tmp_path: Path) -> None:
    code, said = command(environ, tmp_path, "run", str(PLUGINS / "classic"), "report")
    assert code == 3
    assert said == (
        "error: the plugin needs synapse-sdk, which is not installed: pip install synapse-sdk "
        "(it is imported at classic/plugin/report.py:7)\n"
    )


@pytest.mark.parametrize("verb", ["validate", "plan", "apply"])
def test_specs_get_one_diagnostic(verb: str, environ: dict[str, str], tmp_path: Path) -> None:
    spec = "apiVersion: synapse.dev/v1\nkind: Run\nmetadata: {name: r}\nspec:\n"
    (tmp_path / "r.yaml").write_text(f"{spec}  plugin: {{path: {PLUGINS / 'train'}}}\n  action: train\n")
    code, said = command(environ, tmp_path, verb, "r.yaml")
    assert code == 3
    assert said.startswith("r.yaml:6:11: error[SS207]: the plugin needs synapse-sdk, which is not installed")
    assert said.count("SS2") == 1


def test_others_run(environ: dict[str, str], tmp_path: Path, make_plugin: MakePlugin) -> None:
    code = """
        @action()
        def run(params, ctx):
            return 1
    """
    assert command(environ, tmp_path, "run", str(make_plugin("p", code)), "run") == (0, "1\n")


def test_nothing_of_it_is_imported_for_others(tmp_path: Path, make_plugin: MakePlugin) -> None:
    code = """
        @action()
        def run(params, ctx):
            import sys
            return sorted(name for name in sys.modules if name.startswith("synapse_sdk"))
    """
    folder = make_plugin("p", code)
    assert command(dict(os.environ), tmp_path, "run", str(folder), "run") == (0, "[]\n")


def test_a_plugin_loads_no_more_of_it_than_it_asks_for(tmp_path: Path, make_plugin: MakePlugin) -> None:
    names = ("synapse_sdk.plugins.action", "synapse_sdk.plugins.runner")
    body = f"import sys; return [name in sys.modules for name in {names}]"
    code = (
        "from synapse_sdk.plugins import BaseAction\n\nclass Act(BaseAction):\n    def execute(self):\n        " + body
    )
    folder = make_plugin("p", {"plugin/act.py": code}, actions={"run": "plugin.act:Act"})
    environ = dict(os.environ)
    assert command(environ, tmp_path, "run", str(folder), "run") == (0, "[\n  true,\n  false\n]\n")
    environ["SYNAPSE_SDK_EAGER"] = "1"
    assert command(environ, tmp_path, "run", str(folder), "run")[1].endswith("[\n  true,\n  true\n]\n")
