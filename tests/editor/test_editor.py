"""The exported schemas in an editor: the real YAML language server, asked what an editor asks it."""

import pytest

from synapse_spec.spec.envelope import SPEC
from tests.editor.conftest import HEAD, Editor

TRAIN = f"{HEAD}  action: train\n"
PARAMS = f"{TRAIN}  params:\n    dataset: d\n"
SKELETON = "params of digits:train"


def test_params_of_the_chosen_action_are_completed(editor: Editor) -> None:
    offered = editor.complete(f"{PARAMS}    e▮\n")
    assert list(offered) == ["epochs", "optimizer", "shuffle", "limit", "layers", "head", "schedule"]
    assert offered["epochs"]["insertText"] == "epochs: ${1:30}"
    assert offered["epochs"]["documentation"] == "Times the model sees every image.\n\ninteger (1 to 1000), default 30"
    assert {item["insertText"] for name, item in offered.items() if name in ("limit", "layers", "head")} == {
        "limit: ",
        "layers: ",
        "head: ",
    }


def test_params_of_an_action_whose_name_begins_alike_are_not(editor: Editor) -> None:
    assert list(editor.complete(f"{HEAD}  action: train_all\n  params:\n    f▮\n")) == [
        "folder",
        "params of digits:train_all",
    ]


def test_what_is_required_comes_as_a_snippet(editor: Editor) -> None:
    offered = editor.complete(f"{TRAIN}  params:\n    d▮\n")
    assert offered[SKELETON]["insertText"] == "dataset: "
    assert offered["dataset"]["documentation"] == "The images.\n\nstring, required"
    assert editor.complete(f"{TRAIN}  pa▮\n")["params"]["insertText"] == "params:\n  dataset: "


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("optimizer: ▮", ["adam", "sgd"]),
        ("shuffle: ▮", ["true", "false"]),
        ("epochs: ▮", ["30"]),
        ("schedule: {kind: ▮}", ["step", "cosine"]),
        ("head: {activation: ▮}", ["relu", "tanh"]),
    ],
)
def test_values_are_completed(editor: Editor, line: str, values: list[str]) -> None:
    assert list(editor.complete(f"{PARAMS}    {line}\n")) == values


@pytest.mark.parametrize(
    ("lines", "names"),
    [
        ("head:\n      u▮", ["units", "Layer", "activation"]),
        ("layers:\n      - units: 1\n        a▮", ["activation"]),
        ("schedule:\n      kind: cosine\n      w▮", ["warmup"]),
    ],
)
def test_nested_params_are_completed(editor: Editor, lines: str, names: list[str]) -> None:
    assert list(editor.complete(f"{PARAMS}    {lines}\n")) == names


@pytest.mark.parametrize("typed", ["", "tr"])
def test_actions_are_completed(editor: Editor, typed: str) -> None:
    offered = editor.complete(f"{HEAD}  action: {typed}▮\n")
    assert {name: item["documentation"] for name, item in offered.items()} == {
        "train": "Trains a model.",
        "train_all": "Trains a model for each dataset.",
    }


def test_modes_and_keys_are_completed(editor: Editor) -> None:
    assert list(editor.complete(f"{TRAIN}  mode: ▮\n")) == ["local", "task", "job"]
    assert editor.complete(f"{TRAIN}  p▮\n").keys() == SPEC["properties"].keys() - {"plugin", "action"}
    # "Run" is the snippet of all that is required.
    assert list(editor.complete("apiVersion: synapse.dev/v1\nk▮\n")) == ["kind", "Run", "metadata", "spec"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"{PARAMS}    epo▮chs: 3\n", "Times the model sees every image.\n\ninteger (1 to 1000), default 30\n"),
        (f"{PARAMS}    epo▮chs: ${{{{ runs.a.result.n }}}}\n", "Times the model sees every image.\n"),
        (f"{PARAMS}    li▮mit: 3\n", "At most so many images.\n\ninteger or null\n"),
        (f"{PARAMS}    head: {{un▮its: 3}}\n", "Neurons of the layer.\n\ninteger (at least 1), required\n"),
        (f"{PARAMS}    opti▮mizer: sgd\n", "adam | sgd, default adam\n\nAllowed Values:\n\n* `sgd`\n* `adam`\n"),
        (f"{TRAIN}  par▮ams: {{dataset: d}}\n", "#### params of digits:train\n\nTrains a model.\n"),
        (f"{HEAD}  act▮ion: train\n", "* `train`: Trains a model.\n* `train_all`: Trains a model for each dataset.\n"),
        (f"{TRAIN}  mo▮de: task\n", "* `task`: On a warm Ray actor.\n"),
        (HEAD.replace("plugin:", "plu▮gin:"), "relative to this file"),
    ],
)
def test_hover_explains(editor: Editor, text: str, words: str) -> None:
    assert words in editor.hover(text)


