"""Outcomes of cases by the SDK itself and by us, in processes of their own, in one form.

An outcome is {"ok": True, "result": …} or {"ok": False, "refused": whether the params were, "type": …, "message": …}.
Run as a script (`outcomes.py theirs|ours FOLDER…`) it prints those of local runs of the cases in the folders.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__)
ROOT = HERE.parents[2]

Outcomes = dict[str, dict[str, Any]]


def local(who: str, *, eager: bool = False, folders: list[Path] | None = None) -> Outcomes:
    """Those of all cases, by "theirs" or "ours"."""
    names = [str(folder) for folder in folders or sorted(HERE.parent.glob("plugins/*/"))]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", HERE, who, *names],
        env=clean_environ() | {"SYNAPSE_SDK_EAGER": "1" if eager else "0"},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line.removeprefix("outcome ") for line in done.stdout.splitlines() if line.startswith("outcome ")]
    return {name: outcome for line in lines for name, outcome in json.loads(line).items()}


def clean_environ() -> dict[str, str]:
    """Without credentials, and with nothing of ours that the SDK would read."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SYNAPSE_")}
    return kept | {"HOME": str(HERE.parent), "PYTHONDONTWRITEBYTECODE": "1"}


def of_theirs(perform: Any) -> dict[str, Any]:
    """The outcome of a call that returns and raises as the SDK does."""
    from pydantic import BaseModel, ValidationError

    try:
        result = perform()
    except Exception as error:
        cause = error.__cause__ or error
        refused = isinstance(cause, ValidationError)
        return {"ok": False, "refused": refused, "type": type(cause).__name__, "message": str(cause)}
    if isinstance(result, BaseModel):
        result = result.model_dump(mode="json")
    return {"ok": True, "result": json.loads(json.dumps(result, default=_dumped))}


def _dumped(value: Any) -> Any:
    return value.model_dump(mode="json") if hasattr(value, "model_dump") else str(value)


def of_ours(perform: Any) -> dict[str, Any]:
    """The outcome of a call that returns and raises as we do."""
    from synapse_spec.plugins.errors import PluginError

    try:
        return {"ok": True, "result": perform()}
    except PluginError as error:
        details = error.details if isinstance(error.details, dict) else {}
        reason = details.get("reason", "InvalidParams" if isinstance(error.details, list) else type(error).__name__)
        return {
            "ok": False,
            "refused": reason == "InvalidParams",
            "reason": reason,
            "type": details.get("type"),
            "message": details.get("message", error.message),
        }


def _printed(who: str, folder: Path) -> None:
    for case in json.loads((folder / "cases.json").read_text(encoding="utf-8")):
        env = os.environ | case.get("env", {})
        run = _their_run if who == "theirs" else _our_run
        outcome = (of_theirs if who == "theirs" else of_ours)(lambda: run(folder, case, env))  # noqa: B023
        print("\noutcome " + json.dumps({f"{folder.name}: {case['name']}": outcome}), flush=True)


def _their_run(folder: Path, case: dict[str, Any], env: dict[str, str]) -> Any:
    from synapse_sdk.plugins.runner import run_plugin

    return run_plugin(str(folder), case["action"], case["params"], env=dict(env))


def _our_run(folder: Path, case: dict[str, Any], env: dict[str, str]) -> Any:
    from synapse_spec.plugins.runner import run_plugin

    return run_plugin(folder, case["action"], case["params"], env=case.get("env"), working_dir=folder)


def _each(who: str, folders: list[Path]) -> Iterator[Path]:
    """Ours share a process; the SDK needs one for each plugin, in its folder and with that on sys.path."""
    if who == "ours":
        yield from folders
        return
    import synapse_sdk.plugins.runner  # noqa: F401 - once, before the forks

    for folder in folders:
        sys.stdout.flush()
        if os.fork() == 0:
            os.chdir(folder)
            sys.path.insert(0, str(folder))
            yield folder
            sys.stdout.flush()
            os._exit(0)
        os.wait()


if __name__ == "__main__":
    sys.path[0] = str(ROOT)
    for each in _each(sys.argv[1], [Path(name) for name in sys.argv[2:]]):
        _printed(sys.argv[1], each)
