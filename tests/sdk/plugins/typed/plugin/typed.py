"""Results of every kind, with and without a model."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field
from synapse_sdk.plugins.action import BaseAction


class Params(BaseModel):
    kind: Literal["model", "dict", "more", "wrong", "none", "scalar", "list", "path", "nan"]


class Part(BaseModel):
    score: float = Field(alias="theScore")
    where: Path = Path("/tmp/x")


class Result(BaseModel):
    name: str
    parts: list[Part] = []
    left: int = Field(default=3, serialization_alias="leftOver")


class Typed(BaseAction[Params]):
    result_model = Result

    def execute(self) -> Any:
        return {
            "model": lambda: Result(name="m", parts=[Part(theScore=0.5)]),
            "dict": lambda: {"name": "d"},
            "more": lambda: {"name": "d", "more": 1},
            "wrong": lambda: {"nome": "d"},
            "none": lambda: None,
        }[self.params.kind]()


class Loose(BaseAction[Params]):
    def execute(self) -> Any:
        return {
            "scalar": lambda: 7,
            "list": lambda: [1, "two"],
            "none": lambda: None,
            "path": lambda: {"path": Path("/tmp/result")},
            "model": lambda: Part(theScore=1),
            "nan": lambda: {"value": float("nan")},
        }[self.params.kind]()
