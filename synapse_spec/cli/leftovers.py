"""What status files hold of runs that their spec file does not have, and what is said of it. Made by `session`."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from synapse_spec.engine.store import StatusFile
from synapse_spec.engine.sweep import remains, summed_up
from synapse_spec.spec.load import Loaded


@dataclass(frozen=True, slots=True)
class Leftovers:
    """Status files are named here as they are shown.

    Attributes:
        orphans: Names of runs that are gone, by the status file; `apply --prune` removes them.
        emptied: The same where the spec file holds no run at all: it may have been cut short, so nothing is removed.
        lost: Status files whose spec file is gone, with the status files that their runs would have by now.
    """

    orphans: dict[str, list[str]] = field(default_factory=dict)
    emptied: dict[str, list[str]] = field(default_factory=dict)
    lost: dict[str, dict[str, str]] = field(default_factory=dict)

    def told(self, orphans: Mapping[str, list[str]], current: Iterable[str], prune: str) -> Iterator[str]:
        """Lines for people.

        Args:
            orphans: Those that are still there.
            current: Names of the runs that there are.
            prune: The words that remove them.
        """
        for line in remains(orphans, current, self.lost):
            yield f"{line}; {prune} removes it"
        for file, names in self.emptied.items():
            said = f"its spec file holds no run; delete {file} yourself if that is meant"
            yield f"{file} still has {summed_up(names)}, but {said}"
        for file, moved in self.lost.items():
            if moved:
                yield f"{file} has the status of {summed_up(moved)}, but its spec file is gone; {_way_out(file, moved)}"


def leftovers(loaded: Loaded, files: Mapping[str, StatusFile], others: Mapping[str, list[str]]) -> Leftovers:
    """Tell apart what is left.

    Args:
        loaded: The specs.
        files: The status file of each spec file by the spec's path, those without a spec file included.
        others: Names of runs in the status files that are not in the spec files, by the spec's path.
    """
    found = Leftovers()
    if not others:  # as it is most often, with many runs
        return found
    moved = {run.name: files[run.file.path] for run in loaded.runs if run.name in files[run.file.path].inherited}
    for path, names in others.items():
        shown, gone = os.path.relpath(files[path].path), [name for name in names if name not in moved]
        is_lost = path in loaded.strays
        if gone and path not in loaded.broken:
            is_emptied = not files[path].order and not is_lost
            (found.emptied if is_emptied else found.orphans)[shown] = gone
        if is_lost:
            found.lost[shown] = {name: os.path.relpath(moved[name].path) for name in names if name in moved}
    return found


def _way_out(file: str, moved: Mapping[str, str]) -> str:
    targets = set(moved.values())
    if len(targets) == 1 and not os.path.exists(target := targets.pop()):
        return f"rename it to {target}"
    return f"keep {file} until they have run again"
