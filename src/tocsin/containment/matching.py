"""Which rule of a policy an account falls under, as SQL over the column file of a scope: set by set, never row by row.

The tables it leaves in a store are ``listed_<n>`` (one per named list: ``account``) and, for a follow-up, ``held``
(``account``, ``mask``: the measures earlier plans of the incident hold it under, one bit each).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tocsin.containment.errors import PolicyNotUnderstood
from tocsin.containment.policy import PRINCIPAL, Condition, NamedList, Policy
from tocsin.containment.values import Measure, MeasureKind
from tocsin.events.queries import EventStore, quoted
from tocsin.kernel.language import gettext as _
from tocsin.scopes import queries as scopes

NO_RULE = -1
UNKNOWN_PLATFORM = "unknown"
PLATFORMS_MAX = 40  # of a scope; attackers write the logs, and a plan's counts are by platform
OTHER_PLATFORM = "other"


@dataclass(frozen=True, slots=True)
class ScopeRows:
    """What a plan is drawn from: the column file of a revision, and the identities the intruder used besides.

    Staff, service and cloud identities are no customers' accounts: their role and their platform are ``principal``, so
    that every count keeps them apart.
    """

    file: Path
    principals: tuple[str, ...] = ()

    def load(self, store: EventStore) -> int:
        """Make the table ``principals``, without those that are accounts of the scope; return how many there are."""
        store.load("named", {"account": "VARCHAR"}, [(name,) for name in sorted(set(self.principals))])
        file = quoted(str(self.file.resolve()))
        store.temporary(
            "principals", f"SELECT account FROM named ANTI JOIN read_parquet({file}) s USING (account) ORDER BY account"
        )
        return store.count("SELECT 1 FROM principals")

    @property
    def sql(self) -> str:
        """Return SQL for account, role, certainty, data, platform, client_version, in the order of the file."""
        return (
            "SELECT account, role, certainty, data, platform, client_version "
            f"FROM read_parquet({quoted(str(self.file.resolve()))}) UNION ALL "
            f"SELECT account, '{PRINCIPAL}', 'confirmed', NULL, '{PRINCIPAL}', NULL FROM principals"
        )


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier plan of the incident: its column file, its combinations, whom it let out, and whom alone it holds."""

    file: Path
    combinations: tuple[Mapping[str, Any], ...]
    left: tuple[str, ...] = ()
    only: tuple[str, ...] | None = None  # None: everybody it measured and did not let out


def load_lists(store: EventStore, *, policy: Policy, files: Mapping[str, Path]) -> dict[str, int]:
    """Make one table a list and return how many accounts each names; ``files`` are where pinned lists are."""
    sizes = {}
    for n, each in enumerate(policy.lists):
        if each.file is None:
            store.load(f"listed_{n}", {"account": "VARCHAR"}, [(name,) for name in sorted(set(each.accounts))])
        else:
            csv = quoted(str(files[each.name].resolve()))
            store.temporary(
                f"listed_{n}",
                f"SELECT DISTINCT account FROM read_csv({csv}, header = true, all_varchar = true, delim = ',', "
                "quote = '\"', escape = '\"', nullstr = '') WHERE account IS NOT NULL",
            )
        sizes[each.name] = store.count(f"SELECT 1 FROM listed_{n}")
        _refuse_empty(each, accounts=sizes[each.name])
    return sizes


def _refuse_empty(each: NamedList, *, accounts: int) -> None:
    if not accounts:
        raise PolicyNotUnderstood(
            _("The list {name} names no account.").format(name=each.name), where=each.where,
            mend=_("Name the accounts, or take the list out."),
        )  # fmt: skip


def load_held(store: EventStore, *, earlier: Sequence[Earlier], bits: dict[Measure, int]) -> None:
    """Make the table ``held`` from earlier plans; without any it is empty. ``bits`` gets a bit for each measure."""
    arms = ["SELECT NULL::VARCHAR AS account, 0::BIGINT AS mask WHERE false"]
    for n, each in enumerate(earlier):
        masks = [sum(1 << bits.setdefault(m, len(bits)) for m in measures_in(c)) for c in each.combinations]
        arms.append(
            f"SELECT account, ({masks}::BIGINT[])[combination + 1] AS mask "
            f"FROM read_parquet({quoted(str(each.file.resolve()))}) {_kept(store, each, n=n)} WHERE wave >= 1"
        )
    store.temporary("held", f"SELECT account, bit_or(mask) AS mask FROM ({' UNION ALL '.join(arms)}) GROUP BY account")


