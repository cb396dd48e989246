"""The SQL that joins a staged list with the address book, in sets; every step touches only rows that change."""

from dataclasses import dataclass
from datetime import datetime

from django.db import connection

AUTOMATIC = "account:"  # before the key of a person whom no list has named: the account follows
COPY_LINES = "COPY import_line (line, key, account, name, language) FROM STDIN"
COPY_ADDRESSES = "COPY import_address (line, kind, value, preferred) FROM STDIN"
_LOCK = 0x63757374  # "cust"; two imports at once would take each other's new people for their own
# UUIDv7 (RFC 9562, section 5.7): 48 bits of Unix milliseconds, version, variant, random bits.
_NEW_ID = (
    "encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid()) PLACING "
    "substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6), 52, 1), 53, 1), "
    "'hex')::uuid"
)
_STAGING = """
CREATE TEMPORARY TABLE import_line (line integer, key text, account text, name text, language text) ON COMMIT DROP;
CREATE TEMPORARY TABLE import_address (
    n integer GENERATED ALWAYS AS IDENTITY, line integer, kind text, value text, preferred boolean
) ON COMMIT DROP;
CREATE TEMPORARY TABLE import_touched (person_id uuid) ON COMMIT DROP;
CREATE TEMPORARY TABLE import_made (id uuid) ON COMMIT DROP;
"""
# Whose a row is: the person it names; else whom another row names for its account; else whose the account is; else its
# own. The first row of a list that names an account's person wins.
_RESOLVED = """
ANALYZE import_line;
CREATE TEMPORARY TABLE import_owner ON COMMIT DROP AS
    SELECT DISTINCT ON (account) account, key FROM import_line
    WHERE account <> '' AND key IS NOT NULL ORDER BY account, line;
ANALYZE import_owner;
CREATE TEMPORARY TABLE import_resolved ON COMMIT DROP AS
    SELECT l.line, l.account, coalesce(l.key, o.key, p.key, 'account:' || l.account) AS key, l.name, l.language,
        l.account <> '' AND l.key IS DISTINCT FROM o.key AND l.key IS NOT NULL AS contested
    FROM import_line l LEFT JOIN import_owner o ON o.account = l.account
        LEFT JOIN tocsin_customeraccount c ON c.account = l.account AND l.key IS NULL AND o.key IS NULL
        LEFT JOIN tocsin_customerperson p ON p.id = c.person_id;
CREATE TEMPORARY TABLE import_account ON COMMIT DROP AS
    SELECT DISTINCT ON (account) account, key FROM import_resolved
    WHERE account <> '' AND NOT contested ORDER BY account, line;
CREATE TEMPORARY TABLE import_person ON COMMIT DROP AS
    SELECT key, coalesce((array_agg(name ORDER BY line DESC) FILTER (WHERE name <> ''))[1], '') AS name,
        coalesce((array_agg(language ORDER BY line DESC) FILTER (WHERE language <> ''))[1], '') AS language,
        min(line) AS line
    FROM import_resolved GROUP BY key;
ANALYZE import_resolved; ANALYZE import_account; ANALYZE import_person;
"""
# A person known by one account only, whom a list names now: keeps its row, so that what was sent stays theirs.
_NAMED = """
WITH known AS (
    SELECT DISTINCT ON (a.key) p.id, a.key FROM import_account a
        JOIN tocsin_customerperson p ON p.key = 'account:' || a.account
    WHERE a.key <> p.key AND NOT EXISTS (SELECT FROM tocsin_customerperson q WHERE q.key = a.key)
    ORDER BY a.key, a.account
), renamed AS (UPDATE tocsin_customerperson p SET key = known.key FROM known WHERE p.id = known.id RETURNING p.id)
INSERT INTO import_touched SELECT id FROM renamed
"""
_MADE = f"""
WITH made AS (
    INSERT INTO tocsin_customerperson (id, key, name, language, changed_at)
    SELECT {_NEW_ID}, key, name, language, %(at)s FROM import_person i
    WHERE NOT EXISTS (SELECT FROM tocsin_customerperson p WHERE p.key = i.key)
    ORDER BY line  -- ids, and so what hangs on them, in the order of the list: each index grows at its end
    RETURNING id
) INSERT INTO import_made SELECT id FROM made
"""
_CHANGED = """
WITH changed AS (
    UPDATE tocsin_customerperson p SET name = coalesce(nullif(i.name, ''), p.name),
        language = coalesce(nullif(i.language, ''), p.language)
    FROM import_person i
    WHERE i.key = p.key AND ((i.name <> '' AND i.name <> p.name) OR (i.language <> '' AND i.language <> p.language))
    RETURNING p.id
) INSERT INTO import_touched SELECT id FROM changed
"""
_OWNERS = """
CREATE TEMPORARY TABLE import_people ON COMMIT DROP AS
    SELECT p.id, p.key FROM tocsin_customerperson p JOIN import_person i ON i.key = p.key;
ANALYZE import_people;
CREATE TEMPORARY TABLE import_left ON COMMIT DROP AS
    SELECT DISTINCT c.person_id AS before, w.id AS after FROM import_account a
        JOIN import_people w ON w.key = a.key
        JOIN tocsin_customeraccount c ON c.account = a.account AND c.person_id <> w.id
        JOIN tocsin_customerperson p ON p.id = c.person_id AND p.key = 'account:' || a.account;
"""
_ACCOUNTS = """
WITH taken AS (
    INSERT INTO tocsin_customeraccount (account, person_id)
    SELECT a.account, w.id FROM import_account a JOIN import_people w ON w.key = a.key
        LEFT JOIN tocsin_customeraccount c ON c.account = a.account
    WHERE c.person_id IS DISTINCT FROM w.id
    ON CONFLICT (account) DO UPDATE SET person_id = excluded.person_id
    RETURNING person_id
) INSERT INTO import_touched SELECT person_id FROM taken
"""
_JOINED = """
WITH moved AS (
    INSERT INTO tocsin_customeraddress (person_id, kind, value, preferred)
    SELECT l.after, d.kind, d.value, false FROM import_left l JOIN tocsin_customeraddress d ON d.person_id = l.before
    ON CONFLICT DO NOTHING RETURNING person_id
), gone AS (DELETE FROM tocsin_customeraddress WHERE person_id IN (SELECT before FROM import_left))
INSERT INTO import_touched SELECT person_id FROM moved;
DELETE FROM tocsin_customerperson WHERE id IN (SELECT before FROM import_left);
"""
_ADDRESSES = """
ANALYZE import_address;
CREATE TEMPORARY TABLE import_wanted ON COMMIT DROP AS
    SELECT w.id AS person_id, d.kind, d.value, bool_or(d.preferred) AS preferred, min(d.n) AS n
    FROM import_address d JOIN import_resolved r USING (line) JOIN import_people w ON w.key = r.key
    GROUP BY 1, 2, 3;
ANALYZE import_wanted;
WITH taken AS (
    INSERT INTO tocsin_customeraddress (person_id, kind, value, preferred)
    SELECT person_id, kind, value, preferred FROM import_wanted w
    WHERE NOT EXISTS (SELECT FROM tocsin_customeraddress d
        WHERE d.person_id = w.person_id AND d.kind = w.kind AND d.value = w.value)
    ORDER BY n
    RETURNING person_id
) INSERT INTO import_touched SELECT person_id FROM taken;
WITH asked AS (SELECT DISTINCT person_id FROM import_wanted WHERE preferred), marked AS (
    UPDATE tocsin_customeraddress d SET preferred = NOT d.preferred FROM asked
    WHERE d.person_id = asked.person_id AND d.preferred <> EXISTS (SELECT FROM import_wanted w
        WHERE w.person_id = d.person_id AND w.kind = d.kind AND w.value = d.value AND w.preferred)
    RETURNING d.person_id
) INSERT INTO import_touched SELECT person_id FROM marked;
"""
_TOUCHED = """
WITH touched AS (SELECT DISTINCT person_id FROM import_touched t
    WHERE NOT EXISTS (SELECT FROM import_made m WHERE m.id = t.person_id))
UPDATE tocsin_customerperson p SET changed_at = %(at)s FROM touched WHERE p.id = touched.person_id
"""


