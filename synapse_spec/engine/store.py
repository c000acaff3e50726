"""Status files: read, and rewritten only when something other than a time has changed. Used by plan and reconcile."""

import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from synapse_spec.engine.status import RunStatus, timeless
from synapse_spec.plugins import yaml
from synapse_spec.spec.diagnostics import Diagnostic, InvalidSpec
from synapse_spec.spec.model import SpecFile
from synapse_spec.spec.workspace import Workspace

HEADER = "# Written by synapse; do not edit.\n"


class StatusFile:
    """The status file beside one spec file.

    Args:
        path: Where it is, or would be.
        order: Names of the runs in the spec file; their statuses are written in this order, others after them.
    """

    def __init__(self, path: Path, order: Iterable[str] = ()) -> None:
        self.path = path
        self.order = tuple(order)
        self._mutex = threading.Lock()

    @classmethod
    def of(cls, file: SpecFile, order: Iterable[str] = ()) -> "StatusFile":
        return cls(file.status_path, order)

    def read(self) -> dict[str, RunStatus]:
        """Status of each run by name; empty where there is no file.

        Raises:
            InvalidSpec: The file is there and is no status file.
        """
        return {name: RunStatus.from_document(document) for name, document in self._documents().items()}

    def update(self, name: str, change: Callable[[RunStatus], RunStatus]) -> RunStatus:
        """Replace one run's status by what `change` makes of it; the new status.

        The file is read again under a lock, so that several processes may write to it.
        """
        with self._locked():
            documents = self._documents()
            old = RunStatus.from_document(documents[name]) if name in documents else RunStatus(name)
            new = change(old)
            document = new.to_document()
            if name not in documents or timeless(documents[name]) != timeless(document):
                self._write(documents | {name: document})
            return new

    def remove(self, names: Iterable[str]) -> None:
        """Forget runs; the file goes with the last of them."""
        gone = set(names)
        with self._locked():
            left = {name: document for name, document in self._documents().items() if name not in gone}
            if left:
                self._write(left)
            else:
                self.path.unlink(missing_ok=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Other threads and other processes wait before they change the file."""
        from filelock import FileLock

        workspace = Workspace.of(self.path)
        workspace.ensure()
        workspace.locks.mkdir(exist_ok=True)
        key = os.path.relpath(self.path, workspace.root).replace(os.sep, "__")
        with self._mutex, FileLock(workspace.locks / f"{key}.file.lock"):
            yield

    def _documents(self) -> dict[str, dict[str, Any]]:
        """The documents as stored, by run."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise _unusable(self.path, f"cannot be read: {error.strerror}") from None
        try:
            documents = [item for item in yaml.parse(data) if item is not None]
        except yaml.YamlError as error:
            raise _unusable(self.path, f"{error.message} (line {error.line})") from None
        for document in documents:
            problem = next(_validator().iter_errors(document), None)
            if problem is not None:
                place = ".".join(map(str, problem.instance_path)) or "a document"
                raise _unusable(self.path, f"this is no status file of synapse: {place}: {problem.message}")
        return {document["metadata"]["name"]: document for document in documents}

    def _write(self, documents: dict[str, dict[str, Any]]) -> None:
        rank = {name: index for index, name in enumerate(self.order)}
        ordered = sorted(documents.items(), key=lambda item: rank.get(item[0], len(rank)))
        text = HEADER + "---\n".join(yaml.dump(document) for _, document in ordered)
        replace_file(self.path, text)


def replace_file(path: Path, text: str) -> None:
    """Write beside, then rename: a reader sees the old file or the new one, also after a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(beside, path.stat().st_mode & 0o777 if path.exists() else 0o644)
        os.replace(beside, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(beside)
        raise


@cache
def _validator() -> Any:
    import jsonschema_rs

    from synapse_spec.engine.status_schema import STATUS

    return jsonschema_rs.Draft202012Validator(STATUS)


def _unusable(path: Path, message: str) -> InvalidSpec:
    hint = "restore it from git, or delete it to start anew"
    return InvalidSpec([Diagnostic("SS401", message, os.path.relpath(path), hint=hint)])
