"""What goes wrong when the SDK runs a plugin, and does not here. What needs Ray is in test_ray.py."""

import os
import pickle
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from click.testing import CliRunner

from synapse_spec.cli.main import program
from synapse_spec.plugins import errors
from synapse_spec.plugins.discovery import PluginDiscovery
from synapse_spec.plugins.errors import (
    ExecutionError,
    PluginConfigError,
    PluginLoadError,
    PluginNotFoundError,
    ValidationError,
)
from synapse_spec.plugins.executors.ray.package import packed_code
from synapse_spec.plugins.runner import run_plugin
from synapse_spec.plugins.source import PluginSource
from tests.conftest import MakePlugin
from tests.sdk.conftest import SDK_PRELUDE

CONFIG = "name: P\ncode: p\nactions:\n  run: plugin.act.Act\n"

ACT = """
class Params(BaseModel):
    value: int = 1

class Act(BaseAction[Params]):
"""


def act(body: str, more: str = "") -> dict[str, str]:
    """The files of a plugin with a class action `plugin.act.Act`."""
    return {"plugin/act.py": SDK_PRELUDE + dedent(more) + ACT + "    def execute(self):\n        " + body + "\n"}


def test_01_a_path_is_enough(make_plugin: MakePlugin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_plugin("p", act("from plugin.more import X; return X"), config=CONFIG)
    (folder / "plugin/more.py").write_text("X = 7\n")
    monkeypatch.chdir(tmp_path)
    assert run_plugin(str(folder), "run") == 7


def test_02_two_folders_with_a_package_of_one_name(make_plugin: MakePlugin) -> None:
    folders = [make_plugin(name, act(f"return {name!r}"), config=CONFIG) for name in ("a", "b")]
    assert [run_plugin(folder, "run") for folder in (*folders, *folders)] == ["a", "b", "a", "b"]


def test_03_a_broken_import_is_told(make_plugin: MakePlugin) -> None:
    folder = make_plugin("p", act("return 1", "import no_such_library"), config=CONFIG)
    with pytest.raises(PluginLoadError, match=r"plugin/act\.py:4: ModuleNotFoundError.*no_such_library"):
        PluginDiscovery.from_path(folder).get_action_params_model("run")


def test_04_env_of_the_config_and_of_the_process(make_plugin: MakePlugin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROCESS", "p")
    config = CONFIG + "env: {NUMBER: 3, SWITCH: true, PROCESS_TOO: c, GIVEN: c}\n"
    body = (
        "import os; names = ['PROCESS', 'NUMBER', 'SWITCH', 'GIVEN']; "
        "return [[self.ctx.env[n] for n in names], [os.environ[n] for n in names]]"
    )
    folder = make_plugin("p", act(body), config=config)
    seen = run_plugin(folder, "run", env={"GIVEN": "g"})
    assert seen == [["p", "3", "true", "g"]] * 2
    assert "NUMBER" not in os.environ


def test_05_function_actions_and_colons(make_plugin: MakePlugin) -> None:
    code = SDK_PRELUDE + "@action()\ndef run(params, context):\n    return [params, context.job_id]\n"
    folder = make_plugin("p", {"plugin/act.py": code}, actions={"run": "plugin.act:run"})
    assert run_plugin(folder, "run", {"a": 1}, job_id="mine") == [{"a": 1}, "mine"]


def test_06_what_is_misspelt_is_told(make_plugin: MakePlugin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = make_plugin("p", act("return self.params.value"), config=CONFIG)
    with pytest.raises(ValidationError, match="unknown param; did you mean 'value'"):
        run_plugin(folder, "run", {"valeu": 2})

    for text, said in (("", "is empty"), (CONFIG + "name: again\n", "name"), ("- a\n", "must be a mapping")):
        (folder / "config.yaml").write_text(text)
        with pytest.raises(PluginConfigError, match=said):
            PluginDiscovery.from_path(folder)

    (folder / "config.yaml").write_text("name: P\ncode: p\nverison: 1.0.0\nactions:\n  on: plugin.act.Act\n")
    assert run_plugin(folder, "on") == 1
    monkeypatch.chdir(tmp_path)
    spec = "apiVersion: synapse.dev/v1\nkind: Run\nmetadata: {name: r}\nspec: {plugin: {path: p}, action: 'on'}\n"
    Path("r.yaml").write_text(spec)
    assert "warning[SS206]" in CliRunner().invoke(program, ["validate", "r.yaml"]).output


def test_07_modes_options_and_paths(make_plugin: MakePlugin, tmp_path: Path) -> None:
    folder = make_plugin("p", act("import os; return os.getcwd()"), config=CONFIG)
    with pytest.raises(ValueError, match="'lokal' is none of local, task, job"):
        run_plugin(folder, "run", mode="lokal")
    assert run_plugin(folder, "run", working_dir=tmp_path) == str(tmp_path)
    with pytest.raises(PluginNotFoundError, match="no plugin folder at"):
        run_plugin(tmp_path / "nowhere", "run")


def test_08_an_imported_base_hides_nothing(
    make_plugin: MakePlugin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = "from synapse_sdk.plugins.actions.export import BaseExportAction\n"
    folder = make_plugin("lone", act("return 1", more))
    monkeypatch.syspath_prepend(str(folder))
    (folder / "plugin").rename(folder / "lone_plugin_8")
    assert PluginDiscovery.from_module("lone_plugin_8.act").list_actions() == ["Act"]
    for name in [name for name in sys.modules if name.startswith("lone_plugin_8")]:
        del sys.modules[name]


def test_09_what_does_not_fit_is_an_error_with_its_places(make_plugin: MakePlugin) -> None:
    result = "class Result(BaseModel):\n    value: int\n"
    files = act("return {'valeu': 1}", result)
    files["plugin/act.py"] += "    result_model = Result\n"
    folder = make_plugin("p", files, config=CONFIG)
    with pytest.raises(ValidationError) as caught:
        run_plugin(folder, "run", {"value": "x"})
    assert [item["loc"] for item in caught.value.details] == [["value"]]
    with pytest.raises(ValidationError, match=r"result\.value: Field required"):
        run_plugin(folder, "run")


def test_10_two_actions_on_one_class(make_plugin: MakePlugin) -> None:
    config = CONFIG + "  other: plugin.act.Act\n"
    folder = make_plugin("p", act("return self.action_name"), config=config)
    discovery = PluginDiscovery.from_path(folder)
    assert [run_plugin(folder, name) for name in ("run", "other", "run")] == ["run", "other", "run"]
    assert discovery.get_action_class("run").action_name is None  # type: ignore[union-attr]


def test_11_a_scan_runs_no_scripts(make_plugin: MakePlugin) -> None:
    files = act("return 1")
    files["delete_all.py"] = "class Cleaner(BaseJob):\n    pass\nraise SystemExit('a script has run')\n"
    files[".venv/lib/other.py"] = files["plugin/act.py"]
    files["steps.py"] = (
        "from synapse_sdk.plugins.actions.train import BaseTrainAction\n\n\nclass Train(BaseTrainAction):\n    pass\n"
    )
    discovery = PluginDiscovery.from_path(make_plugin("p", files))
    assert sorted(discovery.list_actions()) == ["Act", "Train"]


def test_12_an_empty_data_set_and_a_switch(make_plugin: MakePlugin) -> None:
    body = "self.set_progress(0, 0); self.set_progress(5, 3); return [self.ctx.env.get_bool(n) for n in 'AB']"
    folder = make_plugin("p", act(body), config=CONFIG)
    assert run_plugin(folder, "run", env={"A": "on", "B": "off"}) == [True, False]


def test_13_an_error_keeps_its_type_and_place(make_plugin: MakePlugin) -> None:
    folder = make_plugin("p", act("return {}['missing']"), config=CONFIG)
    with pytest.raises(ExecutionError, match="ActionFailed: KeyError: 'missing'") as caught:
        run_plugin(folder, "run")
    assert caught.value.details["type"] == "KeyError"
    assert "plugin/act.py" in caught.value.details["traceback"]


def test_15_results_are_the_same_json_everywhere(make_plugin: MakePlugin) -> None:
    body = "from pathlib import Path; return {1: Path('/x'), 2: float('nan')}[self.params.value]"
    folder = make_plugin("p", act(body), config=CONFIG)
    assert run_plugin(folder, "run") == "/x"
    with pytest.raises(ValidationError, match="result is nan, which has no JSON form"):
        run_plugin(folder, "run", {"value": 2})


def test_16_what_is_shipped_leaves_out_dot_env_and_not_what_git_ignores(make_plugin: MakePlugin) -> None:
    files = act("return 1") | {".env": "TOKEN=x\n", ".gitignore": "*.pt\n", "weights.pt": "w"}
    folder = make_plugin("p", files, config=CONFIG)
    names = {name.partition("/")[2] for name in packed_code(PluginSource.from_path(folder)) if "_plugin_files" in name}
    assert names == {"config.yaml", "plugin/act.py", "weights.pt"}
    run_plugin(folder, "run", {"value": 10**1000})
    assert not list(folder.glob(".synapse*"))


def test_18_leaving_is_no_success(make_plugin: MakePlugin) -> None:
    folder = make_plugin("p", act("import sys; sys.exit(0)"), config=CONFIG)
    with pytest.raises(ExecutionError, match=r"SystemExit: the action called sys\.exit\(0\)"):
        run_plugin(folder, "run")


def test_errors_are_the_sdks_too(make_plugin: MakePlugin, tmp_path: Path) -> None:
    from synapse_sdk.plugins import errors as theirs

    folder = make_plugin("p", act("raise ValueError('wrong')"), config=CONFIG)
    for kind, call in {
        "ExecutionError": lambda: run_plugin(folder, "run"),
        "ValidationError": lambda: run_plugin(folder, "run", {"value": "x"}),
        "ActionNotFoundError": lambda: run_plugin(folder, "none"),
        "PluginError": lambda: run_plugin(tmp_path / "nowhere", "run"),
    }.items():
        with pytest.raises(getattr(theirs, kind)) as caught:
            call()
        assert isinstance(caught.value, getattr(errors, kind))
        again = pickle.loads(pickle.dumps(caught.value))
        assert (type(again), again.message, again.details) == (
            type(caught.value),
            caught.value.message,
            caught.value.details,
        )


def test_params_are_not_changed_by_validators_of_the_sdk(make_plugin: MakePlugin) -> None:
    more = "from synapse_sdk.plugins.actions.train import BaseTrainParams\n"
    code = act("return self.params.rate", more)
    code["plugin/act.py"] = code["plugin/act.py"].replace(
        "class Params(BaseModel):", "class Params(BaseTrainParams):\n    rate: float"
    )
    folder = make_plugin("p", code, config=CONFIG)
    params = {"dataset": 1, "hyperparameters": [{"rate": 0.5}]}
    assert run_plugin(folder, "run", params) == 0.5
    assert params == {"dataset": 1, "hyperparameters": [{"rate": 0.5}]}


def test_language_of_messages(make_plugin: MakePlugin, capfd: pytest.CaptureFixture[str]) -> None:
    folder = make_plugin("p", act("self.ctx.log_message({'en': 'hello', 'ko': '안녕'})"), config=CONFIG)
    run_plugin(folder, "run", language="ko")
    assert "안녕" in capfd.readouterr().err
