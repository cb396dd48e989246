"""Facts of done on a real database: which accounts they close, which they leave open, and why."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise, product
from time import perf_counter
from typing import Any

import hypothesis
import hypothesis.strategies as some
import pytest
from django.db import connection

from tocsin.containment import done, residue
from tocsin.containment.residue import ResidueLine
from tocsin.containment.values import DoneBy, DoneFact, DoneKind, OpenReason
from tocsin.journal.values import MACHINE
from tocsin.kernel import clock
from tocsin.kernel.loading import lazily

models = lazily("tocsin.containment.models")

SINCE = datetime(2026, 3, 2, 12, tzinfo=UTC)
NOW = SINCE + timedelta(hours=6)
K = DoneKind


def later(minutes: float) -> datetime:
    return SINCE + timedelta(minutes=minutes)


def fact(account: str, kind: DoneKind, minutes: float = 10, **more: Any) -> DoneFact:
    return DoneFact(
        account=account, kind=kind, done_at=later(minutes), **({"by": DoneBy.EVENTS, "source": "app"} | more)
    )


def measures(*kinds: str, systems: dict[str, list[str]] | None = None, **details: str) -> dict[str, Any]:
    """Return a combination; ``details`` belong to the one client measure in it."""
    listed = [{"kind": kind} | (details if kind.endswith("_client") else {}) for kind in kinds]
    return {"measures": listed, "systems": {kind: ["gate"] for kind in kinds} | (systems or {})}


@pytest.fixture(autouse=True)
def _clock():
    with clock.fixed(NOW):
        yield


def step(
    plan: Any, account: str, *, system: str = "ldap", measure: str = "reset_password", state: str = "confirmed"
) -> Any:
    return models.ContainmentStep.objects.create(
        plan=plan, account=account, system=system, measure=measure, wave=1, state=state, state_at=SINCE,
        confirmed_at=later(1) if state == "confirmed" else None,
    )  # fmt: skip


def stands(plan: Any, account: str) -> tuple[str, str, dict[str, str]]:
    row = models.ContainmentProgress.objects.get(plan=plan, account=account)
    return row.state, row.reason, row.measures_done


def record(*facts: DoneFact) -> done.Recorded:
    return done.record_facts(facts, by=MACHINE)


def publish(plan: Any) -> None:
    models.GateEpoch.objects.create(
        number=1, sha256="s", accounts=1, bytes=1, made_at=later(1), plans=[plan.number], reason="r"
    )


def test_signing_in_again_closes_an_account_that_had_to_reauthenticate(plans: Callable[..., Any]):
    plan = plans([measures("reauthenticate")], {"a": 0, "b": 0})
    assert record(fact("a", K.SIGNED_IN)) == done.Recorded(new=1, closed=1)
    assert stands(plan, "a") == ("closed", "", {"reauthenticate": "2026-03-02T12:10:00.000Z"})
    assert not models.ContainmentProgress.objects.filter(account="b").exists()


def test_a_new_sign_in_alone_does_not_reset_a_password(plans: Callable[..., Any]):
    plan = plans([measures("reset_password")], {"a": 0})
    record(fact("a", K.SIGNED_IN))
    assert stands(plan, "a") == ("planned", "not_done", {})
    record(fact("a", K.PASSWORD_CHANGED, 20))
    assert stands(plan, "a")[0] == "closed"


def test_what_is_about_nobody_or_older_is_counted_and_not_kept(plans: Callable[..., Any]):
    plans([measures("reauthenticate")], {"a": 0})
    told = record(
        fact("stranger", K.SIGNED_IN), fact("a", K.SIGNED_IN, -1), fact("a", K.SIGNED_IN), fact("a", K.SIGNED_IN)
    )
    assert (told.new, told.repeated, told.in_no_plan, told.before_since) == (1, 1, 1, 1)
    assert models.ContainmentDone.objects.count() == 1
    assert record(fact("a", K.SIGNED_IN)).repeated == 1


def test_sessions_end_by_a_fact_or_by_the_gate_and_a_fresh_sign_in(plans: Callable[..., Any]):
    plan = plans([measures("revoke_sessions")], {"a": 0, "b": 0})
    record(fact("a", K.SESSIONS_ENDED), fact("b", K.SIGNED_IN))
    assert stands(plan, "a")[0] == "closed"
    assert stands(plan, "b") == ("planned", "not_done", {})
    publish(plan)
    assert done.settle_progress(by=MACHINE) == 1
    assert stands(plan, "b")[0] == "closed"


def test_an_old_session_that_still_works_reopens_the_account(plans: Callable[..., Any]):
    plan = plans([measures("reset_password", "revoke_sessions")], {"a": 0})
    record(fact("a", K.PASSWORD_CHANGED), fact("a", K.SESSIONS_ENDED))
    assert stands(plan, "a")[0] == "closed"
    assert record(fact("a", K.OLD_SESSION_ACTIVE, 30)).reopened == 1
    assert stands(plan, "a") == ("planned", "old_session_active", {})
    record(fact("a", K.SESSIONS_ENDED, 40))
    assert stands(plan, "a")[0] == "closed"


def test_a_client_counts_from_the_version_asked_for_on_that_platform(plans: Callable[..., Any]):
    plan = plans([measures("update_client", platform="android", version_min="8.11")], {"a": 0, "b": 0, "c": 0})
    record(
        fact("a", K.CLIENT_SEEN, platform="android", client_version="8.11.0"),
        fact("b", K.CLIENT_SEEN, platform="android", client_version="8.9.12"),
        fact("c", K.CLIENT_SEEN, platform="ios", client_version="9.0"),
    )
    assert stands(plan, "a")[0] == "closed"
    assert stands(plan, "b") == ("planned", "client_not_updated", {})
    assert stands(plan, "c")[0] == "planned"


def test_a_pre_release_or_no_version_at_all_is_not_new_enough(plans: Callable[..., Any]):
    plan = plans([measures("update_client", platform="android", version_min="8.11")], {"a": 0, "b": 0})
    record(
        fact("a", K.CLIENT_SEEN, platform="android", client_version="8.11.0-rc1"),
        fact("b", K.CLIENT_SEEN, platform="android", client_version="unknown"),
    )
    assert {stands(plan, each)[0] for each in "ab"} == {"planned"}


def test_a_client_is_retired_once_only_another_is_seen(plans: Callable[..., Any]):
    plan = plans([measures("retire_client", platform="android", client="com.example.old")], {"a": 0})
    seen = {"platform": "android", "client_version": "1.0"}
    record(fact("a", K.CLIENT_SEEN, 10, reference="com.example.new", **seen))
    assert stands(plan, "a")[0] == "closed"
    record(fact("a", K.CLIENT_SEEN, 20, reference="com.example.old", **seen))
    assert stands(plan, "a")[:2] == ("planned", "client_not_updated")
    record(fact("a", K.CLIENT_SEEN, 30, reference="com.example.new", **seen))
    assert stands(plan, "a")[0] == "closed"


def test_what_one_connected_system_tells_is_not_true_of_the_other(plans: Callable[..., Any]):
    plan = plans([measures("reset_password", systems={"reset_password": ["gate", "ldap", "sso"]})], {"a": 0})
    ldap, sso = step(plan, "a", system="ldap"), step(plan, "a", system="sso")
    record(fact("a", K.PASSWORD_CHANGED, by=DoneBy.CONNECTOR, source="ldap"))
    ldap.refresh_from_db()
    sso.refresh_from_db()
    assert (ldap.state, sso.state) == ("done", "confirmed") and ldap.done_at == later(10)
    assert stands(plan, "a")[:2] == ("planned", "not_done")
    record(fact("a", K.PASSWORD_CHANGED, 20, by=DoneBy.CONNECTOR, source="sso"))
    assert stands(plan, "a") == ("closed", "", {"reset_password": "2026-03-02T12:20:00.000Z"})
    assert set(models.ContainmentStep.objects.values_list("state", flat=True)) == {"closed"}


def test_a_system_that_a_person_exempted_need_not_tell(plans: Callable[..., Any]):
    plan = plans([measures("reset_password", systems={"reset_password": ["ldap", "sso"]})], {"a": 0})
    step(plan, "a", system="ldap")
    step(plan, "a", system="sso", state="exempt")
    record(fact("a", K.PASSWORD_CHANGED, by=DoneBy.CONNECTOR, source="ldap"))
    assert stands(plan, "a")[0] == "closed"


def test_an_account_closes_only_when_its_connected_systems_have_shown_it(plans: Callable[..., Any]):
    plan = plans([measures("revoke_sessions", systems={"revoke_sessions": ["gate", "sso"]})], {"a": 0})
    publish(plan)
    sso = step(plan, "a", system="sso", measure="revoke_sessions", state="sent")
    record(fact("a", K.SIGNED_IN))
    assert stands(plan, "a")[:2] == ("done", "system_waiting")
    sso.state = "confirmed"
    sso.save()
    assert done.settle_progress(by=MACHINE) == 1
    assert stands(plan, "a")[0] == "closed"
    sso.refresh_from_db()
    assert sso.state == "confirmed"  # it is in force, and can still be undone


def test_facts_of_events_move_the_steps_of_every_system_but_a_sign_in_ends_no_session_elsewhere(
    plans: Callable[..., Any],
):
    both = measures(
        "reset_password", "revoke_sessions", systems={"reset_password": ["ldap"], "revoke_sessions": ["gate", "sso"]}
    )
    plan = plans([both], {"a": 0})
    publish(plan)
    reset = step(plan, "a", system="ldap", state="planned")
    revoke = step(plan, "a", system="sso", measure="revoke_sessions", state="planned")
    record(fact("a", K.PASSWORD_CHANGED), fact("a", K.SIGNED_IN, 11))
    reset.refresh_from_db()
    revoke.refresh_from_db()
    assert (reset.state, revoke.state) == ("done", "planned")
    assert stands(plan, "a")[:2] == ("done", "system_waiting")


def test_a_change_counts_only_after_the_grace_of_the_old_password(plans: Callable[..., Any]):
    models.ConnectedSystem.objects.create(
        name="ad", kind="ldap", settings={"old_password_grace_minutes": 60}, sealed=b"", added_at=SINCE
    )
    plan = plans([measures("reset_password", systems={"reset_password": ["ad"]})], {"a": 0})
    step(plan, "a", system="ad")
    with clock.fixed(later(30)):
        record(fact("a", K.PASSWORD_CHANGED))
        assert stands(plan, "a")[:2] == ("planned", "old_password_grace")
    with clock.fixed(later(71)):
        assert done.settle_progress(changed_since=later(60), by=MACHINE) == 1
    assert stands(plan, "a")[0] == "closed"


def test_a_suspension_is_believed_by_reading_back_only(plans: Callable[..., Any]):
    plan = plans([measures("suspend", systems={"suspend": ["sso"]})], {"a": 0})
    one = step(plan, "a", system="sso", measure="suspend", state="sent")
    record(fact("a", K.SUSPENDED))
    assert stands(plan, "a")[0] == "planned"
    one.state, one.confirmed_at = "confirmed", later(15)
    one.save()
    done.settle_progress(by=MACHINE)
    assert stands(plan, "a")[0] == "closed"
    record(fact("a", K.SUSPENDED_ACTING, 50))
    assert stands(plan, "a")[:2] == ("planned", "suspended_acting")


def test_a_gate_that_reports_what_it_enforces_reads_a_suspension_back(plans: Callable[..., Any]):
    plan = plans([measures("suspend")], {"a": 0})
    publish(plan)
    assert done.settle_progress(by=MACHINE) == 0
    shop = models.GateSeen.objects.create(gate="shop", epoch=1, seq=0, seen_at=NOW)
    late = models.GateSeen.objects.create(gate="late", epoch=0, seq=0, seen_at=NOW - timedelta(minutes=5))
    assert done.settle_progress(by=MACHINE) == 0  # one gate of two still enforces an older list
    late.epoch = 1
    late.save()
    done.settle_progress(by=MACHINE)
    assert stands(plan, "a") == ("closed", "", {"suspend": "2026-03-02T12:01:00.000Z"})
    shop.seen_at = NOW + timedelta(minutes=1)
    shop.save()
    assert done.settle_progress(by=MACHINE) == 0


def test_what_a_person_decided_is_left_alone(plans: Callable[..., Any]):
    plan = plans([measures("reauthenticate")], {"a": 0})
    models.ContainmentProgress.objects.create(
        plan=plan, account="a", combination=0, wave=1, state="undone", state_at=SINCE, reason="by mistake"
    )
    record(fact("a", K.SIGNED_IN))
    assert stands(plan, "a")[:2] == ("undone", "by mistake")


def test_one_fact_counts_for_every_plan_of_the_account(plans: Callable[..., Any]):
    first, second = (
        plans([measures("reauthenticate")], {"a": 0}),
        plans([measures("reauthenticate")], {"a": 0}, since=later(30)),
    )
    record(fact("a", K.SIGNED_IN, 10))
    assert stands(first, "a")[0] == "closed"
    assert stands(second, "a")[:2] == ("planned", "never_seen")
    record(fact("a", K.SIGNED_IN, 40))
    assert stands(second, "a")[0] == "closed"


def test_the_journal_keeps_counts_and_a_root_but_no_account(plans: Callable[..., Any]):
    plans([measures("reauthenticate")], {"anna@example.org": 0})
    record(fact("anna@example.org", K.SIGNED_IN))
    entry = lazily("tocsin.journal.models").JournalEntry.objects.get(verb="containment.done_recorded")
    assert '"new":1' in entry.content and "rows_root" in entry.content and "anna" not in entry.content


def test_the_residue_tells_every_open_account_once_with_its_reason(plans: Callable[..., Any]):
    asked = [
        measures("reauthenticate", "update_client", platform="android", version_min="8.11"),
        measures("suspend"),
    ]
    accounts = dict.fromkeys(("silent", "quiet", "back", "old", "alive", "safe"), 0) | {"attacker": 1}
    plan = plans(asked, accounts)
    old = {"platform": "android", "client_version": "8.9"}
    record(
        fact("back", K.CLIENT_SEEN, **(old | {"client_version": "8.11"})),
        fact("old", K.SIGNED_IN),
        fact("old", K.CLIENT_SEEN, **old),
        fact("alive", K.OLD_SESSION_ACTIVE),
        fact("safe", K.SIGNED_IN),
        fact("safe", K.CLIENT_SEEN, **(old | {"client_version": "8.12"})),
    )
    told = {(line.reason.value, line.platform, line.wave): line.accounts for line in residue.residue(plan.number)}
    assert told == {
        ("never_seen", "android", 1): 2,
        ("not_done", "android", 1): 1,
        ("client_not_updated", "android", 1): 1,
        ("old_session_active", "android", 1): 1,
        ("system_waiting", "android", 1): 1,
    }
    assert residue.open_accounts(plan.number, reason=OpenReason.OLD_SESSION_ACTIVE) == ("alive",)
    counts = residue.progress_counts(plan.number)
    assert sum(each.accounts for each in counts) == 4
    closed = next(each for each in counts if each.state.value == "closed")
    assert (closed.accounts, closed.measures_done) == (1, ("reauthenticate", "update_client"))


def test_accounts_of_a_wave_that_has_not_begun_are_not_safe_yet(plans: Callable[..., Any]):
    plan = plans([measures("reauthenticate")], {"a": 0, "b": 0, "c": 0})
    models.ContainmentWave.objects.update(begun_at=None, state="waiting")
    record(fact("b", K.SIGNED_IN))
    models.ContainmentProgress.objects.create(
        plan=plan, account="c", combination=0, wave=1, platform="android", state="undone", state_at=NOW
    )
    assert residue.residue(plan.number) == (ResidueLine(OpenReason.WAVE_WAITING, 1, "android", 2),)


def test_whoever_objects_is_not_safe_yet(plans: Callable[..., Any]):
    plan = plans([measures("reauthenticate")], {"a": 0})
    models.ContainmentProgress.objects.create(
        plan=plan, account="a", combination=0, wave=1, platform="android", state="appealed", state_at=NOW
    )
    assert residue.residue(plan.number) == (ResidueLine(OpenReason.APPEALED, 1, "android", 1),)
    models.ContainmentProgress.objects.update(state="planned")  # rejected
    assert residue.residue(plan.number) == (ResidueLine(OpenReason.NOT_DONE, 1, "android", 1),)


EVERYTHING = ("reauthenticate", "reset_password", "revoke_sessions", "update_client")
FACTS = [
    *(fact("a", K.PASSWORD_CHANGED, minutes, by=DoneBy.CONNECTOR, source=system)  # told by one of its systems
      for minutes in (4, 8) for system in ("ldap", "sso", "elsewhere")),
    *(fact(account, kind, minutes) for account, kind, minutes in product(
        "ab", (K.SIGNED_IN, K.PASSWORD_CHANGED, K.SESSIONS_ENDED, K.OLD_SESSION_ACTIVE, K.KEY_ROTATED), (-5, 5, 25)
    )),
    *(fact(account, K.CLIENT_SEEN, minutes, platform="android", client_version=version, reference=client) for
      account, minutes, version, client in product("ab", (5, 25), ("8.10", "8.11"), ("com.old", "com.new"))),
]  # fmt: skip


@hypothesis.settings(max_examples=25, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
@hypothesis.given(
    facts=some.lists(some.sampled_from(FACTS), max_size=12), cuts=some.lists(some.integers(0, 14)), seed=some.integers()
)
def test_any_order_and_any_repetition_of_facts_comes_to_the_same(plans: Callable[..., Any], facts, cuts, seed):
    asked = [
        measures(
            *EVERYTHING, platform="android", version_min="8.11", systems={"reset_password": ["gate", "ldap", "sso"]}
        ),
        measures("retire_client", "rotate_key", client="com.old", platform="android"),
    ]
    reached = []
    doubled = random.Random(seed).sample(facts * 2, len(facts) * 2)
    bounds = sorted({0, len(doubled), *(cut for cut in cuts if cut < len(doubled))})
    for batches in ([facts], [doubled[start:end] for start, end in pairwise(bounds)]):
        models.ContainmentDone.objects.all().delete()
        models.ContainmentPlan.objects.update(state="closed")
        plan = plans(asked, {"a": 0, "b": 1})
        publish(plan)
        step(plan, "a")
        step(plan, "a", system="sso", state="sent")
        new = sum(record(*batch).new for batch in batches)
        rows = models.ContainmentProgress.objects.filter(plan=plan).order_by("account")
        steps = models.ContainmentStep.objects.filter(plan=plan).order_by("system").values_list("state", flat=True)
        reached.append((new, [(row.account, row.state, row.reason, row.measures_done) for row in rows], list(steps)))
        models.GateEpoch.objects.all().delete()
    assert reached[0] == reached[1]


@pytest.mark.benchmark
@pytest.mark.timeout(1800)
def test_the_time_of_a_million_facts(plans: Callable[..., Any]):
    accounts = {f"u{number:08}": number % 2 for number in range(1_000_000)}
    asked = [measures("reauthenticate"), measures("reset_password", "revoke_sessions")]
    plan = plans(asked, accounts)
    publish(plan)
    facts = [
        fact(account, K.PASSWORD_CHANGED if number % 3 else K.SIGNED_IN) for number, account in enumerate(accounts)
    ]
    began = perf_counter()
    told = record(*facts)
    print(f"\n1,000,000 facts: {perf_counter() - began:.1f} s, {told}")
    began = perf_counter()
    record(*facts[:10])
    print(f"10 known facts among 1,000,000: {perf_counter() - began:.3f} s")
    began = perf_counter()
    print(f"settling all that is open: {done.settle_progress(by=MACHINE)} changed, {perf_counter() - began:.1f} s")


def test_when_there_is_nothing_to_record_no_table_is_made(plans: Callable[..., Any]):
    def temporary() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_class WHERE relpersistence = 't'")
            return int(cursor.fetchone()[0])

    plans([measures("reauthenticate")], {"a": 0})
    before = temporary()
    assert record() == done.Recorded()
    assert temporary() == before
