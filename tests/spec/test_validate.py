"""Runs against each other and against their plugins: what is fine is let through, and what is checked with what."""

import random
import time
import tracemalloc
from graphlib import CycleError
from pathlib import Path

import pytest

from synapse_spec.spec.catalog import Catalog
from synapse_spec.spec.graph import order
from synapse_spec.spec.load import diagnose, load, slim, whole
from synapse_spec.spec.validate import check_model, validate, validate_files
from tests.conftest import MakePlugin
from tests.spec.conftest import WriteRun, problems_at, runs_at

PLUGIN = """
    from typing import Literal
    from pydantic import Field, model_validator

    class Result(BaseModel):
        path: str
        count: int
        ratio: float
        maybe: str | None = None
        names: list[str] = []
        by_name: dict[str, int] = {}
        inner: "Inner | None" = None

    class Inner(BaseModel):
        size: int

    class Params(BaseModel):
        text: str = ""
        number: float = 0
        whole: int = 0
        choice: Literal["a", "b"] = "a"
        optional: int | None = None
        items: list[int] = []
        anything: object = None
        odd: int = 1

        @model_validator(mode="after")
        def check(self):
            if self.odd % 2 == 0:
                raise ValueError("odd must be odd")
            return self

    @action(params=Params, result=Result)
    def run(params, ctx): ...

    @action()
    def free(params, ctx): ...
"""


@pytest.fixture
def plugin(make_plugin: MakePlugin) -> Path:
    return make_plugin("p", PLUGIN, actions={"run": "plugin.act:run", "free": "plugin.act:free"})


@pytest.mark.parametrize(
    "params",
    [
        "{}",
        "{text: a, number: 1, whole: 2, choice: b, optional: null, items: [1], anything: {x: [1]}}",
        "{number: 1.5, whole: 2.0}",
        "{text: '${{ runs.up.result.path }}', number: '${{ runs.up.result.count }}'}",
        "{text: '${{ runs.up.result }}-${{ runs.up.result.count }}', whole: '${{ runs.up.result.ratio }}'}",
        "{text: '${{ runs.up.result.maybe }}', anything: '${{ runs.up.result }}'}",
        "{items: ['${{ runs.up.result.count }}', 2], whole: '${{ runs.up.result.by_name.x }}'}",
        "{text: '${{ runs.up.result.names[3] }}', whole: '${{ runs.up.result.inner.size }}'}",
        "{optional: '${{ runs.up.result.count }}', choice: '${{ runs.up.result.path }}'}",
        "{text: '${{ spec.dir }}/${{ run.name }}', anything: '${{ git.commit }}'}",
    ],
)
def test_what_is_fine(plugin: Path, write_run: WriteRun, params: str) -> None:
    assert problems_at(write_run("up", plugin), write_run("down", plugin, params), models=True) == []


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ("{whole: '${{ runs.up.result.path }}'}", "runs.up.result.path is a string; whole takes an integer"),
        ("{text: '${{ runs.up.result.count }}'}", "runs.up.result.count is an integer; text takes a string"),
        ("{text: '${{ runs.up.result }}'}", "runs.up.result is a mapping; text takes a string"),
        ("{items: '${{ runs.up.result.names[0] }}'}", "runs.up.result.names[0] is a string; items takes a list"),
        ("{whole: '${{ runs.up.result.maybe }}'}", "runs.up.result.maybe is a string or null; whole takes an integer"),
        ("{choice: '${{ runs.up.result.count }}'}", "runs.up.result.count is an integer; choice takes 'a' or 'b'"),
        ("{text: '${{ runs.up.result.inner.siz }}'}", "the result of run 'up' has no 'inner.siz'"),
        ("{text: '${{ runs.up.result.names.first }}'}", "the result of run 'up' has no 'names.first'"),
        ("{text: '${{ runs.up.result.count[0] }}'}", "the result of run 'up' has no 'count[0]'"),
    ],
)
def test_references_that_do_not_fit(plugin: Path, write_run: WriteRun, params: str, said: str) -> None:
    (found,) = problems_at(write_run("up", plugin), write_run("down", plugin, params))
    assert (found.code, found.message) == ("SS304", said)


def test_of_an_action_without_models_nothing_is_claimed(plugin: Path, write_run: WriteRun) -> None:
    up = write_run("up", plugin, "{whatever: 1}", action="free")
    down = write_run("down", plugin, "{whole: '${{ runs.up.result.deep[0].down }}'}")
    assert problems_at(up, down, models=True) == []


def test_the_model_is_asked_only_where_nothing_else_is_wrong(plugin: Path, write_run: WriteRun) -> None:
    write_run("even", plugin, "{odd: 2}")
    write_run("open", plugin, "{odd: 2, text: '${{ run.name }}'}")
    other = write_run("typo", plugin, "{odd: 2, txet: a}")
    found = problems_at(*sorted(other.parent.glob("*.yaml")), models=True)
    assert [(Path(item.path).stem, item.code, item.message) for item in found] == [
        ("even", "SS107", "odd must be odd"),
        ("typo", "SS104", "unknown param 'txet' for p:run"),
    ]
    assert [item.code for item in problems_at(other.parent / "even.yaml")] == []


def test_what_the_model_says_has_its_place(make_plugin: MakePlugin, write_run: WriteRun) -> None:
    plugin = make_plugin(
        "p",
        """
        from pydantic import field_validator
        class Inner(BaseModel):
            day: str
            @field_validator("day")
            @classmethod
            def known(cls, day):
                if day == "tomorrow":
                    raise ValueError("nobody knows")
                return day
        class Params(BaseModel):
            inners: list[Inner]
        @action(params=Params)
        def run(params, ctx): ...
        """,
    )
    path = write_run("a", plugin, "inners:\n  - day: 2024-01-01\n  - day: tomorrow\n")
    (found,) = problems_at(path, models=True)
    assert found.code == "SS107"
    assert found.message == "inners[1].day: nobody knows"
    assert path.read_text().splitlines()[found.span.line - 1][found.span.column - 1 :] == "tomorrow"  # type: ignore[union-attr]


