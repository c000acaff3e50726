"""perform: an execution ends as a value, and leaves the process as it was."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from synapse_spec.plugins.capture import captured
from synapse_spec.plugins.decorators import action
from synapse_spec.plugins.errors import ExecutionError, PluginError, PluginLoadError, ValidationError
from synapse_spec.plugins.events import Event, Log, Metrics, Output, Progress
from synapse_spec.plugins.execution import Invocation, check_params, load_action, perform
from synapse_spec.plugins.outcome import ErrorInfo, Outcome
from synapse_spec.plugins.source import PluginSource
from tests.conftest import MakePlugin

Perform = Callable[..., Outcome]


def ignore(event: Event) -> None:
    pass


def invocation(folder: Path, params: Any = None, entrypoint: str = "plugin.act:run", **more: Any) -> Invocation:
    return Invocation(PluginSource.from_path(folder), "run", entrypoint, {} if params is None else params, **more)


@pytest.fixture
def run(make_plugin: MakePlugin) -> Perform:
    """Performs the `run` of a plugin whose text is given."""

    def perform_text(text: str, params: Any = None, emit: Any = ignore, **more: Any) -> Outcome:
        return perform(invocation(make_plugin("demo", text), params, **more), emit)

    return perform_text


FUNCTION = """
@action()
def run(params, ctx):
    {}
