"""The program: its verbs and its exit. A verb's module is imported only when that verb is used."""

import os
import sys
from importlib import import_module
from typing import Any

import click

import synapse_spec
from synapse_spec.cli.exits import guarded

# Verb -> (module, what it does); the order is that of --help.
VERBS = {
    "apply": ("apply", "Run what is due and write the statuses."),
    "plan": ("plan", "Show what would run, and why."),
    "validate": ("validate", "Check specs and report every problem."),
    "status": ("status", "Show the status of runs."),
    "logs": ("logs", "Show what a run wrote."),
    "cancel": ("cancel", "Stop a run that is at work."),
    "accept": ("accept", "Take a change as done, without running it."),
    "history": ("history", "Show how the attempts of a run ended."),
    "diff": ("diff", "Show what has changed since a run was applied."),
    "run": ("run", "Run one action of a plugin, without a spec."),
    "inspect": ("inspect", "Show what a plugin offers."),
    "init": ("init", "Write a new spec, with what is known of each param."),
    "import-sdk-run": ("import_sdk_run", "Turn a run of synapse-sdk's command line into a spec."),
    "explain": ("explain", "Explain a diagnostic, an action, a param, a field."),
    "set": ("set", "Change values in a spec, and keep its comments and layout."),
    "schema": ("schema", "Export JSON Schemas, or check that they are fresh."),
    "cluster": ("cluster", "Keep a warm Ray on this machine."),
}


class Program(click.Group):
    """A group that knows its verbs without importing them, and exits by our codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in VERBS:
            return None
        command: click.Command = import_module(f"synapse_spec.cli.{VERBS[name][0]}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, words) for name, (_, words) in VERBS.items()])

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches

            near = get_close_matches(args[0], VERBS, 1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(f"No such command {args[0]!r}.{hint}", ctx=error.ctx) from None

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # click would call it a failure
            from synapse_spec.cli.output import no_more_output

            no_more_output()

    def main(self, args: Any = None, prog_name: str | None = None, *_: Any, **more: Any) -> Any:
        """Run a command line and exit, or return what its command returns if `standalone_mode` is false."""

        def run() -> Any:
            return super(Program, self).main(args, prog_name, **(more | {"standalone_mode": False}))

        return run() if not more.get("standalone_mode", True) else sys.exit(guarded(run))


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(synapse_spec.__version__, prog_name="synapse", message="%(prog)s %(version)s")
@click.option("--color/--no-color", default=None, help="Colour, or none; by default on a terminal without NO_COLOR.")
@click.pass_context
def program(ctx: click.Context, color: bool | None) -> None:
    """Run plugin actions declaratively: validate run specs, run what is due, write what happened beside the spec."""
    # NO_COLOR: https://no-color.org, any value that is not empty.
    ctx.color = color if color is not None else (False if os.environ.get("NO_COLOR") else None)


def main() -> None:
    _open_what_is_closed()
    own = os.path.basename(sys.argv[0]).partition(".")[0]
    program(prog_name=own if own == "synapse-spec" else "synapse")  # another package may own the first name


def _open_what_is_closed() -> None:
    """Started with a standard stream closed (`>&-`), the next file we open would stand in for it."""
    descriptor = os.open(os.devnull, os.O_RDWR)
    while descriptor <= 2:
        descriptor = os.open(os.devnull, os.O_RDWR)
    os.close(descriptor)
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - for as long as we live
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
