"""Params that a model would drop silently. Used by `execution.check_params`."""

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from pydantic import AliasChoices, AliasPath, BaseModel, RootModel
from pydantic.fields import FieldInfo


def unknown_params(model: type[BaseModel], params: dict[str, Any]) -> list[dict[str, Any]]:
    """Problems, as {loc, message, input}, of names the model has no field for and says nothing about.

    A model with a word on `extra` in its config is taken by that word.
    """
    if "extra" in model.model_config or issubclass(model, RootModel):
        return []
    known = {alias for name, info in model.model_fields.items() for alias in _names(name, info)}
    problems = []
    for name in params.keys() - known:
        near = get_close_matches(str(name), known, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        problems.append({"loc": [name], "message": f"unknown param{hint}", "input": params[name]})
    return sorted(problems, key=lambda problem: str(problem["loc"]))


def _names(name: str, info: FieldInfo) -> Iterator[str]:
    yield name
    if info.alias:
        yield info.alias
    alias = info.validation_alias
    for choice in alias.choices if isinstance(alias, AliasChoices) else [alias]:
        first = choice.path[0] if isinstance(choice, AliasPath) else choice
        if isinstance(first, str):
            yield first
