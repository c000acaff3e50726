"""Times as status files have them. Pure; used by `status`, and by those who make statuses."""

from datetime import UTC, datetime


def timestamp(moment: datetime | None = None) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    return (moment or datetime.now(UTC)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds_between(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
