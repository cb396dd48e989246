"""The statements of one measure, put together by psycopg from names and bound values only.

Each works on the temporary table ``staged(n, account, since)``; ``a`` is the table of accounts and ``s`` what is staged.
"""

import re
from collections.abc import Mapping
from uuid import UUID

from psycopg import sql
from psycopg.sql import SQL, Composable, Composed, Identifier, Literal

from tocsin.integrations.sql_accounts.settings import Deleted, Effect, Flag, Settings, Table, Value

TYPES = {"smallint": "bigint", "integer": "bigint", "bigint": "bigint", "uuid": "uuid"}
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,18}")
_WHOLE_MAX = 2**63 - 1


class Statements:
    """What is said to the database about one table of accounts, whose account column has the type ``kind``."""

    def __init__(self, settings: Settings, *, kind: str) -> None:
        self.settings = settings
        self.staged_type = TYPES.get(kind, "text")
        self.accounts = named(settings.accounts)
        account = Identifier("a", settings.account)
        # Other types are compared as text, to the letter; the index of the column is then of no use.
        plain = kind in TYPES or kind in ("text", "character varying")
        self.account = account if plain else SQL("{}::text").format(account)
        self.key = Identifier("a", settings.key)

    def takes(self, account: str) -> bool:
        """Say whether a text can be an account of this table at all, written as the table would write it."""
        if self.staged_type == "bigint":
            return bool(_WHOLE.fullmatch(account)) and abs(int(account)) <= _WHOLE_MAX
        if self.staged_type == "uuid":
            try:
                return str(UUID(account)) == account
            except ValueError:
                return False
        return "\0" not in account

    def stage(self) -> Composed:
        """Make the table the orders are copied into."""
        return SQL(
            "CREATE TEMPORARY TABLE staged (n integer, account {}, since timestamptz) ON COMMIT DROP"
        ).format(SQL(self.staged_type))  # fmt: skip

    def standing(self, effect: Effect) -> Composed:
        """Ask (n, entries, set, gone, done_at): is what is set in force, are the deleted rows gone, when was it done."""
        return SQL(
            "SELECT s.n, count(*), bool_and({is_set}), bool_and({gone}), max({done}) FROM staged s JOIN {accounts} a "
            "ON {account} = s.account GROUP BY s.n"
        ).format(
            is_set=self._is_set(effect), gone=self._gone(effect), done=self._done_at(effect), accounts=self.accounts,
            account=self.account,
        )  # fmt: skip

    def apply(self, effect: Effect) -> list[Composed]:
        """Take the measure on everything that is staged, but not on who has done it in between."""
        made = []
        assigned = assignments(effect.values) + [
            SQL("{} = s.since").format(Identifier(column)) for column in effect.times
        ]
        if assigned:
            not_done = self._not_done(effect)
            made.append(self._update(assigned, where=not_done))
        if effect.flag:
            made.append(self._raise(effect.flag))
        return made + [self._delete(each) for each in effect.deleted]

    def undo(self, effect: Effect) -> list[Composed]:
        """Lift what can be lifted, where it is in force."""
        made = []
        if effect.undo:
            made.append(self._update(assignments(effect.undo), where=self._columns_set(effect)))
        if effect.flag:
            flag = effect.flag
            made.append(
                SQL(
                    "DELETE FROM {table} f USING staged s JOIN {accounts} a ON {account} = s.account "
                    "WHERE {column} = {key} AND {since} >= s.since AND {done} IS NULL"
                ).format(
                    table=named(flag.table), accounts=self.accounts, account=self.account, key=self.key,
                    column=Identifier("f", flag.column), since=Identifier("f", flag.since),
                    done=Identifier("f", flag.done),
                )
            )  # fmt: skip
        return made

    def done_since(self, effect: Effect) -> Composed | None:
        """Ask (account, when) of everybody who did what the measure asks at or after a moment (null: whenever)."""
        if effect.changed_at:
            changed = Identifier("a", effect.changed_at)
            source: Composable = SQL("FROM {} a").format(self.accounts)
        elif effect.flag:
            changed = Identifier("f", effect.flag.done)
            source = SQL("FROM {} f JOIN {} a ON {} = {}").format(
                named(effect.flag.table), self.accounts, Identifier("f", effect.flag.column), self.key
            )
        else:
            return None
        return SQL(
            "SELECT {account}::text, {changed} {source} WHERE {changed} >= coalesce(%(since)s::timestamptz, '-infinity') "
            "ORDER BY 2"
        ).format(account=self.account, changed=changed, source=source)  # fmt: skip

    def _update(self, assigned: list[Composed], *, where: Composable) -> Composed:
        return SQL("UPDATE {accounts} a SET {assigned} FROM staged s WHERE {account} = s.account AND {where}").format(
            accounts=self.accounts, assigned=SQL(", ").join(assigned), account=self.account, where=where
        )

    def _raise(self, flag: Flag) -> Composed:
        column, since, done = (Identifier(each) for each in (flag.column, flag.since, flag.done))
        return SQL(
            "INSERT INTO {table} AS f ({column}, {since}) SELECT {key}, s.since FROM staged s JOIN {accounts} a "
            "ON {account} = s.account ON CONFLICT ({column}) DO UPDATE SET {since} = excluded.{since}, {done} = NULL "
            "WHERE f.{since} < excluded.{since} AND (f.{done} IS NULL OR f.{done} <= excluded.{since})"
        ).format(
            table=named(flag.table), column=column, since=since, done=done, key=self.key, accounts=self.accounts,
            account=self.account,
        )  # fmt: skip

    def _delete(self, deleted: Deleted) -> Composed:
        return SQL(
            "DELETE FROM {table} t USING staged s JOIN {accounts} a ON {account} = s.account WHERE {column} = {key}{older}"
        ).format(
            table=named(deleted.table), accounts=self.accounts, account=self.account, key=self.key,
            column=Identifier("t", deleted.column), older=self._older(deleted),
        )  # fmt: skip

    def _older(self, deleted: Deleted) -> Composable:
        if deleted.created_at is None:
            return SQL("")
        return SQL(" AND {} < s.since").format(Identifier("t", deleted.created_at))

    def _columns_set(self, effect: Effect) -> Composable:
        parts: list[Composable] = [
            SQL("{} IS NOT DISTINCT FROM {}").format(Identifier("a", column), Literal(value))
            for column, value in effect.values.items()
        ]
        parts += [SQL("coalesce({} >= s.since, false)").format(Identifier("a", column)) for column in effect.times]
        return SQL(" AND ").join(parts) if parts else SQL("true")

    def _is_set(self, effect: Effect) -> Composable:
        if not effect.flag:
            return self._columns_set(effect)
        flag = effect.flag
        raised = SQL(
            "EXISTS (SELECT FROM {table} f WHERE {column} = {key} AND {since} >= s.since AND {done} IS NULL)"
        ).format(
            table=named(flag.table), column=Identifier("f", flag.column), key=self.key,
            since=Identifier("f", flag.since), done=Identifier("f", flag.done),
        )  # fmt: skip
        return SQL("{} AND {}").format(self._columns_set(effect), raised)

    def _gone(self, effect: Effect) -> Composable:
        parts = [
            SQL("NOT EXISTS (SELECT FROM {} t WHERE {} = {}{})").format(
                named(each.table), Identifier("t", each.column), self.key, self._older(each)
            )
            for each in effect.deleted
        ]
        return SQL(" AND ").join(parts) if parts else SQL("true")

    def _done_at(self, effect: Effect) -> Composable:
        if effect.changed_at:
            changed = Identifier("a", effect.changed_at)
            return SQL("CASE WHEN {changed} > s.since THEN {changed} END").format(changed=changed)
        if effect.flag:
            done = Identifier("f", effect.flag.done)
            return SQL("(SELECT max({done}) FROM {table} f WHERE {column} = {key} AND {done} > s.since)").format(
                done=done, table=named(effect.flag.table), column=Identifier("f", effect.flag.column), key=self.key
            )
        return SQL("NULL::timestamptz")

    def _not_done(self, effect: Effect) -> Composable:
        if not effect.changed_at:
            return SQL("true")
        return SQL("NOT coalesce({} > s.since, false)").format(Identifier("a", effect.changed_at))


def named(table: Table) -> Identifier:
    """Return the name of a table, quoted."""
    return Identifier(*table.parts)


def assignments(values: Mapping[str, Value]) -> list[Composed]:
    """Return ``column = value`` for each."""
    return [sql.SQL("{} = {}").format(Identifier(column), Literal(value)) for column, value in values.items()]
