"""What status files hold of runs that are gone: told, kept where it may still be meant, never in the way."""

import json

from tests.engine.project import Project, run


def test_a_run_that_was_moved_without_its_status_is_not_run_again(project: Project) -> None:
    project.write(run("a", "add"), run("b"), file="old.yaml")
    project.write(run("c"), file="other.yaml")
    project.cli("apply", ".")
    (project.root / "old.yaml").rename(project.root / "new.yaml")
    way_out = "old.status.yaml has the status of a, b, but its spec file is gone; rename it to new.status.yaml"
    done = project.cli("apply", ".", "--prune")
    assert done.stderr == f"nothing to do: 3 runs (3 succeeded)\n{way_out}\n"
    assert project.json("history", "a")["history"][0]["phase"] == "Succeeded"
    project.write(run("a", "add", params={"a": 5}), file="new.yaml")
    assert project.cli("accept", "a").exit_code == 0
    assert project.status("a", "new").result == {"sum": 3}
    assert project.executions("add") == 1
    project.write(run("b"), file="other.yaml")
    said = project.cli("plan", ".").stderr
    assert "old.status.yaml still has a, but its spec file is gone; apply --prune removes it" in said
    assert "the status of b, but its spec file is gone; keep old.status.yaml until they have run again" in said


def test_a_status_file_that_was_lost_is_pruned_with_its_folder_alone(project: Project) -> None:
    project.write(run("a"), file="one.yaml")
    project.write(run("b"), file="two.yaml")
    project.cli("apply", ".")
    (project.root / "one.yaml").unlink()
    assert project.json("plan", ".")["orphans"] == [{"file": "one.status.yaml", "names": ["a"]}]
    project.cli("apply", "two.yaml", "--prune")
    project.write({"kind": "Run", "apiVersion": "synapse.dev/v1"}, file="broken.yaml")
    assert project.cli("apply", ".", "--prune").exit_code == 3
    assert (project.root / "one.status.yaml").exists()
    (project.root / "broken.yaml").unlink()
    assert "removed the status of a\n" in project.cli("apply", ".", "--prune").stderr
    assert not (project.root / "one.status.yaml").exists()


def test_a_file_without_any_run_is_not_pruned(project: Project) -> None:
    project.write(run("a"))
    project.write(run("b"), file="two.yaml")
    project.cli("apply", ".")
    before = (project.root / "spec.status.yaml").read_bytes()
    (project.root / "spec.yaml").write_text("")
    done = project.cli("apply", ".", "--prune", "-o", "json")
    assert "delete spec.status.yaml yourself if that is meant" in done.stderr
    assert (project.root / "spec.status.yaml").read_bytes() == before
    assert project.json("plan", ".")["orphans"] == [{"file": "spec.status.yaml", "names": ["a"]}]


def test_a_status_file_of_another_tool_is_no_matter(project: Project) -> None:
    project.write(run("a"))
    for text in ("what: else\n", "{", json.dumps([1])):
        (project.root / "foreign.status.yaml").write_text(text)
        assert project.cli("apply", ".", "--prune").exit_code == 0
        assert (project.root / "foreign.status.yaml").read_text() == text
