"""Drawing a plan's accounts: the whole scope through the policy into one column file, set by set.

The column file (Parquet, in the evidence folder, in the order of the scope's) holds every account of the revision once:
``account, role, certainty, platform, client_version, combination INTEGER, wave SMALLINT, exempt, kept``. ``kept`` is
one of four: ``measured`` (wave >= 1, combination is an index into the plan's), ``exempt`` (the reason is
in ``exempt``), ``none`` (its rule asks for nothing, and says why) or ``held`` (an earlier plan holds it already).
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tocsin.containment import matching, wave_shares
from tocsin.containment.errors import AccountsLeftOut, PolicyNotUnderstood
from tocsin.containment.matching import Earlier, ScopeRows
from tocsin.containment.policy import Policy, measure_json
from tocsin.containment.ports import Connector
from tocsin.containment.values import GATE, Measure, MeasureKind
from tocsin.containment.wave_shares import Threshold
from tocsin.events.queries import EventStore, quoted
from tocsin.kernel import home
from tocsin.kernel.language import gettext as _
from tocsin.scopes import commands as scope_commands, queries as scopes

EXAMPLES_MAX = 5
AT_ONCE_ACCOUNTS_MAX = 1000  # a rule with more accounts goes in waves all the same: nobody is spared the canary
MEASURED, EXEMPT, NONE, HELD = "measured", "exempt", "none", "held"


@dataclass(frozen=True, slots=True)
class Cell:
    """How many accounts share a rule, an exemption, a combination, a platform, a wave."""

    kept: str
    rule: int
    exempted: int
    combination: int | None
    platform: str
    wave: int
    accounts: int


@dataclass(frozen=True, slots=True)
class Drawn:
    """A plan's accounts as drawn: the file, the combinations, how many stand where, the checks against the scope."""

    sha256: str
    combinations: tuple[dict[str, Any], ...]
    cells: tuple[Cell, ...]
    list_sizes: dict[str, int]
    exempt_names: dict[int, tuple[str, ...]]
    not_at_once: tuple[str, ...]  # rules whose at_once does not hold: too many accounts
    outside_scope: int
    missing_of_scope: int
    principals: int  # identities the intruder used that are no customers' accounts, among all of these

    def count(self, kept: str) -> int:
        """Return how many accounts are kept as ``kept``."""
        return sum(cell.accounts for cell in self.cells if cell.kept == kept)


def measures_file(plan: Any) -> Path:
    """Return the column file of a plan (a Plan or its row); see this file's first lines for its columns."""
    path: Path = scopes.evidence_path(plan.measures_sha256)
    return path


def draw(
    scope: ScopeRows,
    *,
    policy: Policy,
    connectors: Mapping[str, Connector],
    incident_id: str,
    earlier: Sequence[Earlier] = (),
) -> Drawn:
    """Draw a scope through ``policy``. ``earlier`` are the plans that hold accounts already.

    AccountsLeftOut when a rule is missing for somebody, PolicyNotUnderstood when a measure has no system to take it.
    """
    files = _pin_lists(policy)
    with EventStore([], scratch=scopes.evidence_folder()) as store:
        sizes = matching.load_lists(store, policy=policy, files=files)
        bits: dict[Measure, int] = {}
        matching.load_held(store, earlier=earlier, bits=bits)
        principals = scope.load(store)
        platforms = matching.platforms_kept(store, scope=scope)
        sql = matching.classified(policy, scope=scope, platforms=platforms, follows=bool(earlier))
        pairs = store.rows(f"SELECT rule, exempted, mask, count(*) AS n FROM ({sql}) GROUP BY ALL ORDER BY ALL")
        _refuse_left_out(store, sql=sql, pairs=pairs, policy=policy)
        table = _Table(policy, connectors=connectors, pairs=pairs, bits=bits)
        at_once, too_many = _at_once(policy, pairs=pairs)
        key = hmac.new(home.installation_key("waves"), incident_id.encode(), hashlib.sha256).hexdigest()
        table.load(store)
        thresholds = wave_shares.thresholds(
            store, drawn=_joined(sql), key=key, shares=policy.waves.shares, at_once=at_once
        )
        final = _final_sql(sql, policy=policy, thresholds=thresholds, at_once=at_once, key=key)
        return _written(
            store,
            final=final,
            scope=scope,
            principals=principals,
            table=table,
            sizes=sizes,
            not_at_once=too_many,
            policy=policy,
        )


