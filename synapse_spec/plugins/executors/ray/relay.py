"""What a job writes, on its way from the action's process to the one that writes Ray's log; for `entry`.

All goes through one pipe: what the action, its libraries and its children print, and our own records among it. A write
of up to PIPE_BUF bytes stays in one piece there, whoever else writes; so a record is cut into such pieces.
"""

import os
import secrets
import select
from collections.abc import Callable, Iterator

from synapse_spec.plugins.masking import Masker

_LONGEST_LINE = 1 << 20
_TAG_BYTES = 8  # tells the pieces of one record from those of another
_MORE, _LAST = b"+", b"."


class Sender:
    """Sends records; may be used by many threads, and by processes that the action has forked."""

    def __init__(self, descriptor: int, mark: bytes) -> None:
        self._descriptor = descriptor
        self._mark = mark
        self._size = select.PIPE_BUF - len(mark) - _TAG_BYTES - 2

    def __call__(self, line: bytes) -> None:
        """Send a line, with its end."""
        record, tag = memoryview(line)[:-1], secrets.token_hex(_TAG_BYTES // 2).encode()
        for start in range(0, len(record), self._size):
            more = _MORE if start + self._size < len(record) else _LAST
            os.write(self._descriptor, b"".join((self._mark, tag, more, record[start : start + self._size], b"\n")))


class Relay:
    """Takes what was written, and gives it on as whole lines without secrets: records as they are, and all in order.

    Args:
        masker: Of what is not a record.
        write: Takes the lines, several at once.

    Attributes:
        mark: What a record begins with; nobody else knows it.
    """

    def __init__(self, masker: Masker, write: Callable[[bytes], None]) -> None:
        self.mark = f"::record {secrets.token_hex(16)} ".encode()
        self._masker = masker
        self._write = write
        # When a line is too long to wait for its end, what may be the beginning of a secret, or of a record, waits.
        self._overlap = max(select.PIPE_BUF, masker.longest)
        self._before = b""  # of a line that a record came into
        self._rest = bytearray()  # of a line that has not ended
        self._records: dict[bytes, list[bytes]] = {}  # of which more is to come

    def feed(self, data: bytes) -> None:
        self._rest += data
        if b"\n" in data:
            *lines, rest = bytes(self._rest).split(b"\n")
            self._rest = bytearray(rest)
            self._write(b"".join(part for line in lines for part in self._line(line)))
        if len(self._before) + len(self._rest) > _LONGEST_LINE + self._overlap:
            text = self._masked(self._before + self._rest)
            self._before, self._rest = b"", bytearray(text[-self._overlap :])
            self._write(text[: -self._overlap] + b"\n")

    def finish(self) -> None:
        """No more comes."""
        if self._before or self._rest:
            self.feed(b"\n")

    def _line(self, line: bytes) -> Iterator[bytes]:
        text, found, piece = line.partition(self.mark)
        self._before += text
        if not found:
            yield self._masked(self._before) + b"\n"
            self._before = b""
            return
        tag, more = piece[:_TAG_BYTES], piece[_TAG_BYTES : _TAG_BYTES + 1]
        pieces = self._records.setdefault(tag, [])
        pieces.append(piece[_TAG_BYTES + 1 :])
        if more == _LAST:
            yield from (*self._records.pop(tag), b"\n")

    def _masked(self, line: bytes) -> bytes:
        # Ways there and back for bytes that are no text.
        return self._masker.text(line.decode(errors="surrogateescape")).encode(errors="surrogateescape")
