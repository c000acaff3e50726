"""PluginDiscovery: what a plugin offers, by its config or its code."""

import types
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from synapse_spec.plugins import yaml
from synapse_spec.plugins.action import BaseAction
from synapse_spec.plugins.config import PluginConfig
from synapse_spec.plugins.discovery import PluginDiscovery
from synapse_spec.plugins.enums import PluginCategory, RunMethod
from synapse_spec.plugins.errors import (
    ActionNotFoundError,
    PluginConfigError,
    PluginError,
    PluginLoadError,
    PluginNotFoundError,
)
from tests.conftest import PRELUDE, MakePlugin

TRAIN = PRELUDE + dedent("""
    class TrainParams(BaseModel):
        epochs: int = 1
    class TrainResult(BaseModel):
        accuracy: float
    class Train(BaseAction[TrainParams]):
        \"\"\"Trains a model.\"\"\"
        action_name = "train"
        result_model = TrainResult
        input_type = "dataset"
        output_type = "model"
        def execute(self): ...
    @action("clean", description="Cleans.", params=TrainParams)
    def clean_up(params, ctx): ...
    """)
CONFIG = """
name: Demo
code: demo
env: {A: 1}
actions:
  train:
    entrypoint: plugin.train.Train
    method: job
    input_type: images
  clean: plugin.train:clean_up
  again: plugin.train:Train
  dead: .venv.lib.python3.plugin.train.TrainAction
  gone: plugin.gone:Gone
"""


@pytest.fixture
def demo(make_plugin: MakePlugin) -> PluginDiscovery:
    return PluginDiscovery.from_path(make_plugin("demo", {"plugin/train.py": TRAIN}, config=CONFIG))


class TestWithAConfig:
    def test_the_folder_or_its_config_file(self, demo: PluginDiscovery) -> None:
        assert demo.source is not None
        same = PluginDiscovery.from_path(demo.source.config_path)
        assert same.config == demo.config
        assert same.list_actions() == ["train", "clean", "again", "dead", "gone"]
        assert same.config.env == {"A": "1"}

    def test_nothing_is_imported_until_it_is_asked_for(self, make_plugin: MakePlugin) -> None:
        demo = PluginDiscovery.from_path(make_plugin("demo", {"plugin/train.py": "1 / 0"}, config=CONFIG))
        assert demo.has_action("train")
        assert not demo.has_action("test")
        assert demo.get_action_method("train") is RunMethod.JOB
        assert demo.get_action_method("clean") is RunMethod.TASK
        with pytest.raises(PluginLoadError, match="ZeroDivisionError"):
            demo.get_action_params_model("train")

    @pytest.mark.parametrize(
        ("name", "entrypoint"),
        [
            ("train", "plugin.train:Train"),
            ("clean", "plugin.train:clean_up"),
            ("dead", ".venv.lib.python3.plugin.train:TrainAction"),
        ],
    )
    def test_entrypoints_in_one_form(self, demo: PluginDiscovery, name: str, entrypoint: str) -> None:
        assert demo.get_action_entrypoint(name) == entrypoint

    def test_actions_beside_dead_ones_work(self, demo: PluginDiscovery) -> None:
        assert demo.get_action_class("train") is demo.get_action_class("again")
        assert demo.get_action_class("train").__name__ == "Train"
        assert demo.get_action_class("clean").__name__ == "clean_up"
        for name in ("dead", "gone"):
            with pytest.raises(PluginLoadError, match=name if name == "gone" else "TrainAction"):
                demo.get_action_class(name)

    def test_two_actions_on_one_class_keep_their_names(self, demo: PluginDiscovery) -> None:
        assert [demo.get_action_config(name).name for name in ("train", "again")] == ["train", "again"]

    def test_models_and_types(self, demo: PluginDiscovery) -> None:
        params, result = demo.get_action_params_model("train"), demo.get_action_result_model("train")
        assert params is not None
        assert result is not None
        assert (params.__name__, result.__name__) == ("TrainParams", "TrainResult")
        assert demo.get_action_result_model("clean") is None
        assert (demo.get_action_input_type("train"), demo.get_action_output_type("train")) == ("dataset", "model")
        assert (demo.get_action_input_type("clean"), demo.get_action_output_type("clean")) == (None, None)

    def test_an_action_that_is_not_there(self, demo: PluginDiscovery) -> None:
        for look in (demo.get_action_class, demo.get_action_config, demo.get_action_method, demo.get_action_entrypoint):
            with pytest.raises(
                ActionNotFoundError, match="'demo' has no action 'trian'; it has train, clean,"
            ) as caught:
                look("trian")
            assert caught.value.details == ["train", "clean", "again", "dead", "gone"]

    def test_models_with_annotations_as_text_give_a_schema(self, make_plugin: MakePlugin) -> None:
        code = """
            class P(BaseModel):
                child: "Child"
            @action(params=P)
            def run(params, ctx): ...
            class Child(BaseModel):
                n: int
            """
        model = PluginDiscovery.from_path(make_plugin("demo", code)).get_action_params_model("run")
        assert model is not None
        assert model.model_json_schema()["$defs"]["Child"]["properties"]["n"]["type"] == "integer"

    def test_annotations_that_lead_nowhere_are_reported(self, make_plugin: MakePlugin) -> None:
        code = """
            class P(BaseModel):
                child: "Nobody"
            @action(params=P)
            def run(params, ctx): ...
            """
        with pytest.raises(PluginLoadError, match=r"P of 'plugin\.act:run' cannot be used: .*'Nobody'"):
            PluginDiscovery.from_path(make_plugin("demo", code)).get_action_params_model("run")

    def test_an_action_without_an_entrypoint(self, make_plugin: MakePlugin) -> None:
        config = "name: d\ncode: d\nactions:\n  train: {description: soon}\n"
        demo = PluginDiscovery.from_path(make_plugin("demo", {"plugin/train.py": TRAIN}, config=config))
        with pytest.raises(PluginLoadError, match="'train' has no entrypoint"):
            demo.get_action_class("train")


