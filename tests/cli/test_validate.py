"""`synapse validate`: its outputs, its exit codes, and that it looks at everything and changes nothing."""

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any
from urllib.parse import unquote

import jsonschema
import pytest
from click.testing import CliRunner, Result
from junitparser import JUnitXml

from synapse_spec.cli.main import program
from synapse_spec.plugins import yaml
from synapse_spec.spec.diagnostics import CODES, MORE, Diagnostic
from tests.conftest import PRELUDE, MakePlugin

CODE = """
    from pydantic import Field

    print("said on import")

    class Params(BaseModel):
        epochs: int = Field(3, ge=1)

    @action(params=Params)
    def run(params, ctx): ...
"""

RUN = "apiVersion: synapse.dev/v1\nkind: Run\nmetadata: {name: NAME}\nspec:\n  plugin: {path: p}\n  action: run\n"

FORMS = ["json", "yaml", "github", "junit", "sarif"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, make_plugin: MakePlugin, monkeypatch: pytest.MonkeyPatch) -> Path:
    make_plugin("p", CODE)
    (tmp_path / "synapse.toml").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name: str, more: str = "") -> None:
    Path(f"{name}.yaml").write_text(RUN.replace("NAME", name) + more)


def validate(*args: str, **options: Any) -> Result:
    return CliRunner().invoke(program, ["validate", *args], **options)


def test_what_is_fine_is_said_on_stderr() -> None:
    write("a", "  params: {epochs: 2}\n")
    result = validate("a.yaml")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "said on import\n1 run in 1 file: all valid\n"
    write("b")
    assert "2 runs in 2 files: all valid" in validate(".").stderr


def test_every_problem_of_every_file_in_one_pass() -> None:
    write("a", "  params: {epochs: 0, epoch: 1}\n  mod: job\n")
    write("b", "  params: {epochs: x}\n---\n" + RUN.replace("NAME", "a") + "  dependsOn: [nobody]\n")
    Path("c.yaml").write_text("# synapse.dev\na: [\n")
    write("d", "  plugin: {path: p}\n")
    result = validate("d.yaml", ".")
    places = [line.partition(": error")[0] for line in result.stderr.splitlines() if ": error[" in line]
    assert places == [
        "a.yaml:7:20",
        "a.yaml:7:23",
        "a.yaml:8:3",
        "b.yaml:7:20",
        "b.yaml:11:18",
        "c.yaml:2:4",
        "d.yaml:7:3",
    ]
    assert (result.exit_code, result.stdout) == (3, "")
    assert "7 problems" in result.stderr


def test_as_json() -> None:
    write("a", "  params: {epcohs: 2}\n")
    result = validate("-o", "json", "a.yaml")
    assert result.exit_code == 3
    assert json.loads(result.stdout) == {
        "version": 1,
        "diagnostics": [
            {
                "path": "a.yaml",
                "line": 7,
                "column": 12,
                "endLine": 7,
                "endColumn": 18,
                "code": "SS104",
                "severity": "error",
                "message": "unknown param 'epcohs' for p:run",
                "hint": "did you mean 'epochs'? (integer, default 3)",
                "pointer": "/spec/params/epcohs",
            }
        ],
    }
    assert yaml.parse(validate("-o", "yaml", "a.yaml").stdout.encode()) == [json.loads(result.stdout)]


def test_as_json_where_all_is_fine() -> None:
    write("a")
    result = validate("-o", "json", "a.yaml")
    assert (result.exit_code, json.loads(result.stdout)) == (0, {"version": 1, "diagnostics": []})


@pytest.mark.parametrize("form", FORMS)
def test_a_plugin_that_prints_on_import_does_not_spoil_what_programs_read(form: str) -> None:
    write("a")
    with process("-o", form, "a.yaml") as child:
        out, said = child.communicate()
    assert (child.returncode, paths_in(form, out.decode())) == (0, [])
    assert b"said on import" not in out
    assert b"said on import" in said


# What `-o json` and `-o yaml` print.
DOCUMENT = {
    "type": "object",
    "required": ["version", "diagnostics"],
    "additionalProperties": False,
    "properties": {
        "version": {"const": 1},
        "diagnostics": {
            "type": "array",
            "items": {
                "type": "object",
                "required": [*Diagnostic("SS001", "", "").to_record()],
                "additionalProperties": False,
                "properties": {
                    "path": {"type": "string", "minLength": 1},
                    "line": {"type": "integer", "minimum": 1},
                    "column": {"type": "integer", "minimum": 1},
                    "endLine": {"type": "integer", "minimum": 1},
                    "endColumn": {"type": "integer", "minimum": 1},
                    "code": {"enum": [*CODES]},
                    "severity": {"enum": ["error", "warning"]},
                    "message": {"type": "string", "minLength": 1},
                    "hint": {"type": ["string", "null"]},
                    "pointer": {"type": ["string", "null"], "pattern": "^(/([^/~]|~[01])*)*$"},
                },
            },
        },
    },
}


