"""Clusters that others run: what is found there, and what is said where it does not serve."""

import platform
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from synapse_spec.plugins.executors.ray import given
from synapse_spec.plugins.executors.ray.cluster import Cluster, ClusterUnreachable, attach, reach
from synapse_spec.plugins.executors.ray.given import Survey, survey
from synapse_spec.plugins.executors.ray.job import JobRunner

pytestmark = pytest.mark.ray


def test_what_a_gcs_says(cluster: Cluster) -> None:
    import ray

    told = survey(str(cluster.address), cluster.token)
    assert told == Survey(cluster.dashboard, ("127.0.0.1",), ray.__version__, platform.python_version())
    assert told.nodes_here == ["127.0.0.1"]
    assert Survey(None, ("192.0.2.123", "::2"), None, None).nodes_here == []


@pytest.mark.parametrize(("token", "told"), [("f" * 48, "wrong"), (None, "missing")])
def test_a_cluster_that_refuses_us(cluster: Cluster, tmp_path: Path, token: str | None, told: str) -> None:
    place = Cluster(cluster.address, None, token, False, name="far")
    with pytest.raises(ClusterUnreachable, match=f"'far': .*its token is {told}"):
        reach(place, tmp_path, dashboard=True)
    with pytest.raises(ClusterUnreachable, match=f"its token is {told}"):
        attach(place)
    with pytest.raises(ClusterUnreachable, match=f"'far': .*its token is {told}"):
        reach(Cluster(None, cluster.dashboard, token, False, name="far"), tmp_path, dashboard=True)


def test_headers_may_stand_in_for_the_token(cluster: Cluster, tmp_path: Path) -> None:
    place = Cluster(None, cluster.dashboard, None, False, headers={"Authorization": f"Bearer {cluster.token}"})
    with reach(place, tmp_path, dashboard=True) as lease:
        assert JobRunner(lease.cluster, tmp_path).info("no-such-job") is None


def test_gcs_and_dashboard_taken_for_each_other(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(given, "_SURVEY_SECONDS", 5)
    page = str(cluster.dashboard).removeprefix("http://")
    with pytest.raises(ClusterUnreachable, match=f"no Ray answers at {page}: is it host:port of the GCS"):
        reach(Cluster(page, None, cluster.token, False), tmp_path, dashboard=True)
    with pytest.raises(ClusterUnreachable, match="no web server"):
        reach(f"http://{cluster.address}", tmp_path, dashboard=True)


def test_a_login_before_the_dashboard(tmp_path: Path) -> None:
    class Login(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(404 if self.path.startswith("/none/") else 200)
            self.end_headers()
            self.wfile.write(b"<html>Who are you?</html>")

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Login) as server:
        threading.Thread(target=server.serve_forever).start()
        for path in ("", "/none"):
            with pytest.raises(ClusterUnreachable, match="is no dashboard of Ray, or there is a login"):
                reach(f"http://127.0.0.1:{server.server_port}{path}", tmp_path, dashboard=True)
        server.shutdown()