class TestToConfig:
    def test_as_data_with_what_the_code_says(self, make_plugin: MakePlugin) -> None:
        config = """
            name: Demo
            code: demo
            colour: red
            actions:
              train: {entrypoint: plugin.train.Train, method: job, ui: 1}
            """
        demo = PluginDiscovery.from_path(make_plugin("demo", {"plugin/train.py": TRAIN}, config=config))
        data = demo.to_config_dict()
        schema = data["actions"]["train"].pop("params_schema")
        assert schema["properties"]["epochs"]["type"] == "integer"
        assert data == {
            "name": "Demo",
            "code": "demo",
            "version": "0.1.0",
            "colour": "red",
            "actions": {
                "train": {
                    "entrypoint": "plugin.train:Train",
                    "method": "job",
                    "input_type": "dataset",
                    "output_type": "model",
                    "ui": 1,
                }
            },
        }

    def test_as_yaml_that_is_a_config_again(self, make_plugin: MakePlugin) -> None:
        folder = make_plugin("demo", {"plugin/train.py": TRAIN})
        demo = PluginDiscovery.from_path(folder)
        assert yaml.parse(demo.to_yaml().encode()) == [demo.to_config_dict()]
        (folder / "config.yaml").write_text(demo.to_yaml())
        assert PluginDiscovery.from_path(folder).list_actions() == demo.list_actions()

    def test_a_broken_action_is_not_left_out_silently(self, demo: PluginDiscovery) -> None:
        with pytest.raises(PluginLoadError):
            demo.to_config_dict()


