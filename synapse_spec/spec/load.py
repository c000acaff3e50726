"""Reads run specs: paths to files to documents to Runs, with every problem on the way. Called by the commands."""

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from io import BufferedReader
from pathlib import Path
from stat import S_ISREG
from typing import Any

from synapse_spec.plugins import yaml
from synapse_spec.plugins.files import state_of
from synapse_spec.plugins.yaml import KeyPath
from synapse_spec.spec import references
from synapse_spec.spec.diagnostics import MORE, Diagnostic, legible
from synapse_spec.spec.document import API_GROUP, check_document, is_ours, salvage
from synapse_spec.spec.index import Index
from synapse_spec.spec.matrix import MatrixError
from synapse_spec.spec.model import Run, SpecFile
from synapse_spec.spec.paths import OF_STDIN, STDIN, expand
from synapse_spec.spec.runs import runs_of, with_children

_MOST = 500  # problems of one file


@dataclass(slots=True)
class Loaded:
    """What was read.

    Attributes:
        runs: In the order of the files and their documents; where a document has an error, what of it can be checked
            further, so nothing may run while there are errors.
        diagnostics: What is wrong.
        files: Those that could be read as YAML.
        broken: Those that could not, or that hold a document that is no valid run.
        hidden: Whether there may be runs that could not be made out.
        strays: Status files in folders whose spec file is not beside them, by the path that it would have.
    """

    runs: list[Run] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    files: list[SpecFile] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    hidden: bool = False
    strays: dict[str, str] = field(default_factory=dict)

    def add(self, other: "Loaded") -> None:
        self.runs += other.runs
        self.diagnostics += other.diagnostics
        self.files += other.files
        self.broken |= other.broken
        self.hidden |= other.hidden
        self.strays |= other.strays


def load(paths: Iterable[str], index: Index | None = None) -> Loaded:
    """Read the specs at `paths`: files, folders, globs, or `-` for standard input; what `index` has is not parsed."""
    loaded = Loaded()
    for part in load_each(paths, index):
        loaded.add(part)
    loaded.runs = with_children(loaded.runs)
    return loaded


def load_each(paths: Iterable[str], index: Index | None = None) -> Iterator[Loaded]:
    """The same file by file, for those who need not have all at once."""
    seen: set[str] = set()
    strays: dict[str, str] = {}
    for name in paths:
        empty = True
        for shown, path, named in expand(name, strays):
            if path in seen:
                empty = False
                continue
            seen.add(path)
            loaded = Loaded()
            if index is None or not _from_index(index, path, shown, loaded):
                _load_file(path, shown, named, loaded, index)
            empty = empty and not loaded.runs and not loaded.diagnostics
            yield loaded
        if empty:
            message = "no run spec in this folder" if os.path.isdir(name) else "no such file or folder"
            yield Loaded(diagnostics=[Diagnostic("SS001", message, name)])
    if strays:
        yield Loaded(strays=strays)


def slim(run: Run) -> Run:
    """The run without what may be large; `whole` reads that again."""
    nothing: dict[str, Any] = {}
    return Run(
        name=run.name,
        file=run.file,
        document=run.document,
        spec=nothing,
        plugin=run.plugin,
        action=sys.intern(run.action),
        mode=run.mode,
        params=nothing,
        depends_on=run.depends_on,
        inputs=run.inputs,
        env=nothing,
        runtime_env=nothing,
        labels=nothing,
        parent=run.parent,
        matrix=run.matrix,
    )


def whole(run: Run) -> Run:
    """The run with all that `slim` took away; slim as it is where the file is no longer what it was."""
    if run.spec:
        return run
    return _runs_again(run.file, _content(run.file)).get((run.document, run.name), run)


@lru_cache(maxsize=1)
def _runs_again(file: SpecFile, data: bytes) -> dict[tuple[int, str], Run]:
    loaded = Loaded()
    load_text(file, data, True, loaded)
    return {(run.document, run.name): run for run in loaded.runs}


def diagnose(run: Run | tuple[SpecFile, int], code: str, message: str, path: KeyPath = (), **more: Any) -> Diagnostic:
    """A diagnostic at a key path of a run's document; `on_key` points at the key instead of the value."""
    file, document = run if isinstance(run, tuple) else (run.file, run.document)
    data = _content(file)
    on_key = more.pop("on_key", False)
    span = yaml.locate(data, document, path, key=on_key)
    key = yaml.locate(data, document, path, key=True)
    if not on_key:
        from synapse_spec.spec.yaml11 import as_written

        message, more["hint"] = as_written(message, more.get("hint"), yaml.written(data, span))
    if path and (span.end_line > span.line or span.line != key.line or span.column < key.column):
        span = key  # a value that begins below its key, goes on for lines, or is an alias, is not underlined
    if span.end_line > span.line:
        span = yaml.Span(span.line, span.column, span.line, span.column + 1)
    pointer = "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)
    return Diagnostic(code, legible(message), file.shown, span, pointer=pointer, **more)


