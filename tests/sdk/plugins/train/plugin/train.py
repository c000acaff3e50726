"""Training, by steps and at once."""

from typing import Any

from pydantic import BaseModel
from synapse_sdk.plugins.actions.train import BaseTrainAction, BaseTrainParams, TrainContext
from synapse_sdk.plugins.schemas import TrainResult
from synapse_sdk.plugins.steps import BaseStep, StepRegistry, StepResult
from synapse_sdk.plugins.types import ModelWeights, YOLODataset


class TrainParams(BaseTrainParams):
    epochs: int


class Fit(BaseStep[TrainContext]):
    def __init__(self, action: "Train") -> None:
        self._action = action

    @property
    def name(self) -> str:
        return "fit"

    @property
    def progress_weight(self) -> float:
        return 1.0

    @property
    def progress_proportion(self) -> int:
        return 100

    def execute(self, context: TrainContext) -> StepResult:
        for epoch in range(context.params["epochs"]):
            self._action.report_metrics({"loss": 1 / (epoch + 1)}, epoch=epoch)
            context.set_progress(epoch + 1, context.params["epochs"])
        context.log("fitted", {"extra": context.params.get("more")})
        context.model = {"id": 7}
        return StepResult(success=True, data={"epochs": context.params["epochs"]})


class Train(BaseTrainAction[TrainParams]):
    """Trains by steps."""

    input_type = YOLODataset
    output_type = ModelWeights

    def setup_steps(self, registry: StepRegistry[TrainContext]) -> None:
        registry.register(Fit(self))


class QuickParams(BaseModel):
    epochs: int = 1


class Quick(BaseTrainAction[QuickParams]):
    """Trains at once."""

    result_model = TrainResult

    def run(self) -> Any:
        self.set_progress(self.params.epochs, self.params.epochs)
        return TrainResult(weights_path="./weights", final_epoch=self.params.epochs, final_loss=1 / self.params.epochs)
