"""Who is to be told: the accounts of a frozen scope, or of a folder of findings, joined with the address book."""

import csv
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from django.db import connection, transaction

from tocsin.customers import queries as customers
from tocsin.customers.values import AddressKind
from tocsin.detections.values import AccountRole
from tocsin.events.queries import EventStore, quoted
from tocsin.kernel import home
from tocsin.kernel.language import gettext as _
from tocsin.kernel.redaction import csv_cell
from tocsin.notices.errors import NothingFrozen
from tocsin.notices.values import Affected, Reached, ToTell, Untold
from tocsin.scopes import queries as scopes
from tocsin.scopes.errors import NotAScopeFolder
from tocsin.scopes.values import Revision

ROWS_AT_ONCE = 50_000
PEOPLE_AT_ONCE = 5_000
_COPY = "COPY telling_account (account, role, certainty, revision) FROM STDIN"
_TABLES = """
DROP TABLE IF EXISTS telling_account, telling_person;
CREATE TEMPORARY TABLE telling_account (account text, role text, certainty text, revision integer) ON COMMIT DROP;
"""
_JOINED = f"""
CREATE INDEX ON telling_account (account);
ANALYZE telling_account;
CREATE TEMPORARY TABLE telling_person ON COMMIT DROP AS
    SELECT c.person_id, max(t.revision) FILTER (WHERE t.role <> '{AccountRole.ATTACKER.value}') AS revision,
        bool_or(t.role = '{AccountRole.ATTACKER.value}') AS attacker,
        EXISTS (SELECT FROM tocsin_customeraddress d WHERE d.person_id = c.person_id) AS reachable
    FROM telling_account t JOIN tocsin_customeraccount c ON c.account = t.account
    GROUP BY c.person_id HAVING bool_or(t.role <> '{AccountRole.ATTACKER.value}');
CREATE INDEX ON telling_person (person_id);
ANALYZE telling_person;
"""
_TOLD = "reachable AND NOT attacker"
_PAGE = f"""
SELECT p.person_id, p.revision,
    (SELECT json_agg(json_build_array(t.account, t.role, t.certainty) ORDER BY t.account)
        FROM tocsin_customeraccount c JOIN telling_account t ON t.account = c.account WHERE c.person_id = p.person_id)
FROM telling_person p WHERE {_TOLD} AND p.person_id > %s ORDER BY p.person_id LIMIT {PEOPLE_AT_ONCE}
"""
_NOBODY = f"""
SELECT t.account, t.role, t.certainty, CASE WHEN c.person_id IS NULL THEN '{Untold.UNKNOWN_ACCOUNT.value}'
        WHEN p.attacker THEN '{Untold.OWNS_ATTACKER_ACCOUNT.value}' ELSE '{Untold.NO_ADDRESS.value}' END AS reason
FROM telling_account t LEFT JOIN tocsin_customeraccount c ON c.account = t.account
    LEFT JOIN telling_person p ON p.person_id = c.person_id
WHERE t.role <> '{AccountRole.ATTACKER.value}' AND (p.person_id IS NULL OR NOT ({_TOLD}))
"""
_FIRST_ID = "00000000-0000-0000-0000-000000000000"


class PeopleToTell:
    """The people of one scope while the transaction lasts in which they were joined."""

    def __init__(self, *, incident: int, revision: int) -> None:
        self.incident = incident
        self.revision = revision

    def reached(self) -> Reached:
        """Return the counts."""
        roles = dict(_rows("SELECT role, count(*) FROM telling_account GROUP BY 1"))
        kinds = _rows(
            "SELECT d.kind, count(DISTINCT d.person_id) FROM tocsin_customeraddress d JOIN telling_person p "
            f"USING (person_id) WHERE {_TOLD} GROUP BY 1 ORDER BY 1"
        )
        languages = _rows(
            "SELECT c.language, count(*) FROM tocsin_customerperson c JOIN telling_person p ON p.person_id = c.id "
            f"WHERE {_TOLD} GROUP BY 1 ORDER BY 2 DESC, 1"
        )
        nobody = _rows(f"SELECT reason, count(*) FROM ({_NOBODY}) nobody GROUP BY 1 ORDER BY 1")
        return Reached(
            incident=self.incident, revision=self.revision, accounts=sum(roles.values()), people=self.people(),
            by_kind={AddressKind(kind): n for kind, n in kinds}, by_language=dict(languages),
            nobody={Untold(reason): n for reason, n in nobody},
            attackers=roles.get(AccountRole.ATTACKER, 0),
        )  # fmt: skip

    def people(self) -> int:
        """Return how many people can be reached in some way."""
        return int(_rows(f"SELECT count(*) FROM telling_person WHERE {_TOLD}")[0][0])

    def pages(self) -> Iterator[Sequence[ToTell]]:
        """Yield those people, a few thousand at a time."""
        last: Any = _FIRST_ID
        while found := _rows(_PAGE, [last]):
            last = found[-1][0]
            known = customers.people([row[0] for row in found])
            yield [
                ToTell(
                    known[id_], tuple(Affected(*each) for each in accounts if each[1] != AccountRole.ATTACKER), revision
                )
                for id_, revision, accounts in found
            ]

    def nobody(self) -> Iterator[tuple[str, str, str, Untold]]:
        """Yield (account, role, certainty, reason) of affected accounts that lead to nobody who can be told."""
        with connection.cursor() as cursor:
            cursor.execute(_NOBODY + " ORDER BY reason, t.account")
            for account, role, certainty, reason in cursor:
                yield account, role, certainty, Untold(reason)

    def write_nobody(self, to: Path) -> int:
        """Write those accounts as CSV (0600) and return how many there are."""
        with LeftOutFile(to) as file:
            file.add_nobody(self)
        return file.lines


