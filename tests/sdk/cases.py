"""The plugins of `plugins/`, each with its cases, found by listing the folder.

A case is an action with params, and `env` where it is given one. `backend` says that it needs one and there is none;
`expect` with `why` stands where the SDK's outcome is one of its faults; `job` that it is run as a job too.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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

    @property
    def id(self) -> str:
        return f"{self.kind}: {self.name}"

    @property
    def folder(self) -> Path:
        return PLUGINS / self.kind


def all_cases() -> list[Case]:
    files = sorted(PLUGINS.glob("*/cases.json"))
    return [Case(path.parent.name, **case) for path in files for case in json.loads(path.read_text(encoding="utf-8"))]
