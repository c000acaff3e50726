"""The bridge to synapse-sdk: its actions get its own context, whose logger and environment are wired to ours.

Chosen by looking at the class or function: nothing of synapse_sdk is imported before a plugin has imported it, and
until then each question here is one look into `sys.modules`. Called by `action`, `execution`, `outcome` and `runner`.
It travels to clusters, so it needs pydantic and the standard library only.
"""

import copy
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from types import FunctionType
from typing import Any, get_args

import pydantic

from synapse_spec.plugins import errors
from synapse_spec.plugins.context import RuntimeContext

PACKAGE = "synapse_sdk"
DISTRIBUTION = "synapse-sdk"
NO_BACKEND = (
    "the action needs the Synapse backend, and there are no credentials for it: set SYNAPSE_HOST and "
    "SYNAPSE_ACCESS_TOKEN, or write them to ~/.synapse/config.json"
)

_ACTION = "synapse_sdk.plugins.action"
_DECORATORS = "synapse_sdk.plugins.decorators"
_PIPELINE = "synapse_sdk.plugins.pipelines.action_pipeline"
_ERRORS = "synapse_sdk.plugins.errors"
_ABOUT_BACKEND = re.compile(r"\b(v2_)?client\b|credential|NoneType", re.IGNORECASE)
_FROM_VALIDATORS = ("value_error", "assertion_error")


def is_class(thing: object) -> bool:
    """A subclass of the SDK's BaseAction."""
    base = _loaded(_ACTION, "BaseAction")
    return base is not None and isinstance(thing, type) and issubclass(thing, base)


def is_runnable(thing: Any) -> bool:
    """Whether the SDK would run a class that lacks `execute`: it calls `dispatch`, which may do without."""
    base = _loaded(_ACTION, "BaseAction")
    return is_class(thing) and thing.dispatch.__func__ is not base.dispatch.__func__


def is_function(thing: object) -> bool:
    """A function that the SDK's `@action` has wrapped, whatever has wrapped it in turn."""
    if _DECORATORS not in sys.modules:
        return False
    while isinstance(thing, FunctionType):
        if thing.__globals__.get("__name__") == _DECORATORS:
            return True
        thing = getattr(thing, "__wrapped__", None)
    return False


def owns(action: object) -> bool:
    """Whether an action is the SDK's kind, to be run with its context."""
    return is_class(action) or is_function(action)


def is_of_package(action: Any) -> bool:
    """Whether it is one of the SDK's own bases, which a plugin has merely imported."""
    return str(action.__module__).partition(".")[0] == PACKAGE


def declares_nothing(model: Any) -> bool:
    """Whether a `result_model` is the SDK's word for none."""
    return model is not None and model is _loaded(_ACTION, "NoResult")


def _loaded(module: str, name: str) -> Any:
    return getattr(sys.modules.get(module), name, None)


# Running


@contextmanager
def context_for(action: Any, ctx: RuntimeContext, name: str) -> Iterator[Any]:
    """The context that the action is to be run with: ours as it is, or the SDK's, reporting to ours.

    Args:
        action: The action.
        ctx: Ours.
        name: The action's name in its config; a class of the SDK's without a name of its own goes by it meanwhile.
    """
    if not owns(action):
        yield ctx
        return
    from synapse_spec.plugins.sdk_context import context_like

    theirs = context_like(ctx)
    try:
        with _named(action, name):
            yield theirs
    except Exception as error:
        # What is left to refuse of the params is what could only be asked of the backend.
        about = refused_params(action, error) is not None or _ABOUT_BACKEND.search(str(error))
        if theirs.client is None and theirs.v2_client is None and about:
            error.add_note(NO_BACKEND)
        raise
    finally:
        theirs.logger.finish()


def advice(error: BaseException) -> str:
    """What `context_for` has noted on an error, to be told with its message."""
    return f" ({NO_BACKEND})" if NO_BACKEND in getattr(error, "__notes__", ()) else ""


def params_for(action: Any, params: Any) -> Any:
    """The params to give to it: validators of the SDK's write into what they are given."""
    return copy.deepcopy(params) if owns(action) else params


def result_as_returned(action: Any, raw: Any, validated: Any) -> Any:
    """What counts as the result once it fits: the SDK gives back what the action returned, fields by their names."""
    if not owns(action):
        return validated
    if isinstance(raw, pydantic.BaseModel):
        return raw.model_dump(by_alias=False, mode="json", fallback=lambda item: item)
    return raw


@contextmanager
def _named(action: Any, name: str) -> Iterator[None]:
    """Two actions may share a class, so a name is not left on it."""
    if not is_class(action) or getattr(action, "action_name", None):
        yield
        return
    own = vars(action).get("action_name", _named)
    action.action_name = name
    try:
        yield
    finally:
        if own is _named:
            del action.action_name
        else:
            action.action_name = own


# Params


class Asked(dict[str, Any]):
    """A validation context without a client, which notes whether a validator has asked for one."""

    def __init__(self) -> None:
        super().__init__(client=None)
        self.asked = False

    def __getitem__(self, key: str) -> Any:
        self.asked |= key == "client"
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        self.asked |= key == "client"
        return super().get(key, default)


