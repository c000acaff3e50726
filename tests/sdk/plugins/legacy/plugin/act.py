"""One action, named in several ways."""

from typing import Any

from pydantic import BaseModel
from synapse_sdk.plugins.action import BaseAction


class Params(BaseModel):
    value: int = 1


class Act(BaseAction[Params]):
    def execute(self) -> dict[str, Any]:
        env = self.ctx.env
        return {
            "value": self.params.value,
            "name": self.action_name,
            "number": env.get_str("NUMBER"),
            "switch": env.get_bool("SWITCH"),
            "text": env.get("TEXT"),
        }
