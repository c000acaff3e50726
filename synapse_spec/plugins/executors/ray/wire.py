"""How a job tells us its events and its outcome: as lines among all that it prints.

Each such line carries a nonce that is made anew for each attempt, so that nothing which an action prints by chance, or
copies from an earlier log, is taken for ours. Written by `entry`, read by `job`.
"""

import hashlib
import json
import re
import secrets
from typing import Any

from synapse_spec.plugins.events import Emit, Event, Output, from_wire, to_wire
from synapse_spec.plugins.outcome import Outcome

# What Ray itself writes into a job's log, before the job does.
_RAYS_OWN = re.compile(r"Running entrypoint for job \S+: |.*job_manager\.py:\d+ -- Runtime env is setting up\.")


def new_nonce() -> str:
    return secrets.token_hex(16)


def event_line(nonce: str, event: Event) -> bytes:
    return f"{_mark(nonce)}event {json.dumps(to_wire(event))}\n".encode()


def outcome_line(nonce: str, outcome: Outcome) -> bytes:
    record = json.dumps(outcome.to_wire())
    return f"{_mark(nonce)}outcome {len(record)} {_sha256(record)} {record}\n".encode()


class JobLog:
    """Reads a job's log as it grows.

    Attributes:
        outcome: The outcome, once its record has been read and is whole.
    """

    def __init__(self, nonce: str, emit: Emit) -> None:
        self.outcome: Outcome | None = None
        self._mark = _mark(nonce)
        self._emit = emit
        self._offset = 0
        self._preamble = True

    def feed(self, log: str) -> None:
        """Take the whole log as it is now; what was there the last time is passed over."""
        end = log.rfind("\n", self._offset)
        if end >= 0:
            for line in log[self._offset : end].split("\n"):
                self._line(line)
            self._offset = end + 1

    def finish(self, log: str) -> None:
        """Take the whole log of a job that has ended: its last line may have no end."""
        self.feed(log)
        if rest := log[self._offset :]:
            self._line(rest)
            self._offset = len(log)

    def _line(self, line: str) -> None:
        # Ours may follow what the action wrote without a line end.
        text, found, record = line.partition(self._mark)
        if text or not found:
            self._output(text)
        if found:
            self._preamble = False
            self._record(record)

    def _output(self, text: str) -> None:
        if self._preamble and _RAYS_OWN.match(text):
            return
        self._preamble = False
        # A progress bar rewrites its line by carriage returns: only its last state is worth keeping.
        self._emit(Output(text.rstrip("\r").rpartition("\r")[2]))

    def _record(self, record: str) -> None:
        kind, _, rest = record.partition(" ")
        if kind == "event":
            wire = _parsed(rest)
            if wire is not None:
                self._emit(from_wire(wire))
        elif kind == "outcome":
            length, _, rest = rest.partition(" ")
            digest, _, text = rest.partition(" ")
            if length == str(len(text)) and digest == _sha256(text):
                self.outcome = Outcome.from_wire(json.loads(text))


def _mark(nonce: str) -> str:
    return f"::synapse {nonce} "


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _parsed(text: str) -> dict[str, Any] | None:
    """None for an event that another process wrote into: it is lost, the job is not."""
    try:
        wire = json.loads(text)
    except ValueError:
        return None
    return wire if isinstance(wire, dict) else None
