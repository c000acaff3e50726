"""Actions whose params have many forms."""

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from synapse_spec.plugins.decorators import action

Name = Annotated[str, Field(pattern=r"^[a-z]+$")]


class Layer(BaseModel):
    size: int = Field(ge=1, description="Units.")
    kind: Literal["dense", "conv"] = "dense"


class Block(BaseModel):
    layers: list[Layer] = []
    named: dict[Name, Layer] = {}


class Best(BaseModel):
    path: str
    score: float


class Measured(BaseModel):
    best: Best
    all: list[Best] = []
    count: int = 0


class ShapeParams(BaseModel):
    text: str = "plain"
    flag: bool = False
    either: bool | str = False
    switch: Literal["on", "off"] = "off"
    anything: Any = None
    words: list[str] = []
    pairs: dict[str, str] = {}
    count: int = Field(1, description="How often.")
    share: float = Field(0.5, ge=0, le=1, multiple_of=0.25)
    code: str = Field("a1", pattern=r"^[a-z][0-9]$", description="A letter and a digit, such as 'a1'.")
    day: date | None = None
    block: Block = Block()
    blocks: list[Block] = []


@action(params=ShapeParams)
def shape(params: ShapeParams, ctx: Any) -> Any:
    """Takes many forms."""


@action(params=ShapeParams, result=Measured)
def measure(params: ShapeParams, ctx: Any) -> Any:
    """Gives a result with parts."""
