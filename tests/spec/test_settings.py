"""synapse.toml: what is read, what is refused, and where."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from synapse_spec.spec.catalog import Catalog
from synapse_spec.spec.diagnostics import Diagnostic
from synapse_spec.spec.load import load
from synapse_spec.spec.settings import SCHEMA, Settings, read_settings
from synapse_spec.spec.validate import validate


def read(folder: Path, text: str | bytes) -> tuple[Settings, list[Diagnostic]]:
    (folder / "synapse.toml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_settings(folder)


@pytest.mark.parametrize("text", ["", "\n  \n", "# a comment\n", "[schemas]\n", "\ufeff"])
def test_the_defaults(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == (Settings(tmp_path / "schemas", {}), [])


def test_without_a_file(tmp_path: Path) -> None:
    assert read_settings(tmp_path) == (Settings(tmp_path / "schemas", {}), [])


@pytest.mark.parametrize(
    "text", ['[schemas]\nfolder = "a/b"\n', 'schemas.folder = "a/b"', 'schemas = {folder = "a/b"}\r\n']
)
def test_the_folder_of_schemas(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text) == (Settings(tmp_path / "a" / "b", {}), [])
    assert not Catalog(tmp_path).diagnostics
    assert Catalog(tmp_path).settings.schemas == tmp_path / "a" / "b"


def test_how_long_records_of_jobs_stay(tmp_path: Path) -> None:
    settings, problems = read(tmp_path, '[jobs]\nkeep = "1d12h"\n')
    assert problems == []
    assert settings.keep == 36 * 3600


@pytest.mark.parametrize(
    ("text", "message", "hint", "place"),
    [
        ("[schema]\n", "unknown setting 'schema'", "did you mean 'schemas'? (mapping)", (1, 2, 8)),
        (
            "# here\n[schemas]\nfoldre = 1\n",
            "unknown setting 'foldre' in [schemas]",
            "did you mean 'folder'? (string, default 'schemas')",
            (3, 1, 7),
        ),
        ("[schemas]\nfolder = 1\n", "schemas.folder: 1 is not a string", 'quote it: "1"', (2, 1, 7)),
        ("[schemas]\n  folder = ''\n", "schemas.folder: must not be empty", "Where they are written to", (2, 3, 9)),
        ("schemas = 3\n", "schemas: 3 is not a mapping", "Exported JSON Schemas.", (1, 1, 8)),
        (
            "[clusters.gpu]\n",
            "clusters.gpu: 'address' or 'dashboard' is required",
            'address = "host:6379"',
            (1, 11, 14),
        ),
        (
            '[clusters.gpu]\naddress = "gpu"',
            "clusters.gpu.address: 'gpu' must be host:port of the cluster's GCS, usually port 6379",
            "host:port",
            (2, 1, 8),
        ),
        (
            '[clusters.gpu]\ndashboard = "gpu:80"',
            "clusters.gpu.dashboard: 'gpu:80' must be http://host:port or https://host:port, usually port 8265",
            "http(s)",
            (2, 1, 10),
        ),
        (
            '[clusters.gpu]\naddress = "gpu:1"\nheaders = {a = {}}',
            "clusters.gpu.headers.a: one of 'env' or 'file' must be given",
            "A text",
            (3, 12, 13),
        ),
        (
            '[clusters.gpu]\naddress = "gpu:1"\ntokn = 1',
            "unknown setting 'tokn' in [clusters.gpu]",
            "did you mean 'token'? (mapping)",
            (3, 1, 5),
        ),
        ("[limits]\ntask = 2\n", "unknown setting 'task' in [limits]", "did you mean 'tasks'?", (2, 1, 5)),
        ("[limits]\ntasks = 0\n", "limits.tasks: 0 is less than the minimum of 1", "Tasks at once", (2, 1, 6)),
        (
            '[jobs]\nkeep = "soon"\n',
            "jobs.keep: 'soon' must be a duration such as '12h' or '30d'",
            "How long Ray's record",
            (2, 1, 5),
        ),
        ("x = [\n  1,\n]\ny = 1\n", "unknown setting 'x'", "known here: schemas, clusters", (1, 1, 2)),
        ('[schemas]\nfolder = """\nother\n"""\nother = 1', "unknown setting 'other' in [schemas]", "known", (5, 1, 6)),
        ('"\\u0061" = 1\n', "unknown setting 'a'", "known here: schemas, clusters", (1, 1, 2)),
        ("[schemas]\nfolder = nan\n", "not valid TOML: dates, nan and inf are not taken", None, (1, 1, 2)),
        ("[schemas]\nfolder = 2020-01-01", "not valid TOML: dates, nan and inf are not taken", None, (1, 1, 2)),
        ("schemas\n", "not valid TOML: expected '=' after a key in a key/value pair", None, (1, 8, 9)),
        ("[schemas]\nfolder = \n", "not valid TOML: invalid value", None, (2, 10, 11)),
        ("a = 1\na = 2", "not valid TOML: cannot overwrite a value", None, (2, 6, 7)),
        (b'a = "\xc3\xa9\xff"', "not valid TOML: invalid UTF-8: the byte 0xff", None, (1, 7, 8)),
        ("a = " + "[" * 9999, "not valid TOML: it has too many levels", None, (1, 1, 2)),
    ],
)
def test_what_is_refused_and_where(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    text: str | bytes,
    message: str,
    hint: str | None,
    place: tuple[int, int, int],
) -> None:
    monkeypatch.chdir(tmp_path)
    settings, (problem, *more) = read(tmp_path, text)
    assert settings == Settings(tmp_path / "schemas")
    assert (problem.code, problem.path, problem.message) == ("SS004", "synapse.toml", message)
    assert problem.hint == hint if hint is None else str(problem.hint).startswith(hint)
    assert problem.span is not None
    assert (problem.span.line, problem.span.column, problem.span.end_column) == place
    assert len(more) == (1 if isinstance(text, str) and "y = 1" in text else 0)


CLUSTERS = """
[clusters.gpu-a]
address = "gpu-a.example:6379"
dashboard = "https://ray.example/gpu-a"
token = {env = "GPU_TOKEN"}
namespace = "vision"
headers = {X-Team = "vision", X-Key = {file = "key"}}

