"""Words that come close to a misspelt one."""

from itertools import chain, repeat

import pytest

from synapse_spec.spec.wording import near


@pytest.mark.parametrize(
    ("word", "options", "meant"),
    [
        ("epoch", ["epochs", "layers"], "epochs"),
        ("x", ["epochs", "layers"], None),
        ("a" * 120, ["a" * 119], "a" * 119),
        ("a" * 121, ["a" * 121], None),
    ],
    ids=["close", "far", "as long as anybody writes", "longer"],
)
def test_the_option_that_comes_closest(word: str, options: list[str], meant: str | None) -> None:
    assert near(word, options) == meant


def test_only_the_first_thousand_options_are_looked_at() -> None:
    assert near("epoch", chain(repeat("x", 999), ["epochs"])) == "epochs"
    assert near("epoch", chain(repeat("x", 1000), ["epochs"])) is None
