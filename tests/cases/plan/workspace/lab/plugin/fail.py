"""Fails."""

from synapse_spec.plugins.decorators import action


@action()
def fail(params, ctx):
    raise ValueError("no luck")
