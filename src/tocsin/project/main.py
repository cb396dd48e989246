"""The entry point: builds the wiring, hands it to the command line, and turns what went wrong into words."""

import errno
import os
import sys
from contextlib import AbstractContextManager
from importlib import import_module

import click

from tocsin import wiring
from tocsin.cli import program
from tocsin.cli.wired import RowsState
from tocsin.kernel import redaction
from tocsin.kernel.errors import TocsinError
from tocsin.kernel.language import gettext as _

_FULL = {errno.ENOSPC, errno.EDQUOT}
# What no command can foresee at every write, and a person mends: not a fault of ours, so no traceback.
_OF_THE_MACHINE = _FULL | {errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EMFILE}
INTERRUPTED = 130  # 128 + SIGINT, as shells count


def main() -> None:
    """Run the ``tocsin`` command and end the process with its exit code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code; every error a person can cause is said without a traceback."""
    try:
        return program.run(
            arguments, build=lambda: wiring.build(rows=_rows, rows_state=_rows_state, remove_rows=_remove_rows)
        )
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
    except OSError as error:
        if error.errno not in _OF_THE_MACHINE:
            raise
        _say(_refused_by_the_machine(error))
        return TocsinError.exit_code


def _refused_by_the_machine(error: OSError) -> TocsinError:
    where = str(error.filename or "")
    if error.errno in _FULL:
        mend = _("Free some space, or name another disk in TOCSIN_HOME.")
    else:
        mend = _("Look at its owner and rights, or name a folder of your own in TOCSIN_HOME.")
    return TocsinError(_("The system does not allow it: {why}.").format(why=error.strerror), where=where, mend=mend)


# Django and psycopg are loaded by the first command that needs rows, so that the others need not wait for them.
def _rows() -> AbstractContextManager[None]:
    opened: AbstractContextManager[None] = import_module("tocsin.project.database").opened()
    return opened


def _rows_state() -> RowsState:
    state: RowsState = import_module("tocsin.project.database_state").state()
    return state


def _remove_rows() -> None:
    import_module("tocsin.project.database_place").remove()


def _say(error: TocsinError) -> None:
    """Print what is wrong, where, and how to mend it, on standard error."""
    colour = False if os.environ.get("NO_COLOR") else None  # None: where there is a terminal
    where = click.style(redaction.printable(f"{error.where}: "), bold=True) if error.where else ""
    line = click.style(_("error: "), fg="red", bold=True) + where + redaction.printable(error.what)
    click.echo(line, err=True, color=colour)
    if error.mend:
        click.echo(redaction.printable(error.mend), err=True, color=colour)
