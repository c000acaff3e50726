"""How far files that define actions are looked for."""

from pathlib import Path

import pytest

from synapse_spec.plugins import scan
from synapse_spec.plugins.errors import PluginConfigError
from synapse_spec.plugins.scan import action_modules

ACTION = "from synapse_spec import action\n\n@action\ndef run(params, ctx): ...\n"


def test_so_many_python_files_are_looked_into_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "MOST_FILES", 3)
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.py").write_text(ACTION)
    assert action_modules(tmp_path) == ["a", "b", "c"]
    (tmp_path / "d.py").touch()
    with pytest.raises(PluginConfigError, match=r"more than 3 Python files.*add a config.yaml that names the actions"):
        action_modules(tmp_path)


def test_so_many_folders_are_looked_in_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "_MOST_FOLDERS", 3)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    (tmp_path / "b" / "c.py").write_text(ACTION)
    assert action_modules(tmp_path) == ["b.c"]
    (tmp_path / "d").mkdir()
    with pytest.raises(PluginConfigError, match="more than 3 folders"):
        action_modules(tmp_path)
