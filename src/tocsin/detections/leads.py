"""Which detections are of one actor or campaign.

Joined are: the same suspect; a suspect address and whoever used that address in the evidence of another detection
within a day; two suspects that used the same address within a day, unless a crowd shares it; addresses of one small
network doing the same within an hour, unless it is a hosting network; a principal and the address or session it was
taken over from; and the detections of a rule that says they are one campaign. A hosting network or a shared office
address alone joins nobody.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from tocsin.detections.values import Detection, Lead, Rule, SuspectType
from tocsin.events.queries import EventStore

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
STRANGERS_MAX = 5  # accounts beside the suspects; more is a crowd: an office, a carrier's shared address


@dataclass(frozen=True, slots=True)
class _Place:
    """What is known of an address over the whole of the events."""

    network: str
    kind: str
    accounts: int


class _Joined:
    """Union-find over detections; the result does not depend on the order of joining."""

    def __init__(self, count: int) -> None:
        self._above = list(range(count))

    def find(self, one: int) -> int:
        while self._above[one] != one:
            self._above[one] = self._above[self._above[one]]
            one = self._above[one]
        return one

    def join(self, one: int, other: int) -> None:
        low, high = sorted((self.find(one), self.find(other)))
        self._above[high] = low


def with_leads(
    store: EventStore, detections: Sequence[Detection], *, rules: Mapping[str, Rule]
) -> tuple[Detection, ...]:
    """Return the detections in order of time, each with the name of its lead."""
    ordered = sorted(detections, key=lambda one: (one.first_ts, one.uid))
    joined = _Joined(len(ordered))
    _join_within(joined, ordered, _by_suspect(ordered), within=None)
    _join_within(joined, ordered, _by_campaign(ordered, rules), within=DAY_MS)
    used, principals = _used_by(store, ordered, rules)
    places = _places(store, {address for addresses in used for address in addresses})
    _join_addresses(joined, ordered, used, places)
    _join_networks(joined, ordered, places)
    _join_principals(joined, ordered, principals)
    names: dict[int, str] = {}
    for number, one in enumerate(ordered):
        names.setdefault(joined.find(number), hashlib.sha256(f"lead:{one.uid}".encode()).hexdigest()[:16])
    return tuple(replace(one, lead=names[joined.find(number)]) for number, one in enumerate(ordered))


def leads_of(detections: Iterable[Detection]) -> tuple[Lead, ...]:
    """Return the leads that detections name, in order of time."""
    grouped: dict[str, list[Detection]] = defaultdict(list)
    for one in detections:
        grouped[one.lead].append(one)
    leads = [
        Lead(
            uid=uid,
            detections=tuple(one.uid for one in sorted(members, key=lambda one: (one.first_ts, one.uid))),
            first_ts=min(one.first_ts for one in members),
            last_ts=max(one.last_ts for one in members),
        )
        for uid, members in grouped.items()
    ]
    return tuple(sorted(leads, key=lambda lead: (lead.first_ts, lead.uid)))


def _by_suspect(ordered: Sequence[Detection]) -> Iterable[list[int]]:
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for number, one in enumerate(ordered):
        groups[one.suspect_type, one.suspect].append(number)
    return groups.values()


def _by_campaign(ordered: Sequence[Detection], rules: Mapping[str, Rule]) -> Iterable[list[int]]:
    groups: dict[str, list[int]] = defaultdict(list)
    for number, one in enumerate(ordered):
        if rules[one.rule_id].campaign:
            groups[one.rule_id].append(number)
    return groups.values()


def _join_within(
    joined: _Joined, ordered: Sequence[Detection], groups: Iterable[list[int]], *, within: int | None
) -> None:
    """Join the members of each group (in order of time) that are no further apart than ``within`` milliseconds."""
    for group in groups:
        latest, holder = ordered[group[0]].last_ts, group[0]
        for number in group[1:]:
            if within is None or ordered[number].first_ts - latest <= within:
                joined.join(holder, number)
            if ordered[number].last_ts >= latest:
                latest, holder = ordered[number].last_ts, number


def _used_by(
    store: EventStore, ordered: Sequence[Detection], rules: Mapping[str, Rule]
) -> tuple[list[dict[str, None]], list[set[str]]]:
    """Return, per detection, the addresses in its evidence and the principals that succeeded there."""
    addresses: list[dict[str, None]] = [{} for _ in ordered]
    principals: list[set[str]] = [set() for _ in ordered]
    for rule_id in sorted({one.rule_id for one in ordered}):
        rule = rules[rule_id]
        numbers = [number for number, one in enumerate(ordered) if one.rule_id == rule_id]
        keys = list(rule.keys)
        columns = {
            "episode": "BIGINT",
            "low": "BIGINT",
            "high": "BIGINT",
            **{f"k{n}": "VARCHAR" for n in range(len(keys))},
        }
        rows = [
            (n, ordered[n].first_ts, ordered[n].last_ts, *(str(ordered[n].parameters[key]) for key in keys))
            for n in numbers
        ]
        store.load("episodes", columns, rows)
        same = " AND ".join(f"{rule.keys[key]} = episodes.k{n}" for n, key in enumerate(keys))
        found = store.rows(
            "SELECT DISTINCT episode, src_endpoint_ip AS address, "
            "CASE WHEN status_id = 1 THEN actor_user_uid END AS principal "
            f"FROM events JOIN episodes ON {same} AND ts BETWEEN low AND high WHERE {rule.condition}"
        )
        for row in found:
            if row["address"]:
                addresses[row["episode"]][row["address"]] = None
            if row["principal"]:
                principals[row["episode"]].add(row["principal"])
    return addresses, principals


def _places(store: EventStore, addresses: set[str]) -> dict[str, _Place]:
    if not addresses:
        return {}
    store.load("asked", {"address": "VARCHAR"}, [(address,) for address in sorted(addresses)])
    rows = store.rows(
        "SELECT src_endpoint_ip AS address, max(src_network) AS network, max(src_kind) AS kind, "
        "count(DISTINCT account) AS accounts FROM events "
        "WHERE src_endpoint_ip IN (SELECT address FROM asked) GROUP BY 1"
    )
    return {row["address"]: _Place(row["network"] or "", row["kind"] or "", row["accounts"]) for row in rows}


def _join_addresses(
    joined: _Joined, ordered: Sequence[Detection], used: list[dict[str, None]], places: Mapping[str, _Place]
) -> None:
    seen_from: dict[str, list[int]] = defaultdict(list)
    for number, addresses in enumerate(used):
        for address in addresses:
            seen_from[address].append(number)
    for address, numbers in seen_from.items():
        suspected = any(
            ordered[n].suspect_type is SuspectType.ADDRESS and ordered[n].suspect == address for n in numbers
        )
        suspects = {(ordered[n].suspect_type, ordered[n].suspect) for n in numbers}
        if suspected or places[address].accounts - len(suspects) <= STRANGERS_MAX:
            _join_within(joined, ordered, [numbers], within=DAY_MS)


def _join_networks(joined: _Joined, ordered: Sequence[Detection], places: Mapping[str, _Place]) -> None:
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for number, one in enumerate(ordered):
        place = places.get(one.suspect) if one.suspect_type is SuspectType.ADDRESS else None
        if place and place.network and not place.kind:
            groups[place.network, one.kind].append(number)
    _join_within(joined, ordered, groups.values(), within=HOUR_MS)


def _join_principals(joined: _Joined, ordered: Sequence[Detection], principals: list[set[str]]) -> None:
    groups: dict[str, list[int]] = defaultdict(list)
    suspects = {one.suspect for one in ordered if one.suspect_type is SuspectType.PRINCIPAL}
    for number, one in enumerate(ordered):
        for principal in {one.suspect} if one.suspect_type is SuspectType.PRINCIPAL else principals[number]:
            if principal in suspects:
                groups[principal].append(number)
    _join_within(joined, ordered, groups.values(), within=DAY_MS)