class _Table:
    """The combinations of a plan, and which one a rule leads to, given what an account is held under already."""

    def __init__(
        self, policy: Policy, *, connectors: Mapping[str, Connector], pairs: Sequence[Mapping[str, int]],
        bits: dict[Measure, int],
    ) -> None:  # fmt: skip
        self.combinations: list[dict[str, Any]] = []
        self.rows: list[tuple[int, int, int | None, bool]] = []
        for rule_number, mask in sorted({(pair["rule"], pair["mask"]) for pair in pairs if pair["rule"] >= 0}):
            rule = policy.rules[rule_number]
            wanted = tuple(each for each in rule.measures if each.kind is not MeasureKind.NONE)
            new = tuple(each for each in wanted if each not in bits or not mask >> bits[each] & 1)
            combination = None
            if new:
                entry = {
                    "measures": [measure_json(each) for each in new],
                    "systems": _systems_of(
                        new, only=rule.systems or policy.systems, connectors=connectors, policy=policy
                    ),
                }
                if entry not in self.combinations:
                    self.combinations.append(entry)
                combination = self.combinations.index(entry)
            self.rows.append((rule_number, mask, combination, bool(wanted) and not new))

    def load(self, store: EventStore) -> None:
        """Make the table ``paired``: rule, mask -> combination, or that an earlier plan holds all of it."""
        typed = {"rule": "INTEGER", "mask": "BIGINT", "combination": "INTEGER", "covered": "BOOLEAN"}
        store.load("paired", typed, self.rows)


def _pin_lists(policy: Policy) -> dict[str, Path]:
    """Copy list files into the evidence folder, so that a plan can be told again; they must not have changed."""
    found = {}
    for each in policy.lists:
        if each.file is None:
            continue
        pinned = scope_commands.pin_evidence(each.file, kind="list", name=each.name)
        if pinned.sha256 != each.sha256:
            raise PolicyNotUnderstood(
                _("The list {file} changed while it was being read.").format(file=each.file), where=each.where,
                mend=_("Run the command again."),
            )  # fmt: skip
        found[each.name] = scopes.evidence_path(pinned.sha256)
    return found


def _refuse_left_out(
    store: EventStore, *, sql: str, pairs: Sequence[Mapping[str, int]], policy: Policy
) -> None:  # fmt: skip
    left = sum(pair["n"] for pair in pairs if pair["rule"] == matching.NO_RULE and pair["exempted"] < 0)
    if not left:
        return
    found = store.rows(
        f"SELECT account, role, certainty, platform FROM ({sql}) WHERE rule = {matching.NO_RULE} AND exempted < 0 "
        f"ORDER BY account LIMIT {EXAMPLES_MAX}"
    )
    shown = ", ".join(
        f"{row['account']} ({row['role']}, {row['certainty']}, {row['platform'] or matching.UNKNOWN_PLATFORM})"
        for row in found
    )
    raise AccountsLeftOut(
        _("{n} accounts of the scope fall under no rule: {examples}.").format(n=left, examples=shown),
        where=policy.where,
        mend=_("Add a last rule for them; one with `measures: none` and the reason if nothing is to be done."),
    )


def _systems_of(
    measures: Sequence[Measure], *, only: Sequence[str], connectors: Mapping[str, Connector], policy: Policy
) -> dict[str, list[str]]:
    unknown = sorted(set(only) - set(connectors) - {GATE})
    if unknown:
        raise PolicyNotUnderstood(
            _("No connected system is called {name}.").format(name=unknown[0]), where=policy.where,
            mend=_("Known: {names}.").format(names=", ".join([GATE, *sorted(connectors)])),
        )  # fmt: skip
    found: dict[str, list[str]] = {}
    for measure in measures:
        taking = [name for name in sorted(connectors) if measure.kind in connectors[name].abilities().takes]
        if measure.kind.value in found and set(taking) & (set(only) or set(taking)):
            raise PolicyNotUnderstood(
                _("The system {name} takes {measure} once an account, and a rule asks for two.").format(
                    name=taking[0], measure=measure.kind.value
                ),
                where=policy.where, mend=_("Write one rule a platform, or leave the measure to the gate: systems."),
            )  # fmt: skip
        names = [name for name in (GATE, *taking) if not only or name in only]
        if not names:
            raise PolicyNotUnderstood(
                _("None of the systems {names} takes the measure {measure}.").format(
                    names=", ".join(only), measure=measure.kind.value
                ),
                where=policy.where, mend=_("Add {gate} to the systems.").format(gate=GATE),
            )  # fmt: skip
        found[measure.kind.value] = names
    return found


