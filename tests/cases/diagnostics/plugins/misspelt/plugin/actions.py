"""An action of a plugin whose config has keys that nobody knows."""

from typing import Any

from synapse_spec.plugins.decorators import action


@action()
def go(params: dict[str, Any], ctx: Any) -> Any:
    return None
