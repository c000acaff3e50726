"""The prepared data: how it is made, and its file. prepare writes it, the other actions read it."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Split:
    """Images as rows of 64 scaled pixels; `mean` and `scale` are what they were scaled by."""

    train_images: Floats
    train_labels: Labels
    test_images: Floats
    test_labels: Labels
    mean: Floats
    scale: Floats

    def test_pixels(self) -> Floats:
        """The held-out images as they were before scaling: whole numbers from 0 to 16."""
        return np.rint(self.test_images * self.scale + self.mean)


def make_split(test_fraction: float, seed: int) -> Split:
    images, labels = load_digits(return_X_y=True)
    train_images, test_images, train_labels, test_labels = train_test_split(
        images, labels, test_size=test_fraction, random_state=seed, stratify=labels
    )
    # Fitted on the training images alone: the held-out ones must not reach the model in any way.
    scaler = StandardScaler().fit(train_images)
    return Split(
        train_images=scaler.transform(train_images),
        train_labels=train_labels,
        test_images=scaler.transform(test_images),
        test_labels=test_labels,
        mean=scaler.mean_,
        scale=scaler.scale_,
    )


def save_split(split: Split, path: Path) -> None:
    arrays: dict[str, Any] = {field.name: getattr(split, field.name) for field in fields(Split)}
    np.savez_compressed(path, **arrays)


def load_split(path: Path) -> Split:
    with np.load(path, allow_pickle=False) as arrays:
        return Split(**{field.name: arrays[field.name] for field in fields(Split)})
