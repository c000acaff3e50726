"""Jobs on a warm cluster against Ray's own client: 20 runs of mode job in one apply, and 20 jobs submitted by hand.

The peer is what a careful user of `ray.job_submission` writes for the same end: it submits 20 jobs whose process
imports pydantic, as each of ours does, looks at all of them twice a second, and reads the log of each. Both are whole
processes that find the cluster at work, and ask for no resources.
"""

import sys
import tempfile
from pathlib import Path

from benchmarks.paired import Pair, Ratio, compare

COUNT = 20
LIMIT = 1.2
ROUNDS = 3

_ACTION = """\
from pydantic import BaseModel

from synapse_spec.plugins.decorators import action


class Params(BaseModel):
    number: int


@action(params=Params)
def double(params, ctx):
    print("doubling", params.number)
    return {"doubled": 2 * params.number}
"""

_SPEC = """\
---
apiVersion: synapse.dev/v1
kind: Run
metadata: {{name: job-{number}}}
spec: {{plugin: {{path: plugin}}, action: double, mode: job, params: {{number: {number}}}}}
"""

_PEER = """\
import sys, time, uuid
from ray.job_submission import JobSubmissionClient

url, token, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
client = JobSubmissionClient(url, headers={"Authorization": f"Bearer {token}"})
code = "import pydantic; print('doubling'); print('doubled')"
ids = {client.submit_job(entrypoint=f'exec {sys.executable} -c "{code}"') for number in range(count)}
waiting = set(ids)
while waiting:
    time.sleep(0.5)
    for job in client.list_jobs():
        if job.submission_id in waiting and job.status.is_terminal():
            assert job.status == "SUCCEEDED", job
            waiting.discard(job.submission_id)
assert all("doubled" in client.get_job_logs(item) for item in ids)
"""


def measure() -> Ratio:
    from synapse_spec.plugins.executors.ray.cluster import reach

    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        _make_workspace(folder)
        with reach(None, folder / ".synapse" / "ray", dashboard=True) as lease:
            cluster = lease.cluster
            ours = [sys.executable, "-m", "synapse_spec", "apply", "--force", "jobs.yaml"]
            peer = [sys.executable, "-c", _PEER, str(cluster.dashboard), str(cluster.token), str(COUNT)]
            return compare(f"{COUNT} jobs on a warm cluster / Ray's client", Pair(ours, peer, folder), LIMIT, ROUNDS)


def _make_workspace(folder: Path) -> None:
    (folder / "synapse.toml").touch()
    (folder / "plugin" / "plugin").mkdir(parents=True)
    (folder / "plugin" / "plugin" / "act.py").write_text(_ACTION)
    (folder / "plugin" / "config.yaml").write_text("name: Bench\ncode: bench\nactions: {double: plugin.act:double}\n")
    (folder / "jobs.yaml").write_text("".join(_SPEC.format(number=number) for number in range(COUNT)))


if __name__ == "__main__":
    print(measure().line())
