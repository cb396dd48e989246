"""The private PostgreSQL: made once, started by the first command that needs rows, stopped by the last one."""

import fcntl
import os
import secrets
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tocsin.kernel.language import gettext as _
from tocsin.project import database_place
from tocsin.project.database_place import Place
from tocsin.project.errors import DatabaseUnavailable

ROLE = "tocsin"
DATABASE = "tocsin"
_IDENT_MAP = "tocsin"
FIRST_WORD_SECONDS = 5  # a start that takes longer is explained
NEXT_WORD_SECONDS = 30
START_SECONDS_MAX = 3600  # replaying what a killed server left can take minutes
POLL_SECONDS = 0.2
SILENCE_SECONDS_MAX = 20
REMAINS_SECONDS_MAX = 60  # processes of a killed server end within moments, unless they are in the middle of something
EMPTY_SECONDS_MAX = 2  # a server that is starting fills its file of the process number within moments
_ACCEPTING, _NO_ANSWER = 0, 2  # exit codes of pg_isready; 1 is rejecting: starting up or shutting down
_NO_SUCH_PROCESS = 2**31 - 1  # above every process number Linux and macOS give out


@contextmanager
def running(place: Place) -> Iterator[None]:
    """Keep the server running for the length of a block; it is reached by the socket in ``place.socket_folder``.

    Each user of the server holds a shared lock on ``holders.lock``; the operating system drops it however a process
    ends. Whoever leaves and gets that lock alone was the last, and stops the server. Starting and stopping happen under
    ``starting.lock``, so two commands that start at once find one server.
    """
    holders, starting = place.base / "holders.lock", place.base / "starting.lock"
    with database_place.locked(holders, fcntl.LOCK_SH) as holding:
        try:
            with database_place.locked(starting, fcntl.LOCK_EX):
                _write_access_rules(place)
                if not place.data.exists():
                    _make_cluster(place)
                _start(place)
            yield
        finally:
            with database_place.locked(starting, fcntl.LOCK_EX):
                fcntl.flock(holding, fcntl.LOCK_UN)
                if _nobody_holds(holders):
                    _stop(place)


def _nobody_holds(path: Path) -> bool:
    try:
        with database_place.locked(path, fcntl.LOCK_EX | fcntl.LOCK_NB):
            return True
    except BlockingIOError:
        return False


def _write_access_rules(place: Place) -> None:
    """Say who may enter: over the socket only, only whom the operating system says to be us or the server's user."""
    names = sorted({place.runner.name, database_place.user_name()})
    hba = f"local all all peer map={_IDENT_MAP}\n"
    ident = "".join(f'{_IDENT_MAP} "{name}" {ROLE}\n' for name in names)
    for name, text in (("pg_hba.conf", hba), ("pg_ident.conf", ident)):
        path = place.base / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            aside = path.with_name(f".{name}.{secrets.token_hex(8)}")
            aside.write_text(text, encoding="utf-8")
            aside.chmod(0o644)  # the server's user reads it; the folder keeps everybody else's hands off
            aside.rename(path)


def _make_cluster(place: Place) -> None:
    """Run initdb into a folder aside and rename it into place: a half-made cluster is never used."""
    for left_over in place.data.parent.glob("making-*"):
        shutil.rmtree(left_over)
    _say(_("Making the private database (once, a few seconds)."))
    aside = place.data.parent / f"making-{secrets.token_hex(8)}"
    made = place.run(
        "initdb", "--pgdata", aside, "--username", ROLE, "--encoding", "UTF8", "--locale-provider", "builtin",
        "--builtin-locale", "C.UTF-8", "--locale", "C", "--auth-local", "peer", "--auth-host", "reject",
    )  # fmt: skip
    if made.returncode != 0:
        shutil.rmtree(aside, ignore_errors=True)
        raise DatabaseUnavailable(
            _("The private database could not be made: {error}").format(error=made.stderr.strip()[-500:]),
            where=place.base,
            mend=_("Mend what it says (often a full disk), then try again."),
        )
    aside.rename(place.data)


def _start(place: Place) -> None:
    """Start the server unless it runs, and wait until it answers; a recovery that takes minutes is said on stderr."""
    if _process_lives(place) and not _names_a_stranger(_number_file(place)) and _answers(place):
        return
    for path in (_number_file(place), place.socket_folder / f"{database_place.SOCKET_NAME}.lock"):
        if _names_a_stranger(path):
            _forget_dead_server(path)
    _clear_empty(_number_file(place))
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": str(place.socket_folder),
        "unix_socket_permissions": "0700",
        "hba_file": str(place.base / "pg_hba.conf"),
        "ident_file": str(place.base / "pg_ident.conf"),
        "max_connections": "50",
        "shared_buffers": "128MB",
        # A burst of messages writes its pages to the log whole once, not again after each checkpoint.
        "max_wal_size": "2GB",
        "checkpoint_timeout": "15min",
        # Its rows are in memory or on a disk without arms; and no statement here runs so long that compiling it pays.
        "random_page_cost": "1.1",
        "jit": "off",
        "timezone": "UTC",
    }
    options = " ".join(shlex.quote(f"--{name}={value}") for name, value in settings.items())
    if place.log.exists() and place.log.stat().st_size > 1_000_000:
        place.log.rename(place.log.with_suffix(".log.1"))
    arguments = ("start", "--pgdata", place.data, "--log", place.log, "--options", options, "-w")
    began = time.monotonic()
    while _wait(place.process("pg_ctl", *arguments, "-t", str(START_SECONDS_MAX))) != 0:
        if not _is_held_by_remains(place) or time.monotonic() - began > REMAINS_SECONDS_MAX:
            raise _not_started(place)
        time.sleep(POLL_SECONDS)