[clusters.six]
address = "[::1]:6379"

[clusters."nightly jobs"]
dashboard = "http://10.0.0.7:8265"
token.file = "~/token"
"""


def test_clusters(tmp_path: Path) -> None:
    settings, problems = read(tmp_path, CLUSTERS)
    assert problems == []
    assert settings.clusters == {
        "gpu-a": {
            "address": "gpu-a.example:6379",
            "dashboard": "https://ray.example/gpu-a",
            "token": {"env": "GPU_TOKEN"},
            "namespace": "vision",
            "headers": {"X-Team": "vision", "X-Key": {"file": "key"}},
        },
        "six": {"address": "[::1]:6379"},
        "nightly jobs": {"dashboard": "http://10.0.0.7:8265", "token": {"file": "~/token"}},
    }


@pytest.mark.parametrize("token", ['"secret"', '{value = "secret"}', '{env = "A", file = "secret"}', '["secret"]', "7"])
def test_a_token_is_not_shown(tmp_path: Path, token: str) -> None:
    settings, problems = read(tmp_path, f'[clusters.gpu]\naddress = "gpu:1"\ntoken = {token}\n')
    assert settings.clusters is None
    assert {item.message for item in problems} == {"clusters.gpu.token: the token itself does not stand here"}
    assert all(item.span is None and "{env = " in str(item.hint) for item in problems), "its line would be shown"


def test_a_folder_of_that_name(tmp_path: Path) -> None:
    (tmp_path / "synapse.toml").mkdir()
    ((problem),) = read_settings(tmp_path)[1]
    assert problem.message == "cannot be read: Is a directory"


def test_validate_says_it(tmp_path: Path) -> None:
    (tmp_path / "synapse.toml").write_text("x = 1\n")
    problems = validate(load([]), Catalog(tmp_path))
    assert [(item.code, item.severity) for item in problems] == [("SS004", "error")]


def test_nothing_is_imported_for_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "synapse.toml").touch()
    code = "import sys; from pathlib import Path; from synapse_spec.spec.settings import read_settings\n"
    code += "read_settings(Path(sys.argv[1])); print(*{'tomllib', 'jsonschema_rs', 'yamlrocks'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


def test_its_schema_is_a_valid_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@given(st.one_of(st.binary(), st.text(alphabet="ab=[]{}\"'.\n#1 schemfold-:T,\\").map(str.encode)))
def test_whatever_is_in_it_there_is_an_answer(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("settings")
    settings, problems = read(folder, data)
    lines = len(data.decode("utf-8", errors="replace").splitlines()) + 1
    assert all(item.span and 1 <= item.span.line <= lines and item.span.column >= 1 for item in problems)
    assert problems or settings.schemas.is_relative_to(folder)
