"""Events cross process borders unchanged, and read well in a log file."""

import json

import pytest

from synapse_spec.plugins.events import Event, Log, Metrics, Output, Progress, from_wire, render, to_wire

CASES: list[tuple[Event, str]] = [
    (Progress(3, 10), "progress 3/10 (30%)"),
    (Progress(2, 3, "train"), "progress train 2/3 (66%)"),
    (Progress(0, 0), "progress 0/0"),
    (Metrics({"loss": 0.5, "acc": 1}, "train"), "metrics train loss=0.5 acc=1"),
    (Log("message", {"message": "hello"}), "hello"),
    (Log("message", {"message": "hm"}, level="warning"), "warning: hm"),
    (Log("saved", {"name": "é"}), 'saved {"name": "é"}'),
    (Log("saved", {}, "model.bin"), "saved {} file=model.bin"),
    (Output("a line"), "a line"),
    (Output(""), ""),
]


@pytest.mark.parametrize(("event", "line"), CASES)
def test_wire_and_rendering(event: Event, line: str) -> None:
    assert from_wire(json.loads(json.dumps(to_wire(event)))) == event
    assert render(event) == line
