"""The entry point: builds the wiring, hands it to the command line, and turns what went wrong into words."""

import os
import sys
from contextlib import AbstractContextManager
from importlib import import_module

from rich.console import Console
from rich.text import Text

from tocsin import wiring
from tocsin.cli import program
from tocsin.cli.wired import RowsState
from tocsin.kernel import redaction
from tocsin.kernel.errors import TocsinError
from tocsin.kernel.language import gettext as _

INTERRUPTED = 130  # 128 + SIGINT, as shells count


def main() -> None:
    """Run the ``tocsin`` command and end the process with its exit code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code; every error a person can cause is said without a traceback."""
    try:
        return program.run(arguments, build=lambda: wiring.build(rows=_rows, rows_state=_rows_state))
    except TocsinError as error:
        _say(error)
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("\n" + _("interrupted, run the same command to go on") + "\n")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has gone (``tocsin ... | head``). Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


# Django and psycopg are loaded by the first command that needs rows, so that the others need not wait for them.
def _rows() -> AbstractContextManager[None]:
    opened: AbstractContextManager[None] = import_module("tocsin.project.database").opened()
    return opened


def _rows_state() -> RowsState:
    state: RowsState = import_module("tocsin.project.database_state").state()
    return state


def _say(error: TocsinError) -> None:
    """Print what is wrong, where, and how to mend it, on standard error."""
    console = Console(stderr=True, highlight=False)
    line = Text(_("error: "), style="bold red")
    if error.where:
        line.append(redaction.printable(f"{error.where}: "), style="bold")
    line.append(redaction.printable(error.what), style="not bold default")
    console.print(line, soft_wrap=True)
    if error.mend:
        console.print(Text(redaction.printable(error.mend)), soft_wrap=True)
