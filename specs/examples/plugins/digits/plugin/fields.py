"""Types of params and results that several actions share."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, FilePath

OutputDir = Annotated[Path, Field(description="Folder the files are written to; made if missing.")]
DatasetPath = Annotated[FilePath, Field(description="The .npz file that prepare wrote.")]
ModelPath = Annotated[FilePath, Field(description="The .joblib file that train wrote.")]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1, description="Same seed, same outcome.")]
Accuracy = Annotated[float, Field(ge=0, le=1, description="Share of images classified correctly.")]
