"""Becoming a driver of Ray without letting it change this process: signals, environment, output. Used by `cluster`."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


def job_config() -> Any:
    """Keeps our script's folder and working directory off the workers' sys.path, where Ray would put them first."""
    from ray.job_config import JobConfig

    config: Any = JobConfig()
    config._runtime_env_has_working_dir = lambda: True
    return config


def silenced() -> Callable[..., Any]:
    """Stop Ray from telling of dead workers on stdout, which may be ours to write JSON to; runs have that as outcome.

    Returns:
        What printed them.
    """
    from ray._private import worker

    printer: Callable[..., Any] = worker.print_to_stdstream
    worker.print_to_stdstream = lambda *args, **kwargs: None
    return printer


@contextmanager
def process_kept() -> Iterator[None]:
    """ray.init installs its own SIGTERM handler and its own breakpoint(); ours, or the user's, stay."""
    handler, hook = signal.getsignal(signal.SIGTERM), os.environ.get("PYTHONBREAKPOINT")
    try:
        yield
    finally:
        if hook is None:
            os.environ.pop("PYTHONBREAKPOINT", None)
        if threading.current_thread() is threading.main_thread() and handler is not None:
            signal.signal(signal.SIGTERM, handler)


@contextmanager
def token_set(token: str | None) -> Iterator[None]:
    """Let Ray's native part, which keeps what it once read, find the token in the environment.

    Not by os.environ: a local run may be going on in another thread, and what it sees there, and puts back when it
    ends, has nothing to do with us.
    """
    from ray import _raylet

    names = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token} if token is not None else {}
    for name, value in names.items():
        os.putenv(name, value)
    native: Any = _raylet
    native.Config.initialize("")
    native.AuthenticationTokenLoader.instance().reset_cache()
    try:
        yield
    finally:
        for name in names:
            if name in os.environ:
                os.putenv(name, os.environ[name])
            else:
                os.unsetenv(name)


@contextmanager
def loopback(wanted: bool) -> Iterator[None]:
    """Let Ray connect to 127.0.0.1 as such, and not to the address that others reach this machine by."""
    from ray._private import ray_constants

    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = before and not wanted
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before
