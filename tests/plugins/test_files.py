"""Which files of a plugin count as its code."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from synapse_spec.plugins import files
from synapse_spec.plugins.errors import PluginConfigError
from synapse_spec.plugins.files import plugin_files, watched_files
from synapse_spec.plugins.source import PluginSource
from tests.conftest import MakePlugin

FILES = [
    "plugin/act.py",
    "plugin/weights.bin",
    "plugin/notes.txt",
    "plugin/deep/data/one.csv",
    "plugin/deep/data/two.csv",
    "plugin/cache/a.txt",
    "plugin/cache/keep/b.txt",
    "top.txt",
    "config.yaml",
]


@pytest.fixture
def repository(tmp_path: Path, make_plugin: MakePlugin) -> Path:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    return make_plugin("p", dict.fromkeys(FILES, ""))


def counted(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in plugin_files(PluginSource.from_path(folder))}


def not_ignored_by_git(folder: Path) -> set[str]:
    command = ["git", "ls-files", "--others", "--cached", "--exclude-standard", "."]
    listed = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.split()
    return {name for name in listed if not name.endswith((".gitignore", "config.yaml", "pyproject.toml"))}


@pytest.mark.parametrize(
    "rules",
    [
        {".gitignore": "*.bin\n"},
        {".gitignore": "*.txt\n!top.txt\n"},
        {"p/.gitignore": "/top.txt\ncache/\n"},
        {"p/.gitignore": "data/*\n!data/two.csv\n"},
        {".gitignore": "*.csv\n", "p/plugin/deep/.gitignore": "!two.csv\n"},
        {".gitignore": "**/deep\n# a comment\n\n\\#x\n"},
        {".gitignore": "cache\n", "p/.gitignore": "!cache/keep/b.txt\n"},
        {"p/plugin/.gitignore": "/*\n!act.py\n"},
        {".gitignore": "top.txt/\n"},
        {".gitignore": "p/plugin/*.bin\n"},
    ],
)
def test_what_git_ignores_does_not_count(rules: dict[str, str], repository: Path) -> None:
    for name, text in rules.items():
        (repository.parent / name).write_text(text)
    assert counted(repository) == not_ignored_by_git(repository)


def test_outside_of_a_repository_its_own_rules_hold(tmp_path: Path, make_plugin: MakePlugin) -> None:
    folder = make_plugin("p", dict.fromkeys(FILES, ""))
    (tmp_path / ".gitignore").write_text("*\n")
    (folder / ".gitignore").write_text("*.csv\n*.txt\n")
    assert counted(folder) == {"plugin/act.py", "plugin/weights.bin"}


def test_synapseignore_has_the_last_word(repository: Path) -> None:
    (repository / ".gitignore").write_text("*.bin\n")
    (repository / ".synapseignore").write_text("!*.bin\n*.txt\n/plugin/deep\n")
    assert counted(repository) == {"plugin/act.py", "plugin/weights.bin"}


def test_what_git_tracks_counts_though_a_rule_is_against_it(repository: Path) -> None:
    (repository / ".gitignore").write_text("*.bin\ndeep/\n*.md\n")
    (repository / "notes.md").touch()
    names = ["plugin/weights.bin", "plugin/deep/data/one.csv", "notes.md"]
    subprocess.run(["git", "add", "-f", *names], cwd=repository, check=True)
    assert counted(repository) == not_ignored_by_git(repository) - {"notes.md"}
    assert not {*names[:2]} - counted(repository)
    (repository / ".synapseignore").write_text("*.bin\n")
    assert counted(repository) == not_ignored_by_git(repository) - {"notes.md", "plugin/weights.bin", ".synapseignore"}
    (repository / "plugin/deep/data/one.csv").unlink()
    assert "plugin/deep/data/one.csv" not in counted(repository)


def test_files_in_a_linked_folder_count_as_linked_files_do(tmp_path: Path, make_plugin: MakePlugin) -> None:
    folder = make_plugin("p", {"plugin/act.py": "", "plugin/v1/a.txt": ""})
    data = tmp_path / "data"
    (data / "deep").mkdir(parents=True)
    (data / "deep" / "b.txt").touch()
    (data / "back").symlink_to(folder)
    (folder / "data").symlink_to(data)
    (folder / "plugin" / "around").symlink_to(folder)
    (folder / "plugin" / "zero").symlink_to("v1")
    (folder / "nowhere").symlink_to("gone")
    assert counted(folder) == {"plugin/act.py", "plugin/v1/a.txt", "plugin/zero/a.txt", "data/deep/b.txt"}
    (folder / ".synapseignore").write_text("/data\n")
    assert counted(folder) == {"plugin/act.py", "plugin/v1/a.txt", "plugin/zero/a.txt"}


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / ".synapseignore").write_text("*.txt\n"),
        lambda folder: (folder.parent / ".gitignore").write_text("*.txt\n"),
        lambda folder: (folder / "plugin" / ".gitignore").write_text("*.txt\n"),
        lambda folder: (folder / "plugin" / "new.txt").touch(),
    ],
)
def test_what_says_which_files_count_is_watched(change: Callable[[Path], object], repository: Path) -> None:
    source = PluginSource.from_path(repository)
    before = set(watched_files(source))
    assert source.config_path in before
    change(repository)
    assert set(watched_files(source)) - before


def test_so_many_files_are_looked_at_and_no_more(
    tmp_path: Path, make_plugin: MakePlugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_plugin("p", {"config.yaml": "name: p", "data/a.txt": "", "data/b.txt": ""})
    everything = counted(folder)
    monkeypatch.setattr(files, "MOST_FILES", len(everything) + 2)  # and two folders
    assert counted(folder) == everything
    (folder / "c.txt").touch()
    with pytest.raises(PluginConfigError, match=r"more than \d+ files and folders .* in .*\.synapseignore"):
        counted(folder)
    (folder / ".synapseignore").write_text("data/\n")
    assert counted(folder) == everything - {"data/a.txt", "data/b.txt"} | {"c.txt"}
