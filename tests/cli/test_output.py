"""Plain columns."""

import pytest

from synapse_spec.cli.output import padded, table
from synapse_spec.spec.diagnostics import width


@pytest.mark.parametrize(
    ("text", "columns"), [("", 0), ("plain", 5), ("日本", 4), ("café", 4), ("cafe\u0301", 4), ("한", 2)]
)
def test_columns_that_a_text_takes(text: str, columns: int) -> None:
    assert width(text) == columns
    assert padded(text, 6) == text + " " * (6 - columns)


def test_columns_stand_below_each_other_whatever_is_in_them() -> None:
    lines = table(("NAME", "STEP"), [("it[size=小]", "run"), ("it[size=large]", "skip")]).split("\n")
    assert lines == ["NAME            STEP", "it[size=小]     run", "it[size=large]  skip"]
    assert [width(line[: line.rindex("  ")]) for line in lines] == [14, 14, 14]
