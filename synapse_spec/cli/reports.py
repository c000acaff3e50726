"""Diagnostics in the forms that CI systems read: annotations of GitHub Actions, JUnit XML, SARIF 2.1.0.

Called by `validate`; knows nothing of checking.
"""

import json
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import synapse_spec
from synapse_spec.cli.output import source_text
from synapse_spec.spec.diagnostics import CODES, Diagnostic, render_text

_SARIF_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_SUITE = "synapse validate"
# What XML 1.0 cannot hold, not even escaped; and the carriage return, which readers turn into a line feed.
_NOT_XML = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def github(diagnostics: Iterable[Diagnostic]) -> str:
    """Workflow commands of GitHub Actions, one a line."""
    return "".join(f"{_annotation(item)}\n" for item in diagnostics)


def junit(diagnostics: Iterable[Diagnostic], files: Iterable[str]) -> str:
    """JUnit XML: a test case for each file; it fails if the file has an error.

    Args:
        diagnostics: In the order to show them in.
        files: What was read, as the user named it, so that files without a problem are there too.
    """
    from xml.etree import ElementTree

    found: dict[str, list[Diagnostic]] = {path: [] for path in files}
    for item in diagnostics:
        found.setdefault(item.path, []).append(item)
    failed = sum(bool(_errors(items)) for items in found.values())
    totals = {"name": _SUITE, "tests": str(len(found)), "failures": str(failed), "errors": "0"}
    root = ElementTree.Element("testsuites", totals)
    suite = ElementTree.SubElement(root, "testsuite", totals)
    for path, items in sorted(found.items()):
        case = ElementTree.SubElement(suite, "testcase", classname="synapse.validate", name=_xml(path))
        errors, warnings = _errors(items), [item for item in items if item.severity != "error"]
        if errors:
            # One element with all of them: of several, most readers of JUnit XML show the first only.
            more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
            message = _xml(errors[0].message) + more
            ElementTree.SubElement(case, "failure", type=errors[0].code, message=message).text = _text(path, errors)
        if warnings:
            ElementTree.SubElement(case, "system-out").text = _text(path, warnings)
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, encoding="unicode")}\n'


def sarif(diagnostics: Iterable[Diagnostic]) -> str:
    """A SARIF 2.1.0 log of one run; relative paths are relative to %SRCROOT%."""
    rules = []
    for code, about in CODES.items():
        description = {"text": f"{about[0].upper()}{about[1:]}."}
        advice = {"text": f"What it means, with examples: synapse explain {code}"}
        # GitHub asks for all of these.
        rules.append({"id": code, "shortDescription": description, "fullDescription": description, "help": advice})
    driver = {"name": "synapse", "version": synapse_spec.__version__, "rules": rules}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(item) for item in diagnostics],
    }
    return json.dumps({"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _annotation(item: Diagnostic) -> str:
    record = item.to_record()
    place = f"line={record['line']},col={record['column']},endLine={record['endLine']}"
    file = _escaped(item.path).replace(":", "%3A").replace(",", "%2C")
    return f"::{item.severity} file={file},{place},title={item.code}::{_escaped(_with_hint(item))}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _with_hint(item: Diagnostic) -> str:
    return item.message + (f" ({item.hint})" if item.hint else "")


def _errors(items: Sequence[Diagnostic]) -> list[Diagnostic]:
    return [item for item in items if item.severity == "error"]


def _text(path: str, items: Sequence[Diagnostic]) -> str:
    """The diagnostics of one file as people read them."""
    source = source_text(path)
    return _xml("\n\n".join(render_text(item, source, lambda text, _: text) for item in items))


def _xml(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)


def _result(item: Diagnostic) -> dict[str, Any]:
    region = {"startLine": 1}
    if item.span:
        region = {
            "startLine": item.span.line,
            "startColumn": item.span.column,
            "endLine": item.span.end_line,
            "endColumn": item.span.end_column,
        }
    return {
        "ruleId": item.code,
        "ruleIndex": list(CODES).index(item.code),
        "level": item.severity,
        # Single braces stand for placeholders in a message of SARIF.
        "message": {"text": _with_hint(item).replace("{", "{{").replace("}", "}}")},
        "locations": [{"physicalLocation": {"artifactLocation": _artifact(item.path), "region": region}}],
    }


def _artifact(path: str) -> dict[str, str]:
    if os.path.isabs(path):
        return {"uri": Path(path).as_uri()}
    return {"uri": quote(os.fsencode(os.path.normpath(path))), "uriBaseId": "%SRCROOT%"}
