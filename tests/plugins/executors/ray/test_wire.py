"""The lines by which a job tells its events and its outcome."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from synapse_spec.plugins.events import Event, Log, Metrics, Output, Progress
from synapse_spec.plugins.executors.ray.wire import JobLog, event_line, kept_line, new_nonce, outcome_line
from synapse_spec.plugins.outcome import ErrorInfo, Outcome

NONCE = "5f" * 16
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
lines = texts.filter(lambda text: "\n" not in text and "\r" not in text)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=8,
)
events = st.one_of(
    st.builds(Output, lines),
    st.builds(Progress, st.integers(), st.integers(), st.none() | texts),
    st.builds(Metrics, st.dictionaries(texts, values), texts),
    st.builds(Log, texts, st.dictionaries(texts, values), st.none() | texts, texts),
)
outcomes = st.builds(
    Outcome,
    st.sampled_from(["Completed", "ActionFailed"]),
    values,
    st.none() | st.builds(ErrorInfo, texts, texts, texts),
    st.dictionaries(texts, values),
)


def written(event: Event) -> str:
    return f"{event.text}\n" if isinstance(event, Output) else event_line(NONCE, event).decode()


def read(*feeds: str | bytes) -> tuple[list[Event], Outcome | None]:
    seen: list[Event] = []
    log = JobLog(NONCE, seen.append)
    for feed in feeds:
        log.feed(feed.encode() if isinstance(feed, str) else feed)
    log.finish()
    return seen, log.outcome


@given(st.lists(events, max_size=8), outcomes, st.lists(st.integers(0, 2000), max_size=4))
def test_all_comes_back_however_it_is_polled(sent: list[Event], outcome: Outcome, cuts: list[int]) -> None:
    log = "".join(map(written, sent)).encode() + outcome_line(NONCE, outcome)
    parts = [log[start:end] for start, end in pairwise([0, *sorted(cuts), max(len(log), *cuts, 0)])]
    assert read(*parts) == (sent, outcome)


@given(st.text(max_size=300))
def test_no_text_is_an_outcome(text: str) -> None:
    assert read(text)[1] is None
    assert read(f"::synapse {NONCE} outcome {text}")[1] is None


def test_lines_of_another_attempt_are_output() -> None:
    log = outcome_line(new_nonce(), Outcome("Completed", 1)).decode() + event_line("", Progress(1, 2)).decode()
    seen, outcome = read(log)
    assert outcome is None
    assert [type(event) for event in seen] == [Output, Output]


def test_a_cut_outcome_is_none() -> None:
    line = outcome_line(NONCE, Outcome("Completed", "x" * 100)).decode()
    assert read(line[:-20])[1] is None
    assert read(line.replace("xx", "xy", 1))[1] is None


def test_a_long_outcome_is_packed() -> None:
    outcome = Outcome("Completed", ["é\n" * 100_000])
    line = outcome_line(NONCE, outcome)
    assert len(line) < 10_000
    assert read(line)[1] == outcome
    assert read(line[:2000] + b"A" + line[2001:])[1] is None


def test_the_last_outcome_stands() -> None:
    """What guards a job has the last word: the action came to its end after its time."""
    lines = outcome_line(NONCE, Outcome("Completed")) + outcome_line(NONCE, Outcome("TimedOut"))
    assert read(lines + outcome_line(NONCE, Outcome("Completed"))[:-9])[1] == Outcome("TimedOut")


def test_an_outcome_that_is_kept_elsewhere() -> None:
    log = JobLog(NONCE, lambda event: None)
    log.feed(kept_line(new_nonce()))
    assert not log.kept
    log.feed(kept_line(NONCE))
    assert (log.kept, log.outcome) == (True, None)


def test_our_lines_after_unfinished_ones() -> None:
    log = "50%" + event_line(NONCE, Progress(1, 2)).decode() + " 100%\n\n" + "a\rb\rc\n" + "no end"
    assert read(log)[0] == [Output("50%"), Progress(1, 2), Output(" 100%"), Output(""), Output("c"), Output("no end")]


def test_an_event_that_another_process_wrote_into_is_dropped() -> None:
    line = event_line(NONCE, Progress(1, 2)).decode().replace("progress", 'pro"gress')
    assert read(line + outcome_line(NONCE, Outcome("Completed")).decode()) == ([], Outcome("Completed"))


def test_rays_own_first_lines_are_left_out() -> None:
    rays = (
        "2026-01-01 10:00:00,000\tINFO job_manager.py:581 -- Runtime env is setting up.\n"
        "Running entrypoint for job a-1: exec python -m x\n"
    )
    assert read(rays + "hello\n" + rays)[0][0] == Output("hello")
    assert len(read(rays + "hello\n" + rays)[0]) == 3
