"""Times two commands in turn, so that a machine whose speed drifts treats both alike. Used by each benchmark."""

import os
import statistics
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

PAIRS = 11


@dataclass(frozen=True, slots=True)
class Ratio:
    """Medians of ours and of the peer's, and the median of the ratios pair by pair."""

    name: str
    ours: float
    peer: float
    ratio: float
    limit: float
    unit: str = "s"

    @property
    def holds(self) -> bool:
        return self.ratio <= self.limit

    def line(self) -> str:
        verdict = "holds" if self.holds else "DOES NOT HOLD"
        amounts = f"{self.ours:.3g} {self.unit} against {self.peer:.3g} {self.unit}"
        return f"{self.name}: {amounts}, ratio {self.ratio:.3g} (limit {self.limit:.3g}): {verdict}"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two commands that do the same, with the exit codes that show that they did."""

    ours: list[str]
    peer: list[str]
    cwd: Path | None = None
    codes: tuple[int, int] = (0, 0)


def compare(name: str, pair: Pair, limit: float, rounds: int = PAIRS) -> Ratio:
    """Run both commands in turn, after one run each that is not counted."""
    _both(pair)
    times = [_both(pair) for _ in range(rounds)]
    return Ratio(
        name,
        statistics.median(first for first, _ in times),
        statistics.median(second for _, second in times),
        statistics.median(first / second for first, second in times),
        limit,
    )


def _both(pair: Pair) -> tuple[float, float]:
    ours, theirs = pair.codes
    return _timed(pair.ours, pair.cwd, ours), _timed(pair.peer, pair.cwd, theirs)


def _timed(command: list[str], cwd: Path | None, code: int) -> float:
    # Installed programs have their bytecode; without this, only ours, which is run from its sources, would lack it.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    done = subprocess.run(command, cwd=cwd, env=env, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    seconds = time.perf_counter() - start
    if done.returncode != code:
        raise subprocess.CalledProcessError(done.returncode, command)
    return seconds
