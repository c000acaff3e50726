"""Runs every benchmark and prints its ratio against its peer and against its limit; exit 1 if one is over it."""

import sys
from collections.abc import Iterator

from benchmarks import noop_apply, plan, ray_jobs, ray_tasks, sdk, validate, version
from benchmarks.paired import Ratio
from benchmarks.validate import Memory


def main() -> int:
    if missing := plan.missing_peers():
        print(f"error: {' and '.join(missing)} not found in {plan.PEERS}; make bench installs them", file=sys.stderr)
        return 1
    held = []
    for result in _measured():
        print(result.line(), flush=True)
        held.append(result.holds)
    return 0 if all(held) else 1


def _measured() -> Iterator[Ratio | Memory]:
    yield version.measure()
    yield noop_apply.measure()
    yield from validate.measure()
    yield from plan.measure()
    yield from ray_tasks.measure()
    yield ray_jobs.measure()
    yield from sdk.measure()


if __name__ == "__main__":
    sys.exit(main())
