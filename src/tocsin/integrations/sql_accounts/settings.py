"""What staff say of a table of accounts: structured, so that no SQL is ever taken from a settings file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tocsin.containment.errors import SystemNotUnderstood
from tocsin.containment.values import MeasureKind
from tocsin.kernel.language import gettext as _, gettext_noop

SETTINGS: Mapping[str, str] = {
    "host": gettext_noop("the machine PostgreSQL runs on, or the folder of its socket"),
    "port": gettext_noop("its port; 5432 when not said"),
    "database": gettext_noop("the database the accounts are in"),
    "user": gettext_noop("the role Tocsin connects as; give it only the rights the measures need"),
    "sslmode": gettext_noop("as in libpq; verify-full when not said, disable for a socket"),
    "ca_file": gettext_noop("certificates to believe instead of the system's"),
    "preset": gettext_noop("django: the tables of Django's own accounts, and a table of flags (see the how-to)"),
    "accounts": gettext_noop(
        "{table, account, key}: the table, the column that holds the account, the one others refer to"
    ),
    "measures": gettext_noop("measure -> {set, undo, flag, delete, done}: what each measure does (see the how-to)"),
    "flag_table": gettext_noop("the table of flags of the preset; tocsin_must_change when not said"),
    "batch": gettext_noop("how many accounts are changed in one transaction; 20000 when not said"),
    "lock_timeout_seconds": gettext_noop("how long to wait for rows others hold; 10 when not said"),
    "timeout_seconds": gettext_noop("how long one statement may run; 300 when not said"),
    "old_password_grace_minutes": gettext_noop("for how long an old password is still taken after a change"),
}
SECRETS: Mapping[str, str] = {"password": gettext_noop("the password of the role; leave it out for a socket")}

SINCE = "since"  # a value {time: since} is the containment time
Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Table:
    """A table by the parts of its name, quoted only when a statement is made."""

    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Flag:
    """A row per flagged account in a table of the product: since when, and when it was done."""

    table: Table
    column: str
    since: str
    done: str


@dataclass(frozen=True, slots=True)
class Deleted:
    """Rows of a table (sessions, tokens) that go: those of the account, older than the containment time where known."""

    table: Table
    column: str
    created_at: str | None


@dataclass(frozen=True, slots=True)
class Effect:
    """What one measure does to one account, all in one transaction."""

    values: Mapping[str, Value] = field(default_factory=dict)  # column -> value
    times: tuple[str, ...] = ()  # columns set to the containment time
    undo: Mapping[str, Value] = field(default_factory=dict)
    flag: Flag | None = None
    deleted: tuple[Deleted, ...] = ()
    changed_at: str | None = None  # a column that says when the person did it


@dataclass(frozen=True, slots=True)
class Settings:
    """A database and its table of accounts."""

    connection: Mapping[str, str | int]
    accounts: Table
    account: str
    key: str
    effects: Mapping[MeasureKind, Effect]
    batch: int


def read(name: str, *, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> Settings:
    """Return the settings of the system ``name``; SystemNotUnderstood says which one is wrong."""
    reader = Reader(name)
    reader.only(settings, SETTINGS, where="")
    reader.only(secrets, SECRETS, where="")
    told = _django(reader, settings) if settings.get("preset") is not None else settings
    accounts = reader.mapping(told, "accounts")
    reader.only(accounts, ("table", "account", "key"), where="accounts")
    account = reader.column(accounts, "account", where="accounts")
    measures = reader.mapping(told, "measures")
    effects: dict[MeasureKind, Effect] = {}
    for word, effect in measures.items():
        known = {str(kind): kind for kind in MeasureKind if kind is not MeasureKind.NONE}
        if word not in known:
            raise reader.wrong(f"measures.{word}", _("There is no such measure."))
        effects[known[word]] = _effect(reader, effect, where=f"measures.{word}")
    if not effects:
        raise reader.wrong("measures", _("It names no measure."))
    return Settings(
        connection=_connection(reader, settings, secrets),
        accounts=reader.table(accounts, "table", where="accounts"),
        account=account,
        key=reader.column(accounts, "key", where="accounts", default=account),
        effects=effects,
        batch=reader.whole(settings, "batch", default=20_000, most=50_000),
    )


def _connection(reader: "Reader", settings: Mapping[str, Any], secrets: Mapping[str, str]) -> dict[str, str | int]:
    host = reader.text(settings, "host")
    local = host.startswith("/")
    lock = 1000 * reader.whole(settings, "lock_timeout_seconds", default=10, most=3600)
    statement = 1000 * reader.whole(settings, "timeout_seconds", default=300, most=86_400)
    made: dict[str, str | int] = {
        "host": host, "port": reader.whole(settings, "port", default=5432, most=65_535),
        "dbname": reader.text(settings, "database"), "user": reader.text(settings, "user"),
        "application_name": "tocsin", "connect_timeout": 15,
        "sslmode": reader.text(settings, "sslmode", default="disable" if local else "verify-full"),
        "options": f"-c lock_timeout={lock} -c statement_timeout={statement} -c timezone=UTC",
    }  # fmt: skip
    if settings.get("ca_file"):
        path = Path(reader.text(settings, "ca_file")).expanduser()
        if not path.is_file():
            raise reader.wrong("ca_file", _("There is no file {path}.").format(path=path))
        made["sslrootcert"] = str(path)
    elif not local and made["sslmode"] in ("verify-full", "verify-ca"):
        made["sslrootcert"] = "system"
    if secrets.get("password"):
        made["password"] = secrets["password"]
    return made


def _effect(reader: "Reader", told: Any, *, where: str) -> Effect:
    if not isinstance(told, Mapping):
        raise reader.wrong(where, _("It must say set, flag or delete."))
    reader.only(told, ("set", "undo", "flag", "delete", "done"), where=where)
    values, times = reader.values(told, "set", where=where)
    undo, late = reader.values(told, "undo", where=where)
    if late or set(undo) - set(values) - set(times):
        raise reader.wrong(f"{where}.undo", _("It may only give plain values for the columns that set changes."))
    deleted = told.get("delete", [])
    if not isinstance(deleted, Sequence) or isinstance(deleted, str):
        raise reader.wrong(f"{where}.delete", _("It must be a list."))
    effect = Effect(
        values=values, times=times, undo=undo, flag=_flag(reader, told, where=where),
        deleted=tuple(_deleted(reader, each, where=f"{where}.delete") for each in deleted),
        changed_at=reader.column(told, "done", where=where) if "done" in told else None,
    )  # fmt: skip
    if not (effect.values or effect.times or effect.flag or effect.deleted):
        raise reader.wrong(where, _("It must say set, flag or delete."))
    return effect


def _flag(reader: "Reader", told: Mapping[str, Any], *, where: str) -> Flag | None:
    if "flag" not in told:
        return None
    flag = reader.mapping(told, "flag", where=where)
    inner = f"{where}.flag"
    reader.only(flag, ("table", "column", "since", "done"), where=inner)
    return Flag(
        table=reader.table(flag, "table", where=inner), column=reader.column(flag, "column", where=inner),
        since=reader.column(flag, "since", where=inner), done=reader.column(flag, "done", where=inner),
    )  # fmt: skip


def _deleted(reader: "Reader", told: Any, *, where: str) -> Deleted:
    if not isinstance(told, Mapping):
        raise reader.wrong(where, _("Each must say table and column."))
    reader.only(told, ("table", "column", "created_at"), where=where)
    return Deleted(
        table=reader.table(told, "table", where=where), column=reader.column(told, "column", where=where),
        created_at=reader.column(told, "created_at", where=where) if "created_at" in told else None,
    )  # fmt: skip


def _django(reader: "Reader", settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the preset stands for. Django keeps no time of a change of password, so a table of flags does.

    Django's sessions are not found by account; a middleware that asks the table of flags ends them (see the how-to).
    """
    if settings["preset"] != "django":
        raise reader.wrong("preset", _("The only preset is django."))
    flag = {
        "table": settings.get("flag_table", "tocsin_must_change"), "column": "user_id", "since": "since_at",
        "done": "done_at",
    }  # fmt: skip
    accounts = {"table": "auth_user", "account": "username", "key": "id"} | dict(settings.get("accounts", {}))
    measures = {
        "reset_password": {"flag": flag},
        "suspend": {"set": {"is_active": False}, "undo": {"is_active": True}},
    } | dict(settings.get("measures", {}))
    return {"accounts": accounts, "measures": measures}