def _process_lives(place: Place) -> bool:
    return place.run("pg_ctl", "status", "--pgdata", place.data).returncode == 0


def _answers(place: Place) -> bool:
    """Wait for a server that a killed command left starting, recovering or stopping; whether it answers in the end."""
    began, next_word = time.monotonic(), FIRST_WORD_SECONDS
    while (state := place.run("pg_isready", "--host", place.socket_folder).returncode) != _ACCEPTING:
        if state == _NO_ANSWER and (not _process_lives(place) or _names_a_stranger(_number_file(place))):
            return False
        waited = round(time.monotonic() - began)
        if waited > START_SECONDS_MAX:
            raise _not_started(place)
        if state == _NO_ANSWER and waited > SILENCE_SECONDS_MAX:
            _stop(place)  # its socket was cleaned away, so nobody can ever reach it again
            return False
        if waited >= next_word:
            next_word = waited + NEXT_WORD_SECONDS
            _say_waiting(waited)
        time.sleep(POLL_SECONDS)
    return True


def _wait(starting: subprocess.Popen[str]) -> int:
    seconds, next_word = 0, FIRST_WORD_SECONDS
    while True:
        try:
            return starting.wait(timeout=next_word)
        except subprocess.TimeoutExpired:
            seconds, next_word = seconds + next_word, NEXT_WORD_SECONDS
            _say_waiting(seconds)


def _say_waiting(seconds: int) -> None:
    words = _("The private database is putting itself in order after an interruption; waiting, {seconds} s so far.")
    _say(words.format(seconds=seconds))


def _is_held_by_remains(place: Place) -> bool:
    """Whether it did not start because processes of a server that was killed have not all noticed that yet."""
    return any("pre-existing shared memory block" in line for line in _last_lines(place))


def _last_lines(place: Place) -> list[str]:
    return place.log.read_text(encoding="utf-8", errors="replace").splitlines()[-5:] if place.log.exists() else []


def _not_started(place: Place) -> DatabaseUnavailable:
    last = _last_lines(place)
    return DatabaseUnavailable(
        _("The private database did not start: {lines}").format(lines=" / ".join(last)),
        where=place.log,
        mend=_("Mend what its last lines say, then try again; nothing in it was changed."),
    )


def _number_file(place: Place) -> Path:
    return place.data / "postmaster.pid"


def _names_a_stranger(path: Path) -> bool:
    """Whether the process number a server left in a file is no server's any more; one that is ending removes it."""
    with suppress(FileNotFoundError, ValueError):
        return not _is_postgres(int(path.read_text(encoding="utf-8").split("\n", 1)[0]))
    return False


def _is_postgres(number: int) -> bool:
    """Whether a process is a PostgreSQL, or has just ended as one may; after a restart its number may be anybody's.

    One that was killed in a container where nobody waits for it keeps its number for ever, and is none any more.
    """
    if Path("/proc/self/stat").exists():
        try:
            told = Path(f"/proc/{number}/stat").read_text(encoding="utf-8", errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            return True
        name, _, state = told.rpartition(")")  # "7 (postgres) S ..."; a name may hold brackets
        return "postgres" in name and state.split()[0] != "Z"
    named = subprocess.run(["/bin/ps", "-o", "comm=", "-p", str(number)], capture_output=True, text=True, check=False)
    return named.returncode != 0 or "postgres" in named.stdout


def _forget_dead_server(path: Path) -> None:
    """Put an impossible process number in ``postmaster.pid`` or its like beside the socket.

    PostgreSQL would refuse to start beside it. Its other guard, the shared memory named in the first file, stays.
    """
    try:
        _number, _, rest = path.read_text(encoding="utf-8").partition("\n")
        descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return  # a server that was ending has removed it
    replaced = f"{_NO_SUCH_PROCESS}\n{rest}"
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        handle.write(replaced)


def _clear_empty(path: Path) -> None:
    """Remove an empty ``postmaster.pid``, which a power cut leaves and PostgreSQL refuses to start beside."""
    began = time.monotonic()
    with suppress(FileNotFoundError):
        while path.stat().st_size == 0:
            if time.monotonic() - began > EMPTY_SECONDS_MAX:
                path.unlink()
                return
            time.sleep(POLL_SECONDS)


def _stop(place: Place) -> None:
    """Stop the server, ending what is left of it quickly and cleanly; one that is already gone is fine."""
    place.run("pg_ctl", "stop", "--pgdata", place.data, "--mode", "fast", "-w", "-t", "60")


def _say(words: str) -> None:
    sys.stderr.write(words + "\n")
    sys.stderr.flush()
