"""synapse_sdk.plugins without all that it imports at once: three quarters of the time that a plugin of the SDK takes.

The package's own `__init__` says what its names are; each is imported when it is asked for. Anything else that is asked
of it runs that `__init__` as it stands. Used by `namespace`, whose finder sees plugins import it first.
SYNAPSE_SDK_EAGER=1 turns it off.
"""

import ast
import os
from importlib import import_module
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import ModuleType
from typing import Any

LAZY = "synapse_sdk.plugins"
SWITCH = "SYNAPSE_SDK_EAGER"

Origins = dict[str, tuple[str, str]]


def lazily(spec: ModuleSpec) -> ModuleSpec:
    """The spec of the package with a loader that puts its imports off, unless that is turned off or not possible."""
    loader = spec.loader
    if os.environ.get(SWITCH, "") in ("", "0") and type(loader) is SourceFileLoader:
        spec.loader = _LazyLoader(loader.name, loader.path)
    return spec


class _LazyLoader(SourceFileLoader):
    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _LazyPackage(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        tree = ast.parse(self.get_data(self.path))
        origins, exported = _read(tree)
        if not origins:
            super().exec_module(module)
            return
        vars(module).update(
            _origins=origins, _run=super().exec_module, __all__=exported, __doc__=ast.get_docstring(tree)
        )


class _LazyPackage(ModuleType):
    """The package, until something is asked of it that its `__init__` does not import by name."""

    _origins: Origins
    _run: Any

    def __getattr__(self, name: str) -> Any:
        state = vars(self)
        if name in state.get("_origins", ()):
            module, attribute = state["_origins"][name]
            # Kept in `vars`: what is set from outside is a submodule, by the import system.
            value = state[name] = getattr(import_module(module), attribute)
            return value
        if "_run" in state and not (name.startswith("__") and name.endswith("__")):
            state.pop("_origins")
            state.pop("_run")(self)
            if name in state:
                return state[name]
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        # `action` is a submodule and a name of the package's own: with its `__init__` run, the latter is left.
        if not (name in vars(self).get("_origins", ()) and isinstance(value, ModuleType)):
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*vars(self), *vars(self).get("_origins", ())} - {"_origins", "_run"})


def _read(tree: ast.Module) -> tuple[Origins, list[str]]:
    """Name -> (module, its name there), and `__all__`; nothing where the file does more than import and list names."""
    origins: Origins = {}
    exported: list[str] = []
    for node in tree.body:
        match node:
            case ast.ImportFrom(module=str(module), names=names, level=0) if names[0].name != "*":
                origins |= {alias.asname or alias.name: (module, alias.name) for alias in names}
            case ast.Assign(targets=[ast.Name("__all__")], value=ast.List()):
                exported = ast.literal_eval(node.value)
            case ast.Expr(ast.Constant()):
                pass
            case _:
                return {}, []
    origins.pop("annotations", None)
    return origins, exported
