"""The executors of the Python API, on the same cluster as the other tests."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import BaseModel

from synapse_spec.plugins.action import BaseAction
from synapse_spec.plugins.errors import ExecutionError, PluginLoadError, ValidationError
from synapse_spec.plugins.execution import Invocation
from synapse_spec.plugins.executors import ExecutorProtocol
from synapse_spec.plugins.executors.ray import RayActorExecutor, RayJobExecutor
from synapse_spec.plugins.executors.ray.cluster import Lease
from synapse_spec.plugins.loader import load_object
from synapse_spec.plugins.source import PluginSource
from tests.plugins.executors.ray.conftest import eventually

pytestmark = pytest.mark.ray


class DoubleParams(BaseModel):
    number: int


class Double(BaseAction[DoubleParams]):
    """In a module that is imported like any other."""

    def execute(self) -> int:
        return 2 * self.params.number


@pytest.fixture(autouse=True)
def _shared_cluster(lease: Lease, cache_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache_home))


@pytest.fixture
def action(plugin: Path) -> Callable[[str], type[BaseAction[BaseModel]]]:
    return lambda name: load_object(PluginSource.from_path(plugin), f"plugin.act:{name}")


def test_both_are_executors() -> None:
    assert isinstance(RayActorExecutor(), ExecutorProtocol)
    assert isinstance(RayJobExecutor(), ExecutorProtocol)


def test_actor_executor(
    action: Callable[[str], type[BaseAction[BaseModel]]], plugin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with RayActorExecutor({"GIVEN": 1}, job_id="mine", num_actors=2) as executor:
        result = executor.execute(action("ok"), {"value": 3})
        assert (result["value"], result["env"], result["id"], result["cwd"]) == (3, "1", "mine", str(tmp_path))
        assert executor.map(Double, [{"number": number} for number in range(5)]) == [0, 2, 4, 6, 8]
        with pytest.raises(ValidationError, match="number"):
            executor.execute(Double, {"number": "x"})
        with pytest.raises(ExecutionError, match="ValueError: wrong value") as caught:
            executor.execute(action("fail"), {})
        assert caught.value.details["type"] == "ValueError"
    with RayActorExecutor(working_dir=plugin) as executor:
        assert executor.execute("plugin.act:ok", {"value": 4})["cwd"] == str(plugin)


def test_two_actor_executors_at_once() -> None:
    with RayActorExecutor() as one, RayActorExecutor(num_actors=2) as other:
        assert one.execute(Double, {"number": 1}) == 2
        assert other.map(Double, ({"number": number} for number in range(20))) == list(range(0, 40, 2))
        assert one.execute(Double, {"number": 2}) == 4
    with RayActorExecutor() as executor:
        assert executor.execute(Double, {"number": 3}) == 6


def test_a_failure_in_map_is_told_when_all_have_ended(
    action: Callable[[str], type[BaseAction[BaseModel]]], tmp_path: Path
) -> None:
    started = tmp_path / "started"
    with RayActorExecutor(num_actors=2) as executor:
        with pytest.raises(ValidationError, match="number"):
            executor.map(Double, [{"number": 1}, {"number": "x"}])
        with pytest.raises(ExecutionError):
            executor.map(action("slow"), [{}, {"started": str(started), "seconds": 0.2}])
    assert started.exists()


def test_job_executor(action: Callable[[str], type[BaseAction[BaseModel]]], tmp_path: Path) -> None:
    executor, other = RayJobExecutor({"GIVEN": True}), RayJobExecutor()
    first = executor.submit(action("ok"), {"value": 3}, job_id="api-job")
    failing = executor.submit(action("fail"), {})
    started = tmp_path / "started"
    slow = executor.submit(action("slow"), {"started": str(started)})
    assert first == "api-job"
    assert "printed without end, printed" in list(other.stream_logs(first))
    assert other.wait(first, timeout=30) == other.get_status(first) == "SUCCEEDED"
    assert other.get_result(first)["env"] == "true"
    assert "progress step 1/2 (50%)\n" in other.get_logs(first)
    with pytest.raises(ExecutionError, match="ValueError: wrong value"):
        other.get_result(failing, timeout=30)
    with pytest.raises(TimeoutError):
        other.get_result(slow, timeout=0)
    with pytest.raises(ExecutionError, match="has not ended"):
        other.delete(slow)
    eventually(started.exists)
    other.stop(slow)
    assert other.wait(slow, timeout=30) == "STOPPED"


def test_what_is_refused_before_anything_starts() -> None:
    executor = RayJobExecutor()
    with pytest.raises(ValidationError, match="number"):
        executor.submit(Double, {"number": None})
    with pytest.raises(ExecutionError, match="there is no job 'none'"):
        executor.get_status("none")
    script_action = type("Script", (Double,), {"__module__": "__main__"})
    with pytest.raises(PluginLoadError, match="in the script itself"):
        executor.submit(script_action, {"number": 1})


def test_an_ordinary_module_as_a_job(invoke: Callable[..., Invocation]) -> None:
    assert RayJobExecutor().execute(Double, {"number": 21}) == 42
