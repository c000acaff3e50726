"""What can still be read of a file in which a document is not YAML. Pure; called by `load`."""

import re
from dataclasses import replace
from itertools import pairwise

from synapse_spec.plugins import yaml
from synapse_spec.plugins.yaml import TooLarge, YamlError, source_lines
from synapse_spec.spec.diagnostics import MORE, Diagnostic
from synapse_spec.spec.syntax import diagnosed

_DOCUMENT = re.compile(rb"^---(?=\s|\Z)", re.MULTILINE)
_DIRECTIVES = re.compile(rb"(?:(?:[#%].*|[ \t]*)\r?\n)*")
_MOST_DOCUMENTS, _MOST_BROKEN = 1000, 20


def salvaged(error: YamlError, data: bytes, shown: str) -> tuple[list[Diagnostic], bytes]:
    """What is wrong with each document of a file that could not be read, and the file without these documents.

    What is left stands where it stood.
    """
    if isinstance(error, TooLarge):
        return [diagnosed(error, data, shown)], b""
    starts = [0, *(match.start() for match in _DOCUMENT.finditer(data) if match.start())]
    found: list[Diagnostic] = []
    kept, above = b"", 0
    for start, end in pairwise([*starts, len(data)]) if 1 < len(starts) <= _MOST_DOCUMENTS else ():
        document = data[start:end]
        lines = len(source_lines(document.decode("utf-8", errors="replace"))) - 1
        one = None if _DIRECTIVES.fullmatch(document) else _problem(document)
        if one is not None:
            one = YamlError(one.message, one.line + above, one.column)
            found.append(diagnosed(one, b"\n" * above + document, shown))
            document = (b"---" if start else b"") + b"\n" * lines
        if len(found) == _MOST_BROKEN:
            found.append(replace(found[-1], message=MORE, hint=None))
            break
        kept, above = kept + document, above + lines
    return (found, kept) if found and _problem(kept) is None else ([diagnosed(error, data, shown)], b"")


def _problem(data: bytes) -> YamlError | None:
    try:
        yaml.parse(data)
    except YamlError as error:
        return error
    return None
