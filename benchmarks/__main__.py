"""Runs every benchmark and prints its ratio against its peer and against its limit; exit 1 if one is over it."""

import sys

from benchmarks import noop_apply, version


def main() -> int:
    results = [version.measure(), noop_apply.measure()]
    for result in results:
        print(result.line())
    return 0 if all(result.holds for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