class TestByCode:
    @pytest.mark.parametrize("config", [None, "name: Demo\ncode: demo\n", "name: Demo\ncode: demo\nactions:\n"])
    def test_a_folder_whose_config_names_no_actions(self, make_plugin: MakePlugin, config: str | None) -> None:
        demo = PluginDiscovery.from_path(make_plugin("demo", {"plugin/train.py": TRAIN}, config=config))
        assert demo.list_actions() == ["train", "clean"]
        assert demo.get_action_entrypoint("train") == "plugin.train:Train"
        assert demo.get_action_config("train").description == "Trains a model."
        assert demo.get_action_config("clean").description == "Cleans."
        assert demo.get_action_class("clean").__name__ == "clean_up"
        assert demo.config.code == "demo"

    def test_discover_actions(self, make_plugin: MakePlugin) -> None:
        found = PluginDiscovery.discover_actions(make_plugin("demo", {"plugin/train.py": TRAIN}))
        model = found["train"].pop("params_model")
        assert model.__name__ == "TrainParams"
        assert found["train"] == {
            "entrypoint": "plugin.train:Train",
            "description": "Trains a model.",
            "input_type": "dataset",
            "output_type": "model",
        }

    @pytest.mark.parametrize(
        ("files", "names"),
        [
            pytest.param(
                {"a.py": "from synapse_spec import action\n@action()\ndef one(p, c): ...\n"}, ["one"], id="top"
            ),
            pytest.param(
                {"a.py": "from synapse_spec.plugins import decorators as d\n@d.action()\ndef one(p, c): ...\n"},
                ["one"],
                id="by module",
            ),
            pytest.param(
                {
                    "a.py": """
                        import synapse_spec.plugins.action
                        class A(synapse_spec.plugins.action.BaseAction):
                            def execute(self): ...
                        """
                },
                ["A"],
                id="by dotted name",
            ),
            pytest.param(
                {
                    "plugin/base.py": PRELUDE + "class Base(BaseAction): ...\n",
                    "plugin/a.py": "from plugin.base import Base\nclass A(Base):\n    def execute(self): ...\n",
                    "plugin/b.py": "from .a import A\nclass B(A): ...\n",
                    "plugin/c.py": "from .a import A\nprint(A)\n",
                },
                ["A", "B"],
                id="by a base class of the plugin",
            ),
            pytest.param(
                {
                    "plugin/__init__.py": "from plugin.base import Base\n",
                    "plugin/base.py": PRELUDE + "class Base(BaseAction): ...\n",
                    "plugin/a.py": "from plugin import Base\nclass A(Base):\n    def execute(self): ...\n",
                },
                ["A"],
                id="by a base class that the package re-exports",
            ),
            pytest.param(
                {
                    "a.py": PRELUDE
                    + "class A(BaseAction):\n    action_name = 'one'\n    def execute(self): ...\nclass B(A): ...\n",
                },
                ["one", "B"],
                id="an inherited name",
            ),
            pytest.param(
                {
                    "a.py": PRELUDE
                    + "def make():\n    @action('made')\n    def inner(p, c): ...\n    return inner\nouter = make()\n"
                },
                ["made"],
                id="made by a function",
            ),
            pytest.param(
                {"a.py": PRELUDE + "class _Hidden(BaseAction):\n    def execute(self): ...\n", "b.py": "x = 1\n"},
                [],
                id="hidden",
            ),
        ],
    )
    def test_what_is_found(self, make_plugin: MakePlugin, files: dict[str, str], names: list[str]) -> None:
        folder = make_plugin("demo", files, config="name: d\ncode: d\n")
        demo = PluginDiscovery.from_path(folder)
        assert demo.list_actions() == names
        for name in names:
            assert callable(demo.get_action_class(name))

    def test_only_files_that_define_actions_are_imported(self, make_plugin: MakePlugin, tmp_path: Path) -> None:
        trap = f"from pathlib import Path\nPath({str(tmp_path / 'sprung')!r}).touch()\n"
        looks_so = PRELUDE + trap + "class A(BaseAction):\n    def execute(self): ...\n"
        files = {
            "plugin/train.py": TRAIN,
            "cleanup.py": trap + "class Action(object): ...\n",
            "uses.py": trap + "from plugin.train import Train\n",
            "imports.py": PRELUDE + trap,
            "other_lib.py": trap + "from other.plugins import BaseAction\nclass A(BaseAction): ...\n",
            "setup.py": trap,
            ".venv/lib/act.py": looks_so,
            "venv/lib/python3.12/site-packages/act.py": looks_so,
            "tests/test_train.py": looks_so,
            "test_train.py": looks_so,
            "node_modules/x/act.py": looks_so,
            "__pycache__/act.py": looks_so,
            "python2.py": "print 'no'\n",
            "not-a-name.py": looks_so,
        }
        assert list(PluginDiscovery.discover_actions(make_plugin("demo", files))) == ["train", "clean"]
        assert not (tmp_path / "sprung").exists()

    def test_a_file_that_does_not_import_is_reported(self, make_plugin: MakePlugin) -> None:
        folder = make_plugin("demo", {"plugin/train.py": TRAIN, "plugin/other.py": TRAIN + "1 / 0\n"})
        with pytest.raises(PluginLoadError, match=r"demo/plugin/other\.py:\d+: ZeroDivisionError"):
            PluginDiscovery.from_path(folder)

    def test_so_is_one_that_is_no_python_but_meant_to_hold_actions(self, make_plugin: MakePlugin) -> None:
        folder = make_plugin("demo", {"plugin/train.py": TRAIN + "def f(:\n"})
        with pytest.raises(PluginLoadError, match=r"demo/plugin/train\.py:\d+: SyntaxError"):
            PluginDiscovery.from_path(folder)

    def test_two_actions_of_one_name_are_both_named(self, make_plugin: MakePlugin) -> None:
        folder = make_plugin("demo", {"plugin/a.py": TRAIN, "plugin/b.py": TRAIN})
        with pytest.raises(PluginConfigError, match=r"'train'.*plugin\.a:Train.*plugin\.b:Train"):
            PluginDiscovery.from_path(folder)

    def test_a_folder_with_nothing(self, make_plugin: MakePlugin) -> None:
        with pytest.raises(PluginNotFoundError, match=r"neither config\.yaml nor an action"):
            PluginDiscovery.from_path(make_plugin("demo", {"a.py": "x = 1"}))


