"""Connections to a directory, worked with side by side, and its entries of accounts."""

import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

import ldap3
from ldap3.core.exceptions import LDAPException
from ldap3.utils.conv import escape_filter_chars

from tocsin.containment.errors import SystemNotUnderstood, SystemUnreachable
from tocsin.integrations.ldap.settings import Settings
from tocsin.kernel.language import gettext as _

PAGE_SIZE = 500  # below the usual limit of a directory's answers (RFC 2696 pages)
NAMES_AT_ONCE = 100  # accounts asked for in one search
LOCKED_FOR_EVER = "000001010000Z"  # draft-behera-ldap-password-policy-11, section 5.3.3
POLICY_CONTROL = "1.3.6.1.4.1.42.2.27.8.5.1"  # the same, section 6.1
_RESET, _CHANGED, _LOCKED = "pwdReset", "pwdChangedTime", "pwdAccountLockedTime"
FAILURES = (LDAPException, OSError)

SUCCESS = 0
TIME_LIMIT, SIZE_LIMIT, BUSY, UNAVAILABLE = 3, 4, 51, 52
NO_SUCH_OBJECT, INVALID_CREDENTIALS, NO_RIGHT = 32, 49, 50
PASSING = frozenset({TIME_LIMIT, BUSY, UNAVAILABLE})

Part = TypeVar("Part")
Made = TypeVar("Made")


class TooMany(SystemNotUnderstood):
    """The directory limits how many entries we may see in one search."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as the directory shows it now. ``changed_at`` is when its password was last changed, to the second."""

    dn: str
    values: tuple[str, ...]  # of the account attribute
    reset: bool
    changed_at: datetime | None
    locked: bool


