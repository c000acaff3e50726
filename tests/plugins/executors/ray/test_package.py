"""Clusters that see neither our files nor an installed synapse-spec: all they need is in one package."""

import io
import threading
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from synapse_spec.plugins.execution import Invocation
from synapse_spec.plugins.executors.ray.cluster import Cluster, Lease
from synapse_spec.plugins.executors.ray.job import JobOptions, JobRunner
from synapse_spec.plugins.executors.ray.package import packed_code, relative, zipped
from synapse_spec.plugins.executors.ray.task import TaskOptions, TaskPool
from synapse_spec.plugins.source import PluginSource
from tests.plugins.executors.ray.conftest import follow, write_plugin

WHERE = """
import os
from pathlib import Path
import synapse_spec
from synapse_spec.plugins.decorators import action
from plugin.help import text

@action()
def where(params, ctx):
    return [Path("beside.txt").read_text(), text, __file__, synapse_spec.__file__, os.getcwd()]
"""


@pytest.fixture(scope="module")
def shipped(short_folder: Path) -> Path:
    folder = write_plugin(short_folder / "shipped", WHERE)
    (folder / "beside.txt").write_text("data")
    (folder / "plugin/help.py").write_text("text = 'helped'")
    for hidden in (".env", ".venv/lib.py", "plugin/__pycache__/x.pyc", "a.status.yaml"):
        (folder / hidden).parent.mkdir(exist_ok=True)
        (folder / hidden).write_text("secret")
    return folder


@pytest.fixture
def elsewhere(lease: Lease) -> Cluster:
    """The same cluster, as if it were on other machines."""
    return replace(lease.cluster, embedded=False)


@pytest.fixture
def invocation(shipped: Path) -> Invocation:
    return Invocation(PluginSource.from_path(shipped), "where", "plugin.act:where", {}, working_dir=str(shipped))


def names(content: bytes) -> set[str]:
    return set(zipfile.ZipFile(io.BytesIO(content)).namelist())


def test_what_is_packed(shipped: Path) -> None:
    content = zipped(packed_code(PluginSource.from_path(shipped)))
    plugin = {name for name in names(content) if name.startswith("_plugin_files/")}
    assert plugin == {"_plugin_files/beside.txt", "_plugin_files/plugin/act.py", "_plugin_files/plugin/help.py"}
    assert "synapse_spec/plugins/execution.py" in names(content)
    (shipped / "beside.txt").touch()
    assert zipped(packed_code(PluginSource.from_path(shipped))) == content


def test_of_a_module_only_its_top_level_package_is_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "top/inner").mkdir(parents=True)
    (tmp_path / "other.py").touch()
    for name in ("top/__init__.py", "top/inner/__init__.py", "top/inner/act.py"):
        (tmp_path / name).touch()
    source = PluginSource.from_module("top.inner", (tmp_path,))
    assert {name for name in packed_code(source) if "plugin_files" in name} == {
        "_plugin_files/top/__init__.py",
        "_plugin_files/top/inner/__init__.py",
        "_plugin_files/top/inner/act.py",
    }
    moved = relative(Invocation(source, "a", "top.inner.act:a", {}))
    assert moved.working_dir == "top/inner"
    assert moved.source is not None
    assert str(moved.source.folder) == "top/inner"


@pytest.mark.ray
def test_a_job_elsewhere(elsewhere: Cluster, invocation: Invocation, tmp_path: Path, shipped: Path) -> None:
    runner = JobRunner(elsewhere, tmp_path)
    runner.submit("job-elsewhere", replace(invocation, env={"KEY": "secret"}), JobOptions())
    outcome, events = follow(runner, "job-elsewhere")
    assert outcome.ok, (outcome, events)
    _is_from_the_package(outcome.result, shipped)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.ray
def test_a_task_elsewhere(
    elsewhere: Cluster, invocation: Invocation, shipped: Path, lease: Lease, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")  # a driver's working directory is looked at first on the workers
    ours = TaskPool(lease.cluster, 1)
    pool = TaskPool(elsewhere, 1)
    outcome = pool.run(invocation, TaskOptions(), lambda event: None, threading.Event())
    pool.close()
    ours.close()
    assert outcome.ok, outcome
    _is_from_the_package(outcome.result, shipped)


def _is_from_the_package(result: list[str], shipped: Path) -> None:
    data, helped, *places, folder = result
    assert (data, helped) == ("data", "helped")
    root = Path(folder).parent
    assert Path(folder).name == "_plugin_files"
    assert all(Path(place).is_relative_to(root) for place in places), places
    assert not root.is_relative_to(shipped)
