"""The action whose code most cases change; it imports `shapes`."""

from pydantic import BaseModel

from plugin.shapes import area
from synapse_spec.plugins.decorators import action

FACTOR = 2


class Params(BaseModel):
    epochs: int = 10
    rate: float = 0.1
    rows: int = 0


@action(params=Params)
def train(params, ctx):
    """Trains."""
    return {"score": params.epochs * FACTOR + area(1)}