"""


def test_a_function_action(run: Perform) -> None:
    outcome = run(FUNCTION.format("return {'got': params}"), {"a": 1})
    assert outcome == Outcome("Completed", {"got": {"a": 1}})
    assert outcome.ok
    assert outcome.unwrap() == {"got": {"a": 1}}


@pytest.mark.parametrize(
    "text",
    [
        "@action()\nasync def run(params, ctx):\n    return 1\n",
        "@action()\nasync def run(params, ctx):\n    yield 1\n",
        "class run(BaseAction):\n    async def execute(self):\n        return 1\n",
    ],
    ids=["function", "generator", "class"],
)
def test_an_async_action_is_refused_when_it_is_loaded(text: str, run: Perform) -> None:
    error = run(text).error
    assert error is not None
    assert error.type == "PluginLoadError"
    assert "'plugin.act:run' is async, and actions are not awaited" in error.message


def test_a_class_action(run: Perform) -> None:
    text = """
        class P(BaseModel):
            n: int
        class run(BaseAction[P]):
            def execute(self):
                self.set_metrics({"loss": 1.0}, "train")
                self.set_metrics({"loss": 0.5, "acc": 0.9}, "train")
                self.ctx.log_metric("eval", "acc", 0.8)
                return self.params.n + 1
        """
    outcome = run(text, {"n": "41"})
    assert outcome == Outcome("Completed", 42, metrics={"train": {"loss": 0.5, "acc": 0.9}, "eval": {"acc": 0.8}})


def test_events_and_output_come_in_order(run: Perform) -> None:
    text = """
        import logging, subprocess
        @action()
        def run(params, ctx):
            print("one")
            ctx.set_progress(0, 0)
            logging.getLogger("lib").warning("two")
            ctx.set_metrics({"n": 1}, "s")
            subprocess.run(["echo", "three"])
            ctx.log("saved", {"n": 1}, "f")
            raise RuntimeError
        """
    events: list[Event] = []
    with captured(events.append) as emit:
        outcome = run(text, emit=emit)
    assert outcome.reason == "ActionFailed"
    assert events == [
        Output("one"),
        Progress(0, 0),
        Output("WARNING lib: two"),
        Metrics({"n": 1}, "s"),
        Output("three"),
        Log("saved", {"n": 1}, "f"),
    ]


class TestParams:
    TEXT = """
        class Inner(BaseModel):
            lr: float
        class P(BaseModel, extra="forbid"):
            n: int
            inner: list[Inner] = []
        @action(params=P)
        def run(params, ctx):
            print("started")
            return params.n
        """

    @pytest.mark.parametrize(
        ("params", "said"),
        [
            ({}, "params.n: Field required"),
            ({"n": "x"}, "params.n: Input should be a valid integer"),
            ({"n": 1, "m": 2}, "params.m: Extra inputs are not permitted"),
            ({"n": 1, "inner": [{"lr": 0.1}, {}]}, "params.inner.1.lr: Field required"),
            ([], "params must be a mapping, not list"),
            ("n=1", "params must be a mapping, not str"),
        ],
    )
    def test_that_do_not_fit_are_refused_before_anything_runs(
        self, run: Perform, params: Any, said: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        outcome = run(self.TEXT, params)
        assert (outcome.reason, outcome.ok, outcome.result) == ("InvalidParams", False, None)
        assert outcome.error is not None
        assert said in outcome.error.message
        assert outcome.error.type == "ValidationError"
        assert capsys.readouterr().out == ""
        with pytest.raises(ValidationError, match=said.partition(":")[0]):
            outcome.unwrap()

    def test_all_problems_are_named(self, run: Perform) -> None:
        outcome = run(self.TEXT, {"n": "x", "m": 1})
        assert outcome.error is not None
        assert "params.n: " in outcome.error.message
        assert "; params.m: " in outcome.error.message

    UNKNOWN = """
        from pydantic import AliasChoices, AliasPath, Field, RootModel
        class P(BaseModel):
            learning_rate: float = 0.1
            n: int = Field(1, alias="count")
            m: int = Field(1, validation_alias=AliasChoices("em", AliasPath("deep", "m")))
        class Ignoring(P, extra="ignore"): ...
        class Allowing(P, extra="allow"): ...
        class Root(RootModel[dict[str, int]]): ...
        @action(params=MODEL)
        def run(params, ctx): ...
        """

    @pytest.mark.parametrize(
        ("params", "said"),
        [
            ({"learing_rate": 0.1}, "params.learing_rate: unknown param; did you mean 'learning_rate'?"),
            ({"zzz": 1, "aaa": 1}, "params.aaa: unknown param; params.zzz: unknown param"),
            ({"learning_rate": "x", "zzz": 1}, "params.zzz: unknown param; params.learning_rate: Input should"),
        ],
    )
    def test_unknown_ones_do_not_pass_silently(self, run: Perform, params: Any, said: str) -> None:
        outcome = run(self.UNKNOWN.replace("MODEL", "P"), params)
        assert outcome.reason == "InvalidParams"
        assert outcome.error is not None
        assert said in outcome.error.message

    @pytest.mark.parametrize(
        ("model", "params"),
        [
            ("P", {"learning_rate": 0.1, "count": 2, "em": 1}),
            ("P", {"deep": {"m": 1}}),
            ("Ignoring", {"zzz": 1}),
            ("Allowing", {"zzz": 1}),
            ("Root", {"zzz": 1}),
            ("None", {"zzz": 1}),
        ],
    )
    def test_known_ones_and_those_a_model_takes_pass(self, run: Perform, model: str, params: Any) -> None:
        assert run(self.UNKNOWN.replace("MODEL", model), params).ok

    def test_check_params_gives_the_problems_as_data(self, make_plugin: MakePlugin) -> None:
        act = load_action(PluginSource.from_path(make_plugin("demo", self.TEXT)), "plugin.act:run")
        check_params(act, {"n": 1})
        with pytest.raises(ValidationError) as caught:
            check_params(act, {"n": 1, "inner": [{"lr": "x"}]})
        assert caught.value.details == [
            {
                "loc": ["inner", 0, "lr"],
                "message": "Input should be a valid number, unable to parse string as a number",
                "input": "x",
            }
        ]

    def test_a_model_whose_annotations_are_resolved_late(self, run: Perform) -> None:
        text = """
            from typing import Optional
            class P(BaseModel):
                child: "Optional[Child]" = None
            @action(params=P)
            def run(params, ctx):
                return params
            class Child(BaseModel):
                n: int
            """
        assert run(text, {"child": {"n": 3}}).unwrap() == {"child": {"n": 3}}

    def test_a_validator_that_imports_the_plugins_own_code(self, make_plugin: MakePlugin) -> None:
        text = """
            from pydantic import BaseModel, field_validator
            from synapse_spec.plugins.decorators import action
            class P(BaseModel):
                n: int
                @field_validator("n")
                def check(cls, value):
                    from plugin.helper import double
                    return double(value)
            @action(params=P)
            def run(params, ctx):
                return params.n
            """
        folder = make_plugin("demo", {"plugin/act.py": text, "plugin/helper.py": "def double(n): return 2 * n"})
        assert perform(invocation(folder, {"n": 1}), ignore).unwrap() == 2

    def test_a_validator_that_fails_on_its_own_is_the_plugins_failure(self, run: Perform) -> None:
        text = """
            from pydantic import field_validator
            class P(BaseModel):
                n: int
                @field_validator("n")
                def check(cls, value):
                    raise RuntimeError("no server")
            @action(params=P)
            def run(params, ctx): ...
            """
        outcome = run(text, {"n": 1})
        assert (outcome.reason, outcome.error and outcome.error.type) == ("ActionFailed", "RuntimeError")


class TestResults:
    @pytest.mark.parametrize(
        ("value", "said"),
        [
            ("float('nan')", "result is nan"),
            ("{'a': [1, float('inf')]}", "result.a[1] is inf"),
            ("object()", "result is of type object"),
            ("{'f': run}", "result.f is of type function"),
            ("(x := [], x.append(x))[0]", "nested deeper than 200 levels, or contains itself"),
        ],
    )
    def test_without_a_json_form(self, run: Perform, value: str, said: str) -> None:
        outcome = run(FUNCTION.format(f"ctx.set_metrics({{'n': 1}}, 's'); return {value}"))
        assert (outcome.reason, outcome.metrics) == ("InvalidResult", {"s": {"n": 1}})
        assert outcome.error is not None
        assert said in outcome.error.message
        with pytest.raises(ValidationError):
            outcome.unwrap()

    MODEL = """
        class R(BaseModel):
            score: float
            where: str = "here"
        @action(result=R)
        def run(params, ctx):
            return {}
        """

    @pytest.mark.parametrize("value", ["R(score=1)", "{'score': '1'}"])
    def test_fit_their_model(self, run: Perform, value: str) -> None:
        assert run(self.MODEL.replace("{}", value)).unwrap() == {"score": 1.0, "where": "here"}

    @pytest.mark.parametrize(
        ("value", "said"),
        [
            ("{'score': 'high'}", "result.score: Input should be a valid number"),
            ("{}", "result.score: Field required"),
            ("None", "result: Input should be a valid dictionary"),
            ("R.model_construct(score=float('nan'))", "result.score is nan"),
        ],
    )
    def test_do_not_fit_their_model(self, run: Perform, value: str, said: str) -> None:
        outcome = run(self.MODEL.replace("{}", value))
        assert outcome.reason == "InvalidResult"
        assert outcome.error is not None
        assert said in outcome.error.message


class TestFailures:
    def test_the_traceback_starts_in_the_plugins_code(self, run: Perform) -> None:
        text = """
            import json
            def deeper():
                json.loads("{")
            class run(BaseAction):
                def execute(self):
                    deeper()
            """
        outcome = run(text)
        assert outcome.reason == "ActionFailed"
        assert outcome.error is not None
        assert outcome.error.type == "JSONDecodeError"
        shown = outcome.error.traceback.splitlines()
        assert shown[0] == "Traceback (most recent call last):"
        assert "demo/plugin/act.py" in shown[1]
        assert shown[1].endswith("in execute")
        assert any(line.endswith("in deeper") for line in shown)
        assert "synapse_spec" not in outcome.error.traceback
        assert shown[-1].startswith("json.decoder.JSONDecodeError: ")

    @pytest.mark.parametrize(
        ("statement", "type_", "message"),
        [
            ("raise ValueError('bad')", "ValueError", "bad"),
            ("raise KeyError('missing')", "KeyError", "'missing'"),
            ("raise RuntimeError", "RuntimeError", ""),
            ("import sys; sys.exit(0)", "SystemExit", "the action called sys.exit(0)"),
            ("import sys; sys.exit('no')", "SystemExit", "the action called sys.exit('no')"),
            ("quit()", "SystemExit", "the action called sys.exit(None)"),
            ("import not_there", "ModuleNotFoundError", "No module named 'not_there'"),
            ("from plugin import none", "ImportError", "cannot import name 'none'"),
            ("raise GeneratorExit", "GeneratorExit", ""),
            ("raise type('E', (BaseException,), {})('x')", "E", "x"),
            ("raise type('E', (Exception,), {'__str__': lambda self: 1 / 0})", "E", "<exception str() failed>"),
            ("raise ValueError('caf\\udce9')", "ValueError", "caf\\udce9"),
            ("raise ExceptionGroup('both', [ValueError('a')])", "ExceptionGroup", "both (1 sub-exception)"),
            ("run(params, ctx)", "RecursionError", "maximum recursion depth exceeded"),
        ],
    )
    def test_end_as_a_value(self, run: Perform, statement: str, type_: str, message: str) -> None:
        outcome = run(FUNCTION.format(statement))
        assert outcome.reason == "ActionFailed"
        assert outcome.error is not None
        assert outcome.error.type == type_
        assert outcome.error.message.startswith(message)
        assert "act.py" in outcome.error.traceback
        assert len(outcome.error.traceback) < 20_000
        outcome.error.traceback.encode()
        with pytest.raises(ExecutionError, match=f"^ActionFailed: {type_}: ") as caught:
            outcome.unwrap()
        assert caught.value.details["type"] == type_
        assert caught.value.details["traceback"] == outcome.error.traceback

    def test_a_chain_of_causes_is_shown(self, run: Perform) -> None:
        text = """
            def load():
                raise OSError("disk")
            @action()
            def run(params, ctx):
                try:
                    load()
                except OSError as error:
                    raise ValueError("bad data") from error
            """
        outcome = run(text)
        assert outcome.error is not None
        assert "OSError: disk" in outcome.error.traceback
        assert "direct cause" in outcome.error.traceback
        assert "synapse_spec" not in outcome.error.traceback

    def test_ctrl_c_passes_and_the_process_is_as_it_was(self, run: Perform, tmp_path: Path) -> None:
        text = FUNCTION.format("import os; os.environ['X'] = '1'; os.chdir('/'); raise KeyboardInterrupt")
        with pytest.raises(KeyboardInterrupt):
            run(text, env={"Y": "1"}, working_dir=str(tmp_path))

    def test_a_plugin_that_does_not_import(self, run: Perform) -> None:
        outcome = run("1 / 0")
        assert outcome.reason == "PluginLoadFailed"
        assert outcome.error is not None
        assert "demo/plugin/act.py:5: ZeroDivisionError" in outcome.error.message
        assert "ZeroDivisionError" in outcome.error.traceback
        with pytest.raises(PluginLoadError, match="ZeroDivisionError"):
            outcome.unwrap()

    @pytest.mark.parametrize(
        "text",
        [
            "def run(): ...",
            "run = 3",
            "class run: ...",
            "class run(BaseAction): ...",  # abstract: no execute
            "class C:\n    __slots__ = ()\n    def __call__(self): ...\nrun = C()",
            "def other(): ...",
        ],
    )
    def test_an_entrypoint_that_is_no_action(self, run: Perform, text: str) -> None:
        outcome = run(text)
        assert outcome.reason == "PluginLoadFailed"
        assert outcome.error is not None
        assert "plugin.act:run" in outcome.error.message

    def test_no_source_and_no_action(self) -> None:
        outcome = perform(Invocation(None, "run", "m:run", {}), ignore)
        assert outcome.reason == "PluginLoadFailed"

    def test_a_working_directory_that_is_not_there(self, run: Perform, tmp_path: Path) -> None:
        outcome = run(FUNCTION.format("return 1"), working_dir=str(tmp_path / "none"))
        assert outcome.reason == "ActionFailed"
        assert outcome.error is not None
        assert (outcome.error.type, str(tmp_path / "none") in outcome.error.message) == ("FileNotFoundError", True)

    def test_a_variable_that_no_environment_can_hold(self, run: Perform) -> None:
        outcome = run(FUNCTION.format("return 1"), env={"A=B": "1"})
        assert outcome.reason == "ActionFailed"


class TestSurroundings:
    def test_the_environment_is_seen_in_both_ways(self, run: Perform, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FROM_PROCESS", "process")
        monkeypatch.setenv("BOTH", "process")
        names = "'FROM_PROCESS', 'BOTH', 'FROM_RUN'"
        body = f"import os; return [[os.environ[n], ctx.env.get_str(n), os.getenv(n)] for n in ({names})]"
        outcome = run(FUNCTION.format(body), env={"BOTH": "run", "FROM_RUN": "run"})
        assert outcome.unwrap() == [["process"] * 3, ["run"] * 3, ["run"] * 3]
        assert os.environ["BOTH"] == "process"

    def test_children_see_it_too(self, run: Perform) -> None:
        body = "import subprocess; return subprocess.check_output(['sh', '-c', 'echo $ONLY_HERE'], text=True)"
        assert run(FUNCTION.format(body), env={"ONLY_HERE": "here"}).unwrap() == "here\n"

    def test_whatever_the_action_does_to_the_process_is_undone(
        self, run: Perform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("KEPT", "1")
        monkeypatch.setenv("REMOVED", "1")
        text = """
            import os, sys
            @action()
            def run(params, ctx):
                os.environ["KEPT"] = "2"
                del os.environ["REMOVED"]
                os.environ["NEW"] = "3"
                os.chdir("/")
                sys.path.insert(0, "/nowhere")
                sys.path.append("/nowhere")
            """
        assert run(text).ok
        assert (os.environ["KEPT"], os.environ["REMOVED"], os.environ.get("NEW")) == ("1", "1", None)

    def test_the_working_directory(self, run: Perform, tmp_path: Path) -> None:
        where = tmp_path / "work"
        where.mkdir()
        body = "import os; return os.getcwd()"
        assert run(FUNCTION.format(body), working_dir=str(where)).unwrap() == str(where)
        assert run(FUNCTION.format(body)).unwrap() == str(Path.cwd())

    def test_a_working_directory_that_the_action_removes(self, run: Perform, tmp_path: Path) -> None:
        where = tmp_path / "work"
        where.mkdir()
        assert run(FUNCTION.format("import os; os.rmdir(os.getcwd())"), working_dir=str(where)).ok

    def test_the_job_id(self, run: Perform) -> None:
        assert run(FUNCTION.format("return ctx.job_id"), job_id="j-1").unwrap() == "j-1"
        assert run(FUNCTION.format("return ctx.job_id")).unwrap() is None


def test_same_named_plugins_and_late_imports(make_plugin: MakePlugin) -> None:
    act = """
        from synapse_spec.plugins.decorators import action
        from plugin import name
        @action()
        def run(params, ctx):
            from plugin import late
            import helper
            return [name.X, late.X, helper.X]
        """
    folders = []
    for name in ("a", "b"):
        files = dict.fromkeys(("plugin/name.py", "plugin/late.py", "helper.py"), f"X = '{name}'")
        folders.append(make_plugin(name, {"plugin/__init__.py": "", "plugin/act.py": act, **files}))
    results = [perform(invocation(folder), ignore).unwrap() for folder in folders * 2]
    assert results == [["a"] * 3, ["b"] * 3] * 2


def test_a_plugin_that_runs_another_and_goes_on(make_plugin: MakePlugin) -> None:
    act = """
        from synapse_spec.plugins.decorators import action
        from synapse_spec.plugins.runner import run_plugin
        from plugin.state import SEEN
        @action()
        def run(params, ctx):
            inner = [run_plugin(path, "run", {"inner": rest}) for path, *rest in params["inner"]]
            SEEN.append(1)
            from plugin import late, state
            return [late.X, len(state.SEEN), inner]
        """
    files = {"plugin/act.py": act, "plugin/state.py": "SEEN = []"}
    actions = {"run": "plugin.act:run"}
    a, b = (make_plugin(name, {**files, "plugin/late.py": f"X = '{name}'"}, actions=actions) for name in "ab")
    params = {"inner": [[str(b), [str(a)]], [str(b)]]}  # a runs b, which runs a; then b again
    result = perform(invocation(a, params), ignore).unwrap()
    assert result == ["a", 2, [["b", 1, [["a", 1, []]]], ["b", 2, []]]]


def test_edited_code_is_what_runs_next(make_plugin: MakePlugin) -> None:
    for number in range(3):
        folder = make_plugin("demo", FUNCTION.format(f"return {number}"))
        assert perform(invocation(folder), ignore).unwrap() == number


class Doubled(BaseModel):
    n: int


@action(params=Doubled)
def double(params: Doubled, ctx: Any) -> int:
    return 2 * params.n


def test_an_action_at_hand_needs_no_source() -> None:
    outcome = perform(Invocation(None, "double", "", {"n": 2}), ignore, action=double)
    assert outcome.unwrap() == 4


def test_the_failure_of_an_action_at_hand_starts_in_its_code() -> None:
    @action()
    def broken(params: Any, ctx: Any) -> None:
        raise ValueError("here")

    outcome = perform(Invocation(None, "broken", "", {}), ignore, action=broken)
    assert outcome.error is not None
    assert "test_execution.py" in outcome.error.traceback.splitlines()[1]


def test_wire_forms_come_back() -> None:
    source = PluginSource(Path("/p"), Path("/p"))
    for made in (Invocation(source, "a", "m:a", {"n": [1]}, {"E": "1"}, "j", "/w"), Invocation(None, "a", "m:a", {})):
        assert Invocation.from_wire(json.loads(json.dumps(made.to_wire()))) == made
    for ended in (
        Outcome("Completed", {"a": [1]}, metrics={"s": {"n": 1}}),
        Outcome("ActionFailed", error=ErrorInfo("ValueError", "bad", "Traceback")),
        Outcome("WorkerDied"),
    ):
        assert Outcome.from_wire(json.loads(json.dumps(ended.to_wire()))) == ended


@pytest.mark.parametrize(
    ("outcome", "kind"),
    [
        (Outcome("InvalidParams", error=ErrorInfo("ValidationError", "m")), ValidationError),
        (Outcome("InvalidResult", error=ErrorInfo("ValidationError", "m")), ValidationError),
        (Outcome("PluginLoadFailed", error=ErrorInfo("PluginLoadError", "m")), PluginLoadError),
        (Outcome("ActionFailed", error=ErrorInfo("ValueError", "m")), ExecutionError),
        (Outcome("TimedOut"), ExecutionError),
        (Outcome("WorkerDied"), ExecutionError),
    ],
)
def test_unwrap_raises_what_fits(outcome: Outcome, kind: type[PluginError]) -> None:
    with pytest.raises(kind) as caught:
        outcome.unwrap()
    assert type(caught.value) is kind
    assert caught.value.details["reason"] == outcome.reason


def test_a_traceback_shows_the_code_as_it_is_now(make_plugin: MakePlugin) -> None:
    for word in ("first", "other"):
        folder = make_plugin("demo", FUNCTION.format(f"raise ValueError  # {word}"))
        outcome = perform(invocation(folder), ignore)
        assert outcome.error is not None
        assert f"# {word}" in outcome.error.traceback


@pytest.mark.parametrize("end", ["return 'child'", "raise ValueError('child')", "raise SystemExit(3)"])
def test_a_child_that_an_action_forks_ends_with_the_action(run: Perform, tmp_path: Path, end: str) -> None:
    """It must not go on as a second engine, which would write its own end over its parent's."""
    text = f"""
        import os
        @action()
        def run(params, ctx):
            child = os.fork()
            if child == 0:
                {end}
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    """
    process = os.getpid()
    outcome = run(text)
    assert os.getpid() == process
    assert outcome.result == {"return 'child'": 0, "raise ValueError('child')": 1}.get(end, 3)
