"""The witness: a place outside this machine's reach that keeps every signed head it is shown."""

import fcntl
import os
import shlex
import subprocess
from pathlib import Path

from tocsin.journal import heads
from tocsin.journal.errors import WitnessUnknown
from tocsin.journal.values import Head
from tocsin.kernel.language import gettext as _

VARIABLE = "TOCSIN_WITNESS"
COMMAND_SECONDS_MAX = 30


def named() -> str:
    """Return the witness the operator chose: ``file:PATH``, ``command:PROGRAM ARGUMENTS``, or nothing."""
    return os.environ.get(VARIABLE, "").strip()


def file_of(witness: str) -> Path | None:
    """Return the file a witness keeps heads in, if it is one this machine can read back."""
    kind, _colon, rest = witness.partition(":")
    return Path(rest).expanduser() if kind == "file" and rest else None


def show(head: Head, *, witness: str) -> str:
    """Show a head to the witness; return an empty text, or in words why it did not take it."""
    kind, _colon, rest = witness.partition(":")
    if kind == "file" and rest:
        return _append(heads.line(head), to=Path(rest).expanduser())
    if kind == "command" and rest:
        return _pass(heads.line(head), to=shlex.split(rest))
    raise WitnessUnknown(
        _("The witness must be a file or a command."),
        where=VARIABLE,
        mend=_("Write file:/other/storage/heads.jsonl or command:/path/to/program."),
    )


def _append(line: str, *, to: Path) -> str:
    """Append one line and wait until it is on disk. The folder must be there: it may be a drive not attached."""
    try:
        descriptor = os.open(to, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            handle.write(line.encode() + b"\n")
            handle.flush()
            os.fsync(handle.fileno())
    except OSError as error:
        return str(error)
    return ""


def _pass(line: str, *, to: list[str]) -> str:
    """Give one line to a command's standard input; its exit code 0 means it was kept."""
    try:
        ended = subprocess.run(
            to, input=line + "\n", capture_output=True, text=True, timeout=COMMAND_SECONDS_MAX, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return "" if ended.returncode == 0 else (ended.stderr.strip() or f"exit code {ended.returncode}")
