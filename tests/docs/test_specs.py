"""docs/specs.md and docs/status.md: they name every field, phase and reason there is, and their examples are true."""

import re
from collections.abc import Iterator
from typing import Any

from synapse_spec.engine import status
from synapse_spec.engine.status_schema import STATUS
from synapse_spec.spec.envelope import RUN
from synapse_spec.spec.reference_checks import KNOWN_VALUES
from tests.docs.pages import README, ROOT, blocks, prose
from tests.docs.sandbox import Sandbox

SPECS, STATUSES = ROOT / "docs" / "specs.md", ROOT / "docs" / "status.md"


def test_the_example_is_valid(sandbox: Sandbox) -> None:
    sandbox.play(block for block in blocks(README) if block.section == "A plugin")
    example = next(block for block in blocks(SPECS) if block.language == "yaml")
    (sandbox.folder / "words.yaml").write_text(example.text, encoding="utf-8")
    assert sandbox.run("synapse validate words.yaml") == "1 run in 1 file: all valid\n"


def test_every_field_of_a_spec_is_documented() -> None:
    named = set(_codes(SPECS))
    for field in ("metadata", "spec"):
        for name, schema in RUN["properties"][field]["properties"].items():
            assert f"{field}.{name}" in named
            inner = schema.get("properties", {}) if name != "plugin" else {}
            assert set(inner) <= named, f"{field}.{name}"
    assert {item for item in named if item.startswith(("metadata.", "spec."))} <= {*_fields(RUN), *KNOWN_VALUES}
    assert set(KNOWN_VALUES) <= named


def test_every_field_of_a_status_is_documented() -> None:
    assert _column(STATUSES, "Fields") >= set(STATUS["properties"]["status"]["properties"])


def test_every_phase_is_documented() -> None:
    phases = set(STATUS["properties"]["status"]["properties"]["phase"]["enum"])
    assert _column(STATUSES, "Phases") == phases


def test_every_reason_is_documented() -> None:
    """Reasons are made in several places; each stands there as a word of its own."""
    words = re.compile(
        r'(?:Outcome|_Ended|_Refused|_held)\(\s*(?:[A-Z]+, )?"([A-Z]\w+)"|reason(?:: str)? ?= ?"([A-Z]\w+)"'
    )
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "synapse_spec").rglob("*.py"))
    made = {one or other for one, other in words.findall(sources)} | {status.COMPLETED, status.INTERRUPTED}
    assert {"ActionFailed", "WorkerDied", "Suspended", "Started"} <= made, "the sources are not understood any more"
    assert made <= _column(STATUSES, "Reasons")


def test_the_example_has_the_fields_of_a_status(sandbox: Sandbox) -> None:
    """The tour's status, as it is."""
    whole = next(block for block in blocks(STATUSES) if block.language == "yaml")
    tour = [block for block in blocks(README) if not block.ray]
    last = next(index for index, block in enumerate(tour) if block.excerpt)
    sandbox.play(tour[:last])
    sandbox.hold_excerpt(whole, "words.status.yaml")


def _codes(page: Any) -> Iterator[str]:
    yield from re.findall(r"`([^`\n]+)`", prose(page))


def _fields(schema: dict[str, Any], path: str = "") -> Iterator[str]:
    for name, field in schema.get("properties", {}).items():
        yield f"{path}{name}"
        yield from _fields(field, f"{path}{name}.")


def _column(page: Any, chapter: str) -> set[str]:
    """The names in the first column of a chapter's table."""
    text = re.split(r"^## ", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    rows = next(part for part in text if part.startswith(f"{chapter}\n"))
    return set(re.findall(r"^\| `(\w+)` \|", rows, flags=re.MULTILINE))
