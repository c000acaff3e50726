"""`synapse --version` against `python -c "import click"`: what the program costs before it does anything."""

import sys

from benchmarks.paired import Pair, Ratio, compare

LIMIT = 1.5


def measure() -> Ratio:
    ours = [sys.executable, "-m", "synapse_spec", "--version"]
    return compare("synapse --version / import click", Pair(ours, [sys.executable, "-c", "import click"]), LIMIT)
