"""BaseAction, and one view of class actions and function actions for discovery and the executors."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from types import get_original_bases
from typing import TYPE_CHECKING, Any, ClassVar, get_args, get_origin

from pydantic import BaseModel

from synapse_spec.plugins import sdk
from synapse_spec.plugins.enums import PluginCategory

if TYPE_CHECKING:
    from synapse_spec.plugins.context import RuntimeContext
    from synapse_spec.plugins.context.logger import ContextLogger

ActionLike = type["BaseAction[Any]"] | Callable[..., Any]


class BaseAction[P: BaseModel](ABC):
    """An action as a class: `class Train(BaseAction[TrainParams])` with an `execute` method.

    Attributes:
        params_model: Taken from the generic parameter, or set by hand; None takes params as a plain dict.
        result_model: pydantic model that the result must fit, or None.
        action_name: The name in a plugin without config; the class's own by default.
        category: What kind of action it is.
        input_type, output_type: Names of the data it takes and gives, for people and tools.
    """

    params_model: ClassVar[type[BaseModel] | None] = None
    result_model: ClassVar[type[BaseModel] | None] = None
    action_name: ClassVar[str | None] = None
    category: ClassVar[PluginCategory | None] = None
    input_type: ClassVar[Any] = None
    output_type: ClassVar[Any] = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "params_model" in cls.__dict__:
            return
        for base in get_original_bases(cls):
            origin, args = get_origin(base), get_args(base)
            is_base = isinstance(origin, type) and issubclass(origin, BaseAction)
            if is_base and isinstance(args[0], type) and issubclass(args[0], BaseModel):
                cls.params_model = args[0]

    def __init__(self, params: P, ctx: "RuntimeContext") -> None:
        self.params = params
        self.ctx = ctx

    @abstractmethod
    def execute(self) -> Any:
        """Do the work; return a JSON-compatible value or a pydantic model."""

    def run(self) -> Any:
        """What `dispatch` calls; override it to wrap `execute`."""
        return self.execute()

    @classmethod
    def dispatch(cls, params: dict[str, Any], ctx: "RuntimeContext") -> Any:
        """Validate `params`, make the action and run it.

        Raises:
            pydantic.ValidationError: The params do not fit the model.
        """
        validated: Any = params
        if cls.params_model is not None:
            validated = cls.params_model.model_validate(params, context={"client": ctx.client})
        return cls(validated, ctx).run()

    @property
    def logger(self) -> "ContextLogger":
        return self.ctx.logger

    def log(self, event: str, data: dict[str, Any], file: str | None = None) -> None:
        self.ctx.log(event, data, file)

    def set_progress(self, current: int, total: int, step: str | None = None) -> None:
        self.ctx.set_progress(current, total, step)

    def set_metrics(self, value: dict[str, Any], step: str) -> None:
        self.ctx.set_metrics(value, step)

    def log_message(self, message: str | dict[str, str], *args: Any, **kwargs: Any) -> None:
        self.ctx.log_message(message, *args, **kwargs)

    def log_metric(self, category: str, key: str, value: float | int, **metrics: Any) -> None:
        self.ctx.log_metric(category, key, value, **metrics)


def is_class_action(thing: object) -> bool:
    """A concrete BaseAction subclass, ours or synapse-sdk's; abstract ones are bases for others."""
    is_action = (isinstance(thing, type) and issubclass(thing, BaseAction)) or sdk.is_class(thing)
    return is_action and (not getattr(thing, "__abstractmethods__", None) or sdk.is_runnable(thing))


def is_function_action(thing: object) -> bool:
    # `is True`: proxies and mocks have every attribute there is.
    return getattr(thing, "_is_action", False) is True and callable(thing) and not isinstance(thing, type)


def params_model_of(action: ActionLike) -> type[BaseModel] | None:
    return getattr(action, "_action_params" if is_function_action(action) else "params_model", None)


def result_model_of(action: ActionLike) -> type[BaseModel] | None:
    model = getattr(action, "_action_result" if is_function_action(action) else "result_model", None)
    return None if sdk.declares_nothing(model) else model


def description_of(action: ActionLike) -> str:
    if is_function_action(action):
        return str(getattr(action, "_action_description", ""))
    return str(getattr(action, "description", "") or (action.__doc__ or "").strip().split("\n")[0])


def entrypoint_of(action: ActionLike) -> str:
    """`module:qualname`, by which the action is found again in another process."""
    return f"{action.__module__}:{action.__qualname__}"


def call(action: ActionLike, params: dict[str, Any], ctx: "RuntimeContext") -> Any:
    """Run a class or function action; the raw result, and whatever it raises."""
    if is_function_action(action):
        model = params_model_of(action)
        validated: Any = params
        if model is not None:
            validated = model.model_validate(params, context={"client": ctx.client})
        return action(validated, ctx)
    return action.dispatch(params, ctx)  # type: ignore[union-attr]
