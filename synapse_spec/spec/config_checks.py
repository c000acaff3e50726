"""Keys of a config.yaml that look misspelt, as warnings. Called by the catalog.

Plugins may have keys for other tools, so an unknown one is no error.
"""

import os
from pathlib import Path
from typing import Any

from synapse_spec.plugins.config import PluginConfig
from synapse_spec.plugins.source import CONFIG_NAME, PluginSource


def misspelt_keys(source: PluginSource, config: PluginConfig) -> list[dict[str, Any]]:
    """The warnings, as data that the catalog can keep."""
    from synapse_spec.plugins import yaml
    from synapse_spec.plugins.config_words import misspelt

    notes = []
    for place, meant in misspelt(config):
        span = yaml.locate(source.config_path.read_bytes(), 0, place, key=True)
        where = ".".join(map(str, place[:-1]))
        message = f"synapse does not know the key {place[-1]!r}" + (f" in {where}" if where else "")
        span_values = [span.line, span.column, span.end_line, span.end_column]
        notes.append({"message": message, "hint": f"did you mean {meant!r}?", "span": span_values})
    return notes


def diagnosed(folder: Path, notes: list[dict[str, Any]]) -> list[Any]:
    """The diagnostics of these warnings."""
    from synapse_spec.plugins.yaml import Span
    from synapse_spec.spec.diagnostics import Diagnostic

    path = str(folder / CONFIG_NAME)
    near = os.path.relpath(path)
    shown = path if near.startswith(os.pardir) else near
    return [
        Diagnostic("SS206", note["message"], shown, Span(*note["span"]), note["hint"], severity="warning")
        for note in notes
    ]
