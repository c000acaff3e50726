"""Turns what is wrong with a plugin into a diagnostic of the run that names it. Called by `validate`."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synapse_spec.plugins import sdk, yaml
from synapse_spec.plugins.errors import (
    ActionNotFoundError,
    PluginConfigError,
    PluginError,
    PluginLoadError,
    PluginNotFoundError,
)
from synapse_spec.plugins.source import CONFIG_NAME, PluginSource
from synapse_spec.spec import syntax
from synapse_spec.spec.catalog import SchemasNotFresh
from synapse_spec.spec.diagnostics import Diagnostic
from synapse_spec.spec.load import diagnose
from synapse_spec.spec.model import Run
from synapse_spec.spec.wording import near, short

_ENTRYPOINT = re.compile(r"\w+(\.\w+)*[:.]\w+(\.\w+)*")


def plugin_problem(run: Run, error: PluginError) -> Diagnostic:
    """The diagnostic; an error that is none of the plugin's is raised again."""
    details = error.details if isinstance(error.details, dict) else {}
    match error:
        case ActionNotFoundError():
            return _no_action(run, list(error.details or ()))
        case PluginConfigError() if "path" in details:
            return _bad_config(error.message, **details)
        case PluginConfigError():
            return diagnose(run, "SS202", error.message, ("spec", "plugin"))
        case PluginNotFoundError() if run.plugin.path is not None:
            return _no_folder(run, run.plugin.path)
        case PluginNotFoundError():
            return diagnose(run, "SS201", error.message, ("spec", "plugin", "module"))
        case PluginLoadError() if details.get("missing") == sdk.PACKAGE:
            hint = f"pip install {sdk.DISTRIBUTION}, or export the schemas where it is installed"
            return diagnose(run, "SS207", error.message, ("spec", "action"), hint=hint)
        case PluginLoadError():
            return _misnamed(run) or _not_loaded(run, error.message, details)
        case SchemasNotFresh():
            return diagnose(run, "SS205", error.message, ("spec", "action"), hint="run 'synapse schema export'")
    raise error


def unmet_requirements(run: Run, source: PluginSource, requires: dict[str, str]) -> Iterator[Diagnostic]:
    """What the plugin's config asks for and is not here, at its place there."""
    from synapse_spec.plugins.requires import unmet

    for item in unmet(requires, run.mode):
        span = yaml.locate(source.config_path.read_bytes(), 0, ("requires", item.key))
        severity = "error" if item.certain else "warning"
        hint = "install what it asks for, or change what it asks for"
        message = f"requires.{item.key}: {item.words}"
        yield Diagnostic("SS208", message, _shown(source.config_path), span, hint, severity=severity)


def _bad_config(message: str, path: str, line: int = 1, column: int = 1, **_: Any) -> Diagnostic:
    shown, data = _shown(path), b""
    try:
        data = Path(path).read_bytes()
        yaml.parse(data, yaml.MAX_VALUES)
    except OSError:
        return Diagnostic("SS202", message, shown)
    except yaml.YamlError as error:
        return syntax.diagnosed(error, data, shown, "SS202")
    rest = yaml.written(data, yaml.Span(line, column, line, len(data) + 1))
    word = re.match(r"[^\s,\[\]{}:]+", rest)
    return Diagnostic("SS202", message, shown, yaml.Span(line, column, line, column + (word.end() if word else 1)))


def _no_action(run: Run, offered: list[str]) -> Diagnostic:
    meant = near(run.action, offered)
    hint = f"did you mean {meant!r}?" if meant else f"it has {', '.join(offered) or 'none'}"
    return diagnose(run, "SS203", f"the plugin has no action {run.action!r}", ("spec", "action"), hint=hint)


def _no_folder(run: Run, path: Path) -> Diagnostic:
    written = str(run.spec["plugin"]["path"])
    try:
        exists = path.exists()
    except OSError as error:
        message = f"{short(written)} cannot be looked for: {error.strerror}"
        return diagnose(run, "SS201", message, ("spec", "plugin", "path"))
    if exists:
        message = f"{written!r} is no plugin: it has neither {CONFIG_NAME} nor an action in its code"
        return diagnose(run, "SS201", message, ("spec", "plugin", "path"))
    beside = [item.parent.name for item in path.parent.glob(f"*/{CONFIG_NAME}")]
    beside_it = near(path.name, beside)
    meant = os.path.normpath(os.path.join(written, "..", beside_it)) if beside_it else None
    hint = f"did you mean '{meant}'?" if meant else f"looked for in {_shown(path)}, relative to this file"
    return diagnose(run, "SS201", f"there is no folder {written!r}", ("spec", "plugin", "path"), hint=hint)


def _not_loaded(run: Run, message: str, details: dict[str, Any]) -> Diagnostic:
    missing, entry = details.get("missing"), _entrypoint(run)
    hint = f"install {missing!r} here, or export the schemas where it is installed" if missing else None
    if hint is None and entry is not None and "entrypoint" in message:
        hint = f"it is named at {entry.shown}:{entry.span.line}"
    return diagnose(run, "SS204", message, ("spec", "action"), hint=hint)


def _misnamed(run: Run) -> Diagnostic | None:
    """An entrypoint in the config that names no object, at its place."""
    entry = _entrypoint(run)
    if entry is None or run.plugin.path is None:
        return None
    folder, text = run.plugin.path, entry.text.strip()
    module, *names = re.split(r"[\s:]+", text)
    module = module.replace("/", ".").removesuffix(".py")
    if not names and (folder / f"{module.replace('.', '/')}.py").is_file():
        message = f"{short(text)} is a module; an entrypoint also says what in it"
        return Diagnostic("SS202", message, entry.shown, entry.span, f"write '{module}:NAME'")
    if _ENTRYPOINT.fullmatch(text):
        return None
    meant = ":".join([module, *names])
    hint = f"write '{meant}'" if _ENTRYPOINT.fullmatch(meant) else "it is written as 'package.module:Name'"
    return Diagnostic("SS202", f"{short(text)} is no entrypoint", entry.shown, entry.span, hint)


@dataclass(frozen=True, slots=True)
class _Entrypoint:
    text: str
    shown: str
    span: yaml.Span


def _entrypoint(run: Run) -> _Entrypoint | None:
    """What the config says that the action is, and where."""
    if run.plugin.path is None:
        return None
    path = run.plugin.path / CONFIG_NAME
    try:
        data = path.read_bytes()
        entry = yaml.parse(data)[0]["actions"][run.action]
    except (OSError, PluginError, LookupError, TypeError):
        return None
    place: yaml.KeyPath = ("actions", run.action)
    if isinstance(entry, dict):
        entry, place = entry.get("entrypoint"), (*place, "entrypoint")
    return _Entrypoint(entry, _shown(path), yaml.locate(data, 0, place)) if isinstance(entry, str) else None


def _shown(path: str | Path) -> str:
    """A path as a person would name it from here."""
    near = os.path.relpath(path)
    return str(path) if near.startswith(os.pardir) else near
