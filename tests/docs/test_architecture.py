"""docs/architecture.md: names every module, and none that is not there."""

import re

from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "architecture.md"
PACKAGE = ROOT / "synapse_spec"


def test_every_module_is_named() -> None:
    """A package's own file counts where it holds code that is not just a docstring."""
    named = re.findall(r"`((?:plugins|spec|engine|cli)/[\w/]+\.py)`", _tables())
    files = {path.relative_to(PACKAGE).as_posix(): path for path in PACKAGE.rglob("*.py")}
    top = {name for name in files if "/" not in name}
    mere = {name for name, path in files.items() if name.endswith("__init__.py") and _is_docstring(path.read_text())}
    assert sorted(named) == sorted(files.keys() - top - mere)


def _tables() -> str:
    return "\n".join(line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| "))


def _is_docstring(text: str) -> bool:
    return re.fullmatch(r'\s*""".*?"""\s*', text, re.DOTALL) is not None
