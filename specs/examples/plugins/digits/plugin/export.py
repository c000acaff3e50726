"""The `export` action: a trained model in, the same model as plain JSON out, checked, with a model card."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field, FilePath

from plugin.fields import Accuracy, DatasetPath, ModelPath, OutputDir
from synapse_spec.plugins.action import BaseAction

if TYPE_CHECKING:
    from sklearn.neural_network import MLPClassifier

    from plugin.dataset import Floats, Labels, Split

CARD = """\
# Digits classifier

Tells which digit (0 to 9) a handwritten image of 8 x 8 pixels shows.

| | |
|---|---|
| Model | neural network: {inputs} inputs, {hidden} hidden neurons, {outputs} outputs |
| Size | {parameters} parameters |
| Trained on | {train_count} images of the digits data that comes with scikit-learn |
| Accuracy | {accuracy:.2%}, measured on {test_count} held-out images |

## Use

`model.json` holds all of it as plain numbers. Take the 64 pixels row by row, each from 0 to 16, subtract
`mean` and divide by `scale`. Then, for each layer, multiply by `weights` (one row an input), add `biases`
and, in all layers but the last, replace what is below 0 by 0. The place of the largest number is the digit.

## Limits

Made for centred single digits, scanned and scaled down as in that data. It has no answer but a digit.
"""


class ExportParams(BaseModel, extra="forbid"):
    output_dir: OutputDir
    dataset: DatasetPath
    model: ModelPath
    accuracy: Accuracy


class ExportedFile(BaseModel):
    path: FilePath
    bytes: int = Field(ge=1)


class ExportResult(BaseModel):
    model: ExportedFile = Field(description="The model's parameters as JSON.")
    card: ExportedFile = Field(description="What the model is and how well it does, as Markdown.")


class ExportAction(BaseAction[ExportParams]):
    """Writes the model's parameters, so that a few lines of any language can use them, and its model card."""

    action_name = "export"
    result_model = ExportResult

    def execute(self) -> ExportResult:
        import joblib

        from plugin.dataset import load_split

        self.ctx.set_progress(0, 2, "export")
        model, split = joblib.load(self.params.model), load_split(self.params.dataset)
        text = json.dumps(portable(model, split))
        # Read back from the text: what is checked is what is written.
        if (predict(json.loads(text), split.test_pixels()) != model.predict(split.test_images)).any():
            raise ValueError("the exported parameters do not predict what the model predicts")
        print(f"the exported model agrees with the trained one on {len(split.test_labels)} held-out images")
        self.ctx.set_progress(1, 2, "export")

        self.params.output_dir.mkdir(parents=True, exist_ok=True)
        result = ExportResult(
            model=write(self.params.output_dir / "model.json", text),
            card=write(self.params.output_dir / "MODEL_CARD.md", card(model, split, self.params.accuracy)),
        )
        self.ctx.set_progress(2, 2, "export")
        return result


def portable(model: "MLPClassifier", split: "Split") -> dict[str, Any]:
    layers = zip(model.coefs_, model.intercepts_, strict=True)
    return {
        "mean": split.mean.tolist(),
        "scale": split.scale.tolist(),
        "layers": [{"weights": weights.tolist(), "biases": biases.tolist()} for weights, biases in layers],
    }


def predict(exported: dict[str, Any], pixels: "Floats") -> "Labels":
    """What the model card tells a reader to do, with nothing but the exported numbers."""
    import numpy as np

    values = (pixels - np.array(exported["mean"])) / np.array(exported["scale"])
    *hidden, last = exported["layers"]
    for layer in hidden:
        values = np.maximum(values @ np.array(layer["weights"]) + layer["biases"], 0)
    outputs = values @ np.array(last["weights"]) + last["biases"]
    return np.argmax(outputs, axis=1)


def card(model: "MLPClassifier", split: "Split", accuracy: float) -> str:
    inputs, hidden = model.coefs_[0].shape
    return CARD.format(
        inputs=inputs,
        hidden=hidden,
        outputs=model.n_outputs_,
        parameters=sum(array.size for array in (*model.coefs_, *model.intercepts_)),
        train_count=len(split.train_labels),
        test_count=len(split.test_labels),
        accuracy=accuracy,
    )


def write(path: Path, text: str) -> ExportedFile:
    path.write_text(text, encoding="utf-8")
    return ExportedFile(path=path, bytes=path.stat().st_size)
