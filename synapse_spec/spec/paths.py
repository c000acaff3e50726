"""The files behind the paths that a user names: files, folders, globs. Called by `load`, and to find the workspace."""

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from synapse_spec.plugins.source import CONFIG_NAME

STDIN = "-"
OF_STDIN = "stdin.yaml"  # as which standard input counts
_ENDINGS = (".yaml", ".yml")
_STATUS_ENDINGS = (".status.yaml", ".status.yml")


def first_file(paths: Iterable[str]) -> Path | None:
    """The first of the files at `paths`, read or not."""
    return next((Path(path) for name in paths for _, path, _ in expand(name, {})), None)


def expand(name: str, strays: dict[str, str]) -> Iterator[tuple[str, str, bool]]:
    """Files behind a path: as the user would name them, absolute, and whether each was named itself.

    Status files without a spec file beside them are added to `strays`.
    """
    if name == STDIN or os.path.isfile(name):
        yield name, os.path.abspath(name), True
    elif os.path.isdir(name):
        yield from _in_folder(name, strays)
    else:
        for match in sorted(glob.glob(name, recursive=True)):
            if match == name:  # a pipe, or a link to nowhere
                yield name, os.path.abspath(name), True
            elif not match.endswith(_STATUS_ENDINGS):
                yield from expand(match, strays)


def _in_folder(name: str, strays: dict[str, str]) -> Iterator[tuple[str, str, bool]]:
    for folder, subfolders, files in os.walk(name):
        inner = [item for item in subfolders if not item.startswith((".", "__"))]
        subfolders[:] = sorted(item for item in inner if not os.path.isfile(os.path.join(folder, item, CONFIG_NAME)))
        near = "" if os.path.normpath(folder) == os.curdir else os.path.join(os.path.normpath(folder), "")
        place = os.path.join(os.path.abspath(folder), "")
        there = set(files)
        for file in sorted(files):
            if not file.endswith(_ENDINGS) or file.startswith("."):
                continue
            if not file.endswith(_STATUS_ENDINGS):
                yield near + file, place + file, False
            else:
                name, _, ending = file.rpartition(".status.")
                # A spec file need not have an ending; that of standard input is never there.
                if f"{name}.{ending}" not in there and name not in there and f"{name}.{ending}" != OF_STDIN:
                    strays[f"{place}{name}.{ending}"] = place + file
