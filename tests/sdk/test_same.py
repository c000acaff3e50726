"""Each plugin of `plugins/` gives by us what it gives by the SDK itself; where it does not, the case says why."""

import pytest

from tests.sdk import outcomes
from tests.sdk.cases import Case, all_cases, check

CASES = all_cases()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_local(case: Case, theirs: outcomes.Outcomes, ours: outcomes.Outcomes) -> None:
    check(case, ours[case.id], theirs[case.id])


def test_the_same_without_the_lazy_package(ours: outcomes.Outcomes) -> None:
    assert outcomes.local("ours", eager=True) == ours
