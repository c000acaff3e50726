"""Whatever a file holds, `validate` answers: quickly, in little memory, at a place that exists, without a traceback.

The suite tries 5,000 texts, the same ones each time; `make fuzz` tries FUZZ_EXAMPLES others. What is large is tried in
processes of its own.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from synapse_spec.plugins.yaml import MAX_BYTES, source_lines
from synapse_spec.spec.catalog import Catalog
from synapse_spec.spec.diagnostics import Diagnostic, render_text
from synapse_spec.spec.load import load
from synapse_spec.spec.validate import validate

CASES = Path(__file__).parents[1] / "cases" / "diagnostics"
SPECS = [path.read_bytes() for path in sorted(CASES.glob("*.yaml")) if path.stat().st_size < 5000]
MOST_SECONDS = 2.0
MOST_MIB = 500

HEAD = "apiVersion: synapse.dev/v1\nkind: Run\nmetadata: {name: a}\nspec:\n  plugin: {path: plugins/demo}\n"
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
    folder = tmp_path_factory.mktemp("fuzz") / "cases"
    shutil.copytree(CASES, folder)
    for path in folder.rglob("*.py.txt"):
        path.rename(path.with_suffix(""))
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


def bomb() -> str:
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x]"]
    return "\n".join(lines + [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)])


PARAMS = f"{HEAD}  action: train\n  params:\n"
META = "apiVersion: synapse.dev/v1\nkind: Run\nmetadata:\n  name: a\n"
SPEC = "spec: {plugin: {path: plugins/demo}, action: train, params: {epochs: 1}%s}\n"
RUN = "---\napiVersion: synapse.dev/v1\nkind: Run\nmetadata: {name: r#%s}\n" + SPEC
# What is before, what is repeated (with # for its number), what is after, and how often just passes the limit.
REPEATED = {
    "wrong items": (f"{PARAMS}    layers: [", "x, ", "]\n", 99_000),
    "unknown fields": (f"{HEAD}  action: train\n", "  k#: 1\n", "", 99_000),
    "unknown fields in a line": (f"{HEAD}  action: train\n  x: {{", "k#: 1, ", "}\n", 99_000),
    "unknown params": (PARAMS, "    k#: 1\n", "", 99_000),
    "waits": (f"{HEAD}  action: train\n  dependsOn: [", "r#, ", "]\n", 99_000),
    "waits for the same": (f"{HEAD}  action: train\n  dependsOn: [", "r, ", "]\n", 99_000),
    "wrong waits": (f"{HEAD}  action: train\n  dependsOn: [", "R_#, ", "]\n", 99_000),
    "labels": (f"{META}  labels: {{", "k#: v, ", "}\n" + SPEC % "", 99_000),
    "wrong labels": (f"{META}  labels: {{", "K#: 1, ", "}\n" + SPEC % "", 99_000),
    "runs": ("", RUN % ("", ""), "", 3990),
    "runs with wrong labels": ("", RUN % (", labels: {a: 1}", ""), "", 3990),
    "runs that wait for missing ones": ("", RUN % ("", ", dependsOn: [n#]"), "", 3990),
    "runs that wait for themselves": ("", RUN % ("", ", dependsOn: [r#]"), "", 3990),
    "wrong documents": ("", "---\na\n", "", 3990),
    "broken documents": ("", "---\na: [\n", "", 3990),
    "dashes": ("", "- ", "", 99_000),
    "lines of dashes": ("", "- " * 900 + "a\n", "", 110),
    "question marks": ("", "? ", "", 99_000),
    "colons": ("", ": ", "", 99_000),
    "references": (f"{PARAMS}    epochs: [", '"${{ runs.b#.result }}", ', "]\n", 19_900),
    "references in one text": (f'{PARAMS}    epochs: "', "${{ runs.b.result }}", '"\n', 19_900),
    "unclosed references": (f"{PARAMS}    epochs: |\n", "      ${{ a\n", "", 19_900),
    "wrong keys": (f"{PARAMS}    {{", "#: 1, ", "}\n", 99_000),
    "tags": (f"{PARAMS}    epochs: [", "!x a, ", "]\n", 99_000),
    "anchors": (f"{PARAMS}    epochs: [", "&a# b, ", "]\n", 99_000),
    "words of YAML 1.1": (f"{PARAMS}    layers: [", "on, ", "]\n", 99_000),
    "keys with words of YAML 1.1": (PARAMS, "    k#: on\n", "", 99_000),
    "folded text": (f"{PARAMS}    epochs: >\n", "      a\n", "", 99_000),
    "block text": (f"{PARAMS}    epochs: |\n", "      a\n", "", 99_000),
    "pipes": ("", "|\n", "", 99_000),
    "an unclosed quote": (f'{PARAMS}    epochs: "', "a\n      ", "", 99_000),
    "lines of comments": (PARAMS, "# a\n", "", 99_000),
    "a hexadecimal integer": (f"{PARAMS}    epochs: 0x", "f", "\n", 100_000),
    "an octal integer": (f"{PARAMS}    epochs: 0o", "7", "\n", 100_000),
    "a long key of params": (f"{PARAMS}    ", "a", ": 1\n", 1_000_000),
    "a long path": (HEAD.replace("plugins/demo}", ""), "a", "}\n  action: a\n", 300),
    "axes of a matrix": (f"{PARAMS}    epochs: 1\n  matrix: {{", "k#: [1,2], ", "}\n", 45_000),
}


def repeated(name: str, size: int | None = None) -> str:
    """That text: with as much of it as is just read, or of that many characters."""
    before, unit, after, number = REPEATED[name]
    number = number if size is None else (size - len(before) - len(after)) // (len(unit) + 8 * unit.count("#"))
    if unit.startswith("# ") or "#" not in unit:
        return before + unit * number + after
    return before + "".join(unit.replace("#", str(index)) for index in range(number)) + after


LARGE = {
    "brackets": "[" * MAX_BYTES,
    "braces": "{" * MAX_BYTES,
    "quotes": '"' * MAX_BYTES,
    "tabs": "\t" * MAX_BYTES,
    "NULs": "\0" * MAX_BYTES,
    "a long key": "a" * (MAX_BYTES - 3) + ": 1",
    "a long value": f"{PARAMS}    epochs: {'a' * 10_000_000}\n",
    "a huge integer": f"{PARAMS}    epochs: {'9' * 10_000_000}\n",
    "a huge float": f"{PARAMS}    epochs: 1e{'9' * 1_000_000}\n",
    "a long comment": "#" * MAX_BYTES,
    "many comments": PARAMS + "# a\n" * 1_000_000,
    "many documents": "---\n" * 1_000_000,
    "a key given 100,000 times": PARAMS + "    epochs: 1\n" * 100_000,
    "a wrong value in 980 levels": f"{PARAMS}    epochs: {'[' * 980}1{']' * 980}\n",
    "a wrong mapping in 980 levels": f"{PARAMS}    epochs: {'{a: ' * 980}1{'}' * 980}\n",
    "aliases of aliases": bomb(),
    "100,000 aliases": f"{PARAMS}    x: &x [{'1,' * 1000}]\n    y: [{'*x,' * 100_000}]\n",
    "more than is read": "#" * (MAX_BYTES + 1),
}


@pytest.mark.parametrize("name", LARGE)
def test_large_files(name: str, tmp_path: Path) -> None:
    _is_answered(LARGE[name], tmp_path)


@pytest.mark.parametrize("size", [None, MAX_BYTES], ids=["just read", "10 MiB"])
@pytest.mark.parametrize("name", REPEATED)
def test_one_thing_many_times(name: str, size: int | None, tmp_path: Path) -> None:
    _is_answered(repeated(name, size), tmp_path)


def _is_answered(text: str, tmp_path: Path) -> None:
    shutil.copytree(CASES / "plugins", tmp_path / "plugins")
    (tmp_path / "a.yaml").write_text(text)
    words = [sys.executable, "-m", "synapse_spec", "validate", "--offline", "a.yaml"]
    with open(tmp_path / "said", "wb") as said:
        process = subprocess.Popen(words, cwd=tmp_path, stdout=said, stderr=said)
        _, status, usage = os.wait4(process.pid, 0)
    said_text = (tmp_path / "said").read_text(encoding="utf-8")
    assert os.waitstatus_to_exitcode(status) == 3, said_text[:2000]
    assert "Traceback" not in said_text
    assert usage.ru_utime + usage.ru_stime < MOST_SECONDS
    assert usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10) < MOST_MIB


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
