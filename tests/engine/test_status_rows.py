"""The flat form of a status."""

import json

from hypothesis import given

from synapse_spec.engine.status import RunStatus
from synapse_spec.engine.status_rows import from_row, to_row
from tests.engine.test_status import statuses


@given(statuses())
def test_a_row_gives_the_status_that_made_it_each_time(status: RunStatus) -> None:
    row = json.loads(json.dumps(to_row(status)))
    assert from_row(row) == from_row(row) == status