class Reader:
    """Reads one setting after the other and says which is wrong."""

    def __init__(self, name: str) -> None:
        self.name = name

    def wrong(self, setting: str, what: str) -> SystemNotUnderstood:
        """Return the error that names a setting."""
        mend = _("`tocsin connector kinds sql` explains every setting.")
        return SystemNotUnderstood(what, where=f"{self.name}: {setting}", mend=mend)

    def only(self, told: Mapping[str, Any], known: Any, *, where: str) -> None:
        """Refuse settings that are not known."""
        unknown = sorted(str(each) for each in set(told) - set(known))
        if unknown:
            raise self.wrong(f"{where}.{unknown[0]}".strip("."), _("There is no such setting."))

    def mapping(self, told: Mapping[str, Any], setting: str, *, where: str = "") -> Mapping[str, Any]:
        """Return a setting that must be a mapping."""
        value = told.get(setting)
        if not isinstance(value, Mapping):
            raise self.wrong(f"{where}.{setting}".strip("."), _("It must be a mapping."))
        return value

    def text(self, told: Mapping[str, Any], setting: str, *, where: str = "", default: str = "") -> str:
        """Return a setting that must be a text."""
        value = told.get(setting, default)
        if not isinstance(value, str) or not value or "\0" in value:
            raise self.wrong(f"{where}.{setting}".strip("."), _("It must be a text and not empty."))
        return value

    def column(self, told: Mapping[str, Any], setting: str, *, where: str, default: str = "") -> str:
        """Return the name of a column."""
        return self.text(told, setting, where=where, default=default)

    def table(self, told: Mapping[str, Any], setting: str, *, where: str) -> Table:
        """Return the name of a table; a dot parts it from its schema."""
        parts = tuple(self.text(told, setting, where=where).split("."))
        if len(parts) > 2 or not all(parts):
            raise self.wrong(f"{where}.{setting}", _("It must be like accounts or public.accounts."))
        return Table(parts)

    def whole(self, told: Mapping[str, Any], setting: str, *, default: int, most: int) -> int:
        """Return a setting that must be a whole number."""
        value = told.get(setting, default)
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
            raise self.wrong(setting, _("It must be a whole number from 1 to {most}.").format(most=most))
        return value

    def values(self, told: Mapping[str, Any], setting: str, *, where: str) -> tuple[dict[str, Value], tuple[str, ...]]:
        """Return the columns given plain values, and those given the containment time."""
        if setting not in told:
            return {}, ()
        given = self.mapping(told, setting, where=where)
        times = tuple(column for column, value in given.items() if value == {"time": SINCE})
        plain = {column: value for column, value in given.items() if column not in times}
        if not all(value is None or isinstance(value, str | int | float) for value in plain.values()):
            raise self.wrong(f"{where}.{setting}", _("Values are texts, numbers, true, false, null or {time: since}."))
        return plain, times
