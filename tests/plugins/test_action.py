"""BaseAction, @action, and what discovery and the executors see of them."""

from typing import Any, Generic, TypeVar
from unittest import mock

import pydantic
import pytest
from pydantic import BaseModel

from synapse_spec.plugins.action import (
    BaseAction,
    call,
    description_of,
    entrypoint_of,
    is_class_action,
    is_function_action,
    params_model_of,
    result_model_of,
)
from synapse_spec.plugins.context import PluginEnvironment, RuntimeContext
from synapse_spec.plugins.context.logger import ContextLogger
from synapse_spec.plugins.decorators import action
from synapse_spec.plugins.events import Event, Log, Metrics, Progress


class Params(BaseModel):
    epochs: int = 1


class Other(BaseModel):
    name: str


P = TypeVar("P", bound=BaseModel)


class Plain(BaseAction[Params]):
    """Counts epochs.

    And more.
    """

    def execute(self) -> Any:
        return self.params.epochs


class Base(BaseAction[P], Generic[P]):  # noqa: UP046 - as older code writes it
    def run(self) -> Any:
        return {"wrapped": self.execute()}


class Derived(Base[Other]):
    result_model = Other

    def execute(self) -> Any:
        return self.params.name


class ByHand(BaseAction[Params]):
    params_model = Other

    def execute(self) -> Any:
        return None


class BelowByHand(ByHand):
    pass


class WithoutModel(BaseAction):  # type: ignore[type-arg]
    def execute(self) -> Any:
        return self.params


@action(params=Params, result=Other)
def counted(params: Params, ctx: RuntimeContext) -> dict[str, str]:
    """Counts.

    In words."""
    return {"name": str(params.epochs)}


@action("with-name", description="Says so.")
def free(params: dict[str, Any], ctx: RuntimeContext) -> dict[str, Any]:
    return params


def context(events: list[Event] | None = None) -> RuntimeContext:
    return RuntimeContext(ContextLogger((events if events is not None else []).append), PluginEnvironment({}))


@pytest.mark.parametrize(
    ("thing", "model"),
    [
        (Plain, Params),
        (Derived, Other),
        (ByHand, Other),
        (BelowByHand, Other),
        (WithoutModel, None),
        (Base, None),
        (counted, Params),
        (free, None),
    ],
)
def test_the_params_model_comes_from_the_generic_unless_set_by_hand(thing: Any, model: Any) -> None:
    assert params_model_of(thing) is model


def test_the_result_model_is_the_declared_one() -> None:
    assert (result_model_of(Derived), result_model_of(Plain)) == (Other, None)
    assert (result_model_of(counted), result_model_of(free)) == (Other, None)


@pytest.mark.parametrize(
    ("thing", "is_class", "is_function"),
    [
        (Plain, True, False),
        (Derived, True, False),
        (BaseAction, False, False),
        (Base, False, False),  # abstract
        (counted, False, True),
        (context, False, False),
        (Params, False, False),
        (mock.call, False, False),  # has every attribute there is
        (None, False, False),
    ],
)
def test_what_is_an_action(thing: Any, is_class: bool, is_function: bool) -> None:
    assert is_class_action(thing) is is_class
    assert is_function_action(thing) is is_function


@pytest.mark.parametrize(
    ("thing", "params", "result"),
    [
        (Plain, {}, 1),
        (Plain, {"epochs": "3"}, 3),
        (Derived, {"name": "a"}, {"wrapped": "a"}),
        (WithoutModel, {"a": 1}, {"a": 1}),
        (counted, {"epochs": 2}, {"name": "2"}),
        (free, {"a": 1}, {"a": 1}),
    ],
)
def test_call_validates_and_runs(thing: Any, params: dict[str, Any], result: Any) -> None:
    assert call(thing, params, context()) == result


def test_dispatch_refuses_params_that_do_not_fit() -> None:
    with pytest.raises(pydantic.ValidationError):
        Plain.dispatch({"epochs": "many"}, context())


def test_an_overridden_dispatch_is_what_runs() -> None:
    class Own(Plain):
        @classmethod
        def dispatch(cls, params: dict[str, Any], ctx: RuntimeContext) -> Any:
            return super().dispatch({"epochs": 41}, ctx) + 1

    assert call(Own, {}, context()) == 42


@pytest.mark.parametrize(
    ("thing", "text"), [(Plain, "Counts epochs."), (Derived, ""), (counted, "Counts."), (free, "Says so.")]
)
def test_the_description_is_one_line(thing: Any, text: str) -> None:
    assert description_of(thing) == text


def test_the_entrypoint_names_module_and_object() -> None:
    assert entrypoint_of(Plain) == f"{__name__}:Plain"
    assert entrypoint_of(counted) == f"{__name__}:counted"


def test_an_action_reports_through_its_context() -> None:
    class Busy(Plain):
        def execute(self) -> Any:
            self.set_progress(1, 2, "read")
            self.set_metrics({"loss": 0.5}, "train")
            self.log("seen", {"a": 1}, "f.txt")
            self.log_message("hi {name}", name="you")
            self.log_metric("train", "acc", 0.9)
            self.logger.info("done %d", 1)

    events: list[Event] = []
    Busy.dispatch({}, context(events))
    assert events == [
        Progress(1, 2, "read"),
        Metrics({"loss": 0.5}, "train"),
        Log("seen", {"a": 1}, "f.txt"),
        Log("message", {"message": "hi you"}),
        Metrics({"acc": 0.9}, "train"),
        Log("message", {"message": "done 1"}),
    ]


def test_the_decorator_without_parentheses_says_what_is_missing() -> None:
    with pytest.raises(TypeError, match=r"@action\(\)"):

        @action  # type: ignore[arg-type]
        def bare(params: Any, ctx: Any) -> None: ...
