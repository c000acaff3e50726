"""What Ray is asked to prepare."""

from pathlib import Path
from typing import Any

import pytest

from synapse_spec.plugins.executors.ray.runtime_env import merge, requirements_of


@pytest.mark.parametrize(
    ("plugin", "spec", "requirements", "merged"),
    [
        ({}, {}, [], {}),
        ({"pip": ["a"]}, {}, [], {"pip": ["a"]}),
        ({"pip": ["a"]}, {"pip": ["b"]}, [], {"pip": ["b"]}),
        ({"pip": ["a"]}, {"uv": ["b"]}, [], {"uv": ["b"]}),
        ({"env_vars": {"A": 1, "B": "2"}}, {"env_vars": {"B": 3}}, [], {"env_vars": {"A": "1", "B": "3"}}),
        ({}, {}, ["x"], {"pip": {"packages": ["x"]}}),
        ({"pip": ["a", "x"]}, {}, ["x"], {"pip": {"packages": ["x", "a"]}}),
        ({}, {"uv": {"packages": ["a"], "uv_check": True}}, ["x"], {"uv": {"packages": ["x", "a"], "uv_check": True}}),
        ({}, {"pip": "/abs/req.txt"}, ["x"], {"pip": {"packages": ["x", "-r /abs/req.txt"]}}),
        ({}, {"conda": "env"}, ["x"], {"conda": "env"}),
    ],
)
def test_merge(plugin: dict[str, Any], spec: dict[str, Any], requirements: list[str], merged: dict[str, Any]) -> None:
    assert merge(plugin, spec, requirements) == merged


def test_the_package_manager_and_its_options() -> None:
    assert merge({}, {}, ["x"], package_manager="uv", options=["--no-cache"]) == {
        "uv": {"packages": ["x"], "uv_pip_install_options": ["--no-cache"]}
    }
    assert merge({}, {}, ["x"], options=["--upgrade"]) == {
        "pip": {"packages": ["x"], "pip_install_options": ["--upgrade"]}
    }


def test_inputs_stay_as_they_were() -> None:
    plugin: dict[str, Any] = {"pip": {"packages": ["a"]}}
    merge(plugin, {}, ["x"])
    assert plugin == {"pip": {"packages": ["a"]}}


def test_requirements(tmp_path: Path) -> None:
    assert requirements_of(tmp_path) == []
    (tmp_path / "requirements.txt").write_text("# all\nnumpy>=2  # arrays\n\n--extra-index-url https://x/#frag\n")
    assert requirements_of(tmp_path) == ["numpy>=2", "--extra-index-url https://x/#frag"]
