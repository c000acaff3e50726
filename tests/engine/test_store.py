"""Status files: read, rewritten only when there is something to say, never lost."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from synapse_spec.engine.status import RunStatus
from synapse_spec.engine.store import HEADER, StatusFile, replace_file
from synapse_spec.plugins import yaml
from synapse_spec.plugins.outcome import Outcome
from synapse_spec.spec.diagnostics import InvalidSpec
from tests.engine.test_status import T1, begin

CASES = Path(__file__).parents[1] / "cases" / "broken-status"


@pytest.fixture
def file(tmp_path: Path) -> StatusFile:
    (tmp_path / "synapse.toml").touch()
    return StatusFile(tmp_path / "specs" / "train.status.yaml", ["a", "b", "c"])


def done(result: Any = None) -> Callable[[RunStatus], RunStatus]:
    return lambda status: status.started(begin()).finished(Outcome("Completed", result), T1)


def test_there_is_none_before_the_first_status(file: StatusFile) -> None:
    assert file.read() == {}
    assert not file.path.parent.exists()


def test_statuses_stand_in_the_order_of_the_spec_others_behind(file: StatusFile) -> None:
    for name in ("gone", "c", "a", "b"):
        file.update(name, done(name))
    assert list(file.read()) == ["a", "b", "c", "gone"]
    assert file.read()["b"].result == "b"
    assert file.path.read_text().startswith(HEADER)
    assert sorted(os.listdir(file.path.parent)) == ["train.status.yaml"]


def test_a_change_of_times_alone_writes_nothing(file: StatusFile) -> None:
    file.update("a", lambda status: status.blocked("waiting for b", "2026-01-01T00:00:00.000Z"))
    before = (file.path.read_bytes(), file.path.stat().st_mtime_ns, file.path.stat().st_ino)
    file.update("a", lambda status: RunStatus("a").blocked("waiting for b", T1))
    assert (file.path.read_bytes(), file.path.stat().st_mtime_ns, file.path.stat().st_ino) == before
    file.update("a", lambda status: status.blocked("waiting for c", T1))
    assert file.path.read_bytes() != before[0]


def test_the_mode_of_the_file_is_kept(file: StatusFile) -> None:
    file.update("a", done())
    assert file.path.stat().st_mode & 0o777 == 0o644
    file.path.chmod(0o600)
    file.update("a", done(1))
    assert file.path.stat().st_mode & 0o777 == 0o600


def test_many_writers_lose_nothing(file: StatusFile) -> None:
    """Each with a StatusFile of its own, as in processes of their own."""

    def write(name: str) -> None:
        for number in range(5):
            StatusFile(file.path, file.order).update(name, done(number))

    threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {name: status.result for name, status in file.read().items()} == dict.fromkeys("abcd", 4)


def test_the_file_goes_with_the_last_run(file: StatusFile) -> None:
    file.update("a", done())
    file.update("b", done())
    file.remove(["a", "unknown"])
    assert list(file.read()) == ["b"]
    file.remove(["b"])
    assert not file.path.exists()


def test_what_fails_while_it_is_written_leaves_the_old_file(file: StatusFile) -> None:
    file.update("a", done())
    before = file.path.read_bytes()
    with pytest.raises(UnicodeEncodeError):
        replace_file(file.path, "\ud800")
    assert file.path.read_bytes() == before
    assert os.listdir(file.path.parent) == [file.path.name]


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir()))
def test_a_broken_file_is_refused_and_left_as_it_is(case: str, file: StatusFile) -> None:
    """Each case is a file whose first line says what is wrong with it."""
    data = (CASES / case).read_bytes()
    file.path.parent.mkdir()
    file.path.write_bytes(data)
    for act in (file.read, lambda: file.update("a", done()), lambda: file.remove(["a"])):
        with pytest.raises(InvalidSpec) as caught:
            act()
        (problem,) = caught.value.diagnostics
        expected = data.partition(b"\n")[0].decode(errors="replace").removeprefix("# ")
        assert problem.code == "SS401"
        assert problem.path.endswith("train.status.yaml")
        assert expected in problem.message
        assert problem.hint == "restore it from git, or delete it to start anew"
    assert file.path.read_bytes() == data


def test_a_file_that_cannot_be_read_is_refused(file: StatusFile) -> None:
    file.path.mkdir(parents=True)
    with pytest.raises(InvalidSpec):
        file.read()


def test_fields_of_a_newer_synapse_are_kept_for_the_others(file: StatusFile) -> None:
    file.update("a", done())
    text = file.path.read_text().replace("  mode: local", "  mode: local\n  novelty: [1]")
    file.path.write_text(text)
    file.update("b", done())
    documents = yaml.parse(file.path.read_bytes())
    assert documents[0]["status"]["novelty"] == [1]


def test_several_documents_and_empty_ones_are_read(file: StatusFile) -> None:
    file.path.parent.mkdir()
    text = """\
        ---
        ---
        apiVersion: synapse.dev/v1
        kind: RunStatus
        metadata: {name: a}
        status: {phase: Pending, reason: New}
        ---
        """
    file.path.write_text(dedent(text))
    assert file.read() == {"a": RunStatus("a")}


def test_a_file_that_is_longer_than_a_spec_may_be_is_read_and_written(file: StatusFile) -> None:
    file.update("a", done("x" * 200_000))
    document = file.path.read_text().removeprefix(HEADER)
    many = "---\n".join(document.replace("name: a\n", f"name: a{number}\n") for number in range(60))
    file.path.write_text(HEADER + many)
    assert file.path.stat().st_size > yaml.MAX_BYTES
    file.update("b", done())
    assert len(StatusFile(file.path).read()) == 61


def test_a_file_of_10000_runs_is_read(file: StatusFile) -> None:
    file.update("a", done())
    document = file.path.read_text().removeprefix(HEADER)
    many = "---\n".join(document.replace("name: a\n", f"name: a{number}\n") for number in range(10_000))
    file.path.write_text(HEADER + many)
    assert len(file.read()) == 10_000
