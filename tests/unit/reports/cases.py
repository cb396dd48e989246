"""Investigations to tell: small, large and hostile, empty, unknowable, scraped, stuffed, stolen from a cloud."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from tocsin.detections.values import AccountRole, Detection, Kind, Lead, Reason, ScopeHint, SuspectType
from tocsin.events.values import Gap, SourceRead
from tocsin.reports.values import Investigation, RuleNote, TimelinePoint
from tocsin.scopes.values import (
    AffectedAccount,
    AffectedObject,
    Certainty,
    Cohort,
    Considered,
    DataReach,
    Reach,
    ScopeDraft,
)

HOUR = 3_600_000
DAY_START = 1_394_755_200_000  # 2014-03-14 00:00 UTC
DAY_END = DAY_START + 24 * HOUR
WHOLE_DAY = ((DAY_START, DAY_END),)
HOSTILE = "</script><svg onload=alert(1)><img src=x onerror=alert(2)>\"'>\u202egpj.exe\u202c\x1b[31m{n}{{7*7}}\x00"
LONG = "a" * 5_000


def scope(**changes: object) -> ScopeDraft:
    """An empty answer, with what a test changes."""
    empty = ScopeDraft(
        accounts=(), counts={}, roles={}, objects=(), data=(), cohorts=(), considered=(), principals=(), platforms={},
        countries={}, window=None, aware_ts=None,
    )  # fmt: skip
    return replace(empty, **changes)  # type: ignore[arg-type]


def detection(n: int = 1, **changes: object) -> Detection:
    """One detection of the rule for internal access, with what a test changes."""
    one = Detection(
        uid=f"{n:016x}", rule_id="internal-access", rule_version=1, rule_title="Internal access to customer records",
        kind=Kind.INTERNAL_ACCESS, lead="lead-1", suspect_type=SuspectType.PRINCIPAL, suspect="s.lind", severity="high",
        score=87.5, first_ts=DAY_START + 9 * HOUR, last_ts=DAY_START + 10 * HOUR, events=214,
        reasons=(Reason("{n} records opened without a support request", {"n": 214}),),
        parameters={"suspect": "s.lind", "first_ts": DAY_START + 9 * HOUR, "last_ts": DAY_START + 10 * HOUR},
        evidence_sql="SELECT * FROM events", scope=ScopeHint(),
    )  # fmt: skip
    return replace(one, **changes)  # type: ignore[arg-type]


def account(name: str = "c-1001", **changes: object) -> AffectedAccount:
    """One confirmed victim."""
    one = AffectedAccount(
        account=name, role=AccountRole.VICTIM, certainty=Certainty.CONFIRMED, country="SE",
        first_ts=DAY_START + 9 * HOUR, last_ts=DAY_START + 10 * HOUR, data=("contact", "profile"), platform="android",
        client_version="1.3.2", reasons=(Reason("its data was opened by the intruder: {rule}", {"rule": "x"}),),
        detections=("0000000000000001",),
    )  # fmt: skip
    return replace(one, **changes)  # type: ignore[arg-type]


def source(path: str = "/var/log/edge/access.log", **changes: object) -> SourceRead:
    """One source read in full."""
    one = SourceRead(
        source_id="0123456789abcdef", path=path, sha256="3f" * 32, bytes=48_211_904, format="nginx_json",
        format_title="nginx, JSON lines", lines=200_000, parsed=199_990, rejected=10, first_ts=DAY_START + 3_000,
        last_ts=DAY_END - 2_000, rejected_by_reason={"not JSON": 10},
    )  # fmt: skip
    return replace(one, **changes)  # type: ignore[arg-type]


def timeline(*, intruder: bool = True) -> tuple[TimelinePoint, ...]:
    """A day in stretches of fifteen minutes, quiet at night, with suspects in the morning."""
    points = []
    for bar in range(96):
        first_ts = DAY_START + bar * HOUR // 4
        load = 400 + 24 * min(bar, 96 - bar) ** 2
        seen = 60 if intruder and 36 <= bar < 41 else 0
        points.append(TimelinePoint(first_ts, first_ts + HOUR // 4, load + seen, load // 12, load // 40, seen))
    return tuple(points)


def investigation(**changes: object) -> Investigation:
    """What an investigation without any detection found."""
    one = Investigation(
        folder=Path("/srv/cases/2014-03-14 stream"), started_at=datetime(2014, 3, 15, 8, 0, tzinfo=UTC),
        finished_at=datetime(2014, 3, 15, 8, 0, 14, tzinfo=UTC), sources=(source(),), gaps=(), detections=(), leads=(),
        scope=scope(), timeline=timeline(intruder=False), rules_run=15, seconds=14.2,
        command=("tocsin", "investigate", "/var/log/edge/access.log", "--out", "/srv/cases/2014-03-14 stream"),
        versions={"tocsin": "0.1.0", "duckdb": "2.0.0"}, rules_digest="ab" * 32,
    )  # fmt: skip
    return replace(one, **changes)  # type: ignore[arg-type]


NOT_REACHED = tuple(
    DataReach(kind, Reach.NOT_REACHED, 0, 0, covered=WHOLE_DAY, reason=Reason("no access in complete logs"))
    for kind in ("payment", "password")
)
REACHED = tuple(DataReach(kind, Reach.REACHED, 1, 1, covered=WHOLE_DAY) for kind in ("contact", "profile"))
RULE = RuleNote(
    rule_id="internal-access", version=1, title="Internal access to customer records", digest="cd" * 32,
    attack=("T1078", "T1213"), advice="Ask the person, through another channel, what they were doing.",
    false_positives=("A support team that works through a backlog.",),
)  # fmt: skip


def small() -> Investigation:
    """The case of 2014: one customer read, an Android cohort, five cleared."""
    found = scope(
        accounts=(account(),),
        counts={"confirmed": 1, "likely": 0, "precaution": 2_416},
        roles={"victim": 2_417},
        objects=(
            AffectedObject("customer", "c-1001", "c-1001", "read", 4, DAY_START + 9 * HOUR, DAY_START + 10 * HOUR, "s.lind"),
        ),
        data=(*REACHED, *NOT_REACHED),
        cohorts=(
            Cohort(Reason("seen on {platform}, version {version} or older", {"platform": "android", "version": "1.3.9"}),
                   2_416, platform="android", version_upto="1.3.9", measure="update_client"),
        ),
        considered=tuple(
            Considered("principal", name, Reason("every record opened belongs to a request of that hour"))
            for name in ("a.berg", "k.ohm", "m.ek", "t.dahl", "u.falk")
        ),
        principals=(),
        platforms={
            "android": {"accounts": 2_417, "sign_in_again": 2_417, "update_client": 2_417},
            "ios": {"accounts": 0}, "windows": {"accounts": 0},
        },
        countries={"SE": 1_204, "DE": 611, "FR": 344, "NO": 200, "FI": 58},
        window=(DAY_START + 9 * HOUR, DAY_START + 10 * HOUR), aware_ts=DAY_START + 10 * HOUR,
    )  # fmt: skip
    return investigation(
        detections=(detection(),), leads=(Lead("lead-1", ("0000000000000001",), DAY_START, DAY_END),), scope=found,
        timeline=timeline(), rules=(RULE,), unjoined={"session_without_account": 12, "alias_of_several_accounts": 1}, unjoined_examples=("4f1c", "9a7e"),
        enrichment_notes=(Reason("No table of networks (ASN) is installed: who owns an address is not known."),),
    )  # fmt: skip


def hostile() -> Investigation:
    """A large case in which every value from a log is an attack or endless."""
    base = small()
    names = [HOSTILE, LONG, "=cmd|'/c calc'!A1", *(f"c-{n}" for n in range(206))]
    roles = (AccountRole.INSTRUMENT, AccountRole.VICTIM, AccountRole.ATTACKER)
    accounts = tuple(
        account(
            name, role=roles[n % 3], certainty=tuple(Certainty)[n % 3], country=HOSTILE if n == 0 else "FR",
            platform=HOSTILE if n == 0 else "ios", client_version=LONG if n == 1 else "2.0", data=(HOSTILE,),
            reasons=(Reason("asked for {path}", {"path": HOSTILE + LONG}),),
            detections=tuple(f"{i:016x}" for i in range(1, 9)),
        )
        for n, name in enumerate(names)
    )  # fmt: skip
    detections = tuple(
        detection(
            n + 1, suspect=HOSTILE if n % 2 else LONG, suspect_type=tuple(SuspectType)[n % 6], kind=tuple(Kind)[n % 18],
            severity=("critical", "high", "medium", "low", "informational")[n % 5], rule_title=f"Rule {n % 9} " + "long " * 20,
            parameters={"path": HOSTILE, "very_long_parameter_name": LONG}, reasons=(Reason("asked for {path}", {"path": HOSTILE}),),
            first_ts=DAY_START + n * HOUR // 10, last_ts=DAY_START + n * HOUR // 10 + HOUR,
        )
        for n in range(103)
    )  # fmt: skip
    found = replace(
        base.scope,
        accounts=accounts,
        counts={"confirmed": 18_234_911, "likely": 120_000, "precaution": 40_000_000},
        roles={"victim": 100_000, "instrument": 58_254_911, "attacker": 201},
        objects=tuple(
            AffectedObject(HOSTILE, LONG if n % 2 else HOSTILE, HOSTILE, HOSTILE, 10**9, DAY_START, DAY_END, LONG)
            for n in range(103)
        ),
        data=tuple(
            DataReach(
                kind, reach, 10**9, 10**9, covered=WHOLE_DAY * 9, gaps=WHOLE_DAY * 9, reason=Reason("{x}", {"x": LONG})
            )
            for kind, reach in ((HOSTILE, Reach.REACHED), (LONG, Reach.UNKNOWABLE), ("payment", Reach.NOT_REACHED))
        ),
        considered=tuple(Considered("address", HOSTILE, Reason("{x}", {"x": HOSTILE})) for _ in range(103)),
        principals=(HOSTILE, LONG, "arn:aws:iam::1:role/x"),
        platforms={HOSTILE: {"sign_in_again": 9, "accounts": 9}, LONG: {"update_client": 4}, "ios": {}},
        countries={f"{chr(65 + n // 26)}{chr(65 + n % 26)}": 1 + n * n for n in range(60)},
    )
    return replace(
        base,
        scope=found,
        detections=detections,
        folder=Path(f"/srv/{HOSTILE[9:30]}/{'deep' * 40}"),
        sources=tuple(
            source(f"/var/log/{HOSTILE if n % 2 else LONG}", format="unknown" if n == 0 else "json", format_title=HOSTILE,
                   rejected_by_reason={HOSTILE: 5, "not JSON": 9}, notes=(HOSTILE,), first_ts=None if n == 0 else DAY_START)
            for n in range(12)
        ),
        gaps=tuple(Gap(HOSTILE, DAY_START + n * HOUR, DAY_START + n * HOUR + HOUR // 2, 812.5) for n in range(12)),
        unjoined={HOSTILE: 5, "session_without_account": 1_000_000},
        unjoined_examples=(HOSTILE, LONG),
    )  # fmt: skip


def unknowable() -> Investigation:
    """The case of 2014 with an hour of logs missing."""
    base = small()
    gap = (DAY_START + 2 * HOUR, DAY_START + 3 * HOUR)
    data = tuple(
        DataReach(kind, Reach.UNKNOWABLE, 0, 0, covered=((DAY_START, gap[0]), (gap[1], DAY_END)), gaps=(gap,),
                  reason=Reason("its logs have gaps while the intruder was there"))
        for kind in ("payment", "password")
    )  # fmt: skip
    return replace(base, scope=replace(base.scope, data=(*REACHED, *data)), gaps=(Gap("edge.log", *gap, 8_213.0),))


def scraped() -> Investigation:
    """Twenty accounts of the intruder's copied the catalogue."""
    rows = tuple(
        AffectedObject("track", f"t-{n}", "", "read", 1, DAY_START, DAY_END, f"m-{n % 20}") for n in range(81_000)
    )
    found = scope(
        accounts=tuple(account(f"m-{n}", role=AccountRole.ATTACKER, data=()) for n in range(20)),
        counts={"confirmed": 0, "likely": 0, "precaution": 0}, roles={"attacker": 20}, objects=rows,
        data=(DataReach("content", Reach.REACHED, 0, 81_000, covered=WHOLE_DAY), *NOT_REACHED),
        window=(DAY_START, DAY_END), aware_ts=DAY_END,
    )  # fmt: skip
    one = detection(kind=Kind.SCRAPING, suspect_type=SuspectType.ACCOUNT, suspect="m-1", rule_title="Fast scraping")
    return investigation(detections=(one,), scope=found, timeline=timeline())


