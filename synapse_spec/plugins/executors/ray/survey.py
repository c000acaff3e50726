"""Asks a cluster's GCS what it is: `python -m synapse_spec.plugins.executors.ray.survey HOST:PORT`, run by `given`.

In a process of its own, since Ray's native part keeps one token a process, and tells stderr what goes wrong.
"""

import json
import sys
from typing import Any

_ALIVE = 0


def main() -> None:
    print(json.dumps(_answer(sys.argv[1])))


def _answer(address: str) -> dict[str, Any]:
    """`dashboard` (None without one), addresses of `nodes`, versions of `ray` and `python`; else `error`, `refused`."""
    from ray import _raylet
    from ray._private import ray_constants
    from ray.exceptions import AuthenticationError

    native: Any = _raylet
    try:
        client = native.GcsClient(address=address)
        page = client.internal_kv_get(ray_constants.DASHBOARD_ADDRESS.encode(), ray_constants.KV_NAMESPACE_DASHBOARD)
        metadata = json.loads(client.internal_kv_get(b"CLUSTER_METADATA", b"cluster") or b"{}")
        nodes = [node.node_manager_address for node in client.get_all_node_info().values() if node.state == _ALIVE]
    except AuthenticationError:
        return {"error": "its token", "refused": True}
    except Exception as error:  # Ray raises whatever its many layers raise
        return {"error": " ".join(str(error).split()) or type(error).__name__, "refused": False}
    versions = {"ray": metadata.get("ray_version"), "python": metadata.get("python_version")}
    return {"dashboard": page.decode() if page else None, "nodes": nodes, **versions}


if __name__ == "__main__":
    main()
