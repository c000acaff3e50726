"""A secret that a task or a job uses, and even prints, is found nowhere: not in what Ray shows, nor on the disk.

Each run has secrets of its own, so that what is found tells whose it is. They run on the embedded cluster, and on the
same cluster as one that is given by its address, which gets packages instead of paths.
"""

import http.client
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from synapse_spec.plugins.executors.ray.cluster import reach
from synapse_spec.plugins.executors.ray.embedded import Head
from tests.engine.project import Project, run, until

pytestmark = [pytest.mark.ray, pytest.mark.timeout(240)]

ACTIONS = """
import logging
import os
import subprocess
import time
from pathlib import Path

from synapse_spec.plugins.decorators import action


@action()
def use(params, ctx):
    for name in ("FROM_ENV", "FROM_FILE"):
        value = os.environ[name]
        print(f"{name} is {value}")
        print(f"a progress bar with {value}", end="\\r")
        logging.getLogger("lib").warning("logged %s", value)
        subprocess.run(["sh", "-c", f'echo "a child has ${name}"'])
        for part in (value[:9], value[9:]):
            os.write(2, part.encode())
            time.sleep(0.1)
        ctx.log_message(f"told {ctx.env[name]}")
        ctx.set_progress(1, 2, value)
        ctx.set_metrics({value: 1}, value)
    Path(params["began"]).touch()
    while not Path(params["go"]).exists():
        time.sleep(0.05)
    if params["fail"]:
        raise ValueError("refused: " + os.environ["FROM_ENV"])
    return {os.environ["FROM_ENV"]: [os.environ["FROM_FILE"]], "length": len(os.environ["FROM_FILE"])}
"""

PAGES = [
    "/api/jobs/",
    "/nodes?view=summary",
    "/nodes?view=details",
    "/logical/actors",
    "/events",
    "/api/cluster_status",
    "/api/serve/applications/",
    *(
        f"/api/v0/{kind}?detail=1&limit=10000"
        for kind in ("tasks", "actors", "jobs", "workers", "objects", "runtime_envs", "nodes", "cluster_events")
    ),
    "/api/v0/tasks/summarize",
    "/api/v0/actors/summarize",
]

RUNS = [f"{where}-{mode}{end}" for where in ("ours", "given") for mode in ("task", "job") for end in ("", "-fails")]


class Traces:
    """Looks for the secrets of the runs.

    Attributes:
        seen: What the dashboard has shown, by its place: proof that it was looked at.
    """

    def __init__(self, project: Project, head: Head) -> None:
        self.project = project
        self.head = head
        self.values = {name: (secrets.token_hex(16), secrets.token_hex(16)) for name in RUNS}
        self.seen: dict[str, bytes] = {}

    def of(self, content: bytes) -> list[str]:
        """Whose secrets are in it."""
        return [name for name, values in self.values.items() for value in values if value.encode() in content]

    def get(self, path: str) -> bytes:
        assert self.head.dashboard is not None
        place = urlsplit(self.head.dashboard)
        connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=30)
        connection.request("GET", path, headers={"Authorization": f"Bearer {self.head.token}"})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        self.seen[path] = content if answer.status == http.client.OK else b""
        return content

    def in_pages(self) -> dict[str, list[str]]:
        """What the dashboard's API tells: pages, and the record and the log of each job."""
        pages = list(PAGES)
        for job in json.loads(self.get("/api/jobs/")):
            if job["type"] == "SUBMISSION":
                pages += [f"/api/jobs/{job['submission_id']}", f"/api/jobs/{job['submission_id']}/logs"]
        return self._found({page: self.get(page) for page in pages})

    def in_logs(self) -> dict[str, list[str]]:
        """All logs that the dashboard lists."""
        node = json.loads(self.get("/api/v0/nodes"))["data"]["result"]["result"][0]["node_id"]
        listed = json.loads(self.get(f"/api/v0/logs?node_id={node}&glob=*"))["data"]["result"]
        names = [name for group in listed.values() for name in group if not name.endswith("/")]
        path = f"/api/v0/logs/file?node_id={node}&lines=-1&filename="
        return self._found({name: self.get(path + quote(name)) for name in names})

    def in_files(self, root: Path) -> dict[str, list[str]]:
        contents = {}
        for folder, _, names in os.walk(root):
            for path in (Path(folder, name) for name in names):
                if path.is_file() and not path.is_symlink() and path.parent.name != "secrets":
                    contents[str(path.relative_to(root))] = path.name.encode() + path.read_bytes()
        assert contents
        return self._found(contents)

    def in_commands(self) -> dict[str, list[str]]:
        """What any user of the machine sees of its processes."""
        contents = {}
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                contents[str(path)] = path.read_bytes()
            except OSError:
                continue
        return self._found(contents)

    def everywhere(self) -> dict[str, dict[str, list[str]]]:
        return {
            "pages": self.in_pages(),
            "logs": self.in_logs(),
            "files of Ray": self.in_files(Path(self.head.temp_dir)),
            "workspace": self.in_files(self.project.root),
            "commands": self.in_commands(),
        }

    def _found(self, contents: dict[str, bytes]) -> dict[str, list[str]]:
        return {place: names for place, content in contents.items() if (names := self.of(content))}


