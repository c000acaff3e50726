"""What would run and why: one decision for each run, from specs, facts and statuses. No side effect.

Called by `plan`, and by `apply` before it runs anything; the reconciler decides each run once more under its lock.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from synapse_spec.engine.digest import computed, identify, sha256
from synapse_spec.engine.status import (
    CANCELLED,
    FAILED,
    RUNNING,
    Identity,
    RunStatus,
)
from synapse_spec.spec import references
from synapse_spec.spec.catalog import ActionFacts, Catalog
from synapse_spec.spec.model import Run
from synapse_spec.spec.validate import order

RUN, ADOPT, SKIP, WAIT, SUSPEND, BLOCK = "run", "adopt", "skip", "wait", "suspend", "block"
DUE = frozenset({RUN, ADOPT, WAIT})

MISSING = object()


@dataclass(frozen=True, slots=True)
class Change:
    """A field that differs from what was applied last; a file of the code when `old` and `new` are None."""

    path: str
    old: Any = None
    new: Any = None

    def __str__(self) -> str:
        if self.old is None and self.new is None:
            return self.path
        return f"{self.path} {_shown(self.old)} -> {_shown(self.new)}"


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with a run (`step`), why (`reason`, a stable word), and what changed.

    Steps: run, adopt (its job is running), wait (for a run that is due), skip, suspend, block.
    """

    step: str
    reason: str
    changes: tuple[Change, ...] = ()
    waiting_for: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The reason for people: `spec changed: params.epochs 10 -> 20`."""
        words = self.reason
        if self.waiting_for:
            words = f"waiting for {', '.join(self.waiting_for)}"
        return f"{words}: {', '.join(map(str, self.changes))}" if self.changes else words


@dataclass(frozen=True, slots=True)
class Planned:
    """A run with its decision; `identity` is None while inputs are open."""

    run: Run
    decision: Decision
    status: RunStatus
    identity: Identity | None = None

    def to_record(self) -> dict[str, Any]:
        changes = [
            {"path": item.path, "old": _json(item.old), "new": _json(item.new)} for item in self.decision.changes
        ]
        return {
            "name": self.run.name,
            "file": self.run.file.shown,
            "action": self.run.action,
            "mode": str(self.run.mode),
            "step": self.decision.step,
            "reason": self.decision.reason,
            "message": self.decision.text,
            "phase": self.status.phase,
            "changes": changes,
            "waitingFor": list(self.decision.waiting_for),
            "digest": self.identity and self.identity.digest,
        }


@dataclass(slots=True)
class Plan:
    """Decisions in the order of execution, and statuses whose run is gone."""

    entries: dict[str, Planned] = field(default_factory=dict)
    orphans: dict[str, list[str]] = field(default_factory=dict)

    @property
    def due(self) -> list[Planned]:
        return [entry for entry in self.entries.values() if entry.decision.step in DUE]

    def digest(self) -> str:
        """Identity of the plan: equal when nothing that it rests on has moved."""
        return sha256(
            [
                [
                    entry.run.name,
                    entry.decision.step,
                    entry.identity and entry.identity.digest,
                    entry.status.phase,
                    entry.status.next_number(""),
                ]
                for entry in self.entries.values()
            ]
        )


def make_plan(
    runs: list[Run],
    catalog: Catalog,
    statuses: Mapping[str, RunStatus],
    *,
    force: Callable[[str], bool] = lambda name: False,
    owned: Callable[[str], bool] = lambda name: False,
) -> Plan:
    """Decide each run.

    Args:
        runs: Valid runs; those that others depend on included, where they are to be considered.
        catalog: Tells what plugins offer.
        statuses: Of all runs that are known, by name.
        force: Whether a run is asked for even if nothing has changed.
        owned: Whether a living process is at a run right now.
    """
    plan = Plan()
    by_name = {run.name: run for run in runs}
    for name in order(runs):
        run = by_name[name]
        status = statuses.get(name) or RunStatus(name)
        plan.entries[name] = _decided(run, status, plan, catalog, statuses, force, owned)
    return plan


def _decided(
    run: Run,
    status: RunStatus,
    plan: Plan,
    catalog: Catalog,
    statuses: Mapping[str, RunStatus],
    force: Callable[[str], bool],
    owned: Callable[[str], bool],
) -> Planned:
    if run.suspend:
        return Planned(run, Decision(SUSPEND, "suspended"), status)
    waiting = tuple(name for name in run.depends_on if name in plan.entries and plan.entries[name].decision.step in DUE)
    if waiting:
        return Planned(run, Decision(WAIT, "waiting", waiting_for=waiting), status)
    missing = tuple(name for name in run.depends_on if not _ready(statuses.get(name), plan.entries.get(name)))
    if missing:
        return Planned(run, Decision(BLOCK, "blocked", waiting_for=missing), status)
    plugin, action = catalog.plugin(run.plugin), catalog.action(run.plugin, run.action)
    identity = identify(run, plugin, action, statuses)
    if status.phase == RUNNING and owned(run.name):
        return Planned(run, Decision(SKIP, "running"), status, identity)

    def differences() -> tuple[Change, ...]:
        return tuple(changes(status, identity, computed(run, plugin, action), action, catalog))

    return Planned(run, decide(run, status, identity, differences, forced=force(run.name)), status, identity)


def decide(
    run: Run,
    status: RunStatus,
    identity: Identity,
    differences: Callable[[], tuple[Change, ...]],
    *,
    forced: bool = False,
) -> Decision:
    """The step for a run whose dependencies are ready and that no other process owns."""
    old = status.identity
    if old is None or status.attempt is None:
        return Decision(RUN, "new")
    if status.phase == RUNNING and status.mode == "job" and old.digest == identity.digest and not forced:
        return Decision(ADOPT, "running")
    for part, reason in (("spec", "spec changed"), ("code", "code changed"), ("inputs", "input changed")):
        if part in run.rerun_on and _part(old, part) != _part(identity, part):
            return Decision(RUN, reason, differences())
    if forced:
        return Decision(RUN, "requested")
    if status.phase == RUNNING or status.reason == "Interrupted":
        return Decision(RUN, "interrupted")
    if status.phase in (FAILED, CANCELLED) or not status.has_result:
        return Decision(RUN, "cancelled before" if status.phase == CANCELLED else "failed before")
    return Decision(SKIP, "unchanged")


def changes(
    status: RunStatus, identity: Identity, now: dict[str, Any], action: ActionFacts, catalog: Catalog
) -> list[Change]:
    """Fields, files and inputs in which a run differs from its last attempt."""
    found = []
    old = status.identity
    if old is None:
        return found
    if old.spec != identity.spec:
        found += _field_changes(status.applied, now)
    if old.code != identity.code:
        before = catalog.known_files(old.code)
        if before is not None:
            names = sorted(before.keys() | action.files.keys())
            found += [Change(name) for name in names if before.get(name) != action.files.get(name)]
    found += [Change(name) for name, digest in identity.runs.items() if old.runs.get(name) != digest]
    return found


def _field_changes(applied: dict[str, Any], now: dict[str, Any]) -> list[Change]:
    """Leaves that differ; those that stand for a value known only at run time are left out."""
    old, new = dict(_leaves(_comparable(applied))), dict(_leaves(_comparable(now)))
    found = []
    for path in [*new, *(path for path in old if path not in new)]:
        before, after = old.get(path, MISSING), new.get(path, MISSING)
        if before != after and not (isinstance(after, str) and any(references.find(after)) and before is not MISSING):
            found.append(Change(path, before, after))
    return found


def _comparable(parts: dict[str, Any]) -> dict[str, Any]:
    return {key: parts.get(key, {}) for key in ("action", "params", "env", "runtimeEnv")}


def _leaves(value: Any, path: str = "") -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [leaf for key, item in value.items() for leaf in _leaves(item, f"{path}.{key}" if path else key)]
    return [(path, value)]


def _part(identity: Identity, part: str) -> Any:
    return identity.runs if part == "inputs" else getattr(identity, part)


def _ready(status: RunStatus | None, entry: Planned | None) -> bool:
    if entry is not None and entry.decision.step in (BLOCK, SUSPEND) and not (status and status.has_result):
        return False
    return status is not None and status.has_result


def _shown(value: Any) -> str:
    if value is MISSING:
        return "(not set)"
    text = sha256(value) if isinstance(value, dict) else repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _json(value: Any) -> Any:
    return None if value is MISSING else value
