"""What callers of the SDK's `run_plugin` give to ours."""

from synapse_spec.plugins.runner import run_plugin
from tests.sdk.cases import PLUGINS


def test_an_environment_of_the_sdk() -> None:
    from synapse_sdk.plugins.context import PluginEnvironment

    env = PluginEnvironment({"GIVEN": 7, "FLAG": True})
    assert run_plugin(PLUGINS / "classic", "report", {}, env=env)["given"] == [7, True, ["7"]]


def test_the_language_is_in_the_context() -> None:
    assert run_plugin(PLUGINS / "classic", "report", {}, language="ko")["language"] == "ko"
    assert run_plugin(PLUGINS / "classic", "report", {})["language"] is None
