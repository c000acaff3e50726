"""What `apply` asks of the reconciler, and what it gets back. Apart from it, so that doing nothing imports little."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Options:
    """How to reconcile.

    Attributes:
        force: Names that run even if nothing has changed.
        wait: Whether to wait for jobs, and for runs that another process is at.
        fail_fast: Whether one failure stops everything.
        timeout: Seconds for the whole, or None.
        address: Of a Ray cluster.
    """

    force: frozenset[str] = frozenset()
    wait: bool = True
    fail_fast: bool = False
    timeout: float | None = None
    address: str | None = None


@dataclass(slots=True)
class Report:
    """How it went.

    Attributes:
        ran: Runs that were attempted or followed, in the order they ended.
        gave_up: The time for the whole ran out.
        locked: Runs that another process is at.
        unreachable: Why Ray could not be reached, by the runs that needed it.
    """

    ran: list[str] = field(default_factory=list)
    gave_up: bool = False
    locked: list[str] = field(default_factory=list)
    unreachable: dict[str, str] = field(default_factory=dict)
