"""One execution of an action: what it is, how it is performed, and how it ended.

The same `perform` runs in this process, in a Ray actor and in a Ray job, which is why the three modes agree. It needs
pydantic and the standard library only, since a job's machine may have nothing else of ours.
"""

import inspect
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pydantic

from synapse_spec.plugins import loader, sdk
from synapse_spec.plugins.action import (
    ActionLike,
    call,
    is_class_action,
    is_function_action,
    params_model_of,
    result_model_of,
)
from synapse_spec.plugins.context import PluginEnvironment, RuntimeContext
from synapse_spec.plugins.context.logger import ContextLogger
from synapse_spec.plugins.errors import PluginLoadError, ValidationError
from synapse_spec.plugins.events import Emit, Event, Metrics, storable
from synapse_spec.plugins.outcome import ErrorInfo, Outcome
from synapse_spec.plugins.params import unknown_params
from synapse_spec.plugins.results import to_json
from synapse_spec.plugins.source import PluginSource


@dataclass(frozen=True, slots=True)
class Invocation:
    """Everything an execution needs, in any process.

    Attributes:
        source: Where the plugin's code is; None when the action is importable as it stands.
        action: Its name.
        entrypoint: `module:qualname`.
        params: JSON-compatible.
        env: Laid over the process environment for the time of the run.
        secrets: Names in `env` whose values are not to be told.
        job_id: Shown to the action as `ctx.job_id`.
        working_dir: Absolute; the working directory for the time of the run, or None to stay.
    """

    source: PluginSource | None
    action: str
    entrypoint: str
    params: dict[str, Any]
    env: dict[str, str] = field(default_factory=dict)
    job_id: str | None = None
    working_dir: str | None = None
    secrets: list[str] = field(default_factory=list)

    def to_wire(self) -> dict[str, Any]:
        fields = {name: getattr(self, name) for name in self.__slots__}
        return fields | {"source": self.source and self.source.to_wire()}

    @classmethod
    def from_wire(cls, wire: dict[str, Any]) -> "Invocation":
        source = wire["source"] and PluginSource.from_wire(wire["source"])
        return cls(**(wire | {"source": source}))


def perform(invocation: Invocation, emit: Emit, *, action: ActionLike | None = None) -> Outcome:
    """Run the action here; its failure is an Outcome, only KeyboardInterrupt passes through.

    Args:
        invocation: What to run.
        emit: Takes the events.
        action: The action itself where it is at hand, instead of loading `invocation.entrypoint`.
    """
    metrics: dict[str, Any] = {}

    def track(event: Event) -> None:
        if isinstance(event, Metrics):
            metrics.setdefault(event.step, {}).update(event.values)
        emit(event)

    with loader.process_state:
        try:
            with _surroundings(invocation) as environ:
                ctx = RuntimeContext(ContextLogger(track), PluginEnvironment(environ), invocation.job_id)
                result = _run(invocation, ctx, action)
        except KeyboardInterrupt:
            raise
        except PluginLoadError as error:
            detail = (error.details or {}).get("traceback", "")
            return Outcome("PluginLoadFailed", error=ErrorInfo("PluginLoadError", error.message, detail))
        except _Refused as refused:
            return Outcome(refused.reason, error=ErrorInfo("ValidationError", str(refused)), metrics=metrics)
        except BaseException as error:
            return Outcome("ActionFailed", error=error_info(error, invocation.source), metrics=metrics)
    return Outcome("Completed", result, metrics=metrics)


def check_params(action: ActionLike, params: Any) -> None:
    """Validate params with the action's model, and nothing else.

    Raises:
        ValidationError: They do not fit, or some are unknown; `details` is a list of {loc, message, input}.
    """
    if not isinstance(params, dict):
        raise ValidationError(f"params must be a mapping, not {type(params).__name__}")
    model = params_model_of(action)
    if model is None:
        return
    problems = unknown_params(model, params)
    problems += [
        {"loc": list(item["loc"]), "message": item["msg"], "input": item["input"]}
        for item in (sdk.problems_without_client if sdk.owns(action) else _model_problems)(model, params)
    ]
    if problems:
        raise ValidationError(_listed("params", problems), problems)


def _model_problems(model: type[pydantic.BaseModel], params: dict[str, Any]) -> list[Any]:
    try:
        model.model_validate(params, context={"client": None})
    except pydantic.ValidationError as error:
        return list(error.errors(include_url=False, include_context=False))
    return []


def load_action(source: PluginSource | None, entrypoint: str) -> ActionLike:
    """The action behind an entrypoint.

    Raises:
        PluginLoadError: It does not import, does not exist or is no action.
    """
    if source is None:
        raise PluginLoadError(f"no plugin folder is known for {entrypoint!r}")
    with loader.active(source):
        thing = loader.load_object(source, entrypoint, sdk.adapted)
        if not (is_class_action(thing) or is_function_action(thing)):
            raise PluginLoadError(
                f"entrypoint {entrypoint!r} is neither a BaseAction subclass with execute() nor an @action function"
            )
        _refuse_async(thing, entrypoint)
        for model in (params_model_of(thing), result_model_of(thing)):
            if model is not None:
                _complete(model, entrypoint)
        return thing  # type: ignore[no-any-return]


