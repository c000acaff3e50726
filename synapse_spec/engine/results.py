"""Large results: kept in a file under `.synapse/results/`, with a pointer to it in the status."""

import hashlib
import json
from typing import Any

from synapse_spec.engine.store import replace_file
from synapse_spec.spec.child_names import as_file
from synapse_spec.spec.workspace import Workspace

MAX_INLINE_BYTES = 256 * 1024

_POINTER_KEYS = {"file", "sha256", "bytes"}


def stow(result: Any, key: str, workspace: Workspace) -> Any:
    """The result itself, or a pointer {file, sha256, bytes} to where it was put because of its size."""
    text = json.dumps(result, ensure_ascii=False)
    data = text.encode()
    if len(data) <= MAX_INLINE_BYTES:
        return result
    digest = hashlib.sha256(data).hexdigest()
    path = workspace.home / "results" / as_file(key) / f"{digest[:16]}.json"
    replace_file(path, text)
    return {"file": str(path.relative_to(workspace.root)), "sha256": digest, "bytes": len(data)}


def is_pointer(result: Any) -> bool:
    return isinstance(result, dict) and result.keys() == _POINTER_KEYS and ".synapse" in str(result["file"])


def fetch(result: Any, workspace: Workspace) -> Any:
    """The result behind a pointer; any other value is itself.

    Raises:
        LookupError: The file is gone or is not the one that was written.
    """
    if not is_pointer(result):
        return result
    try:
        data = (workspace.root / result["file"]).read_bytes()
    except OSError:
        raise LookupError(
            f"its result was kept in {result['file']}, which is gone; run it again with --force"
        ) from None
    if hashlib.sha256(data).hexdigest() != result["sha256"]:
        raise LookupError(f"its result in {result['file']} has been changed; run it again with --force")
    return json.loads(data)
