"""Gives back what it gets; takes any params."""

from synapse_spec.plugins.decorators import action


@action()
def echo(params, ctx):
    return params
