"""What an action's code is, and its digest: the identity that decides whether a finished run is still current.

Python files count by their syntax tree without comments, formatting and docstrings, and only those the entry module
reaches by imports or names in a text; where something is imported dynamically, all of the plugin. Its other files
count by their bytes. config.yaml does not: what matters of it is part of the run. Used by the catalog.
"""

import ast
import hashlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synapse_spec.plugins.errors import PluginLoadError
from synapse_spec.plugins.files import plugin_files
from synapse_spec.plugins.source import PluginSource

_BUILTINS = frozenset({"__import__", "exec", "eval"})
_LOADERS = frozenset({"runpy", "pydoc", "imp", "zipimport"})  # modules that are for nothing else
_HOOKS = frozenset({"__import__", "__builtins__", "import_module"})
_IMPORTERS = _HOOKS | {
    "run_path",
    "run_module",
    "iter_modules",
    "walk_packages",
    "resolve_name",
    "spec_from_file_location",
    "spec_from_loader",
    "SourceFileLoader",
    "SourcelessFileLoader",
}


@dataclass(frozen=True, slots=True)
class CodeDigest:
    """The digest of an action's code, and of each file that is part of it (relative to the plugin folder)."""

    digest: str
    files: dict[str, str]
    dynamic: bool = False


def code_digest(source: PluginSource, entrypoint: str, workspace: Path | None = None) -> CodeDigest:
    """Digest of the code behind `entrypoint`.

    Raises:
        PluginLoadError: A Python file in it is not valid Python, or the entry module is not in the plugin.
    """
    closure = _Closure(source, workspace)
    closure.follow(entrypoint.partition(":")[0] if ":" in entrypoint else entrypoint.rpartition(".")[0])
    paths = set(closure.files)
    for path in plugin_files(source):
        if path.suffix != ".py" or closure.dynamic:
            paths.add(path)
    hashes = {}
    for path in sorted(paths):
        tree = closure.files.get(path)
        hashes[os.path.relpath(path, source.folder)] = _file_hash(path, tree, source)
    digest = hashlib.sha256(repr(sorted(hashes.items())).encode()).hexdigest()
    return CodeDigest(f"sha256:{digest}", hashes, closure.dynamic)


