"""What a person is shown before approving: who, what, where, how long, whom it may trouble, what cannot be undone.

Everything here is counted from the column file or computed from what systems say of themselves; nothing is changed.
The result is plain JSON, kept with the plan and covered by its digest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from tocsin.containment import collateral
from tocsin.containment.drawing import EXEMPT, HELD, MEASURED, NONE, Drawn
from tocsin.containment.errors import SystemUnreachable
from tocsin.containment.matching import UNKNOWN_PLATFORM, measures_in
from tocsin.containment.policy import PRINCIPAL, Policy, measure_json, word_of
from tocsin.containment.ports import Connector, Order
from tocsin.containment.values import GATE, MeasureKind

ASKED_MAX = 100  # accounts a system is asked about beforehand


def dry_run(
    drawn: Drawn,
    *,
    policy: Policy,
    connectors: Mapping[str, Connector],
    sample: Sequence[tuple[str, int]],
    released: int,
    scope_accounts: int,
    since_at: datetime,
    follows: int | None,
) -> dict[str, Any]:
    """Return the dry run; ``sample`` are (account, combination) of the first wave, ``released`` of a follow-up."""
    measured = [cell for cell in drawn.cells if cell.kept == MEASURED]
    orders = _orders(drawn)
    return {
        "scope_accounts": scope_accounts,
        "accounts": drawn.count(MEASURED),
        "principals": {"scope": drawn.principals, "measured": _principals(drawn)},
        "exempt": drawn.count(EXEMPT),
        "none": drawn.count(NONE),
        "held": drawn.count(HELD),
        "released": released,
        "follows": follows,
        "difference": {"outside_scope": drawn.outside_scope, "missing_of_scope": drawn.missing_of_scope,
                       "without_measure": drawn.count(NONE)},
        "rules": _rules(drawn, policy=policy),
        "measures": _measures(drawn),
        "cells": [[cell.combination, cell.platform, cell.wave, cell.accounts] for cell in _merged(measured)],
        "exemptions": [
            {
                "list": each.list, "kind": each.kind.value, "reason": each.reason,
                "accounts": sum(c.accounts for c in drawn.cells if c.kept == EXEMPT and c.exempted == n),
                "named": drawn.list_sizes[each.list], "names": list(drawn.exempt_names[n]),
            }
            for n, each in enumerate(policy.exemptions)
        ],
        "systems": [
            _system(name, connectors[name], orders=orders[name], drawn=drawn, sample=sample, since_at=since_at)
            for name in sorted(orders) if name != GATE
        ],
        "gate": {
            "accounts": sum(orders.get(GATE, {}).values()) and _gate_accounts(drawn),
            "first_wave": sum(cell.accounts for cell in measured if cell.wave == 1),
            "everyone": [measure_json(each) for each in policy.everyone],
        },
        "collateral": collateral.predicted(drawn, policy=policy),
        "not_at_once": list(drawn.not_at_once),
    }  # fmt: skip


def _principals(drawn: Drawn) -> int:
    return sum(cell.accounts for cell in drawn.cells if cell.kept == MEASURED and cell.platform == PRINCIPAL)


def _merged(cells: Sequence[Any]) -> list[Any]:
    merged: dict[tuple[Any, ...], Any] = {}
    for cell in cells:
        key = (cell.combination, cell.platform, cell.wave)
        merged[key] = cell if key not in merged else _plus(merged[key], cell)
    return [merged[key] for key in sorted(merged)]


def _plus(one: Any, other: Any) -> Any:
    return type(one)(**{**asdict(one), "accounts": one.accounts + other.accounts})


def _rules(drawn: Drawn, *, policy: Policy) -> list[dict[str, Any]]:
    """Return what each rule comes to, in the policy's order, rules that match nobody included."""
    found = []
    for n, rule in enumerate(policy.rules):
        cells = [cell for cell in drawn.cells if cell.rule == n]
        by_kept = {kept: sum(c.accounts for c in cells if c.kept == kept) for kept in (MEASURED, EXEMPT, NONE, HELD)}
        found.append(
            {"name": rule.name, "measures": [word_of(each) for each in rule.measures], "reason": rule.reason, **by_kept}
        )
    return found


