"""run_plugin: one call from a path or module to a result."""

import os
from pathlib import Path
from typing import Any

import pytest

import synapse_spec
from synapse_spec.plugins.context import PluginEnvironment
from synapse_spec.plugins.decorators import action
from synapse_spec.plugins.discovery import PluginDiscovery
from synapse_spec.plugins.errors import (
    ActionNotFoundError,
    ExecutionError,
    PluginConfigError,
    PluginLoadError,
    PluginNotFoundError,
    ValidationError,
)
from synapse_spec.plugins.runner import ExecutionMode, find_plugin, run_plugin
from tests.conftest import PRELUDE, MakePlugin

ECHO = """
    class P(BaseModel, extra="forbid"):
        n: int = 1
    @action(params=P)
    def run(params, ctx):
        import os
        return {"n": params.n, "env": ctx.env.get_str("MODE"), "cwd": os.getcwd(), "job": ctx.job_id}
    """


def test_by_path_from_any_working_directory(
    make_plugin: MakePlugin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_plugin("demo", ECHO)
    expected = {"n": 2, "env": None, "cwd": "/", "job": None}
    monkeypatch.chdir("/")
    for where in (folder, str(folder), folder / "config.yaml", os.path.relpath(folder, "/")):
        assert run_plugin(where, "run", {"n": 2}) == expected
    monkeypatch.chdir(tmp_path)
    assert run_plugin("demo", "run")["cwd"] == str(tmp_path)


def test_by_module(make_plugin: MakePlugin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    make_plugin("libs", {"runner_lib/acts.py": PRELUDE + "@action()\ndef run(params, ctx):\n    return 1\n"})
    monkeypatch.syspath_prepend(tmp_path / "libs")
    try:
        assert run_plugin("runner_lib.acts", "run") == 1
    finally:
        for name in [name for name in sys.modules if name.startswith("runner_lib")]:
            del sys.modules[name]


def test_options_of_a_local_run(make_plugin: MakePlugin, tmp_path: Path) -> None:
    folder = make_plugin("demo", ECHO)
    options: dict[str, Any] = {"env": {"MODE": 3}, "job_id": "j-1", "working_dir": tmp_path}
    for mode in (ExecutionMode.LOCAL, "local"):
        result = run_plugin(folder, "run", mode=mode, **options)
        assert result == {"n": 1, "env": "3", "cwd": str(tmp_path), "job": "j-1"}
    assert run_plugin(folder, "run", env=PluginEnvironment({"MODE": True}))["env"] == "true"


def test_the_configs_environment_lies_under_the_callers(
    make_plugin: MakePlugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A", "process")
    code = PRELUDE + "import os\n@action()\ndef run(params, ctx):\n    return [os.environ[n] for n in 'ABC']\n"
    config = "name: d\ncode: d\nenv: {A: 1, B: true, C: config}\nactions: {run: plugin.act:run}\n"
    folder = make_plugin("demo", {"plugin/act.py": code}, config=config)
    assert run_plugin(folder, "run", env={"C": "caller"}) == ["1", "true", "caller"]
    assert os.environ["A"] == "process"


@action("given")
def given(params: dict[str, Any], ctx: Any) -> Any:
    return params


def test_an_action_at_hand_needs_no_plugin() -> None:
    assert run_plugin("not there", "given", {"a": 1}, action_cls=given) == {"a": 1}


def test_an_action_at_hand_still_belongs_to_its_plugin(make_plugin: MakePlugin) -> None:
    code = """
        from synapse_spec import action
        @action()
        def run(params, ctx):
            from plugin.late import X
            return X
        """
    folder = make_plugin("demo", {"plugin/act.py": code, "plugin/late.py": "X = 1"}, actions={"run": "plugin.act:run"})
    act = PluginDiscovery.from_path(folder).get_action_class("run")
    assert run_plugin("", "run", action_cls=act) == 1


def test_short_dot_and_colon_entrypoints(make_plugin: MakePlugin) -> None:
    code = PRELUDE + "@action()\ndef run(params, ctx):\n    return 1\n"
    entrypoints = ("plugin.act.run", "plugin.act:run", "{entrypoint: plugin.act:run}", "{entrypoint: plugin.act.run}")
    for entrypoint in entrypoints:
        folder = make_plugin("demo", {"plugin/act.py": code}, actions={"on": entrypoint})
        assert run_plugin(folder, "on") == 1


def test_a_dead_entrypoint_beside_a_good_one(make_plugin: MakePlugin) -> None:
    folder = make_plugin("demo", ECHO, actions={"run": "plugin.act:run", "dead": ".venv.lib.x.Train"})
    assert run_plugin(folder, "run")["n"] == 1
    with pytest.raises(PluginLoadError, match=r"\.venv\.lib\.x"):
        run_plugin(folder, "dead")


@pytest.mark.parametrize("place", ["/not/there", "./not-there", "not-there", "~/not/there"])
def test_a_path_that_is_missing(place: str) -> None:
    with pytest.raises(PluginNotFoundError, match=f"no plugin folder at {place}"):
        run_plugin(place, "run")


def test_a_name_that_is_neither_path_nor_module() -> None:
    with pytest.raises(PluginNotFoundError, match="'not_there'"):
        find_plugin("not_there")


@pytest.mark.parametrize("mode", ["lokal", "", "LOCAL ", None, 3])
def test_an_unknown_mode(make_plugin: MakePlugin, mode: Any) -> None:
    with pytest.raises(ValueError, match=f"mode {mode!r} is none of local, task, job"):
        run_plugin(make_plugin("demo", "1 / 0"), "run", mode=mode)


@pytest.mark.parametrize("mode", ["local", "task", "job"])
def test_an_unknown_option_is_refused_before_anything_is_loaded(make_plugin: MakePlugin, mode: str) -> None:
    known = "action_cls, env, language, (job_id, working_dir|ray_add)"
    with pytest.raises(TypeError, match=f"mode {mode} knows no option wroking_dir; it knows {known}"):
        run_plugin(make_plugin("demo", "1 / 0"), "run", mode=mode, wroking_dir="/")


def test_options_of_ray_mean_nothing_locally(make_plugin: MakePlugin) -> None:
    with pytest.raises(TypeError, match="mode local knows no option num_cpus"):
        run_plugin(make_plugin("demo", ECHO), "run", num_cpus=2)


def test_an_action_that_is_missing(make_plugin: MakePlugin) -> None:
    with pytest.raises(ActionNotFoundError, match="it has run"):
        run_plugin(make_plugin("demo", ECHO), "rnu")


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"n": "x"}, r"params\.n: Input should be a valid integer"),
        ({"m": 1}, r"params\.m: Extra inputs"),
        ([], "params must be a mapping, not list"),
        ("n=1", "params must be a mapping, not str"),
        (0, "params must be a mapping, not int"),
        ({"n": float("nan")}, r"params\.n is nan"),
        ({"n": object()}, r"params\.n is of type object"),
    ],
)
@pytest.mark.parametrize("mode", list(ExecutionMode))
def test_params_that_do_not_fit_start_nothing_in_any_mode(
    make_plugin: MakePlugin, params: Any, said: str, mode: ExecutionMode
) -> None:
    with pytest.raises(ValidationError, match=said):
        run_plugin(make_plugin("demo", ECHO), "run", params, mode=mode)


