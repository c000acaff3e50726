"""Times as status files have them. Pure; used by `status`, and by those who make statuses."""

from datetime import UTC, datetime


def timestamp(moment: datetime | None = None) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    return (moment or datetime.now(UTC)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds_between(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def widened(span: tuple[float, float] | None, start: str, heard: str) -> tuple[str, str]:
    """When an attempt began and ended, if that is known (`span`, seconds since 1970) from a clock that may go wrong.

    Args:
        span: None if all that is known is the rest.
        start: When its intent was written here; another checkout may have begun it before.
        heard: When its end was heard of.
    """
    if span is None:
        return start, heard
    began, ended = (timestamp(datetime.fromtimestamp(moment, UTC)) for moment in span)
    began = min(start, began)
    return began, max(began, min(ended, heard))
