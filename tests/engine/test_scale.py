"""That the work of a plan grows as the number of runs does, counted rather than timed; and that it writes nothing."""

import cProfile
import pstats
import shutil
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.engine.project import Project, run, tree

SIZES = (4, 8, 12)
Layout = Callable[[Project, int], str]


def many_files(project: Project, size: int) -> str:
    """A folder with so many files of one run."""
    folder = f"folder-{size}"
    (project.root / folder).mkdir()
    for number in range(size):
        project.write(unit(size, number), file=f"{folder}/{number:02}.yaml")
    return folder


def one_file(project: Project, size: int) -> str:
    """A file with so many runs."""
    (project.root / "files").mkdir(exist_ok=True)
    return str(project.write(*(unit(size, number) for number in range(size)), file=f"files/{size}.yaml"))


def unit(size: int, number: int) -> dict[str, Any]:
    return run(f"unit-{size}-{number}", "add", plugin={"path": "../lab"}, params={"a": number})


def applied(project: Project, layout: Layout) -> dict[int, str]:
    """A path with that many runs, all of which have succeeded, for each size."""
    paths = {size: layout(project, size) for size in SIZES}
    assert project.cli("apply", *paths.values()).exit_code == 0
    time.sleep(0.15)  # until all files are old enough to be remembered
    assert project.cli("apply", *paths.values()).exit_code == 0
    return paths


def calls(project: Project, *words: str) -> Counter[str]:
    """How often a command that succeeds calls each function, of Python or not; `all`: any."""
    project.cli(*words)  # what is made once a process
    with cProfile.Profile() as profile:
        assert project.cli(*words).exit_code == 0
    found: Counter[str] = Counter()
    for (_, _, name), (_, number, *_) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        found[name] += number
        found["all"] += number
    return found


def named(found: Counter[str], *names: str) -> int:
    return sum(number for name, number in found.items() if any(part in name for part in names))


@pytest.mark.parametrize("layout", [many_files, one_file])
@pytest.mark.parametrize("verb", ["plan", "apply"])
def test_each_run_adds_the_same_work(verb: str, layout: Layout, project: Project) -> None:
    paths = applied(project, layout)
    small, medium, large = (calls(project, verb, paths[size]) for size in SIZES)
    assert medium["all"] > small["all"]
    assert large["all"] - medium["all"] == pytest.approx(medium["all"] - small["all"], rel=0.01)


@pytest.mark.parametrize("known", [True, False])
def test_each_file_is_opened_and_parsed_once_unless_it_is_known(known: bool, project: Project) -> None:
    paths = applied(project, many_files)
    if not known:
        shutil.rmtree(project.root / ".synapse" / "cache" / "files")
    medium, large = (calls(project, "plan", paths[size]) for size in SIZES[1:])
    files = 2 * (SIZES[2] - SIZES[1])  # a spec and a status each

    def more(*names: str) -> int:
        return named(large, *names) - named(medium, *names)

    assert more("_io.open") == more("loads_all") == (0 if known else files)
    assert more("posix.stat", "posix.fstat") == (files if known else files + files // 2)


def test_a_changed_run_adds_its_own_work_alone(project: Project) -> None:
    paths = applied(project, many_files)
    medium, large = (calls(project, "plan", paths[size])["all"] for size in SIZES[1:])
    for size in SIZES[1:]:
        project.edit(f"{paths[size]}/00.yaml", "a: 0", "a: 100")
    more_medium, more_large = (calls(project, "plan", paths[size])["all"] for size in SIZES[1:])
    assert more_medium > medium
    assert more_large - large == pytest.approx(more_medium - medium, abs=20)


@pytest.mark.parametrize("layout", [many_files, one_file])
def test_what_changes_nothing_writes_nothing(layout: Layout, project: Project) -> None:
    path = applied(project, layout)[SIZES[0]]
    before = tree(project.root)
    for words in (["plan", path], ["plan", path, "-o", "json"], ["apply", path, "--dry-run"], ["apply", path]):
        assert project.cli(*words).exit_code == 0
        assert tree(project.root) == before, words


def test_a_plan_of_what_is_due_writes_nothing(project: Project) -> None:
    path = many_files(project, SIZES[0])
    before = tree(project.root)
    assert project.cli("plan", path, "--detailed-exitcode").exit_code == 2
    assert tree(project.root) == before
