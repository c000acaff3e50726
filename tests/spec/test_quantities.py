"""Durations and sizes: what they amount to, and that the schema's patterns take just what is understood."""

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synapse_spec.spec.quantities import DURATION_PATTERN, SIZE_PATTERN, seconds, size_bytes

UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
POWERS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


@pytest.mark.parametrize(
    ("text", "amount"),
    [("90s", 90), ("10m", 600), ("1h30m", 5400), ("2h", 7200), ("1.5m", 90), ("250ms", 0.25), ("1d", 86400), (5, 5)],
)
def test_durations(text: str | int, amount: float) -> None:
    assert seconds(text) == amount
    assert isinstance(seconds(text), float)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9999), st.sampled_from(list(UNITS))), min_size=1, max_size=4))
def test_a_duration_is_the_sum_of_its_parts(parts: list[tuple[int, str]]) -> None:
    text = "".join(f"{number}{unit}" for number, unit in parts)
    assert seconds(text) == pytest.approx(sum(number * UNITS[unit] for number, unit in parts))


@pytest.mark.parametrize("text", ["", "s", "10", "10 s", "1h 30m", "-5s", "5S", "5m\n", "1,5h", "1e3s", "five"])
def test_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match="not a duration such as 90s, 10m or 1h30m"):
        seconds(text)


@settings(deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(list(POWERS)), st.sampled_from(["", "B"]), st.sampled_from(["", " "]))
def test_sizes(number: int, power: str, byte: str, blank: str) -> None:
    assert size_bytes(f"{number}{blank}{power}{byte}") == number * POWERS[power]


def test_a_fraction_of_a_size_and_a_bare_number() -> None:
    assert size_bytes("1.5GiB") == 3 * 2**29
    assert size_bytes(1024) == 1024


@pytest.mark.parametrize("text", ["", "GiB", "8 gigs", "-1GB", "8GiBs", "1 2", "8Gb2"])
def test_no_sizes(text: str) -> None:
    with pytest.raises(ValueError, match="not a size such as 512MiB or 8GiB"):
        size_bytes(text)


@settings(deadline=None)
@given(st.text(alphabet="0123456789.smhdkKMGTiB \n٣", max_size=8))
def test_what_the_schema_takes_is_understood(text: str) -> None:
    for pattern, read in ((DURATION_PATTERN, seconds), (SIZE_PATTERN, size_bytes)):
        taken = jsonschema_rs.Draft202012Validator({"pattern": pattern}).is_valid(text)
        if taken:
            assert read(text) >= 0
        elif read is seconds:
            with pytest.raises(ValueError, match="not a duration"):
                read(text)


@pytest.mark.parametrize("text", ["9" * 400 + "GiB", "9" * 16 + "B"])
def test_sizes_beyond_all_machines(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        size_bytes(text)


def test_durations_beyond_all_times() -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        seconds("9" * 400 + "h")
