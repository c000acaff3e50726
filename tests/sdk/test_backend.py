"""Credentials: found where the SDK finds them, and used for what only the backend can tell."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from synapse_spec.plugins.errors import ValidationError
from synapse_spec.plugins.runner import run_plugin
from tests.conftest import MakePlugin
from tests.sdk.cases import PLUGINS
from tests.sdk.conftest import SDK_PRELUDE
from tests.sdk.outcomes import clean_environ

SEE = (
    SDK_PRELUDE
    + """
class See(BaseAction):
    def execute(self):
        client = self.ctx.client
        agent = self.ctx.agent_client
        return [client and client.base_url, self.ctx.v2_client is not None, agent and agent.base_url]
"""
)
PARAMS = {"name": "n", "path": "/nowhere", "storage": 1, "data_collection": 2}


class _Backend(BaseHTTPRequestHandler):
    """Has storage 1 and nothing else."""

    def do_GET(self) -> None:
        found = "/storages/1/" in self.path
        self.server.asked.append((self.path, self.headers.get("SYNAPSE-ACCESS-TOKEN")))  # type: ignore[attr-defined]
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        content = {"id": 1, "name": "s", "category": "internal", "provider": "file_system", "configuration": {}}
        self.wfile.write(json.dumps(content if found else {"detail": "none"}).encode())

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def backend() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), _Backend)
    server.asked = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_from_the_environment_of_the_run(make_plugin: MakePlugin) -> None:
    folder = make_plugin("p", {"plugin/act.py": SEE}, actions={"see": "plugin.act:See"})
    env = {"SYNAPSE_HOST": "http://backend", "SYNAPSE_ACCESS_TOKEN": "t"}
    agent = {"SYNAPSE_AGENT_URL": "http://agent", "SYNAPSE_AGENT_TOKEN": "t"}
    assert run_plugin(folder, "see", env=env | agent) == ["http://backend", True, "http://agent"]


def test_from_its_file(make_plugin: MakePlugin, tmp_path: Path) -> None:
    folder = make_plugin("p", {"plugin/act.py": SEE}, actions={"see": "plugin.act:See"})
    (tmp_path / ".synapse").mkdir()
    (tmp_path / ".synapse/config.json").write_text('{"host": "http://file", "access_token": "t"}')
    done = subprocess.run(
        [sys.executable, "-m", "synapse_spec", "run", str(folder), "see"],
        env=clean_environ() | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == ["http://file", True, None]


def test_params_are_checked_with_it(backend: HTTPServer) -> None:
    env = {"SYNAPSE_HOST": f"http://127.0.0.1:{backend.server_port}", "SYNAPSE_ACCESS_TOKEN": "secret"}
    with pytest.raises(ValidationError, match=r"params\.data_collection: ") as caught:
        run_plugin(PLUGINS / "upload", "default", PARAMS, env=env)
    assert "params.storage" not in caught.value.message
    assert "no credentials" not in caught.value.message
    asked: list[tuple[str, str]] = backend.asked  # type: ignore[attr-defined]
    assert sum("/storages/1/" in path for path, _ in asked) == 1, "each once, not before the run and in it"
    assert all("secret" in str(token) for _, token in asked)
