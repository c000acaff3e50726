"""PluginEnvironment: typed reads of the environment an action sees."""

import os
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

_TRUE = frozenset({"1", "true", "yes", "on", "y", "t"})
_FALSE = frozenset({"0", "false", "no", "off", "n", "f", ""})


class PluginEnvironment:
    """A mapping of names to values with typed getters.

    The getters return `default` for a missing name and raise ValueError, naming the variable, for a value that
    cannot be read as asked.
    """

    def __init__(self, data: dict[str, Any] | None = None) -> None:
        self._data = dict(data or {})

    @classmethod
    def from_environ(cls, prefix: str = "", *, prefixes: tuple[str, ...] | None = None) -> "PluginEnvironment":
        """Values of `os.environ` whose names start with `prefix` (or one of `prefixes`), names without it."""
        wanted = prefixes if prefixes is not None else (prefix,)
        return cls(
            {
                name.removeprefix(start): value
                for name, value in os.environ.items()
                for start in wanted
                if name.startswith(start)
            }
        )

    @classmethod
    def from_file(cls, path: str | Path) -> "PluginEnvironment":
        """Values of a TOML file.

        Raises:
            FileNotFoundError: No such file.
            tomllib.TOMLDecodeError: It is not TOML.
        """
        return cls(tomllib.loads(Path(path).read_text(encoding="utf-8")))

    @classmethod
    def merge(cls, *envs: "PluginEnvironment") -> "PluginEnvironment":
        """All of them in one; a later one wins."""
        merged: dict[str, Any] = {}
        for env in envs:
            merged |= env.to_dict()
        return cls(merged)

    def get(self, key: str, default: Any = None) -> Any:
        return self._data.get(key, default)

    def get_str(self, key: str, default: str | None = None) -> str | None:
        value = self._data.get(key)
        return default if value is None else str(value)

    def get_int(self, key: str, default: int | None = None) -> int | None:
        return self._read(key, default, int, "int")

    def get_float(self, key: str, default: float | None = None) -> float | None:
        return self._read(key, default, float, "float")

    def get_bool(self, key: str, default: bool | None = None) -> bool | None:
        return self._read(key, default, _to_bool, "bool")

    def get_list(self, key: str, default: list[Any] | None = None) -> list[Any] | None:
        """A list as it is; a string split at commas, without blanks and empty parts."""
        return self._read(key, default, _to_list, "list")

    def to_dict(self) -> dict[str, Any]:
        return dict(self._data)

    def __contains__(self, key: str) -> bool:
        return key in self._data

    def __getitem__(self, key: str) -> Any:
        return self._data[key]

    def _read[T](self, key: str, default: T | None, convert: Callable[[Any], T], kind: str) -> T | None:
        value = self._data.get(key)
        if value is None:
            return default
        try:
            return convert(value)
        except (TypeError, ValueError):
            raise ValueError(f"environment variable {key} is {value!r}: not a valid {kind}") from None


def _to_bool(value: Any) -> bool:
    if isinstance(value, str):
        word = value.strip().lower()
        if word in _TRUE:
            return True
        if word in _FALSE:
            return False
        raise ValueError(value)
    return bool(value)


def _to_list(value: Any) -> list[Any]:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return list(value)
