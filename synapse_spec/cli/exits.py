"""Exit codes, and the one place that turns what went wrong into a message and a code. Used by `main` alone."""

import os
import signal
import sys
import traceback
from collections.abc import Callable

import click

import synapse_spec

OK, RUN_FAILED, WOULD_RUN, INVALID, GAVE_UP, LOCKED, UNREACHABLE = range(7)
USAGE, DEFECT, INTERRUPTED = 64, 70, 130


def guarded(command: Callable[[], object]) -> int:
    """Run a command; its exit code, whatever happens. Nobody sees a traceback of ours, except as a defect's report."""
    from synapse_spec.plugins.errors import PluginError

    try:
        code = command()
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.UsageError as error:
        error.show()
        return USAGE
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # we are on our way
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except PluginError as error:
        return _plugin_error(error)
    except Exception as error:
        return _other(error)
    return code if isinstance(code, int) else OK


def _plugin_error(error: Exception) -> int:
    details = getattr(error, "details", None)
    place = f"{os.path.relpath(details['path'])}: " if isinstance(details, dict) and details.get("path") else ""
    _say(f"{place}{error}")
    return UNREACHABLE if type(error).__name__ == "ClusterUnreachable" else INVALID


def _other(error: Exception) -> int:
    from synapse_spec.cli.output import show_diagnostics
    from synapse_spec.engine.locks import LockHeld
    from synapse_spec.spec.diagnostics import InvalidSpec

    if isinstance(error, InvalidSpec):
        show_diagnostics(error.diagnostics)
        return INVALID
    if isinstance(error, LockHeld):
        _say(str(error))
        return LOCKED
    if isinstance(error, OSError) and error.filename is not None:
        _say(f"{error.filename}: {error.strerror}")
        return INVALID
    _say("this is a defect of synapse; please report it with what follows")
    click.echo(f"synapse {synapse_spec.__version__}, Python {sys.version.split()[0]}, {sys.platform}", err=True)
    click.echo("".join(traceback.format_exception(error)), err=True)
    return DEFECT


def _say(message: str) -> None:
    click.echo(f"{click.style('error:', fg='red', bold=True)} {message}", err=True)