class LeftOutFile:
    """A CSV (0600) of affected accounts nobody is told of, with the reason."""

    def __init__(self, path: Path) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._file = os.fdopen(descriptor, "w", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file)
        self._writer.writerow(("account", "role", "certainty", "reason"))
        self.lines = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, person: ToTell, reason: Untold) -> None:
        """Add the affected accounts of a person."""
        for each in person.accounts:
            self._write(each.account, each.role, each.certainty, reason)

    def add_nobody(self, found: PeopleToTell) -> None:
        """Add the affected accounts that lead to nobody who can be told in any way."""
        for account, role, certainty, reason in found.nobody():
            self._write(account, role, certainty, reason)

    def _write(self, account: str, role: str, certainty: str, reason: Untold) -> None:
        self._writer.writerow((csv_cell(account), role, certainty, reason.value))
        self.lines += 1


@contextmanager
def people_to_tell(incident: int, *, number: int | None = None) -> Iterator[PeopleToTell]:
    """Join a frozen revision (by default the latest) with the address book, in one transaction for the block.

    Raises NothingFrozen.
    """
    frozen = [each for each in scopes.revisions(incident) if each.frozen_at is not None]
    chosen = next((each for each in reversed(frozen) if number in (None, each.number)), None)
    if chosen is None:
        raise NothingFrozen(
            _("Incident {incident} has no frozen scope.").format(incident=incident)
            if number is None
            else _("Revision {number} of incident {incident} is not frozen.").format(number=number, incident=incident),
            mend=_("Look at it (tocsin scope show {incident}), then: tocsin scope freeze {incident}").format(
                incident=incident
            ),
        )
    earlier = [each for each in frozen if each.number <= chosen.number]
    with transaction.atomic(), EventStore([], scratch=home.data_home() / "evidence") as store:
        yield _joined(
            store, _scope_sql(chosen, earlier=earlier), PeopleToTell(incident=incident, revision=chosen.number)
        )


@contextmanager
def people_of_folder(folder: Path) -> Iterator[PeopleToTell]:
    """Join what an investigation wrote into ``folder`` with the address book; for looking, not for telling."""
    affected = folder / "affected.csv"
    if not affected.is_file():
        raise NotAScopeFolder(
            _("This folder does not hold affected accounts."), where=folder,
            mend=_("Name the folder that tocsin investigate --out wrote, or the number of an incident."),
        )  # fmt: skip
    source = (
        f"SELECT CASE WHEN starts_with(account, '''') THEN substr(account, 2) ELSE account END AS account, role, "
        f"certainty, 0 AS revision FROM read_csv({quoted(str(affected.resolve()))}, header = true, all_varchar = true, "
        "delim = ',', quote = '\"', escape = '\"', nullstr = '', strict_mode = true)"
    )
    with transaction.atomic(), EventStore([], scratch=folder) as store:
        yield _joined(store, source, PeopleToTell(incident=0, revision=0))


@contextmanager
def people_of_list(accounts: Iterable[str], *, attackers: Collection[str] = ()) -> Iterator[PeopleToTell]:
    """Join a list of accounts, which no incident stands behind, with the address book; ``attackers`` are never told."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_TABLES)
        with cursor.copy(_COPY) as copying:
            for account in accounts:
                role = AccountRole.ATTACKER if account in attackers else AccountRole.NONE
                copying.write_row((account, role.value, "", 0))
        cursor.execute(_JOINED)
        yield PeopleToTell(incident=0, revision=0)


def _scope_sql(revision: Revision, *, earlier: Sequence[Revision]) -> str:
    """Return SQL for a revision's accounts, each with the number of the first frozen revision that had it."""
    parts = " UNION ALL ".join(f"SELECT account, {each.number} AS number FROM {_file(each)}" for each in earlier)
    return (
        f"SELECT a.account, a.role, a.certainty, f.revision FROM {_file(revision)} a JOIN "
        f"(SELECT account, min(number) AS revision FROM ({parts}) GROUP BY account) f USING (account)"
    )


def _file(revision: Revision) -> str:
    return f"read_parquet({quoted(str(scopes.accounts_file(revision).resolve()))})"


def _joined(store: EventStore, sql: str, found: PeopleToTell) -> PeopleToTell:
    store.temporary("told", f"SELECT row_number() OVER () - 1 AS n, * FROM ({sql})")
    page = "SELECT account, role, certainty, revision FROM told WHERE n >= $start AND n < $end"
    with connection.cursor() as cursor:
        cursor.execute(_TABLES)
        with cursor.copy(_COPY) as copying:
            for start in range(0, store.count("SELECT 1 FROM told"), ROWS_AT_ONCE):
                bounds: Mapping[str, Any] = {"start": start, "end": start + ROWS_AT_ONCE}
                for row in store.rows(page, dict(bounds)):
                    copying.write_row((row["account"], row["role"], row["certainty"] or "", row["revision"]))
        cursor.execute(_JOINED)
    return found


def _rows(sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, list(parameters))
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found
