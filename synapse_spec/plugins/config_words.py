"""What is wrong with a config.yaml, in words, and keys in it that look misspelt. Pure; called by `config` and above."""

import json
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel

from synapse_spec.plugins.config import PluginConfig
from synapse_spec.plugins.yaml import KeyPath

_KINDS = {"string_type": "a string", "list_type": "a list", "dict_type": "a mapping", "model_type": "a mapping"}


def place_and_words(error: Any, content: dict[str, Any]) -> tuple[KeyPath, str]:
    """Where one of pydantic's errors is in the file, and what it says in our words."""
    path = _existing(tuple(error["loc"]), content)
    where, value = ".".join(map(str, path)), error["input"]
    match error["type"]:
        case "missing":
            name = str(error["loc"][-1])
            near = get_close_matches(name, content.keys() - PluginConfig.model_fields.keys(), 1)
            meant = f"; did you mean it by {near[0]!r}?" if near else ""
            return (near[0],) if near else (), f"{name!r} is required{meant}"
        case "string_too_short":
            return path, f"{where} must not be empty"
        case "enum":
            options = error["ctx"]["expected"].replace("'", "").replace(" or ", ", ").split(", ")
            near = get_close_matches(str(value), options, 1)
            meant = f"; did you mean {near[0]!r}?" if near else ""
            return path, f"{where}: {value!r} is none of {', '.join(options)}{meant}"
        case kind if kind in _KINDS and path[:1] == ("actions",) and len(path) == 2:
            return path, f"{where} must be an entrypoint, such as 'plugin.train:Train', or a mapping with one"
        case "string_type" if not isinstance(value, list | dict):
            text = json.dumps(value)
            return path, f'{where}: {text} is not a string; quote it: "{text}"'
        case kind:
            return path, f"{where} must be {_KINDS.get(kind, 'a mapping')}"


def misspelt(config: PluginConfig) -> Iterator[tuple[KeyPath, str]]:
    """Unknown keys that come close to a known one that is not given: where, and what may be meant."""
    yield from _of(config, ())
    if config.requires is not None:
        yield from _of(config.requires, ("requires",))
    for name, action in config.actions.items():
        yield from _of(action, ("actions", name))


def _of(model: BaseModel, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    # Actions that were found in the code are set too.
    given = model.model_fields_set - {"actions"}
    open_names = [name for name in type(model).model_fields if name not in given]
    for key in model.model_extra or ():
        near = get_close_matches(key.casefold().replace("-", "_"), open_names, 1, 0.8)
        if near:
            yield (*path, key), near[0]


def _existing(path: KeyPath, content: Any) -> KeyPath:
    """As much of the path as is in the file; pydantic's goes on with the names of a union's types."""
    found: list[str | int] = []
    for part in path:
        known = part in content if isinstance(content, dict) else isinstance(content, list) and isinstance(part, int)
        if not known:
            break
        content = content[part]
        found.append(part)
    return tuple(found)
