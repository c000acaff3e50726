"""What would run and why: one decision for each run, from specs, facts and statuses. No side effect.

Called by `plan`, and by `apply` before it runs anything; the reconciler decides each run once more under its lock.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from synapse_spec.engine.changes import Change, field_changes
from synapse_spec.engine.digest import computed, identify, sha256, spec_digest
from synapse_spec.engine.status import (
    BLOCKED,
    CANCELLED,
    COMPLETED,
    HELD,
    INTERRUPTED,
    RUNNING,
    Identity,
    RunStatus,
)
from synapse_spec.engine.sweep import summed_up
from synapse_spec.plugins.enums import ExecutionMode
from synapse_spec.spec.catalog import Catalog
from synapse_spec.spec.graph import order
from synapse_spec.spec.model import Run

RUN, ADOPT, SKIP, WAIT, SUSPEND, BLOCK = "run", "adopt", "skip", "wait", "suspend", "block"
DUE = frozenset({RUN, ADOPT, WAIT})

_REASONS = {"spec": "spec changed", "code": "code changed", "inputs": "input changed"}
CHANGED = frozenset(_REASONS.values())
REQUESTED = "requested"


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with a run (`step`), why (`reason`, a stable word), and what changed.

    Steps: run, adopt (its job is running), wait (for a run that is due, or for another process), skip, suspend, block.
    """

    step: str
    reason: str
    changes: tuple[Change, ...] = ()
    waiting_for: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The reason for people: `spec changed: params.epochs 10 -> 20`."""
        if self.waiting_for:
            return f"waiting for {summed_up(self.waiting_for)}"
        told: dict[str, list[str]] = {self.reason: []}
        for change in self.changes:
            told.setdefault(_REASONS[change.part], []).append(str(change))
        return "; ".join(f"{reason}: {', '.join(found)}" if found else reason for reason, found in told.items())


UNCHANGED = Decision(SKIP, "unchanged")


@dataclass(frozen=True, slots=True)
class Planned:
    """A run with its decision.

    Attributes:
        spec: Digest of what it computes, with references as they are written.
        code: Digest of its code.
        identity: None while inputs are open.
        dynamic: Whether its code imports dynamically, so that every file of the plugin counts as its code.
    """

    run: Run
    decision: Decision
    status: RunStatus
    spec: str
    code: str
    identity: Identity | None = None
    dynamic: bool = False

    @property
    def mode(self) -> ExecutionMode:
        """Where it will be at work: a job that runs stays one, whatever its spec says by now."""
        return ExecutionMode.JOB if self.decision.step == ADOPT else self.run.mode

    @property
    def uses(self) -> set[tuple[ExecutionMode, str | None]]:
        """The modes that carrying it out takes, with the clusters: a job of an earlier digest is stopped first."""
        at_work = self.status.attempt if self.status.phase == RUNNING and self.status.mode == "job" else None
        uses = {(self.run.mode, self.run.cluster)} if self.decision.step != ADOPT else set()
        return uses | {(ExecutionMode.JOB, at_work.cluster)} if at_work is not None else uses

    @property
    def writes(self) -> bool:
        """Whether carrying the decision out may change the status file."""
        return self.decision.step != SKIP or self.status.phase in HELD

    def to_record(self) -> dict[str, Any]:
        return {
            "name": self.run.name,
            "file": self.run.file.shown,
            "action": self.run.action,
            "mode": str(self.run.mode),
            "step": self.decision.step,
            "reason": self.decision.reason,
            "message": self.decision.text,
            "phase": self.status.phase,
            "changes": [change.to_record() for change in self.decision.changes],
            "waitingFor": list(self.decision.waiting_for),
            "digest": self.identity and self.identity.digest,
            "dynamicCode": self.dynamic,
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
        entries = [
            [
                entry.run.name,
                entry.run.spec,
                entry.decision.step,
                str(entry.mode),
                entry.spec,
                entry.code,
                entry.identity and entry.identity.digest,
                entry.status.phase,
                entry.status.attempt and entry.status.attempt.handle,
            ]
            for entry in self.entries.values()
        ]
        return sha256([entries, self.orphans])


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
        action, spec = catalog.action(run.plugin, run.action), spec_digest(run, catalog)
        decision, identity = _held_up(run, status, plan, statuses, owned), None
        if decision is None:
            identity = identify(run, spec, action.code, statuses, status.identity)
            decision = decide(run, status, identity, forced=force(name))
        entry = Planned(run, decision, status, spec, action.code, identity, action.dynamic)
        if identity is not None and decision.reason in CHANGED:
            decision = replace(decision, changes=_changes(entry, identity, catalog))
            entry = replace(entry, decision=decision)
        plan.entries[name] = entry
    return plan


def _held_up(
    run: Run,
    status: RunStatus,
    plan: Plan,
    statuses: Mapping[str, RunStatus],
    owned: Callable[[str], bool],
) -> Decision | None:
    """Why a run cannot be decided yet, if it cannot."""
    if status.phase == RUNNING and owned(run.name):
        return Decision(WAIT, "running")
    if run.suspend:
        return Decision(SUSPEND, "suspended")
    due = tuple(name for name in run.depends_on if name in plan.entries and plan.entries[name].decision.step in DUE)
    if due:
        return Decision(WAIT, "waiting", waiting_for=due)
    missing = tuple(name for name in run.depends_on if not _is_ready(name, plan, statuses))
    return Decision(BLOCK, "blocked", waiting_for=missing) if missing else None


def _is_ready(name: str, plan: Plan, statuses: Mapping[str, RunStatus]) -> bool:
    """Whether a run's result may be used; that of a blocked one is out of date."""
    status, entry = statuses.get(name), plan.entries.get(name)
    if status is None or not status.has_result:
        return False
    return status.phase != BLOCKED if entry is None else entry.decision.step != BLOCK


