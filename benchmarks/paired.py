"""Times two commands in turn, so that a machine whose speed drifts treats both alike. Used by each benchmark."""

import statistics
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

_PAIRS = 11


@dataclass(frozen=True, slots=True)
class Ratio:
    """Medians of whole processes, in seconds, and the median of the ratios pair by pair."""

    name: str
    ours: float
    peer: float
    ratio: float
    limit: float

    @property
    def holds(self) -> bool:
        return self.ratio <= self.limit

    def line(self) -> str:
        verdict = "holds" if self.holds else "DOES NOT HOLD"
        times = f"{self.ours * 1000:.0f} ms against {self.peer * 1000:.0f} ms"
        return f"{self.name}: {times}, ratio {self.ratio:.2f} (limit {self.limit:g}): {verdict}"


def compare(name: str, ours: list[str], peer: list[str], limit: float, cwd: Path | None = None) -> Ratio:
    """Run both commands in turn, after one run each that is not counted."""
    _timed(ours, cwd), _timed(peer, cwd)
    times = [(_timed(ours, cwd), _timed(peer, cwd)) for _ in range(_PAIRS)]
    return Ratio(
        name,
        statistics.median(first for first, _ in times),
        statistics.median(second for _, second in times),
        statistics.median(first / second for first, second in times),
        limit,
    )


def _timed(command: list[str], cwd: Path | None) -> float:
    start = time.perf_counter()
    subprocess.run(command, cwd=cwd, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start