def written(run: Run, path: KeyPath) -> str:
    """The value at a key path as it stands in the file; "" for one of several lines, and for an alias."""
    data = _content(run.file)
    span, key = (yaml.locate(data, run.document, path, key=key) for key in (False, True))
    return yaml.written(data, span) if (span.line, span.column) >= (key.line, key.column) else ""


def _content(file: SpecFile) -> bytes:
    """What the file holds, for positions: read anew, since all of them together would be a lot to keep."""
    if file.kept is not None:
        return file.kept
    try:
        info = os.stat(file.path)
        return _read_again(file.path, info.st_mtime_ns, info.st_size)
    except OSError:  # gone meanwhile
        return b""


@lru_cache(maxsize=1)
def _read_again(path: str, _time: int, _size: int) -> bytes:
    return Path(path).read_bytes()


def _from_index(index: Index, path: str, shown: str, loaded: Loaded) -> bool:
    """Add what the index has of a file; whether it has it as it is now."""
    kept = index.get(path)
    if kept is None:
        return False
    documents, refers, known = kept[1]
    file = SpecFile(path, shown, None, refers, known)
    loaded.files.append(file)
    for number, document in enumerate(documents):
        if document is not None:
            loaded.runs += runs_of(file, number, document)
    return True


def _load_file(path: str, shown: str, named: bool, loaded: Loaded, index: Index | None) -> None:
    try:
        state = None if index is None or shown == STDIN else state_of(shown)  # before it is read: it may be written
        data, is_kept = _read(shown)
    except OSError as error:
        loaded.diagnostics.append(Diagnostic("SS001", f"cannot be read: {error.strerror}", shown))
        loaded.broken.add(path)
        loaded.hidden = True
        return
    if shown == STDIN:
        path, shown = os.path.abspath(OF_STDIN), "<stdin>"
    file = SpecFile(path, shown, data if is_kept else None, references.may_be_in(data))
    documents = load_text(file, data, named, loaded)
    # Whether documents of others are passed over depends on how the file is named.
    passed_over = {run.document for run in loaded.runs} ^ {at for at, it in enumerate(documents) if it is not None}
    is_plain = not (is_kept or loaded.diagnostics or passed_over or yaml.may_have_aliases(data))
    if index is not None and state is not None and is_plain and documents:
        index.put(path, state, (documents, file.refers, file.known))


def load_text(file: SpecFile, data: bytes, named: bool, loaded: Loaded) -> list[Any]:
    """Add to `loaded` what a text gives that a file holds, or would hold; `named` if the user named the file itself.

    Returns:
        Its documents; none where it is not read as YAML.
    """
    path, shown = file.path, file.shown
    try:
        documents = yaml.parse(data, yaml.MAX_VALUES)
    except yaml.YamlError as error:
        if not named and API_GROUP.encode() not in data:  # in a folder, other tools' files may be of their own kind
            return []
        from synapse_spec.spec.salvage import salvaged

        found, data = salvaged(error, data, shown)
        loaded.diagnostics += found
        loaded.broken.add(path)
        loaded.hidden = True
        file, documents = replace(file, kept=data), yaml.parse(data)
    loaded.files.append(file)
    before = len(loaded.diagnostics)
    for index, document in enumerate(documents):
        if document is not None and (named or is_ours(document)):
            _load_document(file, index, document, loaded)
        if len(loaded.diagnostics) > before + _MOST:
            loaded.diagnostics.append(replace(loaded.diagnostics[-1], message=MORE, hint=None))
            loaded.hidden = True
            break
    if named and path not in loaded.broken and all(document is None for document in documents):
        loaded.diagnostics.append(Diagnostic("SS003", "the file holds no document", shown))
    if len(loaded.diagnostics) > before:
        loaded.broken.add(path)
    return documents


def _read(shown: str) -> tuple[bytes, bool]:
    """The bytes, no more of them than show that there are too many; and whether they cannot be read again."""
    most = yaml.MAX_BYTES + 1
    if shown == STDIN:
        return sys.stdin.buffer.read(most), True
    with open(shown, "rb", buffering=0) as file:
        info = os.fstat(file.fileno())
        if S_ISREG(info.st_mode) and info.st_size < most:
            return file.read(), False
        return BufferedReader(file).read(most), not S_ISREG(info.st_mode)


def _load_document(file: SpecFile, index: int, document: Any, loaded: Loaded) -> None:
    findings = check_document(document, refers=file.refers)
    for item in findings:
        found = diagnose((file, index), item.code, item.message, item.path, hint=item.hint, on_key=item.on_key)
        loaded.diagnostics.append(found)
    usable = salvage(document, findings)
    if usable is None:
        loaded.hidden = True
        return
    try:
        loaded.runs += runs_of(file, index, usable)
    except MatrixError as error:
        found = diagnose((file, index), error.code, str(error), error.path, hint=error.hint)
        loaded.diagnostics.append(found)
        loaded.hidden = True
