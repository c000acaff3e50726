"""Pipelines: inside an action, and as one."""

from typing import Any

from pydantic import BaseModel
from synapse_sdk.plugins.action import BaseAction
from synapse_sdk.plugins.pipelines import ActionPipeline


class SplitParams(BaseModel):
    text: str


class Words(BaseModel):
    words: list[str]


class Split(BaseAction[SplitParams]):
    result_model = Words

    def execute(self) -> Words:
        if not self.params.text:
            raise ValueError("there is no text")
        return Words(words=self.params.text.split())


class CountParams(BaseModel):
    words: list[str]
    factor: int


class Total(BaseModel):
    total: int


class Count(BaseAction[CountParams]):
    result_model = Total

    def execute(self) -> dict[str, Any]:
        self.ctx.set_progress(1, 1, "count")
        return {"total": len(self.params.words) * self.params.factor}


PIPELINE = ActionPipeline([Split, Count])


class Chain(BaseAction[SplitParams]):
    """Runs the pipeline itself."""

    def execute(self) -> Any:
        seen: list[str] = []
        result = PIPELINE.execute(
            {**self.params.model_dump(), "factor": 2},
            self.ctx,
            progress_callback=lambda current, total, name: seen.append(f"{current}/{total} {name}"),
        )
        return {"result": result, "seen": seen}
