"""docs/python-api.md: every block runs, on the plugin that the page shows."""

import pytest

from tests.docs.pages import ROOT, Block, blocks
from tests.docs.sandbox import Sandbox

BLOCKS = blocks(ROOT / "docs" / "python-api.md")
FILES = [block for block in BLOCKS if block.file]
LOCAL = [block for block in BLOCKS if block.is_script and not block.ray]
ON_RAY = [block for block in BLOCKS if block.is_script and block.ray]


def _title(block: Block) -> str:
    return f"{block.section}, line {block.line}"


@pytest.mark.parametrize("block", LOCAL, ids=_title)
def test_a_block_runs(block: Block, sandbox: Sandbox) -> None:
    sandbox.play([*FILES, block])


@pytest.mark.ray
@pytest.mark.timeout(300)
@pytest.mark.parametrize("block", ON_RAY, ids=_title)
def test_a_block_runs_on_ray(block: Block, ray_sandbox: Sandbox) -> None:
    ray_sandbox.play([*FILES, block])