def _refuse_async(action: ActionLike, entrypoint: str) -> None:
    """An `async def` would only give a coroutine that nobody awaits."""
    function = getattr(action, "execute", action)
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        way = "write 'def', and call asyncio.run() inside"
        raise PluginLoadError(f"entrypoint {entrypoint!r} is async, and actions are not awaited; {way}")


def _complete(model: type[pydantic.BaseModel], entrypoint: str) -> None:
    """Resolve annotations given as text now, while the plugin's modules are where pydantic looks for names."""
    try:
        model.model_rebuild()
    except Exception as error:
        raise PluginLoadError(f"{model.__name__} of {entrypoint!r} cannot be used: {error}") from error


def error_info(error: BaseException, source: PluginSource | None) -> ErrorInfo:
    """The exception as data, its traceback cut to start in the plugin's code."""
    trace = error.__traceback__
    start = loader.own_part(trace, lambda file: _is_plugins(file, source))
    shown = traceback.TracebackException(type(error), error, start or trace)  # survives an error whose str() fails
    message = f"the action called sys.exit({error.code!r})" if isinstance(error, SystemExit) else str(shown)
    message += sdk.advice(error)
    return ErrorInfo(type(error).__name__, storable(message), storable("".join(shown.format())))


def _is_plugins(file: str, source: PluginSource | None) -> bool:
    if source is not None:
        return loader.belongs(file, source.import_root)
    return os.path.dirname(__file__) not in file and not file.startswith("<frozen")


class _Refused(Exception):
    """Params or a result do not fit; not the action's own failure."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def _run(invocation: Invocation, ctx: RuntimeContext, action: ActionLike | None) -> Any:
    source = invocation.source
    with loader.active(source):
        if action is None:
            action = load_action(source, invocation.entrypoint)
        try:
            check_params(action, invocation.params)
        except ValidationError as error:
            raise _Refused("InvalidParams", error.message) from None
        return _checked_result(action, _called(action, invocation, ctx))


def _called(action: ActionLike, invocation: Invocation, ctx: RuntimeContext) -> Any:
    try:
        with sdk.context_for(action, ctx, invocation.action) as given, _no_second_self():
            return call(action, sdk.params_for(action, invocation.params), given)
    except pydantic.ValidationError as error:
        problems = sdk.refused_params(action, error)
        if problems is None:
            raise
        listed = [{"loc": item["loc"], "message": item["msg"]} for item in problems]
        raise _Refused("InvalidParams", _listed("params", listed) + sdk.advice(error)) from None


@contextmanager
def _no_second_self() -> Iterator[None]:
    """End a process that the action has forked where the action ends: what follows is its parent's to do, once."""
    process, code = os.getpid(), 0
    try:
        yield
    except BaseException as error:
        code = error.code if isinstance(error, SystemExit) and isinstance(error.code, int) else 1
        if os.getpid() != process:
            traceback.print_exception(error)
        raise
    finally:
        if os.getpid() != process:
            for stream in (sys.stdout, sys.stderr):
                with suppress(OSError, ValueError):
                    stream.flush()
            os._exit(code)


def _checked_result(action: ActionLike, raw: Any) -> Any:
    model = result_model_of(action)
    try:
        validated = raw if model is None else model.model_validate(raw)
        return to_json(sdk.result_as_returned(action, raw, validated))
    except pydantic.ValidationError as error:
        problems = [
            {"loc": list(item["loc"]), "message": item["msg"]}
            for item in error.errors(include_url=False, include_context=False)
        ]
        raise _Refused("InvalidResult", _listed("result", problems)) from None
    except ValidationError as error:
        raise _Refused("InvalidResult", error.message) from None


def _listed(what: str, problems: list[dict[str, Any]]) -> str:
    parts = []
    for problem in problems:
        place = ".".join([what, *map(str, problem["loc"])])
        parts.append(f"{place}: {problem['message']}")
    return "; ".join(parts)


@contextmanager
def _surroundings(invocation: Invocation) -> Iterator[dict[str, str]]:
    """The environment and working directory of the run; both are as they were afterwards, whatever it did to them.

    Yields:
        The whole environment.
    """
    before = raw_environ()
    environ = _read(before)
    try:
        folder: str | None = os.getcwd()
    except FileNotFoundError:
        folder = None
    try:
        os.environ.update(invocation.env)
        if invocation.working_dir is not None:
            os.chdir(invocation.working_dir)
        yield environ | invocation.env
    finally:
        if raw_environ() != before:
            _restore_environ(environ)
        if folder is not None:
            with suppress(OSError):
                os.chdir(folder)


def raw_environ() -> dict[bytes, bytes]:
    """What os.environ holds, in a fraction of the time that it takes to ask for it all."""
    return dict(vars(os.environ)["_data"])


_last_read: tuple[dict[bytes, bytes], dict[str, str]] = ({}, {})


def _read(raw: dict[bytes, bytes]) -> dict[str, str]:
    """The same as text; of a warm actor it is the same each time."""
    global _last_read  # noqa: PLW0603 - one environment a process
    if raw != _last_read[0]:
        _last_read = raw, dict(os.environ)
    return _last_read[1]


def _restore_environ(before: dict[str, str]) -> None:
    """Change only what differs: other threads read the environment meanwhile."""
    now = dict(os.environ)
    for name in now.keys() - before.keys():
        del os.environ[name]
    for name, value in before.items():
        if now.get(name) != value:
            os.environ[name] = value
