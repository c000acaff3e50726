"""The plugins of `plugins/`, each with its cases, found by listing the folder.

A case is an action with params, and `env` where it is given one. `backend` says that it needs one and there is none;
`expect` with `why` stands where the SDK's outcome is one of its faults; `job` that it is run as a job too; `strict`
that a spec, which is strict JSON, refuses what the model would convert.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synapse_spec.plugins.sdk import NO_BACKEND

PLUGINS = Path(__file__).parent / "plugins"


@dataclass(frozen=True)
class Case:
    kind: str
    name: str
    action: str
    params: dict[str, Any]
    env: dict[str, str] = field(default_factory=dict)
    backend: bool = False
    job: bool = False
    expect: dict[str, Any] | None = None
    why: str = ""
    strict: bool = False

    @property
    def id(self) -> str:
        return f"{self.kind}: {self.name}"

    @property
    def folder(self) -> Path:
        return PLUGINS / self.kind


def all_cases() -> list[Case]:
    files = sorted(PLUGINS.glob("*/cases.json"))
    return [Case(path.parent.name, **case) for path in files for case in json.loads(path.read_text(encoding="utf-8"))]


def check(case: Case, ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    """What is expected where the SDK is at fault, else the SDK's own outcome."""
    if case.expect is not None:
        assert ours == ours | {"ok": "result" in case.expect} | case.expect
        assert case.why
        assert _comparable(ours) != _comparable(theirs), "the SDK does the same by now"
    elif case.backend:
        assert not theirs["ok"]
        assert not ours["ok"]
        assert ours["message"].endswith(f"({NO_BACKEND})")
    else:
        assert _comparable(ours) == _comparable(theirs)


def _comparable(outcome: dict[str, Any]) -> dict[str, Any]:
    if outcome["ok"] or outcome["refused"]:
        return {key: outcome[key] for key in ("ok", "result", "refused") if key in outcome}
    return {key: outcome[key] for key in ("ok", "type", "message")}