def decide(run: Run, status: RunStatus, identity: Identity, *, forced: bool = False) -> Decision:
    """The step for a run whose dependencies are ready and that no other process owns."""
    old, last = status.identity, status.attempt
    if old is None or last is None:
        return Decision(RUN, "new")
    if old.digest != identity.digest:
        changed = next((reason for part, reason in _REASONS.items() if _differs(old, identity, part, run)), None)
        if changed is not None:
            return Decision(RUN, changed)
    if forced or (run.requested is not None and run.requested != status.requested):
        return Decision(RUN, REQUESTED)
    if status.phase == RUNNING and status.mode == "job":
        return Decision(ADOPT, "running")
    if last.outcome in (None, INTERRUPTED):
        return Decision(RUN, "interrupted")
    if last.outcome != COMPLETED:
        return Decision(RUN, "cancelled before" if last.phase == CANCELLED else "failed before")
    return UNCHANGED


def _differs(old: Identity, new: Identity, part: str, run: Run) -> bool:
    """Whether a part differs that makes the run run again."""
    one, other = (identity.runs if part == "inputs" else getattr(identity, part) for identity in (old, new))
    return part in run.rerun_on and one != other


def _changes(entry: Planned, identity: Identity, catalog: Catalog) -> tuple[Change, ...]:
    """Fields, files and inputs in which a run differs from its last attempt."""
    found: list[Change] = []
    old, run = entry.status.identity, entry.run
    if old is None:
        return ()
    action = catalog.action(run.plugin, run.action)
    if _differs(old, identity, "spec", run):
        found += field_changes(entry.status.applied, computed(run, catalog.plugin(run.plugin), action))
    if _differs(old, identity, "code", run):
        before = catalog.known_files(old.code)
        if before is not None:
            names = sorted(before.keys() | action.files.keys())
            found += [Change("code", name) for name in names if before.get(name) != action.files.get(name)]
    if _differs(old, identity, "inputs", run):
        names = sorted(old.runs.keys() | identity.runs.keys())
        found += [Change("inputs", name) for name in names if old.runs.get(name) != identity.runs.get(name)]
    return tuple(found)
