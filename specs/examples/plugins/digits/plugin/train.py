"""The `train` action: prepared images in, a trained neural network out, with metrics of every epoch."""

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field, FilePath

from plugin.fields import Accuracy, DatasetPath, OutputDir, Seed
from synapse_spec.plugins.action import BaseAction

if TYPE_CHECKING:
    from sklearn.neural_network import MLPClassifier

    from plugin.dataset import Split


class TrainParams(BaseModel, extra="forbid"):
    output_dir: OutputDir
    dataset: DatasetPath
    epochs: int = Field(default=30, ge=1, le=1000, description="Times the model sees every image.")
    batch_size: int = Field(default=32, ge=1, le=512, description="Images between two weight updates.")
    learning_rate: float = Field(default=0.001, gt=0, le=0.1, description="Step size of the Adam optimizer.")
    hidden_units: int = Field(default=64, ge=1, le=1024, description="Neurons of the hidden layer.")
    seed: Seed = 0


class TrainResult(BaseModel):
    path: FilePath = Field(description="The trained model.")
    epochs: int = Field(ge=1, description="Epochs trained.")
    train_accuracy: Accuracy
    final_loss: float = Field(ge=0, description="Mean training loss of the last epoch.")


class TrainAction(BaseAction[TrainParams]):
    """Trains a network with one hidden layer, in mini-batches."""

    action_name = "train"
    result_model = TrainResult

    def execute(self) -> TrainResult:
        import joblib
        from threadpoolctl import threadpool_limits

        from plugin.dataset import load_split

        model = self.new_model()
        # On one thread sums are added up in one order: the same model in every mode, on any number of cores.
        with threadpool_limits(limits=1):
            loss, accuracy = self.fit(model, load_split(self.params.dataset))

        self.params.output_dir.mkdir(parents=True, exist_ok=True)
        path = self.params.output_dir / "model.joblib"
        joblib.dump(model, path)
        return TrainResult(path=path, epochs=self.params.epochs, train_accuracy=accuracy, final_loss=loss)

    def new_model(self) -> "MLPClassifier":
        from numpy.random import RandomState
        from sklearn.neural_network import MLPClassifier

        return MLPClassifier(
            hidden_layer_sizes=(self.params.hidden_units,),
            batch_size=self.params.batch_size,
            learning_rate_init=self.params.learning_rate,
            # A generator, not the number: partial_fit would shuffle every epoch alike with the number.
            random_state=RandomState(self.params.seed),
        )

    def fit(self, model: "MLPClassifier", split: "Split") -> tuple[float, float]:
        """Trains all epochs; the loss and the training accuracy after the last one."""
        loss = accuracy = 0.0
        epochs = self.params.epochs
        self.ctx.set_progress(0, epochs, "train")
        for epoch in range(1, epochs + 1):
            model.partial_fit(split.train_images, split.train_labels, classes=range(10))
            loss = float(model.loss_)
            accuracy = float(model.score(split.train_images, split.train_labels))
            print(f"epoch {epoch}/{epochs}: loss {loss:.4f}, accuracy {accuracy:.4f}")
            self.ctx.set_metrics({"loss": loss, "accuracy": accuracy}, "train")
            self.ctx.set_progress(epoch, epochs, "train")
        return loss, accuracy