def test_bad_params_come_with_their_problems(make_plugin: MakePlugin) -> None:
    with pytest.raises(ValidationError) as caught:
        run_plugin(make_plugin("demo", ECHO), "run", {"n": "x", "m": 1})
    assert [problem["loc"] for problem in caught.value.details] == [["n"], ["m"]]


def test_params_are_json_in_every_mode(make_plugin: MakePlugin, tmp_path: Path) -> None:
    code = "@action()\ndef run(params, ctx):\n    params['more'] = 1\n    return params"
    given = {"path": tmp_path, "pair": (1, 2)}
    assert run_plugin(make_plugin("demo", code), "run", given) == {"path": str(tmp_path), "pair": [1, 2], "more": 1}
    assert given == {"path": tmp_path, "pair": (1, 2)}


def test_failures_are_errors_with_details(make_plugin: MakePlugin) -> None:
    folder = make_plugin("demo", "@action()\ndef run(params, ctx):\n    {}['missing']")
    with pytest.raises(ExecutionError, match=r"^ActionFailed: KeyError: 'missing'$") as caught:
        run_plugin(folder, "run")
    details = caught.value.details
    assert (details["reason"], details["type"], details["message"]) == ("ActionFailed", "KeyError", "'missing'")
    assert "demo/plugin/act.py" in details["traceback"]


def test_a_result_that_does_not_fit_is_an_error(make_plugin: MakePlugin) -> None:
    code = "class R(BaseModel):\n    n: int\n@action(result=R)\ndef run(params, ctx):\n    return {'n': 'x'}"
    with pytest.raises(ValidationError, match=r"result\.n: Input should be a valid integer"):
        run_plugin(make_plugin("demo", code), "run")


def test_a_config_that_cannot_be_used(make_plugin: MakePlugin) -> None:
    with pytest.raises(PluginConfigError, match=r"config\.yaml is empty"):
        run_plugin(make_plugin("demo", {"plugin/act.py": ""}, config=""), "run")


def test_sys_exit_is_a_failure(make_plugin: MakePlugin) -> None:
    with pytest.raises(ExecutionError, match=r"sys\.exit\(0\)"):
        run_plugin(make_plugin("demo", "@action()\ndef run(params, ctx):\n    raise SystemExit(0)"), "run")


def test_ctrl_c_passes(make_plugin: MakePlugin) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_plugin(make_plugin("demo", "@action()\ndef run(params, ctx):\n    raise KeyboardInterrupt"), "run")


def test_the_package_re_exports_the_first_names() -> None:
    assert synapse_spec.run_plugin is run_plugin
    for name in synapse_spec.__all__:
        assert getattr(synapse_spec, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        synapse_spec.nothing  # noqa: B018
