"""Whatever a file holds, `validate` answers: quickly, in little memory, at a place that exists, without a traceback.

The suite tries 5,000 texts, the same ones each time; `make fuzz` tries FUZZ_EXAMPLES others. What is large is tried in
processes of its own.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synapse_spec.plugins.yaml import MAX_BYTES, source_lines
from synapse_spec.spec.catalog import Catalog
from synapse_spec.spec.diagnostics import Diagnostic, render_text
from synapse_spec.spec.load import load
from synapse_spec.spec.validate import validate
from tests.cases import copied
from tests.spec.large_specs import ENDLESS, HEAD, LARGE, REPEATED, repeated

CASES = Path(__file__).parents[1] / "cases" / "diagnostics"
SPECS = [path.read_bytes() for path in sorted(CASES.glob("*.yaml")) if path.stat().st_size < 5000]
MOST_SECONDS = 2.0
MOST_MIB = 500
Validating = Callable[[Path], tuple[int, float, float]]

PIECES = [
    *("a", "params", "on", "012", "1.10", "1e999", ".nan", "null", "~", "${{", "}}", "${{ runs.a.result }}"),
    *(" ", "  ", "\n", "\r\n", "\r", "\t", "\n    ", ": ", ":", "- ", "? ", ", ", "[", "]", "{", "}", "#", " #"),
    *(
        "&a ",
        "*a",
        "!!str ",
        "!x ",
        "<<: ",
        "|\n",
        ">-\n",
        "---\n",
        "...\n",
        "%YAML 1.2\n",
        "\\",
        "\\x",
        "@",
        "`",
        "'",
        '"',
    ),
    *("\0", "\x85", "\u2028", "\ufeff", "\ufffe", "é", "e\u0301", "😀", "\x1b[31m", "x" * 3000, "9" * 5000, '"'),
    *("apiVersion: synapse.dev/v1\n", "kind: Run\n", "  action: train\n", "  params: {epochs: x}\n", "  env: {A: }\n"),
    *(HEAD, "[" * 1100, "{a: " * 500),
]
BROKEN = [b"\xff", b"\xed\xa0\x80", b"\xc3", b"\xfe\xff", b"\xf4\x90\x80\x80"]

pieces = st.sampled_from([piece.encode() for piece in PIECES] + BROKEN)


def examples(share: float) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """That part of all examples; always the same ones unless FUZZ_EXAMPLES asks for others."""
    wanted = os.environ.get("FUZZ_EXAMPLES")
    return settings(
        max_examples=round(int(wanted or 5000) * share),
        derandomize=wanted is None,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A spec that somebody has sat on."""
    data = draw(st.sampled_from(SPECS))
    for _ in range(draw(st.integers(1, 5))):
        separator = draw(st.sampled_from([b"\n", b" ", b""]))
        parts = data.split(separator) if separator else [data[place : place + 1] for place in range(len(data))]
        here, there = (draw(st.integers(0, max(0, len(parts) - 1))) for _ in range(2))
        match draw(st.sampled_from(["delete", "repeat", "swap", "insert", "replace", "indent", "ends", "encode"])):
            case "delete":
                del parts[min(here, there) : max(here, there) if separator else here + 1]
            case "repeat":
                parts[here:here] = parts[here : here + 3] * draw(st.integers(1, 20))
            case "swap" if parts:
                parts[here], parts[there] = parts[there], parts[here]
            case "insert":
                parts.insert(here, draw(pieces))
            case "replace" if parts:
                parts[here] = draw(pieces)
            case "indent":
                parts[here:there] = [b"  " + part for part in parts[here:there]]
            case "ends":
                parts = [part.replace(b"\n", b"\r\n") + b"\r" * (separator == b"\n") for part in parts]
            case "encode":
                text = separator.join(parts).decode("utf-8", "replace")
                return text.encode(draw(st.sampled_from(["utf-16", "utf-32", "latin-1", "utf-8-sig"])), "replace")
        data = separator.join(parts)
    return data