def mixed() -> list[str]:
    """Errors in two files and in one that is not there, a warning, and a file that is fine."""
    write("a", "  params: {epochs: 0, 'a/b~c': 1}\n")
    write("b", "  env: {VERSION: 1.10}\n")
    write("c")
    Path("d.yaml").write_text("# synapse.dev\na: [\n")
    return [".", "nope.yaml"]


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_records_fit_their_schema(form: str) -> None:
    (document,) = yaml.parse(validate("-o", form, *mixed()).stdout.encode())
    jsonschema.validate(document, DOCUMENT)
    assert [item["path"] for item in document["diagnostics"]] == ["a.yaml", "a.yaml", "b.yaml", "d.yaml", "nope.yaml"]
    assert [item["severity"] for item in document["diagnostics"]] == ["error", "error", "warning", "error", "error"]


def paths_in(form: str, text: str) -> list[str]:
    """The files that a document tells of, in its order."""
    match form:
        case "json" | "yaml":
            return [item["path"] for item in yaml.parse(text.encode())[0]["diagnostics"]]
        case "github":
            return re.findall(r"^::(?:error|warning) file=([^,]*),", text, re.MULTILINE)
        case "junit":
            return [case.name for suite in JUnitXml.fromstring(text.encode()) for case in suite if list(case)]
        case _:
            (run,) = json.loads(text)["runs"]
            places = [result["locations"][0]["physicalLocation"] for result in run["results"]]
            return [unquote(place["artifactLocation"]["uri"]) for place in places]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_tells_of_the_same_files_and_exits_alike(form: str) -> None:
    result = validate("-o", form, *mixed())
    assert list(dict.fromkeys(paths_in(form, result.stdout))) == ["a.yaml", "b.yaml", "d.yaml", "nope.yaml"]
    assert result.exit_code == 3
    fine = validate("-o", form, "c.yaml")
    assert (fine.exit_code, paths_in(form, fine.stdout)) == (0, [])
    warned = validate("-o", form, "b.yaml")
    assert (warned.exit_code, paths_in(form, warned.stdout)) == (0, ["b.yaml"])


@pytest.mark.parametrize("form", FORMS)
def test_every_form_calls_standard_input_so(form: str) -> None:
    result = validate("-o", form, "-", input=RUN.replace("NAME", "a") + "  mod: job\n")
    assert (result.exit_code, paths_in(form, result.stdout)) == (3, ["<stdin>"])


def test_with_the_forms_of_ci_systems_the_log_has_the_words_too() -> None:
    write("a", "  params: {epochs: 0}\n")
    assert validate("a.yaml").exit_code == 3  # and the plugin has said on import what it had to say
    text = validate("a.yaml").stderr
    for form in FORMS:
        assert validate("-o", form, "a.yaml").stderr == ("" if form in ("json", "yaml") else text)


def test_a_file_without_problems_is_a_passed_case() -> None:
    write("a")
    (suite,) = JUnitXml.fromstring(validate("-o", "junit", "a.yaml").stdout.encode())
    assert [(case.name, case.is_passed) for case in suite] == [("a.yaml", True)]


def test_only_warnings() -> None:
    write("a", "  env: {VERSION: 1.10}\n")
    result = validate("a.yaml")
    assert "warning[" in result.stderr
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (0, "1 run in 1 file: all valid, with 1 warning")


def process(*args: str, **options: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "synapse_spec", "validate", *args]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


@pytest.mark.parametrize("form", ["github", "junit", "sarif"])
def test_a_reader_that_has_left_is_no_matter(form: str) -> None:
    write("a", "  mod: job\n")
    with process("-o", form, "a.yaml") as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()
        said = child.stderr.read().decode()
    assert (child.returncode, "Broken" in said, "Traceback" in said) == (3, False, False)


@pytest.mark.parametrize("form", ["github", "junit", "sarif"])
def test_what_programs_read_is_utf_8_whatever_the_terminal_is(form: str) -> None:
    write("ü")
    Path("ü.yaml").write_text(RUN.replace("NAME", "a") + "  mod: '→'\n")
    with process("-o", form, "ü.yaml", env=os.environ | {"PYTHONIOENCODING": "ascii"}) as child:
        text = child.communicate()[0].decode()
    assert (child.returncode, paths_in(form, text)) == (3, ["ü.yaml"])


@pytest.mark.parametrize("form", ["github", "junit", "sarif"])
def test_a_name_that_is_no_text(form: str) -> None:
    Path(os.fsdecode(b"\xff.yaml")).write_text(RUN.replace("NAME", "a") + "  mod: job\n")
    result = validate("-o", form, ".")
    assert (result.exit_code, len(paths_in(form, result.stdout))) == (3, 1)


def test_as_annotations_of_github() -> None:
    write("a", '  params: {epochs: 0, "100%\\n": 1}\n')
    Path("a.yaml").rename("a,b:c.yaml")
    place = "::error file=a%2Cb%3Ac.yaml,line=7"
    assert validate("-o", "github", "a,b:c.yaml").stdout.splitlines() == [
        f"{place},col=20,endLine=7,title=SS106::epochs: 0 is less than the minimum of 1 (default 3)",
        f"{place},col=23,endLine=7,title=SS104::unknown param '100%25\\n' for p:run (known here: epochs)",
    ]


