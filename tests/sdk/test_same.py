"""Each plugin of `plugins/` gives by us what it gives by the SDK itself; where it does not, the case says why."""

from typing import Any

import pytest

from synapse_spec.plugins.sdk import NO_BACKEND
from tests.sdk import outcomes
from tests.sdk.cases import Case, all_cases

CASES = all_cases()


@pytest.fixture(scope="module")
def theirs() -> outcomes.Outcomes:
    return outcomes.local("theirs")


@pytest.fixture(scope="module")
def ours() -> outcomes.Outcomes:
    return outcomes.local("ours")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_local(case: Case, theirs: outcomes.Outcomes, ours: outcomes.Outcomes) -> None:
    check(case, ours[case.id], theirs[case.id])


def test_the_same_without_the_lazy_package(ours: outcomes.Outcomes) -> None:
    assert outcomes.local("ours", eager=True) == ours


def check(case: Case, ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    """What is expected where the SDK is at fault, else the SDK's own outcome."""
    if case.expect is not None:
        assert ours == ours | {"ok": "result" in case.expect} | case.expect
        assert case.why
        assert comparable(ours) != comparable(theirs), "the SDK does the same by now"
    elif case.backend:
        assert not theirs["ok"]
        assert not ours["ok"]
        assert ours["message"].endswith(f"({NO_BACKEND})")
    else:
        assert comparable(ours) == comparable(theirs)


def comparable(outcome: dict[str, Any]) -> dict[str, Any]:
    if outcome["ok"] or outcome["refused"]:
        return {key: outcome[key] for key in ("ok", "result", "refused") if key in outcome}
    return {key: outcome[key] for key in ("ok", "type", "message")}
