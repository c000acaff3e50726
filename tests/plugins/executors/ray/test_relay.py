"""What a job writes, on its way to Ray's log: whole lines, in order, and no secret in them."""

import os
import select
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_spec.plugins.executors.ray.relay import Relay, Sender
from synapse_spec.plugins.masking import Masker

SECRET = "hunter2-of-the-test"


class Job:
    """A relay, and what it has written."""

    def __init__(self) -> None:
        self.written = b""
        self.relay = Relay(Masker({"A": SECRET}), self._write)

    def _write(self, data: bytes) -> None:
        self.written += data

    def told(self, *feeds: bytes) -> list[str]:
        for feed in feeds:
            self.relay.feed(feed)
        self.relay.finish()
        assert self.written.endswith(b"\n")
        return self.written.decode(errors="surrogateescape").split("\n")[:-1]

    def record(self, line: bytes) -> bytes:
        """As it goes through the pipe."""
        source, sink = os.pipe()
        Sender(sink, self.relay.mark)(line)
        os.close(sink)
        with open(source, "rb") as file:
            return file.read()


@given(st.lists(st.sampled_from(["x", SECRET, "\n", f"a {SECRET}!\n", "é\n", "record"])), st.lists(st.integers(0, 400)))
def test_no_secret_passes_however_it_is_cut(parts: list[str], cuts: list[int]) -> None:
    job = Job()
    log = "".join(part for part in parts if part != "record") + "end"
    raw = b"".join(job.record(b"a record\n") if part == "record" else part.encode() for part in [*parts, "end"])
    told = job.told(*(raw[start:end] for start, end in pairwise([0, *sorted(cuts), max(len(raw), *cuts, 0)])))
    assert [line for line in told if line != "a record"] == log.replace(SECRET, "***").split("\n")
    assert told.count("a record") == parts.count("record")


def test_records_are_as_they_were_sent_in_their_place_among_the_lines() -> None:
    job = Job()
    record = job.record(f"it may name {SECRET}: it was masked before\n".encode())
    told = job.told(b"one\n" + record + b"two, begun" + record + b" and ended\n")
    text = f"it may name {SECRET}: it was masked before"
    assert told == ["one", text, text, "two, begun and ended"]


def test_a_long_record_comes_through_what_others_write_meanwhile() -> None:
    job = Job()
    record = os.urandom(12_000).hex().encode() + b"\n"
    pieces = job.record(record).split(b"\n")
    assert all(len(piece) < select.PIPE_BUF for piece in pieces)
    assert len(pieces) > 3
    told = job.told(b" child\n".join([b"", *(piece + b"\n" for piece in pieces[:-1])]))
    assert told == [" child"] * (len(pieces) - 1) + [record[:-1].decode()]


def test_records_of_two_senders_do_not_mix() -> None:
    job = Job()
    one, other = (job.record(letter * 9000 + b"\n").splitlines(keepends=True) for letter in (b"a", b"b"))
    told = job.told(b"".join(piece for pair in zip(one, other, strict=True) for piece in pair))
    assert told == ["a" * 9000, "b" * 9000]


def test_half_a_record_is_none() -> None:
    job = Job()
    assert job.told(*job.record(b"a" * 9000 + b"\n").splitlines(keepends=True)[:-1], b"died\n") == ["died"]


def test_a_line_that_does_not_end_is_given_on_in_parts_that_hide_a_secret_all_the_same() -> None:
    job = Job()
    whole = f"{'x' * 1000}{SECRET}".encode() * 4000
    told = job.told(*(whole[start : start + 70_001] for start in range(0, len(whole), 70_001)), b"\nlast")
    assert len(told) > 3
    assert told[-1] == "last"
    assert "".join(told[:-1]) == f"{'x' * 1000}***" * 4000


@pytest.mark.parametrize("raw", [b"caf\xe9", b"nul \0", b"10%\r50%", b"\x85 \xe2\x80\xa8"])
def test_bytes_stay_what_they_are(raw: bytes) -> None:
    job = Job()
    job.told(raw)
    assert job.written == raw + b"\n"
