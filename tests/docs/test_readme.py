"""The README's tour: every file, command and output in it, one after the other."""

import pytest

from tests.docs.pages import README, blocks
from tests.docs.sandbox import Sandbox


def test_the_tour_is_true(sandbox: Sandbox) -> None:
    sandbox.play(block for block in blocks(README) if not block.ray)


@pytest.mark.ray
@pytest.mark.timeout(400)
def test_the_tour_is_true_on_ray(ray_sandbox: Sandbox) -> None:
    ray_sandbox.play(blocks(README))