@pytest.mark.parametrize(
    ("line", "underlined", "message"),
    [
        ("epocs: 3", "epocs", "Property epocs is not allowed."),
        ("epochs: many", "many", 'Incorrect type. Expected "integer".'),
        ("epochs: true", "true", 'Incorrect type. Expected "integer".'),
        ("epochs: 0", "0", "Value is below the minimum of 1."),
        ("limit: few", "few", 'Incorrect type. Expected "integer | null".'),
        ("optimizer: adm", "adm", 'Value is not accepted. Valid values: "adam", "sgd".'),
        ("head: {units: 1, activaton: relu}", "activaton", "Property activaton is not allowed."),
        ("head: {units: 1, activation: rel}", "rel", 'Value is not accepted. Valid values: "relu", "tanh".'),
        ("layers: [{units: 1}, {units: x}]", "x", 'Incorrect type. Expected "integer".'),
        ("schedule: {kind: step, every: 0}", "0", "Value is below the minimum of 1."),
        ("schedule: {kind: cosine, warmpu: 0, warmup: 1}", "warmpu", "Property warmpu is not allowed."),
    ],
)
def test_a_mistake_is_told_once_and_at_its_place(editor: Editor, line: str, underlined: str, message: str) -> None:
    assert editor.errors(f"{PARAMS}    {line}\n") == [(underlined, message)]


@pytest.mark.parametrize(
    ("text", "underlined", "message"),
    [
        (f"{TRAIN}  params: {{}}\n", "params", 'Missing property "dataset".'),
        (TRAIN, "spec", 'Missing property "params".'),
        (f"{TRAIN}  params: [1]\n", "[1]", 'Incorrect type. Expected "params of digits:train".'),
        (f"{HEAD}  action: trian\n", "trian", 'Value is not accepted. Valid values: "train", "train_all".'),
        (f"{PARAMS}  mdoe: job\n", "mdoe", "Property mdoe is not allowed."),
        (f"{PARAMS}  mode: jbo\n", "jbo", 'Value is not accepted. Valid values: "local", "task", "job".'),
        (
            f"{PARAMS}  timeout: soon\n",
            "soon",
            "must be a number of seconds, or a duration such as '90s', '10m' or '1h30m'",
        ),
    ],
)
def test_the_rest_of_the_document_is_checked_too(editor: Editor, text: str, underlined: str, message: str) -> None:
    assert editor.errors(text) == [(underlined, message)]


def test_references_are_taken_wherever_a_value_is(editor: Editor) -> None:
    reference = "${{ runs.a.result.b }}"
    lines = "".join(f"    {name}: {reference}\n" for name in ("epochs", "optimizer", "shuffle", "limit", "schedule"))
    nested = f"    head:\n      units: {reference}\n    layers:\n      - {reference}\n      - units: {reference}\n"
    assert editor.errors(PARAMS + lines + nested) == []


def test_of_other_plugins_nothing_is_claimed(editor: Editor) -> None:
    other = HEAD.replace("digits", "letters")
    assert editor.errors(f"{other}  action: trian\n  params: {{what: ever}}\n") == []
    assert [place for place, _ in editor.errors(f"{other}  action: trian\n  params: [1]\n")] == ["[1]"]
    assert editor.complete(f"{other}  action: train\n  p▮\n")["params"]["insertText"] == "params:\n  "
