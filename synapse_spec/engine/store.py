"""Status files: read, and rewritten only when something other than a time has changed. Used by plan and reconcile."""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from synapse_spec.engine.status import RunStatus
from synapse_spec.engine.status_rows import from_row, to_row
from synapse_spec.engine.sweep import Turned, groups, parent_of, scattered, stored, turned
from synapse_spec.plugins import yaml
from synapse_spec.plugins.files import State, state_of
from synapse_spec.spec.diagnostics import Diagnostic, InvalidSpec
from synapse_spec.spec.index import Index
from synapse_spec.spec.model import SpecFile
from synapse_spec.spec.workspace import Workspace

_WAY_OUT = "restore it from git, or delete it to start anew"
HEADER = "# Written by synapse; do not edit.\n"


class StatusFile:
    """The status file beside one spec file.

    Args:
        path: Where it is, or would be.
        order: Names of the runs in the spec file; their statuses are written in this order, others after them.
        index: What it has need not be parsed.

    Attributes:
        inherited: Statuses of runs that have moved here from another file, which still has them; they hold until the
            run has one in this file.
    """

    def __init__(self, path: Path | str, order: Iterable[str] = (), index: Index | None = None) -> None:
        self._path = str(path)
        self.order = tuple(order)
        self.inherited: dict[str, RunStatus] = {}
        self._index = index
        self._mutex = threading.Lock()
        self._state: State | None = None
        self._documents: dict[str, dict[str, Any]] = {}
        self._texts: dict[tuple[int, ...], str] = {}
        self._turned: dict[str, Turned] = {}

    @property
    def path(self) -> Path:
        return Path(self._path)

    @classmethod
    def of(cls, file: SpecFile, order: Iterable[str] = (), index: Index | None = None) -> "StatusFile":
        return cls(file.status_path, order, index)

    def read(self) -> dict[str, RunStatus]:
        """Status of each run by name, without those that are inherited; empty where there is no file.

        Raises:
            InvalidSpec: The file is there and is no status file.
        """
        with self._mutex:
            kept = self._index.get(self._path) if self._index is not None and self._state is None else None
            if kept is not None:
                return {row[0]: from_row(row) for row in kept[1]}
            self._refresh()
            return {name: RunStatus.from_document(document) for name, document in self._documents.items()}

    def get(self, name: str) -> RunStatus | None:
        """The status of one run, if there is one, be it inherited.

        Raises:
            InvalidSpec: As `read`.
        """
        with self._mutex:
            self._refresh()
            found = self._documents.get(name)
            return self.inherited.get(name) if found is None else RunStatus.from_document(found)

    def update(self, name: str, change: Callable[[RunStatus], RunStatus]) -> RunStatus:
        """Replace one run's status by what `change` makes of it; the new status.

        The file is read again under a lock, so that several processes may write to it.
        """
        with self._locked():
            old = self._documents.get(name)
            before = self.inherited.get(name, RunStatus(name)) if old is None else RunStatus.from_document(old)
            new = change(before)
            document = new.to_document()
            if old is None or timeless(old) != timeless(document):
                self._write(self._documents | {name: document})
            return new

    def remove(self, names: Iterable[str]) -> None:
        """Forget runs; the file goes with the last of them."""
        gone = set(names)
        with self._locked():
            self._write({name: document for name, document in self._documents.items() if name not in gone})

    def tidy(self) -> None:
        """Have the file sum up the children that there are now, if some of a matrix are gone."""
        with self._locked():
            names = [item for item in map(parent_of, self._documents) if item is not None]
            if names and any(name not in self.order for name in self._documents):
                self._write(self._documents)

    def keep(self, index: Index) -> None:
        """Have the index know what the file holds."""
        if self._state is not None and index.get(self._path) is None:
            rows = [to_row(RunStatus.from_document(document)) for document in self._documents.values()]
            index.put(self._path, self._state, rows)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Other threads and other processes wait before they change the file, which is known as it stands then."""
        from filelock import FileLock

        workspace = Workspace.of(self.path)
        workspace.ensure()
        workspace.locks.mkdir(exist_ok=True)
        key = os.path.relpath(self.path, workspace.root).replace(os.sep, "__")
        with self._mutex, FileLock(workspace.locks / f"{key}.file.lock"):
            self._refresh()
            yield

    def _refresh(self) -> None:
        """Read the file, unless it is the one that is known: a file of many runs is written often."""
        try:
            state = _state(self._path)
            if state == self._state:
                return
            documents = [] if state is None else _parsed(self.path, self.path.read_bytes())
        except OSError as error:
            raise _unusable(self.path, f"cannot be read: {error.strerror}") from None
        self._state, self._texts, self._turned = state, {}, turned(documents)
        self._documents = {document["metadata"]["name"]: document for document in scattered(documents)}

    def _write(self, documents: dict[str, dict[str, Any]]) -> None:
        rank = {name: index for index, name in enumerate(self.order)}
        documents = dict(sorted(documents.items(), key=lambda item: rank.get(item[0], len(rank))))
        # What has not changed is the same object, and need not be written out anew.
        texts, now = {}, dict(self._turned)
        for group in groups(documents.values()):
            key = tuple(map(id, group))
            if key not in self._texts:
                document = stored(group, rank, now)
                now |= turned([document])
                self._texts[key] = yaml.dump(document)
            texts[key] = self._texts[key]
        text = HEADER + "---\n".join(texts.values())
        if documents and not (self.path.exists() and self.path.read_text(encoding="utf-8") == text):
            replace_file(self.path, text)
        elif not documents:
            self.path.unlink(missing_ok=True)
        self._state, self._documents = _state(self._path), documents
        self._texts = texts if len(texts) > 1 else {}
        parents = set(map(parent_of, documents))
        self._turned = {name: known for name, known in now.items() if name in parents}


def timeless(document: dict[str, Any]) -> dict[str, Any]:
    """The stored form without the times we set: a change of these alone is no reason to rewrite a file."""
    status = {key: value for key, value in document["status"].items() if key != "conditions"}
    if "attempt" in status:
        times = ("startedAt", "finishedAt", "durationSeconds")
        status["attempt"] = {key: value for key, value in status["attempt"].items() if key not in times}
    return {**document, "status": status}


def _state(path: str) -> State | None:
    try:
        return state_of(path)
    except FileNotFoundError:
        return None


def _parsed(path: Path, data: bytes) -> list[dict[str, Any]]:
    """The documents of a status file, however large it is: what we wrote, we read."""
    try:
        documents = [item for item in yaml.parse(data, most_bytes=None) if item is not None]
    except yaml.YamlError as error:
        from synapse_spec.spec.syntax import diagnosed

        found = diagnosed(error, data, os.path.relpath(path), "SS401")
        raise InvalidSpec([replace(found, hint=_WAY_OUT)]) from None
    for document in documents:
        if not _validator().is_valid(document):
            problem = next(_validator().iter_errors(document))
            place = ".".join(map(str, problem.instance_path)) or "a document"
            raise _unusable(path, f"this is no status file of synapse: {place}: {problem.message}")
    return documents


def replace_file(path: Path, text: str) -> None:
    """Write beside, then rename: a reader sees the old file or the new one, also after a power cut."""
    import tempfile

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
    return InvalidSpec([Diagnostic("SS401", message, os.path.relpath(path), hint=_WAY_OUT)])
