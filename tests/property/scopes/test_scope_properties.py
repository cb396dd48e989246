"""What holds of every scope: strangers' events confirm nobody, and the order of the rows says nothing."""

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings, strategies as st
from tests.contract.scopes.conftest import ATTACK, HOME, HOUR, OFFENDER, OFFICE, START, Logs, confirmed, make_logs

from tocsin.detections.values import AccountRole, Kind, SuspectType
from tocsin.scopes.values import ScopeDraft

__all__ = ["make_logs"]

MakeLogs = Callable[[], Logs]
FEW = settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])

accounts = st.sampled_from(["eve", "ann", "bob", "kim", None])
events = st.fixed_dictionaries(
    {
        "ts": st.integers(START, START + 24 * HOUR),
        "account": accounts,
        "class_uid": st.sampled_from([3002, 4002, 6003]),
        "activity_id": st.integers(0, 4),
        "status_id": st.integers(0, 2),
        "actor_session_uid": st.sampled_from([None, "s1", "s2"]),
        "device_uid": st.sampled_from([None, "phone", "pc"]),
        "object_type": st.sampled_from([None, "customer"]),
        "object_id": st.sampled_from([None, "ann", "o1"]),
        "object_owner": accounts,
        "data_category": st.sampled_from([None, "profile", "payment"]),
        "platform": st.sampled_from([None, "android", "web"]),
        "app_version": st.sampled_from([None, "1.2", "x"]),
    }
)
strangers = st.lists(st.tuples(events, st.sampled_from([HOME, OFFICE])), max_size=40)


def attacked(logs: Logs) -> None:
    """Stuffing enters one account; a phished colleague opens one record."""
    for number in range(20):
        logs.login(ATTACK + number, f"tried{number}", success=False, **OFFENDER)
    logs.login(ATTACK + 30, "eve", actor_session_uid="s9", **OFFENDER)
    logs.staff_read(ATTACK + 60, "maja", "cust1", **{**OFFENDER, "src_endpoint_ip": "203.0.113.7"})
    logs.detect(
        Kind.CREDENTIAL_STUFFING, SuspectType.ADDRESS, "203.0.113.66",
        where="class_uid = 3002 AND src_endpoint_ip = '203.0.113.66'", accounts=AccountRole.INSTRUMENT,
        network_cohort=True, follow=True,
    )  # fmt: skip
    logs.detect(
        Kind.INTERNAL_ACCESS, SuspectType.PRINCIPAL, "maja",
        where="actor_user_uid = 'maja' AND src_network = '203.0.113.0/24'", owners=True, follow=True,
    )  # fmt: skip


def told(draft: ScopeDraft) -> dict[str, Any]:
    """Return all a draft says, in a form that compares."""
    return {name: getattr(draft, name) for name in draft.__slots__}


@FEW
@given(strangers=strangers)
def test_unrelated_events_never_change_who_is_confirmed(make_logs: MakeLogs, strangers: list[Any]) -> None:
    logs = make_logs()
    attacked(logs)
    for columns, place in strangers:
        logs.add(**columns, **place)
    assert confirmed(logs.draft()) == {"eve", "cust1"}


@FEW
@given(strangers=strangers, random=st.randoms(use_true_random=False))
def test_the_order_of_the_rows_says_nothing(make_logs: MakeLogs, strangers: list[Any], random: Any) -> None:
    logs = make_logs()
    attacked(logs)
    for columns, place in strangers:
        logs.add(**columns, **place)
    sorted_draft = told(logs.draft(gaps=()))
    random.shuffle(logs.events)
    assert told(logs.draft(gaps=())) == sorted_draft


@FEW
@given(strangers=strangers)
def test_every_account_is_counted_once_and_staff_never(make_logs: MakeLogs, strangers: list[Any]) -> None:
    logs = make_logs()
    attacked(logs)
    for columns, place in strangers:
        logs.add(**columns, **place)
    draft = logs.draft()
    names = [account.account for account in draft.accounts]
    assert len(names) == len(set(names)) == sum(draft.roles.values())
    assert sum(draft.counts.values()) == sum(draft.countries.values()) == len(names) - draft.roles["attacker"]
    assert "maja" not in names