def _measures(drawn: Drawn) -> list[dict[str, Any]]:
    """Return accounts by measure and platform."""
    counts: dict[tuple[str, str], int] = {}
    for cell in drawn.cells:
        if cell.kept == MEASURED and cell.combination is not None:
            for measure in measures_in(drawn.combinations[cell.combination]):
                key = (word_of(measure), cell.platform or UNKNOWN_PLATFORM)
                counts[key] = counts.get(key, 0) + cell.accounts
    return [{"measure": m, "platform": p, "accounts": counts[m, p]} for m, p in sorted(counts)]


def _orders(drawn: Drawn) -> dict[str, dict[MeasureKind, int]]:
    """Return system -> measure -> how many accounts."""
    found: dict[str, dict[MeasureKind, int]] = {}
    for cell in drawn.cells:
        if cell.kept != MEASURED or cell.combination is None:
            continue
        combination = drawn.combinations[cell.combination]
        for measure in measures_in(combination):
            for name in combination["systems"][measure.kind.value]:
                counts = found.setdefault(name, {})
                counts[measure.kind] = counts.get(measure.kind, 0) + cell.accounts
    return found


def _gate_accounts(drawn: Drawn) -> int:
    return sum(
        cell.accounts
        for cell in drawn.cells
        if cell.kept == MEASURED
        and cell.combination is not None
        and any(GATE in names for names in drawn.combinations[cell.combination]["systems"].values())
    )


def _system(
    name: str, connector: Connector, *, orders: Mapping[MeasureKind, int], drawn: Drawn,
    sample: Sequence[tuple[str, int]], since_at: datetime,
) -> dict[str, Any]:  # fmt: skip
    """Return what one system can and cannot undo, its warnings, its time by its own limits, and whom it knows."""
    abilities, limits = connector.abilities(), connector.limits()
    total = sum(orders.values())
    asked = _sample_orders(name, drawn=drawn, sample=sample, since_at=since_at)[: min(ASKED_MAX, limits.at_once)]
    return {
        "name": name,
        "orders": {kind.value: n for kind, n in sorted(orders.items())},
        "cannot_undo": sorted(kind.value for kind in orders if kind not in abilities.undoes),
        "cannot_read_back": sorted(kind.value for kind in orders if kind not in abilities.reads_back),
        "warnings": list(abilities.warnings),
        # n orders of c calls each at r calls a second take n * c / r seconds: the system's own limit, not our speed.
        "seconds": round(total * limits.calls_per_order / limits.per_second, 1) if limits.per_second else None,
        "per_second": limits.per_second,
        "limits_source": limits.source,
        "asked": _asked(connector, orders=asked),
    }


def _sample_orders(
    name: str, *, drawn: Drawn, sample: Sequence[tuple[str, int]], since_at: datetime
) -> list[Order]:  # fmt: skip
    return [
        Order(account=account, measure=measure, since_at=since_at, key=f"dry-run:{account}:{measure.kind.value}")
        for account, combination in sample
        for measure in measures_in(drawn.combinations[combination])
        if name in drawn.combinations[combination]["systems"][measure.kind.value]
    ]


def _asked(connector: Connector, *, orders: Sequence[Order]) -> dict[str, Any]:
    """Return what a system foresees for the first orders; that it does not answer is said, and stops nobody."""
    if not orders:
        return {}
    try:
        foreseen = connector.plan(orders)
    except SystemUnreachable as error:
        return {"unreachable": error.what}
    return {
        "orders": len(orders), "known": foreseen.known, "absent": foreseen.absent_count,
        "absent_names": list(foreseen.absent[:5]), "held_already": foreseen.held_already, "notes": list(foreseen.notes),
    }  # fmt: skip
