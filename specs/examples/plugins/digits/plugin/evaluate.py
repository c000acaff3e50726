"""The `evaluate` action: a model and the held-out images in, its accuracy and confusion matrix out."""

from pathlib import Path

from pydantic import BaseModel, Field, FilePath

from plugin.fields import Accuracy, DatasetPath, ModelPath, OutputDir
from synapse_spec.plugins.action import BaseAction


class EvaluateParams(BaseModel, extra="forbid"):
    output_dir: OutputDir
    dataset: DatasetPath
    model: ModelPath
    min_accuracy: float = Field(default=0.0, ge=0, le=1, description="Below this accuracy the run fails.")


class EvaluateResult(BaseModel):
    accuracy: Accuracy
    test_count: int = Field(ge=1, description="Held-out images it was measured on.")
    confusion_matrix: list[list[int]] = Field(description="Rows: the true digit; columns: the predicted one.")
    plot: FilePath = Field(description="The confusion matrix as a PNG image.")


class EvaluateAction(BaseAction[EvaluateParams]):
    """Measures the model on images it has not seen."""

    action_name = "evaluate"
    result_model = EvaluateResult

    def execute(self) -> EvaluateResult:
        import joblib
        from sklearn.metrics import accuracy_score, confusion_matrix

        from plugin.dataset import load_split

        self.ctx.set_progress(0, 2, "evaluate")
        split = load_split(self.params.dataset)
        predicted = joblib.load(self.params.model).predict(split.test_images)
        accuracy = float(accuracy_score(split.test_labels, predicted))
        matrix: list[list[int]] = confusion_matrix(split.test_labels, predicted, labels=range(10)).tolist()
        print(f"{accuracy:.2%} of {len(predicted)} held-out images are classified correctly")
        self.ctx.set_metrics({"accuracy": accuracy}, "evaluate")
        self.ctx.set_progress(1, 2, "evaluate")

        self.params.output_dir.mkdir(parents=True, exist_ok=True)
        plot = self.params.output_dir / "confusion.png"
        draw(matrix, plot, title=f"Accuracy {accuracy:.2%}")
        self.ctx.set_progress(2, 2, "evaluate")

        # After the plot is written: it shows which digits are to blame.
        if accuracy < self.params.min_accuracy:
            raise ValueError(f"accuracy {accuracy:.4f} is below {self.params.min_accuracy}; see {plot}")
        return EvaluateResult(accuracy=accuracy, test_count=len(predicted), confusion_matrix=matrix, plot=plot)


def draw(matrix: list[list[int]], path: Path, title: str) -> None:
    # Not pyplot: it keeps figures in global state and may look for a display.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot(
        title=title, xlabel="predicted digit", ylabel="true digit", xticks=range(10), yticks=range(10)
    )
    axes.imshow(matrix, cmap="Blues")
    darkest = max(map(max, matrix))
    for true, row in enumerate(matrix):
        for predicted, count in enumerate(row):
            color = "white" if count > darkest / 2 else "black"
            axes.text(predicted, true, str(count), ha="center", va="center", color=color)
    figure.savefig(path, dpi=120)