def fills_params(action: Any, model: type[pydantic.BaseModel]) -> bool:
    """Whether the model may find a required param elsewhere: that of trainings looks into `hyperparameters`."""
    validators = model.__pydantic_decorators__.model_validators.values()
    return owns(action) and any(validator.info.mode != "after" for validator in validators)


def problems_without_client(model: type[pydantic.BaseModel], params: Any) -> list[Any]:
    """pydantic's problems with the params, but for those that only the backend could tell: the run finds these."""
    context = Asked()
    try:
        model.model_validate(copy.deepcopy(params), context=context)
    except pydantic.ValidationError as error:
        found = error.errors(include_url=False, include_context=False)
        return [item for item in found if not (context.asked and _is_validators(item["type"]))]
    except Exception:
        if not context.asked:
            raise
    return []


def _is_validators(kind: str) -> bool:
    """Whether a problem was raised by a validator: pydantic's own kinds are told by the value alone."""
    from pydantic_core.core_schema import ErrorType

    return kind in _FROM_VALIDATORS or kind not in get_args(ErrorType)


def refused_params(action: Any, error: BaseException) -> list[Any] | None:
    """pydantic's problems if the error is `dispatch` refusing the params; None for any other error."""
    model = getattr(action, "_action_params" if is_function(action) else "params_model", None)
    if not owns(action) or not isinstance(error, pydantic.ValidationError) or model is None:
        return None
    if error.title != (model.model_config.get("title") or model.__name__):
        return None
    return list(error.errors(include_url=False, include_context=False))


# Pipelines


def adapted(thing: Any, entrypoint: str) -> Any:
    """An ActionPipeline as a class action of the SDK; anything else as it is."""
    kind = _loaded(_PIPELINE, "ActionPipeline")
    if kind is None or not isinstance(thing, kind):
        return thing

    def dispatch(cls: Any, params: dict[str, Any], ctx: Any) -> Any:
        return thing.execute(params, ctx)

    module, _, name = entrypoint.replace(":", ".").rpartition(".")
    steps = " | ".join(step.__name__ for step in thing.actions)
    members = {
        "__module__": module,
        "__doc__": f"Pipeline: {steps}",
        "params_model": _pipeline_params(thing, name),
        "result_model": thing.actions[-1].result_model,
        "input_type": thing.actions[0].input_type,
        "output_type": thing.actions[-1].output_type,
        "execute": lambda self: thing.execute(self.params, self.ctx),
        "dispatch": classmethod(dispatch),
    }
    return type(name, (_loaded(_ACTION, "BaseAction"),), members)


def _pipeline_params(pipeline: Any, name: str) -> Any:
    """The first action's params; what the later ones need may be given as well, and is if no result provides it."""
    first = getattr(pipeline.actions[0], "params_model", None)
    if first is None:
        return None

    known = _fields_of(pipeline)

    def complete(params: Any) -> Any:
        if known is not None and isinstance(params, dict) and (unknown := sorted(params.keys() - known)):
            raise ValueError(f"no action of the pipeline knows {', '.join(map(repr, unknown))}")
        missing = pipeline.validate_initial_params(params) if isinstance(params, dict) else []
        if later := [field for field in missing if not field.startswith(f"{pipeline.actions[0].__name__}.")]:
            raise ValueError(f"required by later actions of the pipeline: {', '.join(later)}")
        return params

    check: Any = pydantic.model_validator(mode="before")(complete)
    opened = type(first.__name__, (first,), {"__module__": first.__module__, "model_config": {"extra": "allow"}})
    return pydantic.create_model(f"{name}Params", __base__=opened, __validators__={"complete": check})


def _fields_of(pipeline: Any) -> set[str] | None:
    """What the actions know, by all names; None if one of them takes anything."""
    models: list[Any] = [getattr(action, "params_model", None) for action in pipeline.actions]
    if any(model is None or "extra" in model.model_config for model in models):
        return None
    fields = [field for model in models for field in model.model_fields.items()]
    if any(info.validation_alias not in (None, info.alias) for _, info in fields):
        return None  # paths and choices: left to the models
    return {name for key, info in fields for name in (key, info.alias) if name}


# Errors


def of_both(error: errors.PluginError) -> errors.PluginError:
    """The error as one of the SDK's too, where that is loaded: callers may catch either."""
    if _ERRORS in sys.modules and type(error).__module__ == errors.__name__:
        error.__class__ = __getattr__(type(error).__name__)
    return error


@cache
def __getattr__(name: str) -> Any:
    """A class that is our error of that name and the SDK's; by the module's name, so that it can be unpickled."""
    ours = getattr(errors, name, None)
    if not isinstance(ours, type) or not issubclass(ours, errors.PluginError):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from synapse_sdk.plugins import errors as theirs
    except ImportError:
        return ours
    kind = getattr(theirs, name, theirs.PluginError)
    return type(name, (ours, kind), {"__module__": __name__, "__doc__": ours.__doc__})
