"""What Ray is asked to prepare, and that plugins find it."""

import hashlib
import threading
import zipfile
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from synapse_spec.plugins.execution import Invocation
from synapse_spec.plugins.executors.ray.cluster import Lease
from synapse_spec.plugins.executors.ray.job import JobOptions, JobRunner, RayJobExecutor
from synapse_spec.plugins.executors.ray.package import relative_env
from synapse_spec.plugins.executors.ray.runtime_env import (
    merge,
    of_source,
    requirements_of,
    wheels_of,
    without_installed,
)
from synapse_spec.plugins.executors.ray.task import RayActorExecutor, TaskOptions, TaskPool
from synapse_spec.plugins.source import PluginSource
from tests.plugins.executors.ray.conftest import follow, write_plugin

USES_LIBRARY = """
from synapse_spec.plugins.decorators import action

@action()
def use(params, ctx):
    import synapse_test_library
    return synapse_test_library.NAME
"""


def make_wheel(folder: Path, tag: str = "py3-none-any", text: str = "NAME = 'wheel'") -> Path:
    """A library that no registry has."""
    folder.mkdir(parents=True, exist_ok=True)
    info = "synapse_test_library-1.0.dist-info"
    files = {
        "synapse_test_library.py": text,
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: synapse-test-library\nVersion: 1.0\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    path = folder / f"synapse_test_library-1.0-{tag}.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, content in files.items():
            wheel.writestr(name, content)
        wheel.writestr(f"{info}/RECORD", "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"]))
    return path


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


def test_requirements_of_other_files_and_paths(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text(
        "-r more/base.txt\n-c more/pins.txt\n./local\nlib-1.0-py3-none-any.whl\n--find-links=wheels\nnumpy \\\n>=2\n"
        "-r https://host/x.txt\n-e .\n"
    )
    (tmp_path / "more").mkdir()
    (tmp_path / "more/base.txt").write_text("-r ../requirements.txt\nscipy\n")
    assert requirements_of(tmp_path) == [
        "scipy",
        f"-c {tmp_path}/more/pins.txt",
        f"{tmp_path}/local",
        f"{tmp_path}/lib-1.0-py3-none-any.whl",
        f"--find-links {tmp_path}/wheels",
        "numpy  >=2",
        "-r https://host/x.txt",
        f"-e {tmp_path}",
    ]


def test_wheels(tmp_path: Path) -> None:
    assert wheels_of(tmp_path / "none") == []
    path = make_wheel(tmp_path / "my wheels")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert wheels_of(tmp_path / "my wheels") == [f"synapse_test_library @ {path.as_uri()}#sha256={digest}"]
    make_wheel(tmp_path / "my wheels", "cp312-cp312-linux_x86_64")
    assert wheels_of(tmp_path / "my wheels") == [
        f"--find-links {tmp_path / 'my wheels'}",
        "synapse_test_library==1.0",
    ]


def test_of_a_plugin(tmp_path: Path) -> None:
    plugin = write_plugin(tmp_path / "plugin-folder", USES_LIBRARY)
    source = PluginSource.from_path(plugin)
    assert of_source(source, {}) == {}
    assert of_source(None, {"pip": ["x"]}) == {"pip": ["x"]}
    (plugin / "config.yaml").write_text(
        "name: x\ncode: x\npackage_manager: uv\npackage_manager_options: [--no-cache]\nwheels_dir: own\n"
        "runtime_env: {env_vars: {A: 1}}\n"
    )
    (plugin / "requirements.txt").write_text("numpy\n")
    wheel = make_wheel(plugin / "own")
    wanted = of_source(source, {"env_vars": {"B": "2"}})
    assert wanted["env_vars"] == {"A": "1", "B": "2"}
    assert wanted["uv"]["uv_pip_install_options"] == ["--no-cache"]
    assert wanted["uv"]["packages"][0] == "numpy"
    moved = relative_env(wanted, source)["uv"]["packages"][1]
    assert moved.startswith(
        f"synapse_test_library @ file://${{RAY_RUNTIME_ENV_CREATE_WORKING_DIR}}/_plugin_files/own/{wheel.name}#sha256="
    )


def test_requirements_beside_a_lone_module_are_not_its_own(tmp_path: Path) -> None:
    (tmp_path / "lone.py").touch()
    (tmp_path / "requirements.txt").write_text("numpy")
    assert of_source(PluginSource.from_module("lone", (tmp_path,)), {}) == {}


@pytest.mark.parametrize(
    ("packages", "installed"),
    [
        ([], True),
        (["pydantic"], True),
        ([f"pydantic=={version('pydantic')}", "--extra-index-url https://host/"], True),
        (["pydantic>=2,<99", "no-such-library; python_version < '3'"], True),
        (["pydantic==1.0"], False),
        (["pydantic", "no-such-library"], False),
        (["pydantic[email]"], False),
        (["pydantic @ file:///x.whl"], False),
        (["-r /x.txt"], False),
        (["/some/where"], False),
    ],
)
def test_what_is_installed_is_not_installed_again(packages: list[str], installed: bool) -> None:
    rest = {"env_vars": {"A": "1"}}
    for field in (packages, {"packages": packages}):
        assert (without_installed(rest | {"pip": field}) == rest) == installed
        assert (without_installed(rest | {"uv": field}) == rest) == installed


@pytest.fixture(scope="module")
def needy(short_folder: Path) -> dict[str, Path]:
    """A plugin for each package manager, with a wheel."""
    folders = {}
    for manager in ("pip", "uv"):
        folder = folders[manager] = write_plugin(short_folder / f"needs-{manager}", USES_LIBRARY)
        (folder / "config.yaml").write_text(f"name: x\ncode: x\npackage_manager: {manager}\n")
        make_wheel(folder / "wheels", text=f"NAME = {manager!r}")
    return folders


@pytest.mark.ray
@pytest.mark.parametrize("manager", ["pip", "uv"])
def test_tasks_and_jobs_find_the_wheels(
    lease: Lease, cache_home: Path, needy: dict[str, Path], manager: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache_home))
    folder = needy[manager]
    with RayActorExecutor(working_dir=folder) as executor:
        assert executor.execute("plugin.act:use", {}) == manager
    assert RayJobExecutor(working_dir=folder).execute("plugin.act:use", {}) == manager


@pytest.mark.ray
def test_clusters_elsewhere_find_the_wheels_in_the_package(
    lease: Lease, needy: dict[str, Path], tmp_path: Path
) -> None:
    source, cluster = PluginSource.from_path(needy["pip"]), replace(lease.cluster, embedded=False)
    wanted = of_source(source, {})
    invocation = Invocation(source, "use", "plugin.act:use", {})
    pool = TaskPool(cluster, 1)
    outcome = pool.run(invocation, TaskOptions(runtime_env=wanted), lambda event: None, threading.Event())
    pool.close()
    assert outcome.result == "pip", outcome
    runner = JobRunner(cluster, tmp_path)
    runner.submit("needs-a-wheel", invocation, JobOptions(runtime_env=wanted))
    outcome, events = follow(runner, "needs-a-wheel")
    assert outcome.result == "pip", (outcome, events)
