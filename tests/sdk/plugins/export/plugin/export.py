"""Export of results that need no backend, and of some that do."""

import json
import tempfile
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from synapse_sdk.plugins.actions.export import BaseExportAction


class Params(BaseModel):
    filter: dict[str, Any]


class Export(BaseExportAction[Params]):
    """Writes what it makes up."""

    def get_filtered_results(self, filters: dict[str, Any]) -> tuple[Any, int]:
        return ({"id": number} for number in range(filters["count"])), filters["count"]

    def execute(self) -> dict[str, Any]:
        results, count = self.get_filtered_results(self.params.filter)
        with tempfile.TemporaryDirectory() as folder:
            for number, item in enumerate(results, 1):
                Path(folder, f"{number}.json").write_text(json.dumps(item), encoding="utf-8")
                self.set_progress(number, count, "export")
            return {"exported": count, "files": sorted(path.name for path in Path(folder).iterdir())}


class Remote(BaseExportAction[Params]):
    """Asks the backend."""

    def execute(self) -> Any:
        return self.client.get_storage(1)
