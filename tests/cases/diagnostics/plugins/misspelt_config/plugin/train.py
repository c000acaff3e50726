from synapse_spec.plugins.decorators import action


@action()
def train(params, ctx): ...
