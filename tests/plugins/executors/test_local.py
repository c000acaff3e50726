"""LocalExecutor: actions in this process."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from synapse_spec.plugins.action import BaseAction
from synapse_spec.plugins.context import PluginEnvironment, RuntimeContext
from synapse_spec.plugins.decorators import action
from synapse_spec.plugins.discovery import PluginDiscovery
from synapse_spec.plugins.errors import ExecutionError, ValidationError
from synapse_spec.plugins.executors import ExecutorProtocol
from synapse_spec.plugins.executors.local import LocalExecutor, env_overlay
from tests.conftest import MakePlugin


class Params(BaseModel):
    n: int


class Double(BaseAction[Params]):
    def execute(self) -> dict[str, Any]:
        self.set_progress(1, 1)
        return {"n": 2 * self.params.n, "job": self.ctx.job_id, "env": self.ctx.env.get("ONLY_HERE")}


@action(params=Params)
def halve(params: Params, ctx: RuntimeContext) -> float:
    return params.n / 2


def test_it_is_an_executor() -> None:
    assert isinstance(LocalExecutor(), ExecutorProtocol)


def test_class_and_function_actions() -> None:
    executor = LocalExecutor()
    assert executor.execute(Double, {"n": 2}) == {"n": 4, "job": None, "env": None}
    assert executor.execute(halve, {"n": 3}) == 1.5


@pytest.mark.parametrize("env", [{"ONLY_HERE": 1}, {"ONLY_HERE": "1"}, PluginEnvironment({"ONLY_HERE": 1})])
def test_environment_and_job_id(env: Any) -> None:
    assert LocalExecutor(env, "j-1").execute(Double, {"n": 1}) == {"n": 2, "job": "j-1", "env": "1"}


def test_the_working_directory(tmp_path: Path) -> None:
    @action()
    def where(params: Any, ctx: Any) -> Path:
        return Path.cwd()

    assert LocalExecutor(working_dir=tmp_path).execute(where, {}) == str(tmp_path)
    assert LocalExecutor().execute(where, {}) == str(Path.cwd())
    with pytest.raises(ExecutionError, match="none"):
        LocalExecutor(working_dir=tmp_path / "none").execute(where, {})


def test_params_that_do_not_fit() -> None:
    with pytest.raises(ValidationError, match=r"params\.n: Field required") as caught:
        LocalExecutor().execute(Double, {})
    assert [problem["loc"] for problem in caught.value.details] == [["n"]]


def test_events_are_shown_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    LocalExecutor().execute(Double, {"n": 1})
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "progress 1/1 (100%)\n")


def test_actions_of_same_named_plugins(make_plugin: MakePlugin) -> None:
    executor = LocalExecutor()
    actions = []
    for name in ("a", "b"):
        text = """
            from synapse_spec import action
            @action()
            def run(params, ctx):
                import plugin.late
                return plugin.late.X
            """
        folder = make_plugin(
            name, {"plugin/act.py": text, "plugin/late.py": f"X = '{name}'"}, actions={"run": "plugin.act:run"}
        )
        actions.append(PluginDiscovery.from_path(folder).get_action_class("run"))
    assert [executor.execute(act, {}) for act in actions * 2] == ["a", "b", "a", "b"]


def test_env_overlay_is_text() -> None:
    assert env_overlay(None) == {}
    assert env_overlay({"A": 1, "B": True, "C": None}) == {"A": "1", "B": "true", "C": ""}
