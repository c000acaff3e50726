"""Fixtures that every floor's tests share."""

from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Protocol

import pytest

PRELUDE = """\
from pydantic import BaseModel
from synapse_spec.plugins.action import BaseAction
from synapse_spec.plugins.context import RuntimeContext
from synapse_spec.plugins.decorators import action
"""


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A warm Ray of whoever runs the tests is not for them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


class MakePlugin(Protocol):
    def __call__(
        self,
        name: str,
        files: dict[str, str] | str,
        *,
        actions: dict[str, str] | None = None,
        config: str | None = None,
    ) -> Path: ...


@pytest.fixture
def make_plugin(tmp_path: Path) -> MakePlugin:
    """Writes a plugin folder under tmp_path and gives its path.

    `files` maps paths to their text, as it stands; a mere string is the text of `plugin/act.py`, after the usual
    imports. The config is `config`, or made from `actions` (name -> entrypoint); without either there is none, except
    that a mere string offers its function `run` as the action `run`.
    """

    def make(
        name: str,
        files: dict[str, str] | str,
        *,
        actions: dict[str, str] | None = None,
        config: str | None = None,
    ) -> Path:
        folder = tmp_path / name
        if isinstance(files, str):
            files = {"plugin/act.py": PRELUDE + dedent(files)}
            actions = actions or {"run": "plugin.act:run"}
        if config is None and actions:
            entries = "".join(f"  {action}: {entrypoint}\n" for action, entrypoint in actions.items())
            config = f"name: {name}\ncode: {name}\nactions:\n{entries}"
        if config is not None:
            files = files | {"config.yaml": config}
        for path, text in files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(dedent(text), encoding="utf-8")
        return folder

    return make
