"""Gives a path and a number of rows."""

from synapse_spec.plugins.decorators import action


@action()
def prepare(params, ctx):
    return {"path": "data.csv", "rows": params.get("rows", 10)}
