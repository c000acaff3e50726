"""Durations (`90s`, `1h30m`) and sizes (`8GiB`), as specs write them. Pure."""

import re
from functools import lru_cache

DURATION_PATTERN = r"^([0-9]{1,12}(\.[0-9]+)?(ms|s|m|h|d))+$"
SIZE_PATTERN = r"^[0-9]{1,15}(\.[0-9]+)? *([kKMGT]i?)?B?$"

_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_BYTES = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3, "t": 1000**4}
_BYTES |= {f"{letter}i": 1024**power for power, letter in enumerate("kmgt", 1)}


@lru_cache(maxsize=64)
def seconds(duration: str | int | float) -> float:
    """Seconds of a duration; a bare number is seconds.

    Raises:
        ValueError: It is no duration.
    """
    if isinstance(duration, int | float):
        return float(duration)
    if not re.fullmatch(DURATION_PATTERN, duration):
        raise ValueError(f"{duration!r} is not a duration such as 90s, 10m or 1h30m")
    return float(sum(float(number) * _SECONDS[unit] for number, unit in _DURATION_PART.findall(duration)))


@lru_cache(maxsize=64)
def size_bytes(size: str | int) -> int:
    """Bytes of a size; `k M G T` are powers of 1000, `Ki Mi Gi Ti` of 1024; a bare number is bytes.

    Raises:
        ValueError: It is no size.
    """
    if isinstance(size, int):
        return size
    match = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]+)?) *([kmgt]i?)?b?", size.strip().lower())
    if match is None:
        raise ValueError(f"{size!r} is not a size such as 512MiB or 8GiB")
    return int(float(match[1]) * _BYTES[match[2] or ""])
