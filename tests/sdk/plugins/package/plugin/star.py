"""Takes everything that the package offers."""

from synapse_sdk.plugins import *  # noqa: F403


class Star(BaseAction):  # noqa: F405
    def execute(self) -> dict[str, object]:
        return {"names": sorted(name for name in globals() if name[0] != "_")}
