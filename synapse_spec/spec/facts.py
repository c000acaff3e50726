"""What is known of a plugin and of its actions, as values, and the form in which that is kept. Made by `catalog`."""

from dataclasses import asdict, dataclass, field
from typing import Any

from synapse_spec.plugins.files import State
from synapse_spec.plugins.source import PluginSource

# Fields of a plugin's config that say what it needs to run.
NEEDS = ("runtime_env", "package_manager", "package_manager_options", "wheels_dir")
_KEPT = ("code", "version", "env", *NEEDS, "entrypoints", "notes", "requires")


@dataclass(frozen=True, slots=True)
class ActionFacts:
    """What is known of one action; if it is `complete`, the schema of its params says all that their model would."""

    entrypoint: str
    description: str
    code: str
    files: dict[str, str]
    params: dict[str, Any]
    result: dict[str, Any] | None = None
    dynamic: bool = False
    complete: bool = False


@dataclass(slots=True)
class PluginFacts:
    """What is known of one plugin; `actions` is filled as they are asked for, `notes` are warnings of its config."""

    source: PluginSource
    code: str
    version: str
    env: dict[str, str]
    runtime_env: dict[str, Any]
    entrypoints: dict[str, str]
    state: dict[str, State]
    notes: list[dict[str, Any]] = field(default_factory=list)
    actions: dict[str, ActionFacts] = field(default_factory=dict)
    changed: bool = False
    package_manager: str = "pip"
    package_manager_options: list[str] = field(default_factory=list)
    wheels_dir: str = "wheels"
    requires: dict[str, str] = field(default_factory=dict)

    def to_stored(self) -> dict[str, Any]:
        """As JSON may hold it, without its source and state."""
        actions = {name: asdict(action) for name, action in self.actions.items()}
        return {name: getattr(self, name) for name in _KEPT} | {"actions": actions}

    @classmethod
    def from_stored(cls, source: PluginSource, state: dict[str, State], stored: dict[str, Any]) -> "PluginFacts":
        """What `to_stored` gave; raises TypeError or AttributeError for anything else."""
        actions = {name: ActionFacts(**action) for name, action in stored["actions"].items()}
        return cls(source=source, state=state, **(stored | {"actions": actions}))
