"""The `prepare` action: raw digits in, one .npz file of split and scaled images out."""

import hashlib

from pydantic import BaseModel, Field, FilePath

from plugin.fields import OutputDir, Seed
from synapse_spec.plugins.action import BaseAction


class PrepareParams(BaseModel, extra="forbid"):
    output_dir: OutputDir
    test_fraction: float = Field(
        default=0.25, ge=0.05, le=0.5, description="Share of the images held out for evaluate."
    )
    seed: Seed = 0


class PrepareResult(BaseModel):
    path: FilePath = Field(description="The prepared data.")
    train_count: int = Field(ge=1, description="Images to train on.")
    test_count: int = Field(ge=1, description="Images held out.")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="Of the file's bytes.")


class PrepareAction(BaseAction[PrepareParams]):
    """Splits the images, every digit in the same proportion, and scales their pixels."""

    action_name = "prepare"
    result_model = PrepareResult

    def execute(self) -> PrepareResult:
        from plugin.dataset import make_split, save_split

        self.ctx.set_progress(0, 2, "prepare")
        split = make_split(self.params.test_fraction, self.params.seed)
        self.ctx.set_progress(1, 2, "prepare")

        self.params.output_dir.mkdir(parents=True, exist_ok=True)
        path = self.params.output_dir / "digits.npz"
        save_split(split, path)
        self.ctx.set_progress(2, 2, "prepare")

        train_count, test_count = len(split.train_labels), len(split.test_labels)
        print(f"{train_count} images to train on, {test_count} held out")
        return PrepareResult(
            path=path,
            train_count=train_count,
            test_count=test_count,
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        )
