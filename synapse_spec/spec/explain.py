"""Says what does not fit a schema, by jsonschema: one problem a mistake, at its place, with the way out.

Called by `check`, and imported only where something does not fit.
"""

import re
from collections.abc import Callable, Collection, Iterator
from functools import cache
from typing import Any

import jsonschema_rs

from synapse_spec.plugins.yaml import KeyPath
from synapse_spec.spec import formats, wording
from synapse_spec.spec.check import MOST_PROBLEMS, Problem, may_vanish
from synapse_spec.spec.diagnostics import MORE
from synapse_spec.spec.wording import Failure


def explain(
    validator: Any, instance: Any, open_paths: set[KeyPath], errors: Callable[[], list[Any] | None]
) -> list[Problem]:
    """The problems, by place.

    Args:
        validator: What `explainer` made of the schema.
        instance: What does not fit it.
        open_paths: Where references stand.
        errors: Gives what jsonschema-rs finds; None where it has too many levels for that.
    """
    try:
        found = _explained(validator, instance, open_paths)
    except (RecursionError, re.error):  # jsonschema recurses as the document does, and knows Python's patterns only
        plain = errors()
        return [Problem((), "value", "a value has too many levels")] if plain is None else _unexplained(plain)
    return found or ([] if open_paths else _unexplained(errors() or []))


def _unexplained(errors: list[Any]) -> list[Problem]:
    """Plainly what jsonschema-rs found, for the rare case in which jsonschema has nothing to say."""
    return [
        Problem(tuple(error.instance_path), "value", f"{wording.short(error.instance)} does not fit: {error.kind.name}")
        for error in errors
    ]


def _explained(validator: Any, instance: Any, open_paths: set[KeyPath]) -> list[Problem]:
    schema = validator.schema
    found: dict[tuple[KeyPath, str, str], Problem] = {}
    for error in validator.iter_errors(instance):
        for problem in _problems(error, schema, open_paths):
            key = (problem.path, problem.kind, problem.text)
            if len(found) == MOST_PROBLEMS and key not in found:
                return [*_in_order(found.values()), Problem(problem.path, "value", MORE, on_key=problem.on_key)]
            found.setdefault(key, problem)
    return _in_order(found.values())


def _in_order(problems: Collection[Problem]) -> list[Problem]:
    """By place; without what is missing only because its name is misspelt."""
    explained = {(problem.path[:-1], problem.meant) for problem in problems if problem.meant}
    return sorted(
        (item for item in problems if item.kind != "missing" or (item.path, item.text) not in explained),
        key=lambda item: [str(part) for part in item.path],
    )


def explainer(schema: dict[str, Any]) -> Any:
    """A validator that takes what the one of `check` takes."""
    from jsonschema import Draft202012Validator, FormatChecker, validators

    asserted = formats.assertions(schema)
    checker = FormatChecker(())
    for name, test in asserted.formats.items():
        checker.checks(name)(_of_strings(test))
    keywords = {"pattern": _pattern} | {name: _keyword(name) for name in asserted.keywords}
    extend: Any = validators.extend
    return extend(Draft202012Validator, keywords)(schema, format_checker=checker)


def _of_strings(test: Any) -> Any:
    return lambda value: not isinstance(value, str) or test(value)


def _pattern(_: Any, limit: str, instance: Any, __: Any) -> Iterator[Any]:
    # Both must read patterns alike, and Python's regular expressions are another dialect.
    if not _matcher(limit).is_valid(instance):
        yield _error(limit)


@cache
def _matcher(pattern: str) -> Any:
    return jsonschema_rs.Draft202012Validator({"pattern": pattern})


def _keyword(name: str) -> Any:
    def check(_: Any, limit: Any, instance: Any, schema: Any) -> Iterator[Any]:
        if not formats.keyword_test(name, limit, schema)(instance):
            yield _error(limit)

    return check


def _error(limit: Any) -> Any:
    from jsonschema import ValidationError

    return ValidationError(str(limit))