def stuffed(*, used: int = 35) -> Investigation:
    """Passwords from elsewhere fitted 212 accounts."""
    accounts = tuple(
        account(f"c-{n}", role=AccountRole.INSTRUMENT, data=("profile",) if n < used else ()) for n in range(212)
    )
    found = scope(
        accounts=accounts, counts={"confirmed": 212, "likely": 9, "precaution": 300}, roles={"instrument": 521},
        data=((DataReach("profile", Reach.REACHED, used, used, covered=WHOLE_DAY),) if used else ()) + NOT_REACHED,
        platforms={"": {"accounts": 521, "sign_in_again": 521}}, window=(DAY_START, DAY_END), aware_ts=DAY_END,
    )  # fmt: skip
    one = detection(kind=Kind.CREDENTIAL_STUFFING, suspect_type=SuspectType.NETWORK, suspect="203.0.113.0/24")
    return investigation(detections=(one,), scope=found, timeline=timeline())


def cloud() -> Investigation:
    """A stolen role read one stored object."""
    arn = "arn:aws:sts::123456789012:assumed-role/backup/i-0abc"
    found = scope(
        objects=(AffectedObject("s3_object", "payroll/ring.txt", "", "read", 1, DAY_START, DAY_START, arn),),
        data=(DataReach("payment", Reach.UNKNOWABLE, 0, 0, reason=Reason("no log of its systems")),),
        principals=(arn,), window=(DAY_START, DAY_START + HOUR), aware_ts=DAY_START + HOUR,
    )  # fmt: skip
    one = detection(kind=Kind.API_ABUSE, suspect=arn, events=11, rule_title="Cloud key misuse")
    return investigation(detections=(one,), scope=found, timeline=timeline())


def only_tried() -> Investigation:
    """Two scanners and a guesser, nobody in."""
    found = (
        detection(1, kind=Kind.SCAN, suspect_type=SuspectType.ADDRESS, suspect="198.51.100.7", severity="low"),
        detection(2, kind=Kind.SCAN, suspect_type=SuspectType.ADDRESS, suspect="198.51.100.9", severity="low"),
        detection(3, kind=Kind.BRUTE_FORCE, suspect_type=SuspectType.ADDRESS, suspect="203.0.113.7", severity="medium"),
    )
    return investigation(detections=found, scope=scope(window=(DAY_START, DAY_END), aware_ts=DAY_END))


ALL = {
    "nothing": investigation, "small": small, "hostile": hostile, "unknowable": unknowable, "scraped": scraped,
    "stuffed": stuffed, "cloud": cloud, "only_tried": only_tried,
}  # fmt: skip
