"""synapse_sdk made to look as if it were not installed, for a while, in this process."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

PACKAGE = "synapse_sdk"


class _Finder:
    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: Any = None) -> None:
        if name.partition(".")[0] == PACKAGE:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


@contextmanager
def without_sdk() -> Iterator[None]:
    loaded = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == PACKAGE}
    for name in loaded:
        del sys.modules[name]
    sys.meta_path.insert(0, _Finder)  # type: ignore[arg-type]
    try:
        yield
    finally:
        sys.meta_path.remove(_Finder)  # type: ignore[arg-type]
        sys.modules.update(loaded)
