"""Actions that cannot be called."""

from typing import Any

from synapse_spec.plugins.action import BaseAction
from synapse_spec.plugins.decorators import action


class Go(BaseAction[Any]):
    async def execute(self) -> Any:
        return None


@action()
async def go(params: dict[str, Any], ctx: Any) -> Any:
    return None
