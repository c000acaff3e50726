"""Inference, at once and by steps."""

from typing import Any

from pydantic import BaseModel
from synapse_sdk.plugins.actions.inference import BaseInferenceAction, InferenceContext
from synapse_sdk.plugins.steps import BaseStep, StepRegistry, StepResult


class Params(BaseModel):
    inputs: list[int]
    model_id: int | None = None


class Infer(BaseInferenceAction[Params]):
    """Doubles."""

    def execute(self) -> dict[str, Any]:
        if self.params.model_id is not None:
            self.load_model(self.params.model_id)
        self.set_progress(1, 1, self.progress.INFERENCE if hasattr(self, "progress") else "inference")
        return {"outputs": [2 * number for number in self.params.inputs]}


class Double(BaseStep[InferenceContext]):
    @property
    def name(self) -> str:
        return "double"

    @property
    def progress_weight(self) -> float:
        return 1.0

    def execute(self, context: InferenceContext) -> StepResult:
        inputs = context.params["inputs"]
        context.set_progress(len(inputs), len(inputs))
        context.results = [{"double": 2 * number} for number in inputs]
        context.processed_count = len(inputs)
        return StepResult(success=True)


class Batch(BaseInferenceAction[Params]):
    """Doubles by steps."""

    def execute(self) -> Any:
        raise AssertionError("nobody calls it: the steps do all")

    def setup_steps(self, registry: StepRegistry[InferenceContext]) -> None:
        registry.register(Double())
