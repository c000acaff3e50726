"""The file CODE.schema.json of one exported plugin: its form, and whether it can be believed.

Written by `export`; read by the catalog, which takes one that is not whole for none, and by `staleness`.
"""

import ast
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import synapse_spec
from synapse_spec.plugins.code import code_digest
from synapse_spec.plugins.errors import PluginError
from synapse_spec.plugins.source import PluginSource
from synapse_spec.spec.model import PluginRef

ENDING = ".schema.json"
# A patch release writes the same files, so that it makes none stale.
WRITER = ".".join(synapse_spec.__version__.split(".")[:2])
_DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


class NotUsable(Exception):
    """The file cannot be believed; says why in words."""


def read(path: Path) -> dict[str, Any]:
    """What was exported to `path`.

    Raises:
        NotUsable: There is no such file, or it is not as synapse wrote it.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text)
        seal = content.pop("seal", None) if isinstance(content, dict) else None
        whole = seal == _seal(content)
    except FileNotFoundError:
        raise NotUsable("missing") from None
    except (OSError, ValueError, RecursionError):
        raise NotUsable("not valid JSON") from None
    if not isinstance(content, dict) or content.get("synapse") != WRITER:
        raise NotUsable(_writer(content))
    if not whole:
        raise NotUsable("edited by hand")
    return content


def write(content: dict[str, Any]) -> str:
    """The text of the file: the same for the same content."""
    return render(content | {"seal": _seal(content)})


def render(schema: dict[str, Any]) -> str:
    """The same bytes for the same schema."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def known_action(content: dict[str, Any], name: str, entrypoint: str, code: str) -> dict[str, Any] | None:
    """What the file says of an action, if that was taken from this entrypoint of this code."""
    action: dict[str, Any] = content["actions"].get(name, {})
    if (action.get("entrypoint"), action.get("code")) != (entrypoint, code):
        return None
    return {word: action.get(word, False) for word in ("description", "params", "result", "complete")}


def entries(content: dict[str, Any], source: PluginSource, workspace: Path) -> dict[str, Any]:
    """Actions that were found in the plugin's code; {} unless the code that defines them is still the same."""
    from synapse_spec.plugins.config import ActionConfig
    from synapse_spec.plugins.scan import action_modules

    found = {
        name: ActionConfig(name=name, description=action["description"], entrypoint=action["entrypoint"])
        for name, action in content["actions"].items()
    }
    modules = {entry.entrypoint.partition(":")[0] for entry in found.values()}
    if not found or modules != ({source.module} if source.module else set(action_modules(source.folder))):
        return {}
    try:
        now = {name: code_digest(source, entry.entrypoint, workspace).digest for name, entry in found.items()}
    except PluginError:
        return {}
    return found if now == {name: action["code"] for name, action in content["actions"].items()} else {}


def references(content: dict[str, Any], root: Path) -> list[PluginRef]:
    """The plugin as specs name it: its folders, or its module."""
    return [
        PluginRef(module=item["module"]) if "module" in item else PluginRef(path=_absolute(root, item["path"]))
        for item in content["references"]
    ]


def reference(ref: PluginRef, root: Path) -> dict[str, str]:
    """The same as data, with the folder relative to the workspace."""
    if ref.path is None:
        return {"module": str(ref.module)}
    place = ref.path.parent.resolve() / ref.path.name
    return {"path": Path(os.path.relpath(place, root)).as_posix()}


def marks(source: PluginSource, files: dict[str, str]) -> dict[str, str]:
    """Short hashes of an action's files, to tell later which one changed.

    Other than the code digest they count docstrings, which become descriptions in the schemas.

    Args:
        source: The plugin.
        files: Hashes by path, as in a code digest.
    """
    return {name: _mark(source.folder / name, content) for name, content in files.items()}


def _mark(path: Path, content: str) -> str:
    texts = _docstrings(path) if path.suffix == ".py" else []
    return hashlib.sha256(repr((content, texts)).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _docstrings(path: Path) -> list[str | None]:
    try:
        nodes = list(ast.walk(ast.parse(path.read_bytes())))
    except (OSError, SyntaxError, ValueError, RecursionError):
        return []
    return [ast.get_docstring(node) for node in nodes if isinstance(node, _DOCUMENTED)]


def _writer(content: Any) -> str:
    if not isinstance(content, dict) or not {"plugin", "actions"} <= content.keys():
        return "not what synapse writes"
    written = content.get("synapse")
    if isinstance(written, str) and _numbers(written) > _numbers(WRITER):
        return f"written by synapse {written}, which is newer than this one"
    return "written by an older synapse"


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".") if part.isdecimal()]


def _seal(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, ensure_ascii=True)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _absolute(root: Path, path: str) -> Path:
    return Path(os.path.normpath(root / path))
