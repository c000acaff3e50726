"""Which files of a plugin folder define actions, told from their syntax: nothing is run. Used by discovery."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from synapse_spec.plugins.errors import PluginConfigError

MOST_FILES = 2000
_MOST_FOLDERS = 5000
_NOT_SCANNED = frozenset({"__pycache__", "tests", "test", "node_modules", "build", "dist"})
_RUNTIMES = frozenset({"synapse_spec", "synapse_sdk"})
_MARKS = re.compile(r"\w*Action|action")  # synapse_sdk has BaseTrainAction and its like too
_MENTIONS_RUNTIME = re.compile(rb"\b(" + "|".join(_RUNTIMES).encode() + rb")\b")


@dataclass(slots=True)
class _File:
    """What a file imports and defines: local name, and the dotted name it comes from or is made by."""

    imports: list[tuple[str, str]] = field(default_factory=list)
    definitions: list[tuple[str, str]] = field(default_factory=list)
    unreadable: bool = False


def action_modules(folder: Path) -> list[str]:
    """Modules in which a class derives from BaseAction, directly or not, or a function is decorated as an action.

    Raises:
        PluginConfigError: There are too many files to look into, or folders to look for them in.
    """
    found = list(islice(_python_files(folder), MOST_FILES + 1))
    if len(found) > MOST_FILES:
        raise _too_many(folder, f"{MOST_FILES:,} Python files")
    files = {module: _read(path, module) for path, module in found}
    known: set[str] = set()
    size = -1
    while len(known) > size:  # until no file adds a base class of its own, or passes one on
        size = len(known)
        for module, file in files.items():
            for name, origin in file.imports + file.definitions:
                if _is_mark(origin, known):
                    known.add(f"{module}.{name}")
    return [
        module
        for module, file in files.items()
        if file.unreadable or any(_is_mark(origin, known) for _, origin in file.definitions)
    ]


def _is_mark(origin: str, known: set[str]) -> bool:
    package, _, name = origin.partition(".")
    return origin in known or (package in _RUNTIMES and _MARKS.fullmatch(name.rpartition(".")[2]) is not None)


def _python_files(folder: Path) -> Iterator[tuple[Path, str]]:
    for number, (where, subfolders, names) in enumerate(folder.walk()):
        if number == _MOST_FOLDERS:
            raise _too_many(folder, f"{_MOST_FOLDERS:,} folders")
        subfolders[:] = sorted(filter(_scanned, subfolders))
        for name in sorted(names):
            stem, _, suffix = name.rpartition(".")
            if suffix == "py" and _scanned(stem):
                parts = [*where.relative_to(folder).parts, *([] if stem == "__init__" else [stem])]
                if parts:
                    yield where / name, ".".join(parts)


def _too_many(folder: Path, what: str) -> PluginConfigError:
    return PluginConfigError(
        f"{folder} has more than {what}, too many to look for actions in; add a config.yaml that names the actions"
    )


def _scanned(name: str) -> bool:
    return name.isidentifier() and name not in _NOT_SCANNED and not name.startswith("test_")


def _read(path: Path, module: str) -> _File:
    data = path.read_bytes()
    try:
        tree = ast.parse(data)
    except (SyntaxError, ValueError):
        # Some script's fault is not ours to report, but that of a file which was to hold actions is.
        return _File(unreadable=_MENTIONS_RUNTIME.search(data) is not None)
    package = module if path.stem == "__init__" else module.rpartition(".")[0]
    nodes = list(ast.walk(tree))
    imports = [pair for node in nodes for pair in _imported(node, package)]
    bound = dict(imports)
    definitions = [
        (node.name, _origin(maker, bound, module))
        for node in nodes
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        for maker in (node.bases if isinstance(node, ast.ClassDef) else node.decorator_list)
    ]
    return _File(imports, definitions)


def _imported(node: ast.AST, package: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            whole = alias.name if alias.asname else alias.name.partition(".")[0]
            yield alias.asname or whole, whole
    elif isinstance(node, ast.ImportFrom):
        base = _base(package, node)
        for alias in node.names:
            yield alias.asname or alias.name, f"{base}.{alias.name}"


def _base(package: str, node: ast.ImportFrom) -> str:
    """The absolute name of the module that is imported from."""
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    parts = parts[: len(parts) - node.level + 1]
    return ".".join([*parts, *([node.module] if node.module else [])])


def _origin(maker: ast.expr, bound: dict[str, str], module: str) -> str:
    """The absolute dotted name of a base class or decorator: `Base[Params]` and `action("x")` are what they name."""
    if isinstance(maker, ast.Subscript):
        return _origin(maker.value, bound, module)
    if isinstance(maker, ast.Call):
        return _origin(maker.func, bound, module)
    if isinstance(maker, ast.Attribute):
        return f"{_origin(maker.value, bound, module)}.{maker.attr}"
    if isinstance(maker, ast.Name):
        return bound.get(maker.id, f"{module}.{maker.id}")
    return ""