def _kept(store: EventStore, each: Earlier, *, n: int) -> str:
    store.load(f"left_{n}", {"account": "VARCHAR"}, [(name,) for name in each.left])
    if each.only is None:
        return f"ANTI JOIN left_{n} USING (account)"
    store.load(f"only_{n}", {"account": "VARCHAR"}, [(name,) for name in each.only])
    return f"ANTI JOIN left_{n} USING (account) SEMI JOIN only_{n} USING (account)"


def platforms_kept(store: EventStore, *, scope: ScopeRows) -> list[str]:
    """Return the platforms that are counted by name: the ones most accounts are on."""
    found = store.column(
        f"SELECT lower(platform) AS name FROM ({scope.sql}) "
        f"WHERE platform IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT {PLATFORMS_MAX}"
    )
    return [str(name) for name in found]


def classified(policy: Policy, *, scope: ScopeRows, platforms: Sequence[str], follows: bool) -> str:
    """Return SQL: every account of the scope with ``rule`` and ``exempted`` (-1: none) and ``mask``, in file order."""
    rules = " ".join(f"WHEN {condition_sql(rule.when, policy)} THEN {n}" for n, rule in enumerate(policy.rules))
    names = [each.name for each in policy.lists]
    exempted = " ".join(
        f"WHEN account IN (SELECT account FROM listed_{names.index(each.list)}) THEN {n}"
        for n, each in enumerate(policy.exemptions)
    )
    known = ", ".join(quoted(name) for name in platforms) or "NULL"
    exemption = f"CASE {exempted} ELSE -1 END" if exempted else "-1"
    mask = "coalesce(held.mask, 0)" if follows else "0::BIGINT"
    joined = "LEFT JOIN held USING (account)" if follows else ""
    return f"""
        SELECT account, role, certainty, platform, client_version, {mask} AS mask,
            CASE WHEN false THEN {NO_RULE} {rules} ELSE {NO_RULE} END AS rule, {exemption} AS exempted
        FROM (
            SELECT account, role, certainty, data, client_version, CASE WHEN platform IS NULL THEN NULL
                WHEN lower(platform) IN ({known}) THEN lower(platform) ELSE '{OTHER_PLATFORM}' END AS platform
            FROM ({scope.sql})
        ) s {joined}
    """


def condition_sql(when: Condition, policy: Policy) -> str:
    """Return SQL for a condition over role, certainty, data (joined by ``;``), platform, client_version, account."""
    names = [each.name for each in policy.lists]
    parts = [
        _among("role", when.roles),
        _among("certainty", when.certainties),
        _among(f"coalesce(platform, '{UNKNOWN_PLATFORM}')", when.platforms),
        f"list_has_any(string_split(coalesce(data, ''), ';'), {_texts(when.data)})" if when.data else "",
        _version("<", when.version_below),
        _version("<=", when.version_upto),
        " OR ".join(f"account IN (SELECT account FROM listed_{names.index(name)})" for name in when.lists),
    ]
    return " AND ".join(f"({part})" for part in parts if part) or "true"


def _among(column: str, words: Sequence[str]) -> str:
    return f"{column} IN ({', '.join(quoted(word) for word in words)})" if words else ""


def _texts(words: Sequence[str]) -> str:
    return "[" + ", ".join(quoted(word) for word in words) + "]"


def _version(operator: str, version: str) -> str:
    # A version nobody can read is inside: the account cannot be ruled out.
    if not version:
        return ""
    return f"coalesce({scopes.version_sql('client_version')} {operator} {scopes.version_key(version)}, true)"


def measures_in(combination: Mapping[str, Any]) -> tuple[Measure, ...]:
    """Return the measures of a combination as a plan keeps it."""
    return tuple(Measure(**{**each, "kind": MeasureKind(each["kind"])}) for each in combination["measures"])