@dataclass(frozen=True, slots=True)
class Merged:
    """People a list made, changed and left as they were."""

    made: int
    changed: int
    unchanged: int


def begin() -> None:
    """Make the staging tables; they end with the transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        cursor.execute("SET LOCAL work_mem = '128MB'")
        cursor.execute(_STAGING)


def merge(*, at: datetime) -> Merged:
    """Join what was staged with the address book."""
    with connection.cursor() as cursor:
        cursor.execute(_RESOLVED)
        cursor.execute(_NAMED)
        cursor.execute(_MADE, {"at": at})
        made = cursor.rowcount
        cursor.execute(_CHANGED)
        for sql in (_OWNERS, _ACCOUNTS, _JOINED, _ADDRESSES):
            cursor.execute(sql)
        cursor.execute("ANALYZE import_made")
        cursor.execute(_TOUCHED, {"at": at})
        changed = cursor.rowcount
        cursor.execute("SELECT count(*) FROM import_person")
        people = int(cursor.fetchone()[0])
    return Merged(made=made, changed=changed, unchanged=people - made - changed)


def contested() -> list[tuple[int, str, str]]:
    """Return (line, account, person's key) of rows whose account an earlier row gave to somebody else."""
    return _rows("SELECT line, account, key FROM import_resolved WHERE contested ORDER BY line")


def unreachable() -> list[tuple[int, str, str]]:
    """Return (line, account, person's key) of rows whose person has no address, now that all are joined."""
    return _rows(
        "SELECT r.line, r.account, r.key FROM import_resolved r JOIN import_people w USING (key) "
        "WHERE NOT EXISTS (SELECT FROM tocsin_customeraddress d WHERE d.person_id = w.id) ORDER BY r.line"
    )


def _rows(sql: str) -> list[tuple[int, str, str]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return [(int(line), str(account), str(key)) for line, account, key in cursor.fetchall()]
