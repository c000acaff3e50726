"""Upload by steps of its own, and by the SDK's."""

from typing import Any

from pydantic import BaseModel
from synapse_sdk.plugins.actions.upload import BaseUploadAction, DefaultUploadAction, UploadContext, UploadParams
from synapse_sdk.plugins.steps import BaseStep, StepRegistry, StepResult


class Params(BaseModel):
    names: list[str]


class Collect(BaseStep[UploadContext]):
    @property
    def name(self) -> str:
        return "collect"

    @property
    def progress_weight(self) -> float:
        return 0.5

    def execute(self, context: UploadContext) -> StepResult:
        context.uploaded_files.extend({"name": name} for name in context.params["names"])
        return StepResult(success=True, rollback_data=len(context.uploaded_files))

    def rollback(self, context: UploadContext, result: StepResult) -> None:
        context.log("rolled_back", {"files": result.rollback_data})


class Send(BaseStep[UploadContext]):
    @property
    def name(self) -> str:
        return "send"

    @property
    def progress_weight(self) -> float:
        return 0.5

    def can_skip(self, context: UploadContext) -> bool:
        return not context.params["names"]

    def execute(self, context: UploadContext) -> StepResult:
        if "bad" in context.params["names"]:
            raise OSError("cannot be sent")
        context.set_progress(1, 1)
        return StepResult(success=True)


class Upload(BaseUploadAction[Params]):
    """Sends nothing anywhere."""

    def setup_steps(self, registry: StepRegistry[UploadContext]) -> None:
        registry.register(Collect())
        registry.register(Send())


class Default(DefaultUploadAction[UploadParams]):
    """The SDK's own workflow."""

    params_model: Any = UploadParams
