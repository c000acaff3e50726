"""Names that the package and its submodules share."""

import synapse_sdk.plugins
import synapse_sdk.plugins as package
from synapse_sdk.plugins import BaseAction, action, run_plugin
from synapse_sdk.plugins import errors as submodule
from synapse_sdk.plugins.action import BaseAction as Direct


class Names(BaseAction):
    def execute(self) -> dict[str, object]:
        return {
            "same": BaseAction is Direct,
            "action": callable(action),
            "attribute": callable(package.action),
            "run_plugin": run_plugin.__module__,
            "submodule": submodule.__name__,
            "reached": synapse_sdk.plugins.executors.local.__name__,
            "public": sorted(package.__all__),
            "listed": set(package.__all__) <= set(dir(package)),
            "unknown": hasattr(package, "no_such_name"),
            "doc": bool(package.__doc__),
        }


class Late(Direct):
    def execute(self) -> dict[str, object]:
        from synapse_sdk.plugins import TrainResult
        from synapse_sdk.plugins.steps import BaseStep

        return {"result": TrainResult.__name__, "step": BaseStep.__name__}
