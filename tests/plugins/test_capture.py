"""Output capture: what an action, its libraries and its children write becomes events, in order."""

import gc
import io
import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from synapse_spec.plugins.capture import captured
from synapse_spec.plugins.events import Event, Metrics, Output, Progress


def lines(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Output)]


@pytest.fixture
def events() -> list[Event]:
    return []


def test_everything_that_is_written_becomes_a_line(events: list[Event]) -> None:
    with captured(events.append):
        print("print")
        print("to stderr", file=sys.stderr)
        sys.stdout.write("write\n")
        os.write(1, b"descriptor 1\n")
        os.write(2, b"descriptor 2\n")
        logging.getLogger("lib").info("logged")
        subprocess.run(["sh", "-c", "echo child; echo to stderr >&2"], check=True)
        print("last")
    assert lines(events) == [
        "print",
        "to stderr",
        "write",
        "descriptor 1",
        "descriptor 2",
        "INFO lib: logged",
        "child",
        "to stderr",
        "last",
    ]


def test_lines_and_events_keep_their_order(events: list[Event]) -> None:
    with captured(events.append) as emit:
        for step in range(3):
            print(f"before {step}")
            emit(Progress(step, 3))
            subprocess.run(["echo", f"child {step}"], check=True)
            emit(Metrics({"step": step}, "train"))
    assert events == [
        event
        for step in range(3)
        for event in (
            Output(f"before {step}"),
            Progress(step, 3),
            Output(f"child {step}"),
            Metrics({"step": step}, "train"),
        )
    ]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (b"", []),
        (b"no newline", ["no newline"]),
        (b"\n\na\n", ["", "", "a"]),
        (b"a\r\nb\r\n", ["a", "b"]),
        (b"10%\r50%\r100%\n", ["100%"]),
        (b"10%\r50%", ["50%"]),
        (b"10%\r50%\r", ["50%"]),
        ("é 日本 😀\n".encode(), ["é 日本 😀"]),
        (b"caf\xe9\n", ["caf\ufffd"]),
        (b"nul \x00 inside\n", ["nul \x00 inside"]),
    ],
)
def test_lines_of_bytes(events: list[Event], written: bytes, expected: list[str]) -> None:
    with captured(events.append):
        os.write(1, written)
    assert lines(events) == expected


def test_text_that_has_no_utf8_form_is_written_out(events: list[Event]) -> None:
    with captured(events.append):
        print("caf\udce9")
    assert lines(events) == ["caf\\udce9"]


def test_lines_come_while_the_action_runs(events: list[Event]) -> None:
    with captured(events.append):
        print("now")
        until = time.monotonic() + 10
        while not events and time.monotonic() < until:
            time.sleep(0.01)
        assert lines(events) == ["now"]


def test_streams_and_logging_are_as_they_were(events: list[Event]) -> None:
    root = logging.getLogger()
    before = sys.stdout, sys.stderr, os.fstat(1), os.fstat(2), root.level, list(root.handlers), _descriptors()
    for _ in range(3):
        with captured(events.append):
            root.handlers[:] = [logging.StreamHandler()]
            root.setLevel(logging.DEBUG)
            print("x")
    after = sys.stdout, sys.stderr, os.fstat(1), os.fstat(2), root.level, list(root.handlers), _descriptors()
    assert [(stat.st_dev, stat.st_ino) for stat in after[2:4]] == [(stat.st_dev, stat.st_ino) for stat in before[2:4]]
    assert after[:2] + after[4:] == before[:2] + before[4:]


def _descriptors() -> int:
    gc.collect()
    return len(list(Path("/dev/fd").iterdir()))


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_what_was_written_before_an_exception_is_not_lost(events: list[Event], error: type[BaseException]) -> None:
    def fail() -> None:
        with captured(events.append):
            print("almost")
            raise error

    with pytest.raises(error):
        fail()
    assert lines(events) == ["almost"]


def test_a_handler_that_a_library_keeps_serves_the_next_run_too(tmp_path: Path) -> None:
    """Plugins make handlers on sys.stderr when they are imported, and are imported once."""
    first: list[Event] = []
    second: list[Event] = []
    logger = logging.getLogger("kept")
    logger.propagate = False
    with captured(first.append):
        handler = logging.StreamHandler()
        logger.addHandler(handler)
        logger.warning("one")
    other = (tmp_path / "other").open("w")  # gets the lowest free descriptor
    try:
        logger.warning("between")
        with captured(second.append):
            logger.warning("two")
    finally:
        logger.removeHandler(handler)
        other.close()
    assert (lines(first), lines(second)) == (["one"], ["two"])
    assert (tmp_path / "other").read_text() == ""


def test_a_record_that_reaches_stderr_anyway_comes_once(events: list[Event]) -> None:
    root = logging.getLogger()
    stream = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), write_through=True)
    handler = logging.StreamHandler(stream)
    root.addHandler(handler)
    try:
        with captured(events.append):
            logging.getLogger("lib").warning("once")
    finally:
        root.removeHandler(handler)
    assert lines(events) == ["once"]


def test_a_child_that_outlives_the_action_is_not_waited_for(events: list[Event]) -> None:
    start = time.monotonic()
    with captured(events.append):
        child = subprocess.Popen(["sh", "-c", "echo early; sleep 30"])
        time.sleep(0.2)
    assert time.monotonic() - start < 10
    child.kill()
    child.wait()
    assert lines(events) == ["early"]


def test_a_child_that_never_stops_writing_does_not_hold_up_the_end(events: list[Event]) -> None:
    with captured(events.append):
        child = subprocess.Popen(["sh", "-c", "while true; do echo y; done"])
        time.sleep(0.2)
    child.kill()
    child.wait()
    assert set(lines(events)[:-1]) == {"y"}


def test_a_script_that_opens_stderr_by_name(events: list[Event]) -> None:
    """`> /dev/stderr` empties a file that is behind it."""
    with captured(events.append) as emit:
        for number in range(3):
            print(f"line {number}")
            emit(Progress(number, 3))
            subprocess.run(["sh", "-c", f"echo script {number} > /dev/stderr"], check=True)
            emit(Progress(number, 3))
    assert lines(events) == [f"{who} {number}" for number in range(3) for who in ("line", "script")]


def test_much_output_takes_time_in_proportion(events: list[Event]) -> None:
    start = time.monotonic()
    with captured(events.append):
        os.write(1, b"x" * 10_000_000)
        os.write(1, b"\n" + b"line\n" * 100_000)
    assert time.monotonic() - start < 10
    assert sum(map(len, lines(events))) == 10_000_000 + 400_000
    assert lines(events)[-1] == "line"


def test_lines_of_threads_are_whole(events: list[Event]) -> None:
    def write(name: str) -> None:
        for _ in range(200):
            print(name * 100)

    with captured(events.append):
        threads = [threading.Thread(target=write, args=(name,)) for name in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sum(len(line) for line in lines(events)) == 2 * 200 * 100
