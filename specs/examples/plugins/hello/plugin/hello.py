"""The `greet` action: a function, its params model and its result model. Run by `hello.yaml`."""

from pydantic import BaseModel, Field

from synapse_spec.plugins.context import RuntimeContext
from synapse_spec.plugins.decorators import action


class GreetParams(BaseModel, extra="forbid"):
    name: str = Field(default="world", min_length=1, description="Who is greeted.")


class Greeting(BaseModel):
    greeting: str = Field(description="The line that was printed.")


@action("greet", description="Greets someone by name.", params=GreetParams, result=Greeting)
def greet(params: GreetParams, ctx: RuntimeContext) -> Greeting:
    greeting = f"Hello, {params.name}!"
    print(greeting)
    return Greeting(greeting=greeting)
