"""Params that a model would drop silently. Used by `execution.check_params`."""

from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from pydantic import AliasChoices, AliasPath, BaseModel, RootModel
from pydantic.fields import FieldInfo


def unknown_params(model: type[BaseModel], params: dict[str, Any]) -> list[dict[str, Any]]:
    """Problems, as {loc, message, input}, of names the model has no field for and says nothing about.

    Of several names of one field the model reads the first that is given. A model with a word on `extra` in its config
    is taken by that word.
    """
    if "extra" in model.model_config or issubclass(model, RootModel):
        return []
    if params.keys() <= _single_names(model):
        return []
    places = _all_places(model)
    known = [str(place[0]) for field in places for place in field]
    problems = []
    for name in params.keys() - set(known):
        near = get_close_matches(str(name), known, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        problems.append({"loc": [name], "message": f"unknown param{hint}", "input": params[name]})
    for field in places:
        read, *dropped = [place[0] for place in field if len(place) == 1 and place[0] in params] or [""]
        if all(len(place) == 1 for place in field):
            said = f"another name of {read!r}, which is given too"
            problems += [{"loc": [name], "message": said, "input": params[name]} for name in dropped]
    return sorted(problems, key=lambda problem: str(problem["loc"]))


@lru_cache(maxsize=64)
def _single_names(model: type[BaseModel]) -> frozenset[str]:
    """Names of the fields that have one name only: params of these need no further look."""
    return frozenset(str(field[0][0]) for field in _all_places(model) if len(field) == 1)


@lru_cache(maxsize=64)
def _all_places(model: type[BaseModel]) -> list[list[list[str | int]]]:
    return [_places(model, name, info) for name, info in model.model_fields.items()]


def _places(model: type[BaseModel], name: str, info: FieldInfo) -> list[list[str | int]]:
    """The paths at which the model looks for a field, in its order."""
    config = model.model_config
    alias = info.validation_alias if config.get("validate_by_alias", True) else None
    choices = alias.choices if isinstance(alias, AliasChoices) else [alias] if alias is not None else []
    places: list[list[str | int]] = [choice.path if isinstance(choice, AliasPath) else [choice] for choice in choices]
    if not places or ((config.get("validate_by_name") or config.get("populate_by_name")) and [name] not in places):
        places.append([name])
    return places
