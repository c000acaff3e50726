"""Function actions."""

from typing import Any

from pydantic import BaseModel
from synapse_sdk.plugins.decorators import action


class Params(BaseModel):
    who: str


class Result(BaseModel):
    text: str
    client: Any = None


@action(name="greet", description="Greets", params=Params, result=Result)
def greet(params: Params, context: Any) -> Result:
    context.log_message("Greeting {who}", who=params.who)
    context.set_progress(1, 1)
    return Result(text=f"hello {params.who}", client=context.client)


@action()
def plain(params: dict[str, Any], context: Any) -> dict[str, Any]:
    context.logger.info("plain")
    return {"got": params}
