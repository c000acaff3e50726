"""Executors that `run_plugin` keeps from one task to the next, which else had to start a process, or a whole cluster.

One is ended when it has been idle for a while, when something is wrong with its Ray, and with this process.
"""

import atexit
import os
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from synapse_spec.plugins.action import ActionLike
from synapse_spec.plugins.errors import PluginLoadError, ValidationError
from synapse_spec.plugins.execution import check_params
from synapse_spec.plugins.executors.ray.cluster import letting_go
from synapse_spec.plugins.executors.ray.invocations import cache_folder
from synapse_spec.plugins.executors.ray.task import RayActorExecutor

IDLE_SECONDS = 10.0
_Key = tuple[str, str]  # the cluster, and the rest of the options

_lock = threading.Lock()
_kept: dict[_Key, "_Kept"] = {}


@dataclass(eq=False, slots=True)
class _Kept:
    executor: RayActorExecutor
    uses: int = 1
    used_at: float = 0.0
    broken: bool = False
    ended: threading.Event = field(default_factory=threading.Event)


def execute(action_cls: ActionLike, params: dict[str, Any], call: dict[str, Any], options: dict[str, Any]) -> Any:
    """Run an action on an actor of the executor with these options; up to as many at once as the cluster has CPUs.

    Args:
        action_cls, params: As `RayActorExecutor.execute` takes them.
        call: Its further arguments.
        options: Those of the executor itself.

    Raises:
        What `RayActorExecutor.execute` raises.
    """
    check_params(action_cls, params)  # before Ray is imported
    kept = _taken(options)
    healthy = False
    try:
        result = kept.executor.execute(action_cls, params, **call)
        healthy = True
        return result
    except (ValidationError, PluginLoadError):
        healthy = True
        raise
    except Exception as error:
        healthy = (getattr(error, "details", None) or {}).get("reason") == "ActionFailed"
        raise
    finally:
        _give_back(kept, healthy=healthy)


def shutdown() -> None:
    """End all that are idle."""
    _end(list(_kept))


letting_go.append(shutdown)


def _taken(options: dict[str, Any]) -> _Kept:
    place = f"{options.get('ray_address') or os.environ.get('RAY_ADDRESS')} {cache_folder()}"
    key = place, repr(sorted(options.items()))
    # Ray knows one cluster a process, and whoever has shut Ray down has taken the actors with it.
    _end([other for other, kept in list(_kept.items()) if other[0] != place or not kept.executor.usable])
    with _lock:
        kept = _kept.get(key)
        if kept is not None:
            kept.uses += 1
            return kept
        import ray  # noqa: F401 - what it does at exit is to come after what we do

        kept = _kept[key] = _Kept(RayActorExecutor(**options, num_actors=None))
    atexit.register(shutdown)
    threading.Thread(target=_watch, args=(key, kept), name="kept-by-synapse", daemon=True).start()
    return kept


def _give_back(kept: _Kept, *, healthy: bool) -> None:
    with _lock:
        kept.uses -= 1
        kept.used_at = time.monotonic()
        kept.broken |= not healthy
        ended = [key for key, item in _kept.items() if item is kept and kept.broken]
    _end(ended)


def _watch(key: _Key, kept: _Kept) -> None:
    left = IDLE_SECONDS
    while not kept.ended.wait(left):
        left = IDLE_SECONDS if kept.uses else kept.used_at + IDLE_SECONDS - time.monotonic()
        if left <= 0:
            _end([key])


def _end(keys: list[_Key]) -> None:
    """End these, but for those in use."""
    with _lock:
        ended = [_kept.pop(key) for key in keys if key in _kept and not _kept[key].uses]
    for kept in ended:
        kept.executor.shutdown()
        kept.ended.set()
