"""Actions that the bad specs beside this plugin name."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, model_validator

from synapse_spec.plugins.action import BaseAction
from synapse_spec.plugins.decorators import action


class PrepareParams(BaseModel):
    source: str = Field(description="Folder of the raw images.")
    share: float = Field(0.2, ge=0, le=1, description="Share held out.")


class PrepareResult(BaseModel):
    path: str
    count: int
    sizes: list[int] = []


class Step(BaseModel):
    kind: Literal["step"]
    every: int = Field(ge=1)


class Cosine(BaseModel):
    kind: Literal["cosine"]
    warmup: float = 0.0


Schedule = Annotated[Step | Cosine, Field(discriminator="kind")]


class Augment(BaseModel):
    flip: bool = False
    rotate: float = Field(0.0, ge=-180, le=180, description="Degrees.")


class TrainParams(BaseModel):
    dataset: str = Field(min_length=1, description="The file that prepare wrote.")
    epochs: int = Field(10, ge=1, le=1000, description="Times the model sees every image.")
    learning_rate: float = Field(0.001, gt=0, description="Step size.")
    optimizer: Literal["adam", "sgd", "rmsprop"] = "adam"
    schedule: Schedule | None = None
    augment: Augment = Augment()
    layers: list[int] = Field([64], min_length=1, max_length=4)
    seed: int | str | None = None
    weights: dict[str, float] = {}
    label: str = Field("run", pattern=r"^[a-z]+$")
    freeze: bool = False

    @model_validator(mode="after")
    def frozen_models_do_not_learn(self) -> "TrainParams":
        if self.freeze and self.epochs > 1:
            raise ValueError("a frozen model takes one epoch; set epochs to 1 or freeze to false")
        return self


class Train(BaseAction[TrainParams]):
    """Trains a model."""

    def execute(self) -> Any:
        return None


class EvaluateParams(BaseModel):
    model: str
    threshold: float = 0.5


@action(params=PrepareParams, result=PrepareResult)
def prepare(params: PrepareParams, ctx: Any) -> Any:
    """Splits the images."""


@action(params=EvaluateParams)
def evaluate(params: EvaluateParams, ctx: Any) -> Any:
    """Measures a model."""


@action()
def anything(params: dict[str, Any], ctx: Any) -> Any:
    """Takes what it is given."""