def test_pointers_are_json_pointers() -> None:
    write("a", "  params: {'a/b~c': 1}\n")
    (record,) = json.loads(validate("-o", "json", "a.yaml").stdout)["diagnostics"]
    assert record["pointer"] == "/spec/params/a~1b~0c"


def test_standard_input() -> None:
    text = RUN.replace("NAME", "a")
    assert validate("-", input=text).exit_code == 0
    result = validate("-", input=text + "  params: {epochs: 0}\n")
    assert result.exit_code == 3
    assert "<stdin>:7:20: error[SS106]: epochs: 0 is less than the minimum of 1" in result.stderr


def test_colour_only_where_it_is_wanted() -> None:
    write("a", "  params: {epochs: 0}\n")
    assert "\x1b[" not in validate("a.yaml").stderr
    assert "\x1b[31m" in validate("a.yaml", color=True).stderr
    coloured = CliRunner().invoke(program, ["--color", "validate", "a.yaml"])
    assert "\x1b[31m" in coloured.stderr


def test_no_path_is_a_wrong_use() -> None:
    assert validate().exit_code == 64
    assert validate("-o", "xml", "a.yaml").exit_code == 64


def test_nothing_is_written(folder: Path) -> None:
    write("a", "  params: {epochs: 2}\n")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert validate("a.yaml").exit_code == 0
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def exported(folder: Path) -> None:
    assert CliRunner().invoke(program, ["schema", "export", "p"]).exit_code == 0
    assert (folder / "schemas" / "p.schema.json").is_file()


def test_offline_with_fresh_schemas(folder: Path) -> None:
    exported(folder)
    act = folder / "p" / "plugin" / "act.py"
    write("a", "  params: {epochs: 2}\n")
    write("b", "  params: {epochs: 0}\n")
    result = validate("--offline", "a.yaml")
    assert (result.exit_code, result.stderr) == (0, "1 run in 1 file: all valid\n")
    assert "error[SS106]" in validate("--offline", "b.yaml").stderr
    act.write_text(act.read_text().replace("3", "4"))
    assert "error[SS205]" in validate("--offline", "a.yaml").stderr
    assert validate("a.yaml").exit_code == 0


def test_a_plugin_that_does_not_import_here_is_checked_by_its_schemas(folder: Path) -> None:
    library = folder / "site-packages"
    library.mkdir()
    (library / "a_heavy_one.py").touch()
    act = folder / "p" / "plugin" / "act.py"
    act.write_text("import a_heavy_one\n" + PRELUDE + dedent(CODE))
    environ = os.environ | {"PYTHONPATH": str(library)}
    subprocess.run(
        [sys.executable, "-m", "synapse_spec", "schema", "export", "p"], env=environ, check=True, capture_output=True
    )
    write("a", "  params: {epochs: 2}\n")
    write("b", "  params: {epochs: 0}\n")
    assert validate("a.yaml").exit_code == 0
    assert "error[SS106]" in validate("b.yaml").stderr
    act.write_text(act.read_text().replace("3", "4"))
    result = validate("a.yaml")
    assert "error[SS204]" in result.stderr
    assert "install 'a_heavy_one' here, or export the schemas where it is installed" in result.stderr


def test_neither_ray_nor_rich_nor_the_explaining_validator_where_all_is_fine() -> None:
    write("a")
    code = """
        import sys
        from synapse_spec.cli.main import program
        try:
            program(["validate", "a.yaml"])
        except SystemExit as exit:
            assert exit.code == 0
        assert not {"ray", "rich", "jsonschema"} & set(sys.modules)
    """
    subprocess.run([sys.executable, "-c", dedent(code)], check=True, capture_output=True)


def test_bytes_of_any_kind_are_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    for data in (b"", b"\x00", b"\xff\xfe", b"{", b"- - -", b"%", b"&a *a", b"!!", b"? ", "\u2028: \x85".encode()):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        result = validate("-", input=data)
        assert result.exit_code == 3, data
        assert "Traceback" not in result.output


def test_of_very_many_problems_the_first_are_told_and_that_there_are_more(
    tmp_path: Path, make_plugin: MakePlugin
) -> None:
    make_plugin("p", CODE)
    spec = tmp_path / "a.yaml"
    spec.write_text(RUN.replace("NAME", "a") + "  params:\n" + "".join(f"    k{n}: 1\n" for n in range(101)))
    said = CliRunner().invoke(program, ["validate", str(spec)]).stderr
    assert said.count("unknown param") == 100
    assert said.count("there are more problems than are told; mend these first") == 1
    records = json.loads(CliRunner().invoke(program, ["validate", "-o", "json", str(spec)]).stdout)["diagnostics"]
    assert [item["message"].endswith(MORE) for item in records].count(True) == 1
    assert len(records) == 101