def test_code_that_does_not_load_leaves_the_model_unasked_where_its_schema_is_known(
    make_plugin: MakePlugin, write_run: WriteRun, tmp_path: Path
) -> None:
    plugin = make_plugin("p", "@action()\ndef run(params, ctx): ...\n")
    catalog = Catalog(tmp_path)
    loaded = load([str(write_run("a", plugin))])
    assert validate(loaded, catalog, models=True) == []
    (plugin / "plugin" / "act.py").write_text("import a_library_that_is_not_installed\n")
    assert validate(loaded, catalog, models=True) == []
    assert [item.code for item in check_model(loaded.runs[0], catalog)] == ["SS204"]


def test_a_model_whose_schema_is_none(make_plugin: MakePlugin, write_run: WriteRun) -> None:
    plugin = make_plugin(
        "p",
        """
        from pydantic import Field
        class Params(BaseModel):
            n: int = Field(0, json_schema_extra={"minimum": "much"})
        @action(params=Params)
        def run(params, ctx): ...
        """,
    )
    (found,) = problems_at(write_run("a", plugin))
    assert (found.code, found.message.partition(":")[0]) == ("SS204", "the params model of p")


def test_order_puts_dependencies_first_and_else_keeps_the_order_of_writing(plugin: Path, write_run: WriteRun) -> None:
    names = [f"r{number}" for number in range(8)]
    needs = {name: random.Random(name).sample(names[:index], min(index, 2)) for index, name in enumerate(names)}
    paths = [write_run(name, plugin, more=f"dependsOn: {needs[name]}\n") for name in reversed(names)]
    done = order(runs_at(*paths))
    assert sorted(done) == names
    assert all(done.index(need) < done.index(name) for name in names for need in needs[name])
    free = [write_run(name, plugin) for name in names]
    assert order(runs_at(*free)) == names


def test_order_of_a_circle_and_of_runs_that_are_not_here(plugin: Path, write_run: WriteRun) -> None:
    assert order(runs_at(write_run("a", plugin, more="dependsOn: [gone]"))) == ["a"]
    with pytest.raises(CycleError):
        order(runs_at(write_run("a", plugin, more="dependsOn: [b]"), write_run("b", plugin, more="dependsOn: [a]")))


def test_an_unknown_run_may_hide_in_a_file_that_cannot_be_read(plugin: Path, write_run: WriteRun) -> None:
    needy = write_run("needy", plugin, more="dependsOn: [gone]")
    assert [item.code for item in problems_at(needy)] == ["SS302"]
    broken = needy.with_name("broken.yaml")
    broken.write_text("a: [")
    assert [item.code for item in problems_at(needy, broken)] == ["SS002"]
    other = write_run("other", plugin, more="timeout: x")
    assert sorted(item.code for item in problems_at(needy, other)) == ["SS101", "SS302"]


def test_runs_of_one_plugin_are_checked_in_no_time(plugin: Path, write_run: WriteRun) -> None:
    up = write_run("up", plugin)
    down = write_run("down", plugin, "{text: a, items: [1, 2, 3], number: '${{ runs.up.result.count }}'}")
    down.write_text("---\n".join(down.read_text().replace("name: down", f"name: r{n}") for n in range(1000)))
    start = time.monotonic()
    assert problems_at(up, down) == []
    assert time.monotonic() - start < 3


def test_what_is_remembered_of_many_files_is_little(plugin: Path, write_run: WriteRun, tmp_path: Path) -> None:
    for number in range(100):
        write_run(f"r{number}", plugin, f"text: {'x' * 200_000}")
    write_run("down", plugin, "{whole: '${{ runs.r7.result.path }}'}", more="dependsOn: [r8]\n")
    tracemalloc.start()
    try:
        checked = validate_files([str(tmp_path)])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (checked.runs, [item.code for item in checked.diagnostics]) == (101, ["SS304"])
    assert peak < 15 * 2**20  # the plugin's code and pydantic's schemas included; the files have 20 MB


def test_file_by_file_is_found_what_is_found_at_once(plugin: Path, write_run: WriteRun, tmp_path: Path) -> None:
    write_run("a", plugin, "{whole: '${{ runs.b.result.path }}', txet: a}", more="dependsOn: [c, gone]\n")
    write_run("b", plugin, "{text: '${{ run.nam }}'}", more="env: {A: '${{ runs.a.result.path }}'}\n")
    write_run("c", plugin, more="dependsOn: [c]\n")
    (tmp_path / "d.yaml").write_text((tmp_path / "c.yaml").read_text())
    (tmp_path / "synapse.toml").touch()
    found = validate_files([str(tmp_path)]).diagnostics
    assert found == problems_at(*sorted(tmp_path.glob("*.yaml")), models=True)
    assert {item.code for item in found} == {"SS104", "SS108", "SS301", "SS302", "SS303", "SS304"}


def test_a_file_that_is_gone_when_its_problems_are_told(plugin: Path, write_run: WriteRun) -> None:
    path = write_run("a", plugin, more="dependsOn: [gone]\n")
    run = slim(*runs_at(path))
    assert whole(run).spec["dependsOn"] == ["gone"]
    path.unlink()
    assert whole(run) is run
    found = diagnose(run, "SS302", "there is no run 'gone'", ("spec", "dependsOn", 0))
    assert found.span is not None
    assert (found.span.line, found.span.column) == (1, 1)
