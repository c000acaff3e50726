"""References get their values when a run starts."""

from pathlib import Path
from typing import Any

import pytest

from synapse_spec.engine.results import stow
from synapse_spec.engine.status import RunStatus
from synapse_spec.engine.values import ReferenceFailed, resolve
from synapse_spec.plugins.outcome import Outcome
from synapse_spec.spec.model import SpecFile
from synapse_spec.spec.workspace import Workspace
from tests.engine.test_plan import unit
from tests.engine.test_provenance import git, repository
from tests.engine.test_status import T1, begin

RESULT = {"path": "data/x.npz", "n": 3, "rate": 0.5, "on": True, "none": None, "items": [{"id": "a"}, {"id": "b"}]}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def resolved(value: Any, workspace: Workspace, result: Any = None, **options: Any) -> Any:
    run = unit("train", file=SpecFile(str(workspace.root / "specs" / "a.yaml"), "a.yaml", b""))
    done = RunStatus("a").started(begin()).finished(Outcome("Completed", RESULT if result is None else result), T1)
    return resolve(value, run, workspace, {"a": done, "with-dash": done}, **options)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain", "plain"),
        ("${{ runs.a.result }}", RESULT),
        ("${{ runs.a.result.path }}", "data/x.npz"),
        ("${{runs.a.result.n}}", 3),
        ("${{ runs.a.result.rate }}", 0.5),
        ("${{ runs.a.result.on }}", True),
        ("${{ runs.a.result.none }}", None),
        ("${{ runs.a.result.items }}", [{"id": "a"}, {"id": "b"}]),
        ("${{ runs.a.result.items[1].id }}", "b"),
        ("${{ runs.with-dash.result.n }}", 3),
        ("n=${{ runs.a.result.n }}, on=${{ runs.a.result.on }}", "n=3, on=true"),
        ("${{ runs.a.result.items[0] }}!", '{"id": "a"}!'),
        ("${{ run.name }}", "train"),
        ({"deep": ["${{ run.name }}", {"er": "${{ runs.a.result.n }}"}]}, {"deep": ["train", {"er": 3}]}),
        (7, 7),
    ],
)
def test_a_reference_has_its_value(value: Any, expected: Any, workspace: Workspace) -> None:
    found = resolved(value, workspace)
    assert found == expected
    assert type(found) is type(expected)


def test_places_are_those_of_this_checkout(workspace: Workspace) -> None:
    assert resolved("${{ spec.dir }}/x", workspace) == f"{workspace.root}/specs/x"
    assert resolved("${{ workspace.root }}", workspace) == str(workspace.root)


def test_the_commit_is_the_one_that_is_checked_out(tmp_path: Path) -> None:
    folder = repository(tmp_path / "repository")
    assert resolved("${{ git.commit }}", Workspace(folder)) == git(folder, "rev-parse", "HEAD")


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("runs.a.result.pth", "the result of run 'a' has no 'pth'; it has path, n, rate, on, none, items"),
        ("runs.a.result.items[2]", "the result of run 'a' has no 2; it has 2 items"),
        ("runs.a.result.n.x", "the result of run 'a' has no 'x'; it has the value 3"),
        ("runs.a.result.items.id", "the result of run 'a' has no 'id'; it has 2 items"),
        ("git.commit", "is in no git repository, or has no commit yet"),
    ],
)
def test_a_reference_without_a_value_is_named(reference: str, words: str, workspace: Workspace) -> None:
    with pytest.raises(ReferenceFailed) as caught:
        resolved(f"${{{{ {reference} }}}}", workspace)
    assert f"'${{{{ {reference} }}}}'" in str(caught.value)
    assert words in str(caught.value)


def test_a_large_result_is_read_from_its_file(workspace: Workspace) -> None:
    large = {"items": list(range(100_000)), "first": "here"}
    pointer = stow(large, "a", workspace)
    assert pointer.keys() == {"file", "sha256", "bytes"}
    assert resolved("${{ runs.a.result.first }}", workspace, pointer) == "here"
    assert resolved("${{ runs.a.result }}", workspace, pointer) == large


def test_long_values_stay_references_where_they_are_only_shown(workspace: Workspace) -> None:
    value = {"all": "${{ runs.a.result.items }}", "n": "${{ runs.a.result.n }}"}
    assert resolved(value, workspace, {"items": "x" * 99, "n": 1}, longest=20) == value | {"n": 1}