def _problems(error: Failure, root: dict[str, Any], open_paths: set[KeyPath]) -> Iterator[Problem]:
    path = tuple(error.absolute_path)
    if _vanishes(error, open_paths):
        return
    match error.validator:
        case "required":
            for name in error.validator_value:
                if name not in error.instance:
                    yield Problem(path, "missing", name, wording.how_to_add(error.schema, name, root))
        case "additionalProperties" if error.validator_value is False:
            for name in wording.unknown_names(error.instance, error.schema):
                hint, meant = wording.suggest(name, error.instance, error.schema, root)
                yield Problem((*path, name), "unknown", name, hint, on_key=True, meant=meant)
        case _ if "propertyNames" in error.absolute_schema_path:
            yield Problem((*path, error.instance), "value", _of_key(error), on_key=True)
        case "anyOf" | "oneOf" if error.context:
            yield from _of_best_branch(error, root, open_paths)
        case "oneOf" if names := _names_of_one_field(error):
            yield from _given_twice(error, names)
        case _:
            yield Problem(path, "value", wording.said(error), wording.help_with(error))


def _of_key(error: Failure) -> str:
    while error.context:
        error = error.context[0]
    said = wording.said(error) if error.validator else f"{wording.short(error.instance)} is not taken"
    return f"the key {said}"


def _names_of_one_field(error: Failure) -> list[str]:
    return [name for branch in error.validator_value if isinstance(branch, dict) for name in branch.get("required", ())]


def _given_twice(error: Failure, names: list[str]) -> Iterator[Problem]:
    first, *others = [name for name in names if isinstance(error.instance, dict) and name in error.instance] or [""]
    for name in others:
        text = f"{name!r} is another name of {first!r}, which is given too"
        yield Problem((*error.absolute_path, name), "value", text, "leave one of them out", on_key=True)


def _of_best_branch(error: Failure, root: dict[str, Any], open_paths: set[KeyPath]) -> Iterator[Problem]:
    """What is wrong with the branch that is meant, not an essay on all of them."""
    path, branches = tuple(error.absolute_path), _branches(error)
    schemas = [wording.followed(branch, root) for branch in error.validator_value]
    chooser = wording.discriminator(schemas) if isinstance(error.instance, dict) else None
    if chooser is None:
        fitting = [index for index, items in branches.items() if not any(map(_of_other_kind, items))]
    else:
        name, options = chooser
        given = error.instance.get(name)
        if name not in error.instance:
            yield Problem(path, "missing", name, f"it is one of {wording.listed(options)}")
            return
        if (*path, name) in open_paths:  # which form it is will only be known when the run starts
            return
        if given not in options:
            said = f"{wording.short(given)} is none of {wording.listed(options)}"
            yield Problem((*path, name), "value", said, wording.near_hint(given, options))
            return
        fitting = [index for index, schema in enumerate(schemas) if given in wording.constants(schema, name)]
    if fitting:
        closest = min(fitting, key=lambda index: len(branches[index]))
        for item in branches[closest]:
            yield from _problems(item, root, open_paths)
        return
    hint = wording.near_hint(error.instance, wording.choices(schemas)) or wording.described(error.schema)
    if error.instance is None:
        hint = "give it a value, or leave the key out"
    yield Problem(path, "value", f"{wording.short(error.instance)} is not {wording.kind(error.schema, root)}", hint)


def _of_other_kind(error: Failure) -> bool:
    """Whether the value is not even of the kind that the branch takes."""
    if error.path:
        return False
    if error.validator in ("anyOf", "oneOf") and error.context:
        return all(any(map(_of_other_kind, items)) for items in _branches(error).values())
    return error.validator in ("type", "const", "enum")


def _branches(error: Failure) -> dict[int, list[Failure]]:
    branches: dict[int, list[Failure]] = {index: [] for index in range(len(error.validator_value))}
    for item in error.context:
        branches[int(item.schema_path[0])].append(item)
    return branches


def _vanishes(error: Failure, open_paths: set[KeyPath]) -> bool:
    if may_vanish(tuple(error.absolute_path), error.validator, open_paths):
        return True
    branches = _branches(error).values() if error.validator in ("anyOf", "oneOf") else ()
    return any(branch and all(_vanishes(item, open_paths) for item in branch) for branch in branches)
