"""Class actions: what they may ask of their context, and how they may go wrong."""

import os
from typing import Any

from pydantic import BaseModel, Field, field_validator
from synapse_sdk.i18n import LocalizedMessage
from synapse_sdk.plugins.action import BaseAction
from synapse_sdk.plugins.context import PluginEnvironment, RuntimeContext
from synapse_sdk.plugins.errors import ExecutionError
from synapse_sdk.plugins.log_messages import CommonLogMessageCode
from synapse_sdk.plugins.models.logger import LogLevel


class Inner(BaseModel):
    rate: float


class Params(BaseModel):
    count: int = Field(default=2, ge=1)
    name: str = "run"
    inner: Inner | None = None

    @field_validator("name")
    @classmethod
    def _known(cls, value: str) -> str:
        if value == "refused":
            raise ValueError("this name is refused")
        return value


class Report(BaseAction[Params]):
    """Reports in every way there is."""

    def execute(self) -> dict[str, Any]:
        for number in range(self.params.count):
            self.set_progress(number + 1, self.params.count, "work")
        self.set_metrics({"loss": 0.5}, "work")
        self.log_metric("train", "epoch", 1, loss=0.25)
        self.log("custom", {"answer": 42}, file="some.txt")
        self.ctx.log_visualization("validation", "group", 0, "/nowhere.png", note="x")
        self.ctx.log_trials(trials={"one": {"loss": 0.1}}, metrics=["loss"], best_trial="one")
        self.ctx.log_message("Working on {count}", LogLevel.SUCCESS, count=self.params.count)
        self.ctx.log_message({"en": "hello", "ko": "안녕"}, LogLevel.WARNING, language="ko")
        self.ctx.log_message(LocalizedMessage(en="localized {n}", ko="현지 {n}"), n=1)
        self.ctx.log_message(CommonLogMessageCode.PLUGIN_RUN_COMPLETE, step="work")
        self.ctx.log_dev_event("for developers", {"a": 1})
        self.logger.info("info")
        self.logger.warning("warning")
        self.logger.error("error")
        self.logger.log_message("told by the logger", LogLevel.WARNING)
        self.logger.log_event("happened", {"at": 3})
        self.logger.log_visualization("train", "group", 1, "/nowhere.png", note="y")
        self.logger.log_trials({"trials": {}})
        self.logger.set_step("step of the logger", order=1)
        self.set_progress(1, 4)
        self.ctx.end_log()
        env = self.ctx.env
        return {
            "params": self.params.model_dump(),
            "name": self.action_name,
            "given": [env.get_int("GIVEN", 0), env.get_bool("FLAG", False), env.get_list("GIVEN", [])],
            "kinds": [isinstance(self.ctx, RuntimeContext), isinstance(env, PluginEnvironment)],
            "clients": [self.ctx.client, self.ctx.v2_client, self.ctx.agent_client, self.ctx.checkpoint],
            "language": self.ctx.language,
            "progress": self.logger.get_progress("work").percent,
            "metrics": self.logger.get_metrics("work"),
            "step": self.logger.get_step(),
            "files": sorted(name for name in os.listdir(os.path.dirname(__file__)) if name.endswith(".py")),
        }


class Bare(BaseAction):
    """Takes anything."""

    def execute(self) -> Any:
        return {"got": self.params}


class OwnDispatch(BaseAction[Params]):
    """Validates by itself."""

    params_model = None

    @classmethod
    def dispatch(cls, params: dict[str, Any], ctx: RuntimeContext) -> Any:
        ctx.log_message("dispatched")
        return {"doubled": params["value"] * 2}

    def execute(self) -> Any:
        raise AssertionError("nobody calls it: dispatch does all")


class OnlyDispatch(BaseAction[Params]):
    """Is never made, so it needs no `execute`."""

    @classmethod
    def dispatch(cls, params: dict[str, Any], ctx: RuntimeContext) -> Any:
        return {"only": params}


class How(BaseModel):
    how: str


class Wrong(BaseAction[How]):
    """Goes wrong."""

    def execute(self) -> Any:
        match self.params.how:
            case "value":
                raise ValueError("a wrong value")
            case "key":
                return {}["missing"]
            case "sdk":
                raise ExecutionError("raised by the action", {"a": 1})
            case "finished":
                self.logger.finish()
                self.log("late", {})
            case "level":
                self.ctx.log("event", {}, level="info")
        return None
