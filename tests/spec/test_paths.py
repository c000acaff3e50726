"""Which files a path stands for, and which status files have lost theirs."""

from pathlib import Path

import pytest

from synapse_spec.spec.paths import expand, first_file


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    names = ["a.yaml", "a.status.yaml", "b.yml", "b.yaml", "plain", "deep/c.yaml", ".hidden.yaml", "lab/config.yaml"]
    for name in [*names, "lab/in.yaml", "lab/in.status.yaml", "text.txt"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_a_folder_stands_for_its_specs_without_those_of_plugins(folder: Path) -> None:
    found = list(expand(".", {}))
    assert [shown for shown, _, _ in found] == ["a.yaml", "b.yaml", "b.yml", "deep/c.yaml"]
    assert [path for _, path, _ in found] == [str(folder / shown) for shown, _, _ in found]
    assert not any(named for _, _, named in found)
    assert first_file(["deep", "."]) == folder / "deep/c.yaml"
    assert list(expand("deep/*.yaml", {})) == [("deep/c.yaml", str(folder / "deep/c.yaml"), True)]


@pytest.mark.parametrize(
    ("status", "lost"),
    [
        ("gone.status.yaml", "gone.yaml"),
        ("deep/gone.status.yml", "deep/gone.yml"),
        ("a.status.yml", "a.yml"),
        ("b.status.yml", None),
        ("plain.status.yaml", None),
        ("stdin.status.yaml", None),
        (".hidden.status.yaml", None),
    ],
)
def test_a_status_file_without_a_spec_file_beside_it_is_a_stray(folder: Path, status: str, lost: str | None) -> None:
    (folder / status).touch()
    strays: dict[str, str] = {}
    list(expand(".", strays))
    assert strays == ({str(folder / lost): str(folder / status)} if lost else {})