@pytest.fixture(scope="module")
def check(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bytes], list[Diagnostic]]:
    """Does with a text what `validate` does with a file that holds it, and holds the answer to what it must be."""
    folder = copied(CASES, tmp_path_factory.mktemp("fuzz") / "cases")
    file, catalog = folder / "a.yaml", Catalog(folder)

    def check(data: bytes) -> list[Diagnostic]:
        file.write_bytes(data)
        start = time.process_time()
        found = validate(load([str(file)]), catalog, models=True)
        text = data.decode("utf-8", errors="replace")
        for item in found:
            assert render_text(item, text, lambda shown, _: shown)
        assert time.process_time() - start < MOST_SECONDS
        for item in found:
            assert item.message
            assert item.path != str(file) or _is_inside(item, source_lines(text))
        return found

    return check


def _is_inside(item: Diagnostic, lines: list[str]) -> bool:
    """Whether its place exists in the text: a character, or the end of a line."""
    span = item.span
    if span is None or (not any(lines) and span.line == 1):
        return True
    assert 1 <= span.line <= span.end_line <= len(lines), (item, len(lines))
    assert 1 <= span.column <= len(lines[span.line - 1]) + 1, (item, lines[span.line - 1])
    assert span.end_column <= len(lines[span.end_line - 1]) + 2, (item, lines[span.end_line - 1])
    assert (span.line, span.column) <= (span.end_line, span.end_column), item
    return True


# Validates a.yaml in each folder that it is told, each time in a process of its own that has imported all already.
SERVER = """
import os, sys
import jsonschema
import synapse_spec.cli.validate
from synapse_spec.cli.main import main
from synapse_spec.plugins import discovery
from synapse_spec.spec import config_checks, explain, exported, plugin_checks, reference_checks, salvage, yaml11

sys.argv[1:] = ["validate", "--offline", "a.yaml"]
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        os.chdir(line.strip())
        said = os.open("said", os.O_WRONLY | os.O_CREAT)
        os.dup2(said, 1)
        os.dup2(said, 2)
        main()
    _, status, usage = os.wait4(child, 0)
    print(os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, usage.ru_maxrss, flush=True)
"""


@pytest.fixture(scope="module")
def validating() -> Iterator[Validating]:
    """Validates a.yaml in a folder: exit code, seconds of CPU, MiB. What it prints is in the file `said`."""
    words = [sys.executable, "-c", SERVER]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as server:
        assert server.stdin is not None
        assert server.stdout is not None

        def validating(folder: Path) -> tuple[int, float, float]:
            print(folder, file=server.stdin, flush=True)
            status, seconds, most = server.stdout.readline().split()
            return int(status), float(seconds), int(most) / (2**20 if sys.platform == "darwin" else 2**10)

        yield validating


@pytest.mark.parametrize("name", LARGE)
def test_large_files(name: str, tmp_path: Path, validating: Validating) -> None:
    _is_answered(LARGE[name](), tmp_path, validating)


@pytest.mark.parametrize(
    ("name", "size"), [(name, None) for name in REPEATED] + [(name, MAX_BYTES) for name in ["dashes", "runs", *ENDLESS]]
)
def test_one_thing_many_times(name: str, size: int | None, tmp_path: Path, validating: Validating) -> None:
    _is_answered(repeated(name, size), tmp_path, validating)


def _is_answered(text: str, tmp_path: Path, validating: Validating) -> None:
    shutil.copytree(CASES / "plugins", tmp_path / "plugins")
    (tmp_path / "a.yaml").write_text(text)
    status, seconds, mib = validating(tmp_path)
    if seconds >= MOST_SECONDS:  # what else the machine does counts as ours, so the quickest of three is taken
        seconds = min(validating(tmp_path)[1] for _ in range(2))
    said = (tmp_path / "said").read_text(encoding="utf-8")
    assert status == 3, said[:2000]
    assert "Traceback" not in said
    assert seconds < MOST_SECONDS
    assert mib < MOST_MIB


@examples(0.1)
@given(data=st.binary(max_size=200))
def test_any_bytes(check: Callable[[bytes], list[Diagnostic]], data: bytes) -> None:
    check(data)


@examples(0.3)
@given(parts=st.lists(pieces, max_size=30), head=st.sampled_from(["", HEAD]))
def test_any_text_of_yaml(check: Callable[[bytes], list[Diagnostic]], parts: list[bytes], head: str) -> None:
    check(head.encode() + b"".join(parts))


@examples(0.6)
@given(data=mutated())
def test_any_spec_that_was_changed(check: Callable[[bytes], list[Diagnostic]], data: bytes) -> None:
    check(data)
