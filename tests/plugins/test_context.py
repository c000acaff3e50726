"""RuntimeContext: what an action reports becomes events, whatever it reports."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel

from synapse_spec.plugins.context import PluginEnvironment, RuntimeContext
from synapse_spec.plugins.context.logger import ContextLogger
from synapse_spec.plugins.enums import LogLevel
from synapse_spec.plugins.events import Event, Log, Metrics, Progress, to_wire


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def ctx(events: list[Event]) -> RuntimeContext:
    return RuntimeContext(ContextLogger(events.append), PluginEnvironment({}))


def test_its_fields(ctx: RuntimeContext) -> None:
    assert (ctx.job_id, ctx.client, ctx.checkpoint) == (None, None, None)
    full = RuntimeContext(ctx.logger, PluginEnvironment({"A": "1"}), "job-1", checkpoint={"id": 3})
    assert (full.env["A"], full.job_id, full.checkpoint) == ("1", "job-1", {"id": 3})


def test_without_an_environment_it_has_the_processs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEEN_BY_CTX", "1")
    assert RuntimeContext(ContextLogger()).env["SEEN_BY_CTX"] == "1"


@pytest.mark.parametrize(
    ("current", "total", "step", "event"),
    [
        (3, 10, None, Progress(3, 10)),
        (1, 2, "read", Progress(1, 2, "read")),
        (0, 0, None, Progress(0, 0)),
        (np.int64(1), 2.0, None, Progress(1, 2)),
    ],
)
def test_progress(ctx: RuntimeContext, events: list[Event], current: Any, total: Any, step: Any, event: Event) -> None:
    ctx.set_progress(current, total, step)
    assert events == [event]


class Shape(BaseModel):
    side: int


CYCLIC: list[Any] = []
CYCLIC.append(CYCLIC)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (0.5, 0.5),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        (np.float32(0.5), 0.5),
        (np.float64(0.5), 0.5),
        (np.float64("nan"), "nan"),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.array([2.5]), 2.5),
        (LogLevel.INFO, "info"),
        (Path("a/b"), "a/b"),
        ([1, (2, {3: None})], [1, [2, {"3": None}]]),
        ({"a": {"b": math.nan}}, {"a": {"b": "nan"}}),
        (Shape(side=2), "side=2"),
        (b"x", "b'x'"),
        ("caf\udce9", "caf\\udce9"),
    ],
)
def test_metrics_and_entries_hold_plain_values(
    ctx: RuntimeContext, events: list[Event], value: Any, plain: Any
) -> None:
    ctx.set_metrics({"v": value}, "train")
    ctx.log_metric("train", "v", value)
    ctx.log("seen", {"v": value})
    assert events == [Metrics({"v": plain}, "train"), Metrics({"v": plain}, "train"), Log("seen", {"v": plain})]
    first = events[0]
    assert isinstance(first, Metrics)
    assert type(first.values["v"]) is type(plain)
    json.dumps([to_wire(event) for event in events], allow_nan=False).encode()


def test_data_that_contains_itself_does_not_end_the_run(ctx: RuntimeContext, events: list[Event]) -> None:
    ctx.log("seen", {"v": CYCLIC})
    assert len(json.dumps(to_wire(events[0]))) < 10_000


@pytest.mark.parametrize(
    ("message", "options", "event"),
    [
        ("plain", {}, Log("message", {"message": "plain"})),
        ("{braces} stay", {}, Log("message", {"message": "{braces} stay"})),
        ("{n} of {m}", {"n": 1, "m": 2}, Log("message", {"message": "1 of 2"})),
        ("hm", {"level": "warning"}, Log("message", {"message": "hm"}, level="warning")),
        ("hm", {"level": LogLevel.ERROR}, Log("message", {"message": "hm"}, level="error")),
        ("at", {"step": "read"}, Log("message", {"message": "at", "step": "read"})),
        ({"en": "one", "ko": "하나"}, {"language": "ko"}, Log("message", {"message": "하나"})),
        ({"en": "one", "ko": "하나"}, {"language": "fr"}, Log("message", {"message": "one"})),
        ({"en": "one", "ko": "하나"}, {}, Log("message", {"message": "one"})),
        ({"ko": "하나"}, {}, Log("message", {"message": "하나"})),
        ({}, {}, Log("message", {"message": ""})),
    ],
)
def test_messages(
    ctx: RuntimeContext, events: list[Event], message: Any, options: dict[str, Any], event: Event
) -> None:
    ctx.log_message(message, **options)
    assert events == [event]


def test_entries_for_developers_and_the_end(ctx: RuntimeContext, events: list[Event]) -> None:
    ctx.log("saved", {"n": 1}, "model.bin", "debug")
    ctx.log_dev_event("slow", {"ms": 3})
    ctx.log_dev_event("slow")
    ctx.end_log()
    assert events == [
        Log("saved", {"n": 1}, "model.bin", "debug"),
        Log("dev", {"message": "slow", "data": {"ms": 3}}, None, "debug"),
        Log("dev", {"message": "slow", "data": None}, None, "debug"),
        Log("end", {}),
    ]


def test_the_logger_speaks_like_a_standard_one(ctx: RuntimeContext, events: list[Event]) -> None:
    for level in ("debug", "info", "warning", "error"):
        getattr(ctx.logger, level)("%s of 100%%", level)
        getattr(ctx.logger, level)("100%")
    said = [(event.level, event.data["message"]) for event in events if isinstance(event, Log)]
    levels = ("debug", "info", "warning", "error")
    assert said == [pair for level in levels for pair in ((level, f"{level} of 100%"), (level, "100%"))]


def test_without_a_sink_events_are_shown_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    ctx = RuntimeContext(ContextLogger(), PluginEnvironment({}))
    ctx.set_progress(0, 0)
    ctx.log_message("hello")
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == "progress 0/0\nhello\n"