@pytest.fixture(scope="module")
def traces() -> Iterator[Traces]:
    root = Path(tempfile.mkdtemp(prefix="secret-"))
    project = Project(root)
    project.plugin("user", {"plugin/act.py": ACTIONS}, {"use": "plugin.act:use"})
    with pytest.MonkeyPatch.context() as patch:
        # On a cluster that is given a job's Python is the one that is first in the path.
        patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        lease = reach(None, root / ".synapse" / "ray", dashboard=True)
    with lease:
        head = Head.read(root / ".synapse" / "ray", dashboard=True)
        assert head is not None
        yield Traces(project, head)
    shutil.rmtree(root)


@pytest.fixture(scope="module")
def found(traces: Traces) -> dict[str, Any]:
    """Where secrets were found while all runs were at work, after they ended, and in what was printed."""
    environ = os.environ | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": traces.head.token}
    environ |= {f"SECRET_{index}": traces.values[name][0] for index, name in enumerate(RUNS)}
    for where in ("ours", "given"):
        traces.project.write(*(_run(traces, name) for name in RUNS if name.startswith(where)), file=f"{where}.yaml")
    given = ["--ray-address", traces.head.address]
    processes = [
        traces.project.start("apply", "ours.yaml", env=environ, stderr=subprocess.STDOUT),
        traces.project.start("apply", "given.yaml", *given, env=environ, stderr=subprocess.STDOUT),
    ]
    began = traces.project.root / "began"
    running = {}
    try:
        with suppress(AssertionError):  # what was printed tells more
            until(lambda: len(list(began.iterdir())) == len(RUNS), 100)
        running = traces.everywhere() | {"plan": _plan(traces, environ)}
    finally:
        traces.project.go()
        shown = "".join(process.communicate(timeout=100)[0] for process in processes)
    assert len(list(began.iterdir())) == len(RUNS), shown
    return {
        "at work": running,
        "after": traces.everywhere() | {"plan": _plan(traces, environ)},
        "printed": traces.of(shown.encode()),
        "shown": shown,
    }


def _run(traces: Traces, name: str) -> dict[str, Any]:
    root = traces.project.root
    for folder in ("secrets", "began"):
        (root / folder).mkdir(exist_ok=True)
    (root / "secrets" / name).write_text(traces.values[name][1])
    env = {"FROM_ENV": {"fromEnv": f"SECRET_{RUNS.index(name)}"}, "FROM_FILE": {"fromFile": f"secrets/{name}"}}
    params = {"began": str(root / "began" / name), "go": str(root / "go"), "fail": name.endswith("fails")}
    mode = name.split("-")[1]
    return run(name, "use", plugin={"path": "user"}, mode=mode, env=env, params=params)


def _plan(traces: Traces, environ: dict[str, str]) -> list[str]:
    done = traces.project.call("plan", "ours.yaml", "given.yaml", "-o", "json", env=environ)
    assert done.returncode == 0
    return traces.of((done.stdout + done.stderr).encode())


@pytest.mark.parametrize("when", ["at work", "after"])
@pytest.mark.parametrize("place", ["pages", "logs", "files of Ray", "workspace", "commands", "plan"])
def test_no_secret_is_found(found: dict[str, Any], when: str, place: str) -> None:
    assert not found[when][place]


def test_no_secret_is_printed(found: dict[str, Any], traces: Traces) -> None:
    assert found["printed"] == []
    for name in RUNS:
        assert f"{name} | FROM_ENV is ***" in " ".join(found["shown"].split())
        assert "a child has ***" in traces.project.log(name)


def test_the_runs_had_the_secrets(found: dict[str, Any], traces: Traces) -> None:
    """And the search has seen what it searches: in vain only where nothing is."""
    for where in ("ours", "given"):
        statuses = traces.project.statuses(where)
        for name, status in statuses.items():
            if name.endswith("fails"):
                assert status.error is not None
                assert status.error.message == "refused: ***"
            else:
                assert status.result == {"***": ["***"], "length": 32}
    pages = [page for page, content in traces.seen.items() if content]
    for needed in ("/api/jobs/", "/api/v0/tasks", "/api/v0/actors", "/nodes?view=summary", "/api/v0/logs/file"):
        assert any(page.startswith(needed) for page in pages), needed
