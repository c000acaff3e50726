"""Reads run specs: paths to files to documents to Runs, with every problem on the way. Called by the commands."""

import glob
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synapse_spec.plugins import yaml
from synapse_spec.plugins.enums import ExecutionMode
from synapse_spec.plugins.source import CONFIG_NAME
from synapse_spec.plugins.yaml import KeyPath
from synapse_spec.spec import quantities, references
from synapse_spec.spec.diagnostics import Diagnostic
from synapse_spec.spec.document import API_GROUP, check_document, is_ours, salvage
from synapse_spec.spec.model import PluginRef, Resources, Retry, Run, Secret, SpecFile

_ENDINGS = (".yaml", ".yml")
_STATUS_ENDINGS = (".status.yaml", ".status.yml")
STDIN = "-"


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
    """

    runs: list[Run] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    files: list[SpecFile] = field(default_factory=list)
    broken: set[Path] = field(default_factory=set)
    hidden: bool = False


def load(paths: Iterable[str]) -> Loaded:
    """Read the specs at `paths`: files, folders, globs, or `-` for standard input."""
    loaded = Loaded()
    seen: set[Path] = set()
    for name in paths:
        before = len(loaded.runs) + len(loaded.diagnostics)
        for shown, named in list(_expand(name)):
            path = Path(os.path.abspath(shown))
            if path not in seen:
                seen.add(path)
                _load_file(path, shown, named, loaded)
            else:
                before = -1
        if before == len(loaded.runs) + len(loaded.diagnostics):
            message = "no run spec in this folder" if os.path.isdir(name) else "no such file or folder"
            loaded.diagnostics.append(Diagnostic("SS001", message, name))
    return loaded


def diagnose(run: Run | tuple[SpecFile, int], code: str, message: str, path: KeyPath = (), **more: Any) -> Diagnostic:
    """A diagnostic at a key path of a run's document; `on_key` points at the key instead of the value."""
    file, document = run if isinstance(run, tuple) else (run.file, run.document)
    span = yaml.locate(file.data, document, path, key=more.pop("on_key", False))
    key = yaml.locate(file.data, document, path, key=True)
    if path and (span.end_line > span.line or span.line > key.line):
        span = key  # a value that begins below its key, or goes on for lines, is not underlined
    if span.end_line > span.line:
        span = yaml.Span(span.line, span.column, span.line, span.column + 1)
    pointer = "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)
    return Diagnostic(code, " ".join(message.split()), file.shown, span, pointer=pointer, **more)


def _expand(name: str) -> Iterator[tuple[str, bool]]:
    """Files behind a path as the user would name them, and whether each was named itself."""
    if name == STDIN or os.path.isfile(name):
        yield name, True
    elif os.path.isdir(name):
        for folder, subfolders, files in os.walk(name):
            inner = [item for item in subfolders if not item.startswith((".", "__"))]
            subfolders[:] = sorted(
                item for item in inner if not os.path.isfile(os.path.join(folder, item, CONFIG_NAME))
            )
            for file in sorted(files):
                if file.endswith(_ENDINGS) and not file.endswith(_STATUS_ENDINGS) and not file.startswith("."):
                    yield os.path.normpath(os.path.join(folder, file)), False
    else:
        for match in sorted(glob.glob(name, recursive=True)):
            if not match.endswith(_STATUS_ENDINGS):
                yield from _expand(match)


def _load_file(path: Path, shown: str, named: bool, loaded: Loaded) -> None:
    try:
        data = sys.stdin.buffer.read() if shown == STDIN else path.read_bytes()
    except OSError as error:
        loaded.diagnostics.append(Diagnostic("SS001", f"cannot be read: {error.strerror}", shown))
        loaded.broken.add(path)
        loaded.hidden = True
        return
    if shown == STDIN:
        path, shown = Path.cwd() / "stdin.yaml", "<stdin>"
    file = SpecFile(path, shown, data)
    try:
        documents = yaml.parse(data)
    except yaml.YamlError as error:
        if named or API_GROUP.encode() in data:  # in a folder, other tools' files may be of their own kind
            from synapse_spec.spec import syntax

            loaded.diagnostics.append(syntax.diagnosed(error, data, shown))
            loaded.broken.add(path)
            loaded.hidden = True
        return
    loaded.files.append(file)
    before = len(loaded.diagnostics)
    for index, document in enumerate(documents):
        if document is not None and (named or is_ours(document)):
            _load_document(file, index, document, loaded)
    if named and all(document is None for document in documents):
        loaded.diagnostics.append(Diagnostic("SS003", "the file holds no document", shown))
    if len(loaded.diagnostics) > before:
        loaded.broken.add(path)


def _load_document(file: SpecFile, index: int, document: Any, loaded: Loaded) -> None:
    findings = check_document(document)
    for item in findings:
        found = diagnose((file, index), item.code, item.message, item.path, hint=item.hint, on_key=item.on_key)
        loaded.diagnostics.append(found)
    usable = salvage(document, findings)
    if usable is None:
        loaded.hidden = True
    else:
        loaded.runs.append(_run(file, index, usable))


def _run(file: SpecFile, index: int, document: dict[str, Any]) -> Run:
    spec, metadata = document["spec"], document["metadata"]
    plugin = spec["plugin"]
    inputs = tuple(dict.fromkeys(ref.run for _, ref in references.find(spec) if ref.run is not None))
    return Run(
        name=metadata["name"],
        file=file,
        document=index,
        spec=spec,
        plugin=PluginRef(
            Path(os.path.normpath(file.path.parent / plugin["path"])) if "path" in plugin else None,
            plugin.get("module"),
        ),
        action=spec["action"],
        mode=ExecutionMode(spec.get("mode", "local")),
        params=spec.get("params", {}),
        depends_on=tuple(dict.fromkeys((*spec.get("dependsOn", ()), *inputs))),
        inputs=inputs,
        env={name: _env_value(value) for name, value in spec.get("env", {}).items()},
        resources=_resources(spec.get("resources", {})),
        runtime_env=spec.get("runtimeEnv", {}),
        timeout=quantities.seconds(spec["timeout"]) if "timeout" in spec else None,
        retry=_retry(spec.get("retry", {})),
        suspend=spec.get("suspend", False),
        rerun_on=frozenset(spec.get("rerunOn", ("spec", "code", "inputs"))),
        labels=metadata.get("labels", {}),
    )


def _env_value(value: Any) -> str | Secret:
    if isinstance(value, dict):
        return Secret(value.get("fromEnv"), value.get("fromFile"))
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _resources(spec: dict[str, Any]) -> Resources:
    memory = quantities.size_bytes(spec["memory"]) if "memory" in spec else None
    return Resources(spec.get("cpus"), spec.get("gpus"), memory, spec.get("custom", {}))


def _retry(spec: dict[str, Any]) -> Retry:
    names = {"limit": "limit", "backoff": "backoff", "factor": "factor", "maxBackoff": "max_backoff"}
    times = {"backoff", "maxBackoff"}
    values: dict[str, Any] = {
        names[key]: quantities.seconds(value) if key in times else value for key, value in spec.items()
    }
    return Retry(**values)
