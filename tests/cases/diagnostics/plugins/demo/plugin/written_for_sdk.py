from synapse_sdk.plugins.action import BaseAction


class Run(BaseAction):
    def execute(self):
        return 1