class TestFromModule:
    def test_by_name(self, make_plugin: MakePlugin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        make_plugin("libs", {"mod_by_name.py": TRAIN + "from synapse_spec.plugins.action import BaseAction as _B\n"})
        monkeypatch.syspath_prepend(tmp_path / "libs")
        try:
            found = PluginDiscovery.from_module("mod_by_name", name="Nice", category=PluginCategory.EXPORT)
            assert found.list_actions() == ["train", "clean"]
            assert (found.config.name, found.config.category) == ("Nice", PluginCategory.EXPORT)
            assert found.get_action_entrypoint("train") == "mod_by_name:Train"
            assert found.get_action_class("train").__name__ == "Train"
        finally:
            _forget("mod_by_name")

    def test_a_base_class_imported_into_the_module_hides_nothing(
        self, make_plugin: MakePlugin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        base = PRELUDE + "class Base(BaseAction): ...\n"
        own = "from mod_base import Base\nfrom synapse_spec.plugins.action import BaseAction\n"
        own += "class A(Base):\n    def execute(self): ...\n"
        make_plugin("libs", {"mod_base.py": base, "mod_own.py": own})
        monkeypatch.syspath_prepend(tmp_path / "libs")
        try:
            assert PluginDiscovery.from_module("mod_own").list_actions() == ["A"]
        finally:
            _forget("mod_base", "mod_own")

    @pytest.mark.parametrize("name", ["json", "made_up_just_now"])
    def test_a_module_object_is_the_plugin_itself(self, name: str) -> None:
        """Also where another module can be imported by its name, or none."""
        module = types.ModuleType(name)

        class Act(BaseAction):  # type: ignore[type-arg]
            def execute(self) -> Any: ...

        vars(module)["Act"] = Act
        assert PluginDiscovery.from_module(module).get_action_class("Act") is Act

    def test_one_that_is_not_there(self) -> None:
        with pytest.raises(PluginNotFoundError, match="no module named 'not_there'"):
            PluginDiscovery.from_module("not_there")

    def test_one_that_does_not_import(
        self, make_plugin: MakePlugin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_plugin("libs", {"mod_broken.py": "x = 1\n1 / 0\n"})
        monkeypatch.syspath_prepend(tmp_path / "libs")
        with pytest.raises(PluginLoadError, match=r"mod_broken\.py:2: ZeroDivisionError"):
            PluginDiscovery.from_module("mod_broken")

    def test_one_whose_name_is_no_config_code(self) -> None:
        assert PluginDiscovery.from_module(types.ModuleType("a.b")).config.code == "a-b"


def _forget(*names: str) -> None:
    import sys

    for name in names:
        sys.modules.pop(name, None)


def test_a_discovery_of_a_config_alone() -> None:
    made = PluginDiscovery(PluginConfig.model_validate({"name": "n", "code": "c", "actions": {"a": "json:loads"}}))
    assert made.list_actions() == ["a"]
    with pytest.raises(PluginError, match="neither a BaseAction subclass"):
        made.get_action_class("a")
