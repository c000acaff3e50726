"""The index of YAML files: what it gives is what reading them would give, and it never gives what is out of date."""

import json
import os
import shutil
from pathlib import Path

import pytest

from synapse_spec.plugins.files import state_of
from synapse_spec.spec import cache
from synapse_spec.spec.index import Index
from synapse_spec.spec.load import Loaded, load
from synapse_spec.spec.workspace import Workspace

HEAD = "apiVersion: synapse.dev/v1\nkind: Run\n"
RUN = f"{HEAD}metadata: {{name: it}}\nspec: {{plugin: {{module: m}}, action: a, params: {{n: 1}}}}\n"


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are kept as soon as they are written."""
    monkeypatch.setattr(cache, "_RACY_SECONDS", 0.0)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def seen(root: Path, *names: str) -> tuple[Loaded, int]:
    """What is loaded with the index that earlier calls have saved, and how many files were not in it."""
    index, fresh = Index(Workspace(root)), []
    put = index.put
    index.put = lambda path, state, content: (fresh.append(path), put(path, state, content))[1]  # type: ignore[method-assign]
    loaded = load([str(root / name) for name in names or ("specs",)], index)
    index.save()
    return loaded, len(fresh)


@pytest.mark.parametrize(
    "text",
    [
        RUN,
        RUN + "---\n" + RUN.replace("name: it", "name: other"),
        "---\n" + RUN + "---\n",
        RUN.replace("n: 1", "n: '${{ runs.b.result.x }}'"),
        RUN.replace("n: 1", 'n: "\\u0024{{ runs.b.result.x }}"'),
        RUN.replace("n: 1", "n: [1.0, -0.0, 1e300, 12345678901234567890123, null, 'é', \"\\u2028\"]"),
        RUN.replace("n: 1", "n: " + "[" * 990 + "]" * 990),
        RUN.replace("params: {n: 1}", "params: {n: '${{ matrix.n }}'}, matrix: {n: [1, 2]}"),
    ],
)
def test_what_is_kept_is_what_was_read(text: str, tmp_path: Path) -> None:
    write(tmp_path / "specs" / "a.yaml", text)
    (first, new), (again, known) = seen(tmp_path), seen(tmp_path)
    assert (new, known) == (1, 0)
    assert again == first == load([str(tmp_path / "specs")])
    assert repr(again.runs) == repr(first.runs)  # 1 and 1.0 are equal, and so are 0.0 and -0.0


@pytest.mark.parametrize(
    "text",
    [
        RUN.replace("params", "parms"),  # it must be said again
        RUN + "---\nkind: ConfigMap\n",  # it would be said if the file were named itself
        "kind: ConfigMap\n",
        "# nothing\n",
        RUN.replace("params: {n: 1}", "params: {a: &x {n: 1}, b: *x}"),  # it may stand for a lot
    ],
)
def test_what_would_be_said_again_or_is_too_large_is_read_again(text: str, tmp_path: Path) -> None:
    write(tmp_path / "specs" / "a.yaml", text)
    (first, _), (again, _) = seen(tmp_path), seen(tmp_path)
    assert again == first
    assert Index(Workspace(tmp_path)).get(str(tmp_path / "specs" / "a.yaml")) is None


def test_a_file_that_was_edited_touched_or_replaced_is_read_again(tmp_path: Path) -> None:
    path = write(tmp_path / "specs" / "a.yaml", RUN)
    seen(tmp_path)
    info = path.stat()
    path.write_text(RUN.replace("n: 1", "n: 2"))
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))  # the same size and times, but for one that nobody sets
    loaded, new = seen(tmp_path)
    assert (loaded.runs[0].params, new) == ({"n": 2}, 1)
    other = write(tmp_path / "other", RUN.replace("n: 1", "n: 3"))
    shutil.copystat(path, other)
    other.replace(path)
    loaded, new = seen(tmp_path)
    assert (loaded.runs[0].params, new) == ({"n": 3}, 1)
    path.unlink()
    assert seen(tmp_path)[0].runs == []


def test_a_file_that_may_be_written_again_within_a_tick_of_the_clock_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "_RACY_SECONDS", 60.0)
    path = write(tmp_path / "specs" / "a.yaml", RUN)
    os.utime(path, (0, 0))  # as archives and copies have it
    index = Index(Workspace(tmp_path))
    index.put(str(path), state_of(path), "content")
    assert index.get(str(path)) is None


def test_files_of_other_folders_are_known_apart_and_those_that_are_gone_are_forgotten(tmp_path: Path) -> None:
    for name in ("a", "b", "deep/a"):
        write(tmp_path / "specs" / f"{name}.yaml", RUN.replace("name: it", f"name: {name.replace('/', '-')}"))
    assert seen(tmp_path)[1] == 3
    (tmp_path / "specs" / "b.yaml").unlink()
    write(tmp_path / "specs" / "c.yaml", RUN.replace("name: it", "name: c"))
    loaded, new = seen(tmp_path)
    assert ([run.name for run in loaded.runs], new) == (["a", "c", "deep-a"], 1)
    kept = [
        set(json.loads(path.read_bytes().partition(b"\n")[2])) for path in (tmp_path / ".synapse/cache/files").iterdir()
    ]
    assert sorted(map(sorted, kept)) == [["a.yaml"], ["a.yaml", "c.yaml"]]


def test_a_workspace_may_move(tmp_path: Path) -> None:
    write(tmp_path / "here" / "specs" / "a.yaml", RUN)
    seen(tmp_path / "here")
    (tmp_path / "here").rename(tmp_path / "there")
    loaded, new = seen(tmp_path / "there")
    assert (loaded.runs[0].file.path, new) == (str(tmp_path / "there" / "specs" / "a.yaml"), 0)


@pytest.mark.parametrize("damage", ["", "{}", "other\n{}", "SEAL\n{}", "SEAL\nnull", "SEAL\n" + "[" * 100_000, "SEAL"])
def test_an_index_that_cannot_be_used_is_made_anew(damage: str, tmp_path: Path) -> None:
    write(tmp_path / "specs" / "a.yaml", RUN)
    seen(tmp_path)
    (path,) = (tmp_path / ".synapse" / "cache" / "files").iterdir()
    path.write_text(damage.replace("SEAL", path.read_text().partition("\n")[0]))
    assert seen(tmp_path)[1] == 1
    assert seen(tmp_path)[1] == 0
