"""What a database is asked before it is relied on: are the tables there, may the role do what the measures need."""

from collections.abc import Iterator, Sequence
from typing import Any

import psycopg

from tocsin.containment.ports import Remark, Standing
from tocsin.integrations.sql_accounts.settings import Effect, Settings, Table
from tocsin.integrations.sql_accounts.statements import named
from tocsin.kernel.language import gettext as _

_COLUMN = """
SELECT format_type(atttypid, NULL) FROM pg_attribute
 WHERE attrelid = to_regclass(%s) AND attname = %s AND attnum > 0 AND NOT attisdropped
"""
_INDEXED = """
SELECT coalesce(bool_or(i.indisunique AND i.indnkeyatts = 1), false), count(*) > 0
  FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
 WHERE i.indrelid = to_regclass(%s) AND a.attname = %s AND i.indisvalid
"""

Need = tuple[Table, str, tuple[str, ...]]  # a table, one of its columns, the rights needed on it


def column_type(session: psycopg.Connection[Any], *, table: Table, column: str) -> str | None:
    """Return the type of a column, or None when the table or the column is not there."""
    row = session.execute(_COLUMN, [named(table).as_string(session), column]).fetchone()
    return str(row[0]) if row else None


def remarks(session: psycopg.Connection[Any], *, settings: Settings) -> Sequence[Remark]:
    """Return what was found, the good news too."""
    found = [Remark(Standing.OK, _("The database answers and lets Tocsin in."))]
    found += _missing(session, settings)
    if any(remark.standing is Standing.FAULT for remark in found):
        return found
    found.append(Remark(Standing.OK, _("Every table and column is there, and the role may do what is needed.")))
    unique, _indexed = _index(session, table=settings.accounts, column=settings.account)
    if not unique:
        what = _("The column of the account is not unique: an account with two rows is refused.")
        found.append(Remark(Standing.WARNING, what, _("Name the column that is unique.")))
    for effect in settings.effects.values():
        for each in effect.deleted:
            if not _index(session, table=each.table, column=each.column)[1]:
                what = _("{table}.{column} has no index: every batch reads the whole table.").format(
                    table=".".join(each.table.parts), column=each.column
                )
                found.append(Remark(Standing.WARNING, what, _("Add one (CREATE INDEX CONCURRENTLY).")))
    if session.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone() == (True,):
        what = _("The role may do everything in this server.")
        found.append(Remark(Standing.WARNING, what, _("Give Tocsin a role of its own with no more than is needed.")))
    return found


def _missing(session: psycopg.Connection[Any], settings: Settings) -> Iterator[Remark]:
    needs: list[Need] = [
        (settings.accounts, settings.account, ("SELECT",)),
        (settings.accounts, settings.key, ("SELECT",)),
    ]
    for effect in settings.effects.values():
        needs += _needs(effect, accounts=settings.accounts)
    for table, column, wanted in dict.fromkeys(needs):
        shown = ".".join((*table.parts, column))
        if column_type(session, table=table, column=column) is None:
            mend = _("Check the name and its schema, and that the role may use the schema.")
            yield Remark(Standing.FAULT, _("{column} is not there.").format(column=shown), mend)
            continue
        for right in wanted:
            if not _may(session, table=table, column=column, right=right):
                what = _("The role may not {right} {column}.").format(right=right, column=shown)
                grant = f"GRANT {right} ON {named(table).as_string(session)} TO ..."
                yield Remark(Standing.FAULT, what, _("Give it the right: {grant}").format(grant=grant))


def _needs(effect: Effect, *, accounts: Table) -> Iterator[Need]:
    for column in {**effect.values, **dict.fromkeys(effect.times), **effect.undo}:
        yield accounts, column, ("SELECT", "UPDATE")
    if effect.changed_at:
        yield accounts, effect.changed_at, ("SELECT",)
    if effect.flag:
        for column in (effect.flag.column, effect.flag.since, effect.flag.done):
            yield effect.flag.table, column, ("SELECT", "INSERT", "UPDATE", "DELETE")
    for each in effect.deleted:
        for column in filter(None, (each.column, each.created_at)):
            yield each.table, column, ("SELECT", "DELETE")


def _may(session: psycopg.Connection[Any], *, table: Table, column: str, right: str) -> bool:
    name = named(table).as_string(session)
    if right == "DELETE":
        row = session.execute("SELECT has_table_privilege(%s, %s)", [name, right]).fetchone()
    else:
        row = session.execute("SELECT has_column_privilege(%s, %s, %s)", [name, column, right]).fetchone()
    return bool(row and row[0])


def _index(session: psycopg.Connection[Any], *, table: Table, column: str) -> tuple[bool, bool]:
    """Say whether a column has a unique index of its own, and whether any index begins with it."""
    row = session.execute(_INDEXED, [named(table).as_string(session), column]).fetchone()
    return (bool(row[0]), bool(row[1])) if row else (False, False)
