"""The command group: a command's module loads when it is called, errors become exit codes.

0 ok, 1 a bug, 2 bad input, 3 does not fit, 4 the surroundings failed, 130 interrupted.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from importlib import import_module
from importlib.metadata import entry_points
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from hwsim.errors import HwsimError, InputError, SurroundingsError

COMMANDS = (
    *("estimate", "simulate", "sweep", "search", "sensitivity", "compare"),
    *("cluster", "hardware", "software", "workload"),
)
GROUP = "hwsim.commands"
INTERRUPTED = 130
FULL = "this machine has too little left"


class LazyGroup(TyperGroup):
    """Built-in commands by module name, others by entry point."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        return [*COMMANDS, *sorted(point.name for point in entry_points(group=GROUP))]

    def get_command(self, ctx: Any, name: str) -> Any:  # noqa: ARG002
        if name in COMMANDS:
            app = import_module(f"hwsim.cli.{name}").app
        else:
            found = [point for point in entry_points(group=GROUP) if point.name == name]
            if not found:
                return None
            app = found[0].load()
        command = typer.main.get_command(app)
        command.name = name
        return command


app = typer.Typer(
    cls=LazyGroup,
    pretty_exceptions_enable=False,
    help="How long a model takes to train on a machine, and what must change so that a larger "
    "one trains faster.",
)


@app.callback(invoke_without_command=True)
def _options(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print it and stop.")] = False,
) -> None:
    if version:
        from importlib.metadata import version as installed

        print(installed("hwsim"))
    elif context.invoked_subcommand is None:
        print(context.get_help())


def main(arguments: list[str] | None = None) -> None:
    """Run a command line and exit with its code."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # what its encoding has not is escaped
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """The exit code of a command line; messages on stderr, no traceback for what is foreseen."""
    try:
        code: Any = app(arguments, prog_name="hwsim", standalone_mode=False)
        if code == INTERRUPTED:
            raise KeyboardInterrupt
        sys.stdout.flush()
    except HwsimError as error:
        return _report(error)
    except typer.TyperException as error:
        message = error.format_message().rstrip(".")  # empty where help was printed instead
        if not message:
            return InputError.exit_code
        return _report(InputError("", message, "add --help to see what there is"))
    except (typer.Abort, KeyboardInterrupt):
        print("interrupted", file=sys.stderr)
        # Ctrl-C inside an exec of text (as dataclasses do) makes Python die of the signal at its
        # end although it was caught; another exec takes that back (pythonrun.c, run_eval_code_obj).
        exec("")
        return INTERRUPTED
    except SystemExit as stop:
        # rich leaves so where the reader went away; its output is silenced already.
        if not isinstance(stop.__context__, BrokenPipeError):
            raise
        return 0
    except BrokenPipeError:
        # The reader went away (`| head`): nothing to say, and nothing to flush at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except MemoryError:
        return _report(SurroundingsError("memory", FULL, "write smaller sizes, or free some"))
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            raise
        return _report(SurroundingsError(str(error.filename or "output"), str(error.strerror)))
    return code if isinstance(code, int) else 0


def _report(error: HwsimError) -> int:
    print(f"error: {error}", file=sys.stderr)
    return error.exit_code