def _at_once(policy: Policy, *, pairs: Sequence[Mapping[str, int]]) -> tuple[list[int], tuple[str, ...]]:
    """Return the rules whose accounts begin in the first wave, and those that have too many for it."""
    sizes: dict[int, int] = {}
    for pair in pairs:
        if pair["exempted"] < 0:
            sizes[pair["rule"]] = sizes.get(pair["rule"], 0) + pair["n"]
    asked = [n for n, rule in enumerate(policy.rules) if rule.at_once]
    suspending = {n for n in asked if all(each.kind is MeasureKind.SUSPEND for each in policy.rules[n].measures)}
    kept = [n for n in asked if n in suspending or sizes.get(n, 0) <= AT_ONCE_ACCOUNTS_MAX]
    return kept, tuple(policy.rules[n].name for n in asked if n not in kept)


def _joined(sql: str) -> str:
    return (
        "SELECT drawn.*, combination, covered, combination IS NOT NULL AND exempted < 0 AS measured "
        f"FROM ({sql}) drawn LEFT JOIN paired USING (rule, mask)"
    )


def _final_sql(
    sql: str, *, policy: Policy, thresholds: Sequence[Threshold], at_once: Sequence[int], key: str
) -> str:  # fmt: skip
    place = wave_shares.place_sql(at_once=at_once, key=key)
    reasons = " ".join(
        f"WHEN {n} THEN {quoted(f'{each.kind.value}: {each.reason}')}" for n, each in enumerate(policy.exemptions)
    )
    exempt = f"CASE exempted {reasons} END" if reasons else "NULL::VARCHAR"
    return f"""
        SELECT account, role, certainty, platform, client_version,
            CASE WHEN measured THEN combination END::INTEGER AS combination,
            {wave_shares.wave_sql(thresholds)} AS wave, {exempt} AS exempt,
            CASE WHEN exempted >= 0 THEN '{EXEMPT}' WHEN measured THEN '{MEASURED}' WHEN covered THEN '{HELD}'
                ELSE '{NONE}' END AS kept, rule::SMALLINT AS rule, exempted::SMALLINT AS exempted
        FROM (SELECT *, {place} AS place FROM ({_joined(sql)}))
    """


def _written(
    store: EventStore, *, final: str, scope: ScopeRows, principals: int, table: _Table, sizes: dict[str, int],
    not_at_once: tuple[str, ...], policy: Policy,
) -> Drawn:  # fmt: skip
    aside = scopes.evidence_folder() / f".drawing-{secrets.token_hex(8)}"
    try:
        store.copy_parquet(final, aside)
        pinned = scope_commands.pin_evidence(aside, kind="measures", name="measures.parquet")
    finally:
        aside.unlink(missing_ok=True)
    file = quoted(str(scopes.evidence_path(pinned.sha256).resolve()))
    cells = store.rows(
        f"SELECT kept, rule, exempted, combination, coalesce(platform, '') AS platform, wave, count(*) AS accounts "
        f"FROM read_parquet({file}) GROUP BY ALL ORDER BY ALL"
    )
    outside, missing = _difference(
        store, drawn=f"SELECT account FROM read_parquet({file})", scope=f"SELECT account FROM ({scope.sql})"
    )
    names = {
        n: tuple(
            store.column(
                f"SELECT account FROM read_parquet({file}) WHERE exempted = {n} ORDER BY account LIMIT 50"
            )
        )
        for n, _each in enumerate(policy.exemptions)
    }  # fmt: skip
    return Drawn(
        sha256=pinned.sha256, combinations=tuple(table.combinations), cells=tuple(Cell(**cell) for cell in cells),
        list_sizes=sizes, exempt_names=names, not_at_once=not_at_once, outside_scope=outside, missing_of_scope=missing,
        principals=principals,
    )  # fmt: skip


def _difference(store: EventStore, *, drawn: str, scope: str) -> tuple[int, int]:
    """Return how many accounts are drawn but not in the scope, and in the scope but not drawn: exactly.

    Both are in the same order, so they are first compared row by row, which needs no memory; only where that finds
    something are the sets taken apart.
    """
    unlike = f"SELECT 1 FROM ({drawn}) d POSITIONAL JOIN ({scope}) s WHERE d.account IS DISTINCT FROM s.account"
    if not store.count(unlike):
        return 0, 0
    outside = store.count(f"SELECT 1 FROM ({drawn}) d ANTI JOIN ({scope}) s USING (account)")
    return outside, store.count(f"SELECT 1 FROM ({scope}) s ANTI JOIN ({drawn}) d USING (account)")
