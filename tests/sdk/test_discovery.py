"""What discovery says of plugins of the SDK, beside what the SDK's own says of their configs."""

from pathlib import Path

import pytest

from synapse_spec.plugins.discovery import PluginDiscovery
from tests.sdk.cases import PLUGINS

KINDS = sorted(path.parent for path in PLUGINS.glob("*/config.yaml"))


@pytest.mark.parametrize("folder", KINDS, ids=lambda folder: folder.name)
def test_configs_are_read_alike(folder: Path) -> None:
    from synapse_sdk.plugins.discovery import PluginDiscovery as Theirs

    ours, theirs = PluginDiscovery.from_path(folder), Theirs.from_path(folder)
    assert set(theirs.list_actions()) <= set(ours.list_actions()), "short forms vanish there"
    for name in theirs.list_actions():
        assert ours.get_action_method(name) == theirs.get_action_method(name).value
        assert ours.get_action_entrypoint(name).replace(":", ".") == theirs.get_action_entrypoint(name)
    for field in ("name", "code", "version", "wheels_dir", "package_manager_options", "runtime_env", "tags"):
        assert getattr(ours.config, field) == getattr(theirs.config, field)
    assert ours.config.category == theirs.config.category.value


def test_types_and_models_come_from_the_code() -> None:
    train = PluginDiscovery.from_path(PLUGINS / "train")
    assert (train.get_action_input_type("train"), train.get_action_output_type("train")) == (
        "yolo_dataset",
        "model_weights",
    )
    assert train.get_action_params_model("train").__name__ == "TrainParams"  # type: ignore[union-attr]
    assert train.get_action_result_model("train") is None
    assert train.get_action_result_model("quick").__name__ == "TrainResult"  # type: ignore[union-attr]


def test_only_the_action_that_is_used_must_resolve() -> None:
    legacy = PluginDiscovery.from_path(PLUGINS / "legacy")
    assert legacy.list_actions() == ["dead", "short", "colon", "dotted"]
    assert legacy.get_action_params_model("colon") is legacy.get_action_params_model("short")


def test_a_plugin_without_a_config_is_found_by_its_code(tmp_path: Path) -> None:
    for kind in ("train", "functions", "upload"):
        folder = tmp_path / kind
        (folder / "plugin").mkdir(parents=True)
        for path in (PLUGINS / kind / "plugin").glob("*.py"):
            (folder / "plugin" / path.name).write_bytes(path.read_bytes())
    found = {
        kind: PluginDiscovery.from_path(tmp_path / kind).list_actions() for kind in ("train", "functions", "upload")
    }
    assert found == {"train": ["Train", "Quick"], "functions": ["greet", "plain"], "upload": ["Upload", "Default"]}
