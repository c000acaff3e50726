"""`@action`: makes a function an action of its plugin."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from pydantic import BaseModel

    from synapse_spec.plugins.enums import PluginCategory

F = TypeVar("F", bound=Callable[..., Any])


def action(
    name: str | None = None,
    description: str = "",
    params: "type[BaseModel] | None" = None,
    result: "type[BaseModel] | None" = None,
    category: "PluginCategory | None" = None,
) -> Callable[[F], F]:
    """Register a function `(params, ctx) -> result` as an action.

    Args:
        name: The action's name; the function's own by default.
        description: One line for `inspect`; the docstring's first line by default.
        params: pydantic model that the params are validated with; a plain dict is passed without one.
        result: pydantic model that the result must fit.
        category: What kind of action it is.
    """

    if callable(name):
        raise TypeError("write @action(), with parentheses")

    def mark(function: F) -> F:
        doc = (function.__doc__ or "").strip().split("\n")[0]
        vars(function).update(
            _is_action=True,
            _action_name=name or function.__name__,
            _action_description=description or doc,
            _action_params=params,
            _action_result=result,
            _action_category=category,
        )
        return function

    return mark


__all__ = ["action"]
