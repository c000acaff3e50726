from synapse_spec.plugins.decorators import action


@action()
def run(params, ctx):
    return 1