class Directory:
    """A directory and the connections that are open to it. ``close`` them at the end; a broken one is thrown away."""

    def __init__(self, name: str, *, settings: Settings, password: str) -> None:
        self.name = name
        self.settings = settings
        self._password = password
        self._idle: SimpleQueue[Any] = SimpleQueue()
        tls = ldap3.Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=settings.ca_file)
        self._server = ldap3.Server(
            settings.host, port=settings.port, use_ssl=settings.use_ssl, tls=tls, get_info=ldap3.NONE,
            connect_timeout=settings.timeout_seconds,
        )  # fmt: skip

    @contextmanager
    def connection(self) -> Iterator[Any]:
        """Lend a bound connection to one thread at a time."""
        try:
            connection = self._idle.get_nowait()
        except Empty:
            connection = self._opened()
        try:
            yield connection
        except FAILURES:
            self._drop(connection)
            raise
        else:
            self._idle.put(connection)

    def close(self) -> None:
        """Close every idle connection."""
        while True:
            try:
                self._drop(self._idle.get_nowait())
            except Empty:
                return

    def _drop(self, connection: Any) -> None:
        with suppress(*FAILURES):  # it may be broken, which is why it is dropped
            connection.unbind()
        if connection.socket is not None:  # ldap3 leaves the socket of a connection that never came about
            connection.socket.close()

    def _opened(self) -> Any:
        settings = self.settings
        connection = ldap3.Connection(
            self._server, user=settings.bind_dn, password=self._password, client_strategy=ldap3.SAFE_SYNC,
            receive_timeout=settings.timeout_seconds, auto_referrals=False, check_names=False, raise_exceptions=False,
        )  # fmt: skip
        try:
            connection.open()
            if settings.starttls:
                connection.start_tls()
            done, result, _response, _request = connection.bind()
        except FAILURES as error:
            self._drop(connection)
            raise self.unreachable(error) from error
        if not done:
            self._drop(connection)
            if result["result"] in PASSING:
                raise self.unreachable(str(result["description"]))
            raise SystemNotUnderstood(
                _("The directory does not let Tocsin in: {answer}.").format(answer=result["description"]),
                where=self.name,
                mend=_("Check bind_dn and the password: tocsin connector check {name}").format(name=self.name),
            )
        return connection

    def unreachable(self, error: BaseException | str) -> SystemUnreachable:
        """Return the error that says that the whole directory does not answer; never with what was sent to it."""
        reason = error if isinstance(error, str) else type(error).__name__
        return SystemUnreachable(
            _("The directory {host} does not answer ({reason}).").format(host=self.settings.host, reason=reason),
            where=self.name,
            mend=_("Check that it runs, its address and its certificate: tocsin connector check {name}").format(
                name=self.name
            ),
        )

    def side_by_side(self, parts: Sequence[Part], *, act: Callable[[Part], Made]) -> Iterator[Made]:
        """Yield what ``act`` makes of each part as soon as it is made, on as many connections as the settings say."""
        with ThreadPoolExecutor(max_workers=self.settings.connections) as pool:
            waiting: set[Future[Made]] = {pool.submit(act, part) for part in parts}
            try:
                while waiting:
                    made, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    for each in made:
                        yield each.result()
            finally:
                for each in waiting:
                    each.cancel()

    def entries(self, connection: Any, *, accounts: Sequence[str]) -> dict[str, list[Entry]]:
        """Return the entries of each account, asked in searches of at most a hundred names.

        Directories compare names without regard to case: an entry is the account's whose name it has to the letter,
        else that of the only one asked for with the same letters.
        """
        attribute = self.settings.account_attribute
        by_value = {self.settings.value_of(account): account for account in accounts}
        folded: dict[str, list[str]] = {}
        for value, account in by_value.items():
            folded.setdefault(value.casefold(), []).append(account)
        found: dict[str, list[Entry]] = {account: [] for account in accounts}
        values = list(by_value)
        for start in range(0, len(values), NAMES_AT_ONCE):
            asked = "".join(
                f"({attribute}={escape_filter_chars(value)})" for value in values[start : start + NAMES_AT_ONCE]
            )
            for entry in self.search(connection, f"(|{asked})"):
                owners = {by_value[value] for value in entry.values if value in by_value}
                if not owners:
                    same = {account for value in entry.values for account in folded.get(value.casefold(), ())}
                    owners = same if len(same) == 1 else set()
                for account in owners:
                    found[account].append(entry)
        return found

    def search(self, connection: Any, condition: str) -> Iterator[Entry]:
        """Yield every account's entry that meets a condition, in pages, so that no limit of an answer cuts it short."""
        settings = self.settings
        attributes = [settings.account_attribute, _RESET, _CHANGED, _LOCKED]
        cookie: bytes | None = None
        while True:
            answered: tuple[bool, dict[str, Any], list[dict[str, Any]] | None, Any] = connection.search(
                settings.base, f"(&{settings.filter}{condition})", search_scope=ldap3.SUBTREE, attributes=attributes,
                paged_size=PAGE_SIZE, paged_cookie=cookie,
            )  # fmt: skip
            _done, result, response, _request = answered
            if result["result"] != SUCCESS:
                raise self._refused(result)
            for each in response or ():
                if each.get("type") == "searchResEntry":
                    yield self._entry(each)
            cookie = result.get("controls", {}).get("1.2.840.113556.1.4.319", {}).get("value", {}).get("cookie")
            if not cookie:
                return

    def changed(self, connection: Any, *, since: datetime, until: datetime) -> Iterator[Entry]:
        """Yield every account whose password was changed from ``since`` to ``until`` and may stay as it is.

        Where the server limits even the sum of all pages (OpenLDAP's size.prtotal), the time is halved until it fits.
        """
        span = f"(pwdChangedTime>={written(since)})(pwdChangedTime<={written(until)})"
        try:
            found = list(self.search(connection, f"(&{span}(!(pwdReset=TRUE)))"))
        except TooMany:
            if until - since < timedelta(seconds=2):
                raise
            middle = since + (until - since) / 2
            yield from self.changed(connection, since=since, until=middle)
            yield from self.changed(connection, since=middle.replace(microsecond=0) + timedelta(seconds=1), until=until)
        else:
            yield from found

    def _entry(self, found: Mapping[str, Any]) -> Entry:
        raw: dict[str, list[bytes]] = {name.lower(): values for name, values in found["raw_attributes"].items()}

        def texts(name: str) -> tuple[str, ...]:
            return tuple(value.decode("utf-8", "replace") for value in raw.get(name.lower(), ()))

        changed = texts(_CHANGED)
        return Entry(
            dn=str(found["dn"]), values=texts(self.settings.account_attribute), reset=texts(_RESET) == ("TRUE",),
            changed_at=moment(changed[0]) if changed else None, locked=texts(_LOCKED) == (LOCKED_FOR_EVER,),
        )  # fmt: skip

    def _refused(self, result: Mapping[str, Any]) -> SystemNotUnderstood | SystemUnreachable:
        if result["result"] in PASSING:
            return self.unreachable(str(result["description"]))
        if result["result"] == SIZE_LIMIT:
            return TooMany(
                _("The directory answers with fewer accounts than there are."),
                where=f"{self.name}: base",
                mend=_("Raise the size limit of the entry of bind_dn (OpenLDAP: limits ... size.prtotal=unlimited)."),
            )
        return SystemNotUnderstood(
            _("The directory refuses to be searched: {answer}.").format(answer=result["description"]),
            where=f"{self.name}: base",
            mend=_("Check base, and that the entry of bind_dn may read the accounts."),
        )


def moment(text: str) -> datetime:
    """Return a GeneralizedTime (RFC 4517, section 3.3.13) in UTC, the only form that password policies write."""
    digits, _point, _fraction = text.removesuffix("Z").partition(".")
    return datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=UTC)


def written(at: datetime) -> str:
    """Return a moment as GeneralizedTime, cut to the second."""
    return at.astimezone(UTC).strftime("%Y%m%d%H%M%SZ")
