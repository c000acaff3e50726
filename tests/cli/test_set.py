"""`synapse set`: what it writes, what it refuses, and that it writes nothing else.

A case is a folder of tests/cases/set: before.yaml, the transcript of a command, and after.yaml where that changes the
file. To add one, write before.yaml and the command and run with UPDATE_CASES=1, which writes the rest; then read it.
"""

import os
import shlex
import stat
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from click.testing import CliRunner, Result

from synapse_spec.cli.main import program
from tests.cases import copied
from tests.conftest import MakePlugin

CASES = Path(__file__).parents[1] / "cases" / "set"
UPDATE = bool(os.environ.get("UPDATE_CASES"))

SPEC = """\
apiVersion: synapse.dev/v1
kind: Run
metadata: {name: train}
spec:
  plugin: {path: plugins/trainer}
  action: train
  params:
    epochs: 10  # é
"""


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with the cases."""
    return copied(CASES, tmp_path_factory.mktemp("set") / "cases")


@pytest.fixture
def folder(plugins: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "synapse.toml").touch()
    (tmp_path / "plugins").symlink_to(plugins / "plugins")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(text: str = SPEC, name: str = "train.yaml") -> Path:
    path = Path(name)
    path.write_bytes(text.encode())
    return path


def set_(*words: str, **options: Any) -> Result:
    return CliRunner().invoke(program, ["set", *words], **options)


@pytest.mark.parametrize("name", sorted(path.parent.name for path in CASES.glob("*/before.yaml")))
def test_case(name: str, plugins: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case, work = CASES / name, plugins / name
    monkeypatch.chdir(work)
    file = work / "before.yaml"
    before, entries = file.read_bytes(), sorted(work.iterdir())
    transcript = (case / "transcript").read_text(encoding="utf-8")
    command = transcript.partition("\n")[0]
    result = CliRunner().invoke(program, shlex.split(command.removeprefix("$ synapse ")))
    found = f"{command}\n{result.output}[exit {result.exit_code}]\n"
    after = case / "after.yaml"
    if UPDATE:
        (case / "transcript").write_text(found, encoding="utf-8")
        after.unlink(missing_ok=True)
        if file.read_bytes() != before:
            after.write_bytes(file.read_bytes())
    assert found == transcript or UPDATE
    assert file.read_bytes() == (after.read_bytes() if after.exists() else before)
    assert sorted(work.iterdir()) == entries


def test_crlf_and_a_byte_order_mark_stay(folder: Path) -> None:
    path = write("\ufeff" + SPEC.replace("\n", "\r\n"))
    assert set_("train.yaml", "train.params.epochs=30", "train.timeout=2h").exit_code == 0
    wanted = SPEC.replace("10", "30") + "  timeout: 2h\n"
    assert path.read_bytes() == ("\ufeff" + wanted.replace("\n", "\r\n")).encode()


def test_a_file_without_a_last_line_end(folder: Path) -> None:
    path = write(SPEC.rstrip("\n"))
    set_("train.yaml", "train.timeout=2h")
    assert path.read_text() == SPEC + "  timeout: 2h"
    set_("train.yaml", "--unset", "train.timeout")
    assert path.read_text() == SPEC.rstrip("\n")


def test_nothing_to_change_touches_nothing(folder: Path) -> None:
    path = write()
    os.utime(path, ns=(1, 1))
    result = set_("train.yaml", "train.params.epochs=10")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "nothing to change\n")
    assert set_("train.yaml", "train.params.epochs=0").exit_code == 3
    assert set_("train.yaml", "train.params.epochs=20", "--dry-run").exit_code == 0
    assert path.stat().st_mtime_ns == 1


def test_the_difference_is_data_and_coloured_where_that_is_wanted(folder: Path) -> None:
    write()
    result = set_("train.yaml", "train.params.epochs=30", "--dry-run")
    assert result.stderr == "train.params.epochs: 10 -> 30\n"
    assert result.stdout.splitlines()[-2:] == ["-    epochs: 10  # é", "+    epochs: 30  # é"]
    assert "\x1b[32m+    epochs: 30" in set_("train.yaml", "train.params.epochs=30", "--dry-run", color=True).stdout


def test_mode_bits_and_links_stay(folder: Path) -> None:
    path = write(name="real.yaml")
    path.chmod(0o640)
    link = Path("train.yaml")
    link.symlink_to("real.yaml")
    assert set_("train.yaml", "train.params.epochs=30").exit_code == 0
    assert link.is_symlink()
    assert "epochs: 30" in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert {item.name for item in folder.iterdir() if item.is_file()} == {"real.yaml", "train.yaml", "synapse.toml"}


def test_runs_of_other_files(folder: Path) -> None:
    write(SPEC.replace("{name: train}", "{name: prepare}"), "prepare.yaml")
    path = write()
    result = set_("train.yaml", "train.dependsOn=[prepare]")
    assert (result.exit_code, path.read_text()) == (3, SPEC)
    assert "error[SS302]: there is no run 'prepare'" in result.stderr
    assert set_("train.yaml", "train.dependsOn=[prepare]", "--with", ".").exit_code == 0
    assert path.read_text() == SPEC + "  dependsOn: [prepare]\n"
    result = set_("train.yaml", "train.metadata.name=prepare", "--with", ".")
    assert (result.exit_code, "error[SS108]" in result.stderr) == (3, True)


def test_wrong_use(folder: Path) -> None:
    write()
    for words in (["train.yaml"], ["nowhere.yaml", "train.mode=job"], ["train.yaml", "--unset", "train.mode=job"]):
        assert set_(*words).exit_code == 64, words


def test_two_runs_of_one_name_are_left_to_people(folder: Path) -> None:
    write(SPEC + "---\n" + SPEC)
    result = set_("train.yaml", "train.params.epochs=1")
    assert (result.exit_code, "more than one run is called 'train'" in result.stderr) == (64, True)


def test_status_files_are_not_specs(folder: Path) -> None:
    write("apiVersion: synapse.dev/v1\nkind: RunStatus\nmetadata: {name: train}\nstatus: {}\n")
    result = set_("train.yaml", "train.params.epochs=1")
    assert (result.exit_code, "the file has no run 'train'; it has none" in result.stderr) == (64, True)


def test_a_file_that_somebody_else_has_changed_meanwhile_is_left_alone(folder: Path, make_plugin: MakePlugin) -> None:
    path = write(SPEC.replace("plugins/trainer", "p").replace("action: train", "action: run"))
    code = """
        with open("PATH", "a") as file:
            file.write("# theirs")

        @action()
        def run(params, ctx): ...
    """
    make_plugin("p", code.replace("PATH", str(path.absolute())))
    result = set_("train.yaml", "train.params.epochs=5")
    assert (result.exit_code, "the file has changed meanwhile; nothing was written" in result.stderr) == (3, True)
    assert "epochs: 10  # é\n# theirs" in path.read_text()


def test_bytes_that_are_no_text(folder: Path) -> None:
    write()
    result = set_("train.yaml", "train.params.name=" + os.fsdecode(b"\xff"))
    assert (result.exit_code, "invalid UTF-8" in result.stderr) == (64, True)


def test_neither_ruamel_nor_jsonschema_where_nothing_is_set(folder: Path) -> None:
    write()
    code = """
        import sys
        from synapse_spec.cli.main import program
        try:
            program(["set", "train.yaml", "train.params.epochs=10"])
        except SystemExit as exit:
            assert exit.code == 0
        assert not {"ruamel", "ruamel.yaml", "ray", "rich", "jsonschema"} & set(sys.modules)
    """
    subprocess.run([sys.executable, "-c", dedent(code)], check=True, capture_output=True)
