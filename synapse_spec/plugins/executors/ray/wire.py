"""How a job tells us its events and its outcome: as lines among all that it prints.

Each such line carries a nonce that is made anew for each attempt, so that nothing which an action prints by chance, or
copies from an earlier log, is taken for ours. Written by `entry`, read by `job_follower` and `job`.
"""

import base64
import binascii
import hashlib
import json
import re
import secrets
import zlib
from typing import Any

from synapse_spec.plugins.events import Emit, Event, Output, from_wire, to_wire
from synapse_spec.plugins.outcome import Outcome

# What Ray itself writes into a job's log, before the job does.
_RAYS_OWN = re.compile(r"Running entrypoint for job \S+: |.*job_manager\.py:\d+ -- Runtime env is setting up\.")
# A longer record is packed: it is not for the eye, and half as long on all its ways.
_LONGEST_PLAIN = 64 * 1024
_PACKED = "zlib:"


def new_nonce() -> str:
    return secrets.token_hex(16)


def event_line(nonce: str, event: Event) -> bytes:
    return f"{_mark(nonce)}event {json.dumps(to_wire(event))}\n".encode()


def outcome_line(nonce: str, outcome: Outcome) -> bytes:
    record = json.dumps(outcome.to_wire()).encode()
    text = record
    if len(record) > _LONGEST_PLAIN:
        text = _PACKED.encode() + base64.b64encode(zlib.compress(record, 1))
    head = f"{_mark(nonce)}outcome {len(text)} {hashlib.sha256(text).hexdigest()} "
    return b"".join((head.encode(), text, b"\n"))


def kept_line(nonce: str) -> bytes:
    """In place of the line of an outcome that was put into the cluster's store (`records`)."""
    return f"{_mark(nonce)}kept\n".encode()


class JobLog:
    """Reads a job's log as it grows.

    Attributes:
        offset: How many bytes have been taken.
        outcome: The outcome, once its record has been read and is whole.
        kept: The outcome is in the cluster's store.
    """

    def __init__(self, nonce: str, emit: Emit) -> None:
        self.offset = 0
        self.outcome: Outcome | None = None
        self.kept = False
        self._mark = _mark(nonce).encode()
        self._emit = emit
        self._rest: list[bytes] = []  # of a line that has not ended
        self._preamble = True

    def feed(self, data: bytes) -> None:
        """Take what the log has more since the last time: from `offset` on."""
        self.offset += len(data)
        *ended, rest = data.split(b"\n")
        for end in ended:
            self._line(b"".join((*self._rest, end)))
            self._rest.clear()
        if rest:
            self._rest.append(rest)

    def finish(self) -> None:
        """The job has ended: its last line may have no end."""
        if self._rest:
            self._line(b"".join(self._rest))
            self._rest.clear()

    def _line(self, line: bytes) -> None:
        # Ours may follow what the action wrote without a line end.
        text, found, record = line.partition(self._mark)
        if text or not found:
            self._output(text.decode(errors="replace"))
        if found:
            self._preamble = False
            self._record(record)

    def _output(self, text: str) -> None:
        if self._preamble and _RAYS_OWN.match(text):
            return
        self._preamble = False
        # A progress bar rewrites its line by carriage returns: only its last state is worth keeping.
        self._emit(Output(text.rstrip("\r").rpartition("\r")[2]))

    def _record(self, record: bytes) -> None:
        kind, _, rest = record.partition(b" ")
        if kind == b"event":
            wire = _parsed(rest)
            if wire is not None:
                self._emit(from_wire(wire))
        elif kind == b"outcome":
            self.outcome = _outcome(rest) or self.outcome
        elif record == b"kept":
            self.kept = True


def _outcome(record: bytes) -> Outcome | None:
    """None for a record that was cut, or written into."""
    length, _, rest = record.partition(b" ")
    digest, _, text = rest.partition(b" ")
    if length != b"%d" % len(text) or digest != hashlib.sha256(text).hexdigest().encode():
        return None
    if text.startswith(_PACKED.encode()):
        text = zlib.decompress(binascii.a2b_base64(text[len(_PACKED) :]))
    return Outcome.from_wire(json.loads(text))


def _mark(nonce: str) -> str:
    return f"::synapse {nonce} "


def _parsed(text: bytes) -> dict[str, Any] | None:
    """None for an event that another process wrote into: it is lost, the job is not."""
    try:
        wire = json.loads(text)
    except ValueError:
        return None
    return wire if isinstance(wire, dict) else None