class _Closure:
    """The files that a module reaches by imports, inside the plugin and the workspace."""

    def __init__(self, source: PluginSource, workspace: Path | None) -> None:
        self.files: dict[Path, ast.Module] = {}
        self.dynamic = False
        self._source = source
        own = [source.import_root]
        if workspace is not None:
            places = [Path(entry).resolve() for entry in sys.path if entry]
            own += [place for place in places if place.is_relative_to(workspace) and "site-packages" not in place.parts]
        self._roots = list(dict.fromkeys(own))

    def follow(self, module: str) -> None:
        """Take in `module` and all it reaches."""
        if not self._take(module):
            raise PluginLoadError(f"the plugin folder {self._source.folder.name!r} has no module {module!r}")

    def _take(self, module: str) -> bool:
        """Add a module with its parent packages; False if it is none of ours."""
        pending: list[str | Path] = [module]
        known = False
        while pending:
            item = pending.pop()
            for path in self._paths(item) if isinstance(item, str) else [item]:
                known = True
                if path not in self.files:
                    tree = _parse(path, self._source) if isinstance(item, str) else self._script(path)
                    self.files[path] = tree
                    pending.extend(self._imports(path, tree))
                    pending.extend(self._named(path, tree))
        return known

    def _script(self, path: Path) -> ast.Module:
        """The tree of a file that may be run by itself, or be no Python at all, such as a template."""
        try:
            tree = _parse(path, self._source)
        except PluginLoadError:
            return ast.Module([ast.Expr(ast.Constant(path.read_bytes()))], [])
        if path.parent not in self._roots:
            self._roots.append(path.parent)  # where it finds its imports
        return tree

    def _named(self, path: Path, tree: ast.Module) -> Iterator[Path]:
        """Python files of the plugin that a text names, from the plugin's folder or beside the file."""
        texts = {
            node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        for text in sorted(text for text in texts if text.endswith(".py") and text.isprintable() and len(text) < 1000):
            for folder in (self._source.folder, path.parent):
                target = Path(os.path.normpath(folder / text))
                if target.is_relative_to(self._source.folder) and os.path.isfile(target):
                    yield target

    def _paths(self, module: str) -> list[Path]:
        parts = module.split(".")
        if parts[0] == __name__.partition(".")[0]:  # the runtime is no part of the code, also where it is checked out
            return []
        for root in self._roots:
            target = root.joinpath(*parts)
            files = [item for item in (target / "__init__.py", target.with_name(target.name + ".py")) if item.is_file()]
            if files or target.is_dir():
                packages = [root.joinpath(*parts[:depth]) / "__init__.py" for depth in range(1, len(parts))]
                return [item for item in packages if item.is_file()] + files[:1]
        return []

    def _imports(self, path: Path, tree: ast.Module) -> Iterator[str]:
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                self.dynamic |= not node.level and node.module in _LOADERS
                base = self._absolute(path, node)
                yield base
                yield from (f"{base}.{alias.name}" for alias in node.names)
            elif _is_dynamic(node):
                self.dynamic = True

    def _absolute(self, path: Path, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        root = next((item for item in self._roots if path.is_relative_to(item)), self._source.import_root)
        package = path.parent.relative_to(root).parts
        parts = package[: len(package) - node.level + 1]
        return ".".join([*parts, *([node.module] if node.module else [])])


def _is_dynamic(node: ast.AST) -> bool:
    """Whether what it imports shows only when it runs; `model.eval()` is not Python's own."""
    match node:
        case ast.Call(func=ast.Name(id=name)) | ast.Attribute(value=ast.Name(id="builtins"), attr=name):
            return name in _BUILTINS
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in _IMPORTERS
        case ast.alias(name=name):
            return name in _IMPORTERS or name.partition(".")[0] in _LOADERS
        case ast.Constant(value=str(text)):
            return text in _HOOKS
    return False


def _parse(path: Path, source: PluginSource) -> ast.Module:
    data = path.read_bytes()
    try:
        return ast.parse(data, str(path))
    except RecursionError:  # too deep for a tree, not for Python: it counts by its text, and may import anything
        return ast.Module([ast.Expr(ast.Call(ast.Name("exec"), [ast.Constant(data)], []))], [])
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        shown = os.path.relpath(path, source.folder.parent)
        message = f"not valid Python at {shown}:{line or 1}: {getattr(error, 'msg', error)}"
        raise PluginLoadError(message, {"file": str(path), "line": line, "cause": str(error)}) from None


def _file_hash(path: Path, tree: ast.Module | None, source: PluginSource) -> str:
    if tree is None and path.suffix != ".py":
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    return _tree_hash(tree or _parse(path, source))


def _tree_hash(tree: ast.Module) -> str:
    """Hash of what the code says: without docstrings, positions and fields that are empty or differ between Pythons."""
    digest = hashlib.sha256()
    pending: list[Any] = [tree]
    while pending:  # a loop, as a long sum is a deep tree
        node = pending.pop()
        if isinstance(node, ast.AST):
            fields = list(_fields(node))
            digest.update(f"{type(node).__name__}({','.join(name for name, _ in fields)})".encode())
            pending.extend(value for _, value in reversed(fields))
        elif isinstance(node, list):
            digest.update(f"[{len(node)}]".encode())
            pending.extend(reversed(node))
        else:
            # The decimal text of an int is limited; what repr() escapes goes by the Unicode of the Python.
            text = hex(node) if type(node) is int else ascii(node)
            digest.update(f"{type(node).__name__}:{text};".encode())
    return digest.hexdigest()


def _fields(node: ast.AST) -> Iterator[tuple[str, Any]]:
    for name, value in ast.iter_fields(node):
        if name == "body" and isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            value = value[1:] if _is_docstring(value) else value
        elif isinstance(node, ast.Delete):  # `del (a, b)` is `del a, b` to formatters
            value = [part for item in value for part in (item.elts if isinstance(item, ast.Tuple) else [item])]
        elif isinstance(node, ast.JoinedStr):  # some Pythons end it with an empty text
            value = [part for part in value if not (isinstance(part, ast.Constant) and part.value == "")]
        if value is not None and value != [] and name not in ("kind", "type_comment", "type_ignores"):
            yield name, value


def _is_docstring(body: list[ast.stmt]) -> bool:
    first = body[0] if body else None
    return isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
