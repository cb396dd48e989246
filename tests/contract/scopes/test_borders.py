"""Who is confirmed, likely, a precaution or nothing: each border, on a real store."""

import pytest
from tests.contract.scopes.conftest import (
    ATTACK,
    HOME,
    HOUR,
    OFFENDER,
    OFFICE,
    START,
    Logs,
    certainties,
    confirmed,
    roles,
)

from tocsin.detections.values import AccountRole, Kind, SuspectType

STUFFING = {"accounts": AccountRole.INSTRUMENT, "proof": "class_uid = 3002 AND status_id = 1", "network_cohort": True}


def stuffing(logs: Logs, *, tried: int = 30, entered: tuple[str, ...] = ("eve",)) -> None:
    """One address tries many accounts and enters some."""
    for number in range(tried):
        logs.login(ATTACK + number * 1000, f"tried{number}", success=False, **OFFENDER)
    for account in entered:
        logs.login(ATTACK + HOUR // 2, account, **OFFENDER)
    logs.detect(
        Kind.CREDENTIAL_STUFFING, SuspectType.ADDRESS, "203.0.113.66",
        where=f"class_uid = 3002 AND src_endpoint_ip = '203.0.113.66' AND ts <= {ATTACK + HOUR}", **STUFFING,
    )  # fmt: skip


def test_an_account_the_intruder_signed_in_to_is_a_confirmed_instrument(logs: Logs) -> None:
    stuffing(logs)
    draft = logs.draft()
    assert certainties(draft) == {"eve": "confirmed"}
    assert roles(draft) == {"eve": "instrument"}
    assert draft.counts == {"confirmed": 1, "likely": 0, "precaution": 0}


def rested(logs: Logs, *, entered: int, after: int = 5 * HOUR) -> None:
    """A stuffing address rests, goes on until ``after`` the attack, and enters some accounts; its lead lasts as long."""
    stuffing(logs, tried=9)
    for number in range(entered):
        logs.login(ATTACK + after + number, f"late{number}", **OFFENDER)
    logs.detect(
        Kind.CREDENTIAL_STUFFING, SuspectType.ADDRESS, "203.0.113.67", where="src_endpoint_ip = '203.0.113.67'",
        first_ts=ATTACK, last_ts=ATTACK + 5 * HOUR, **{**STUFFING, "network_cohort": False},
    )  # fmt: skip


def test_a_success_of_the_suspect_address_later_in_its_lead_is_confirmed(logs: Logs) -> None:
    rested(logs, entered=1, after=5 * HOUR)
    draft = logs.draft()
    assert certainties(draft) == {"eve": "confirmed", "late0": "confirmed"}
    assert roles(draft)["late0"] == "instrument"


def test_a_success_of_the_suspect_address_after_its_lead_is_a_precaution(logs: Logs) -> None:
    rested(logs, entered=1, after=5 * HOUR + 1)
    assert certainties(logs.draft()) == {"eve": "confirmed", "late0": "precaution"}


def test_an_address_that_lets_in_more_than_a_quarter_of_its_names_is_also_other_peoples(logs: Logs) -> None:
    rested(logs, entered=3, after=4 * HOUR)
    assert certainties(logs.draft()) == {"eve": "confirmed"} | {f"late{number}": "precaution" for number in range(3)}


def test_a_quarter_of_the_names_let_in_is_still_a_list(logs: Logs) -> None:
    rested(logs, entered=2, after=4 * HOUR)
    assert certainties(logs.draft()) == {"eve": "confirmed", "late0": "confirmed", "late1": "confirmed"}


def test_a_success_later_in_the_lead_on_the_owners_own_device_and_network_is_a_precaution(logs: Logs) -> None:
    logs.login(START, "late0", **OFFENDER)
    rested(logs, entered=1)
    assert certainties(logs.draft()) == {"eve": "confirmed", "late0": "precaution"}


def test_accounts_merely_tried_are_not_affected_but_considered_in_one_line(logs: Logs) -> None:
    stuffing(logs, tried=30, entered=())
    draft = logs.draft()
    assert draft.accounts == ()
    assert [(line.suspect_type, line.reason.values) for line in draft.considered] == [("accounts", {"accounts": 30})]


def test_a_success_from_a_neighbouring_address_in_the_window_is_likely(logs: Logs) -> None:
    stuffing(logs)
    logs.login(ATTACK + 1, "near", **{**OFFENDER, "src_endpoint_ip": "203.0.113.99"})
    draft = logs.draft()
    assert certainties(draft) == {"eve": "confirmed", "near": "likely"}


def test_a_failure_from_a_neighbouring_address_is_nothing(logs: Logs) -> None:
    stuffing(logs)
    logs.login(ATTACK + 1, "near", success=False, **{**OFFENDER, "src_endpoint_ip": "203.0.113.99"})
    assert certainties(logs.draft()) == {"eve": "confirmed"}


def test_a_success_at_the_same_hosting_provider_in_the_window_is_likely(logs: Logs) -> None:
    hosted = {"src_kind": "hosting", "src_asn": 64500}
    for number in range(20):
        logs.login(ATTACK + number, f"tried{number}", success=False, **OFFENDER, **hosted)
    logs.login(ATTACK + 5, "hosted", src_endpoint_ip="203.0.99.1", src_network="203.0.99.0/24", **hosted)
    logs.login(ATTACK + 5, "at_home", **HOME, src_asn=64501)
    logs.detect(
        Kind.CREDENTIAL_STUFFING,
        SuspectType.ADDRESS,
        "203.0.113.66",
        where="src_endpoint_ip = '203.0.113.66'",
        **STUFFING,
    )
    assert certainties(logs.draft()) == {"hosted": "likely"}


def test_a_success_on_the_network_after_the_window_is_a_precaution(logs: Logs) -> None:
    stuffing(logs)
    logs.login(ATTACK + 3 * HOUR, "later", **{**OFFENDER, "src_endpoint_ip": "203.0.113.99"})
    draft = logs.draft()
    assert certainties(draft) == {"eve": "confirmed", "later": "precaution"}
    assert [cohort.accounts for cohort in draft.cohorts] == [2]


def test_a_success_on_the_network_long_before_is_considered_and_excluded(logs: Logs) -> None:
    stuffing(logs)
    logs.login(ATTACK - 30 * HOUR, "before", **{**OFFENDER, "src_endpoint_ip": "203.0.113.99"})
    draft = logs.draft()
    assert certainties(draft) == {"eve": "confirmed"}
    assert ("203.0.113.0/24", 1) in [(line.suspect, line.reason.values["accounts"]) for line in draft.considered]


def test_an_account_at_home_on_the_intruders_network_is_not_likely_but_a_precaution(logs: Logs) -> None:
    stuffing(logs)
    neighbour = {**OFFENDER, "src_endpoint_ip": "203.0.113.99"}
    for day in range(1, 5):
        logs.login(ATTACK - day * 24 * HOUR, "neighbour", **neighbour)
    logs.login(ATTACK + 1, "neighbour", **neighbour)
    assert certainties(logs.draft()) == {"eve": "confirmed", "neighbour": "precaution"}


def test_a_success_elsewhere_is_nothing(logs: Logs) -> None:
    stuffing(logs)
    logs.login(ATTACK + 1, "home", **HOME)
    assert certainties(logs.draft()) == {"eve": "confirmed"}


def test_what_the_intruder_read_after_signing_in_is_the_accounts_reached_data(logs: Logs) -> None:
    stuffing(logs)
    logs.add(ATTACK + HOUR, account="eve", data_category="payment", **OFFENDER)
    logs.add(ATTACK + HOUR, account="eve", data_category="messages", **HOME)
    draft = logs.draft()
    assert draft.accounts[0].data == ("payment",)
    assert {line.data_kind: line.reach.value for line in draft.data if line.accounts} == {"payment": "reached"}


def test_a_session_the_intruder_opened_stays_the_intruders_on_another_address(logs: Logs) -> None:
    stuffing(logs, entered=())
    logs.login(ATTACK + 1, "eve", actor_session_uid="s1", **OFFENDER)
    moved = {**OFFENDER, "src_endpoint_ip": "203.0.99.1", "src_network": "203.0.99.0/24"}
    logs.add(ATTACK + 9 * HOUR, account="eve", actor_session_uid="s1", data_category="contact", **moved)
    assert logs.draft().accounts[0].data == ("contact",)


def scraped(logs: Logs, *, owner: str | None = None) -> None:
    """Two accounts copy many tracks."""
    for number in range(50):
        logs.add(
            ATTACK + number, account=f"bot{number % 2}", object_type="track", object_id=f"t{number}",
            object_owner=owner, **OFFENDER,
        )  # fmt: skip
    logs.add(ATTACK, account="bot0", data_category="profile", **OFFENDER)
    for bot in ("bot0", "bot1"):
        logs.detect(
            Kind.SCRAPING,
            SuspectType.ACCOUNT,
            bot,
            where=f"account = '{bot}'",
            accounts=AccountRole.ATTACKER,
            follow=True,
        )


def test_a_scraper_is_an_attacker_and_has_no_victim(logs: Logs) -> None:
    scraped(logs)
    draft = logs.draft()
    assert roles(draft) == {"bot0": "attacker", "bot1": "attacker"}
    assert draft.counts == {"confirmed": 0, "likely": 0, "precaution": 0}
    assert draft.roles == {"victim": 0, "instrument": 0, "attacker": 2}
    assert draft.countries == {}


def test_what_a_scraper_copied_is_told_by_owner(logs: Logs) -> None:
    scraped(logs, owner="label1")
    draft = logs.draft()
    assert {(row.operation, row.object_type, row.owner) for row in draft.objects} == {("copied", "track", "label1")}
    assert sum(row.count for row in draft.objects) == 50
    assert {row.by for row in draft.objects} == {"bot0", "bot1"}


def test_an_attackers_own_profile_is_not_personal_data_reached(logs: Logs) -> None:
    scraped(logs)
    assert all(line.reach.value != "reached" for line in logs.draft().data)


def insider(logs: Logs, *read: str) -> None:
    """A staff account, used from a foreign network, opens records; its owner works on from the office."""
    for number, owner in enumerate(read):
        logs.staff_read(ATTACK + number, "maja", owner, **OFFENDER)
    for number in range(20):
        logs.staff_read(ATTACK + number * 60_000, "maja", f"served{number}", **OFFICE)
    logs.detect(
        Kind.INTERNAL_ACCESS, SuspectType.PRINCIPAL, "maja",
        where="actor_user_uid = 'maja' AND src_network = '203.0.113.0/24'", owners=True, follow=True,
    )  # fmt: skip


def test_an_internal_intruder_who_read_one_record_yields_exactly_that_one(logs: Logs) -> None:
    insider(logs, "cust1")
    draft = logs.draft()
    assert confirmed(draft) == {"cust1"}
    assert certainties(draft) == {"cust1": "confirmed"}
    assert roles(draft) == {"cust1": "victim"}
    assert draft.accounts[0].data == ("profile",)
    assert draft.principals == ("maja",)
    assert [(row.object, row.operation, row.by) for row in draft.objects] == [("cust1", "read", "maja")]


def eager(logs: Logs, *, in_doubt: bool) -> None:
    """A colleague at the usual desk opens two records and finds a third in a list."""
    for owner in ("cust1", "cust2"):
        logs.staff_read(ATTACK, "maja", owner, **OFFICE)
    logs.staff_read(ATTACK, "maja", "cust3", api_operation="search_customers", **OFFICE)
    logs.detect(
        Kind.INTERNAL_ACCESS, SuspectType.PRINCIPAL, "maja", where="actor_user_uid = 'maja'", owners=True,
        in_doubt=in_doubt,
    )  # fmt: skip


def test_what_a_suspect_read_who_may_have_had_a_reason_is_only_likely(logs: Logs) -> None:
    eager(logs, in_doubt=True)
    draft = logs.draft()
    assert certainties(draft) == {"cust1": "likely", "cust2": "likely", "cust3": "likely"}
    assert {line.data_kind: line.reach.value for line in draft.data}["profile"] == "unknowable"
    assert draft.principals == (), "nobody is called the intruder for reading much"


def test_what_a_suspect_read_who_can_have_had_no_reason_is_confirmed(logs: Logs) -> None:
    eager(logs, in_doubt=False)
    draft = logs.draft()
    assert certainties(draft) == {"cust1": "confirmed", "cust2": "confirmed", "cust3": "likely"}
    assert draft.principals == ("maja",)
    assert {line.data_kind: line.reach.value for line in draft.data}["profile"] == "reached"


def test_an_account_used_by_a_suspect_in_doubt_is_only_likely(logs: Logs) -> None:
    logs.login(ATTACK, "eve", **OFFENDER)
    logs.detect(
        Kind.API_ABUSE, SuspectType.ADDRESS, "203.0.113.66", where="src_endpoint_ip = '203.0.113.66'",
        accounts=AccountRole.INSTRUMENT, in_doubt=True,
    )  # fmt: skip
    assert certainties(logs.draft()) == {"eve": "likely"}


def test_a_record_listed_but_not_opened_is_likely(logs: Logs) -> None:
    insider(logs)
    logs.staff_read(ATTACK, "maja", "cust2", api_operation="search_customers", **OFFENDER)
    assert certainties(logs.draft()) == {"cust2": "likely"}


def test_a_record_asked_for_with_unknown_outcome_is_likely(logs: Logs) -> None:
    insider(logs)
    logs.staff_read(ATTACK, "maja", "cust2", status_id=0, **OFFENDER)
    assert certainties(logs.draft()) == {"cust2": "likely"}


def test_a_refused_record_is_considered_and_not_affected(logs: Logs) -> None:
    insider(logs)
    logs.staff_read(ATTACK, "maja", "cust2", status_id=2, **OFFENDER)
    draft = logs.draft()
    assert draft.accounts == ()
    assert {"objects": 1, "requests": 1} in [dict(line.reason.values) for line in draft.considered]


def test_staff_are_never_affected_even_when_they_are_read(logs: Logs) -> None:
    insider(logs, "cust1", "erik")
    logs.staff_read(START, "erik", "cust9", **OFFICE)
    assert certainties(logs.draft()) == {"cust1": "confirmed"}


def test_a_cloud_role_is_a_principal_and_no_account(logs: Logs) -> None:
    logs.add(
        ATTACK, format="aws_cloudtrail", actor_type="cloud", actor_user_uid="role/web", account="role/web",
        api_operation="GetObject", object_type="s3_object", object_id="bucket/key", **OFFENDER,
    )  # fmt: skip
    logs.detect(
        Kind.API_ABUSE, SuspectType.PRINCIPAL, "role/web", where="actor_user_uid = 'role/web'",
        accounts=AccountRole.INSTRUMENT, follow=True,
    )  # fmt: skip
    draft = logs.draft()
    assert draft.accounts == ()
    assert draft.principals == ("role/web",)
    assert [row.object for row in draft.objects] == ["bucket/key"]


def test_a_key_without_an_id_is_an_object_by_its_path(logs: Logs) -> None:
    key = {"object_id": None, "object_owner": None, "object_type": None, "data_category": "credentials"}
    insider(logs)
    logs.staff_read(ATTACK, "maja", "", **{**OFFENDER, **key, "url_path": "/releases/android/1.4/signing-key"})
    assert [(row.object_type, row.object, row.owner) for row in logs.draft().objects] == [
        ("credentials", "/releases/android/1.4/signing-key", "")
    ]


def stolen_session(logs: Logs) -> None:
    """A thief uses a session beside its owner, who also walks from the flat to the train."""
    logs.login(START, "ann", actor_session_uid="s1", device_uid="phone", **HOME)
    train = {**HOME, "src_endpoint_ip": "198.51.99.1", "src_network": "198.51.99.0/24"}
    for number in range(10):
        ts = ATTACK + number * 60_000
        logs.add(ts, account="ann", actor_session_uid="s1", device_uid="phone", data_category="messages", **train)
    logs.add(ATTACK + 1, account="ann", actor_session_uid="s1", device_uid="pc", data_category="payment", **OFFENDER)
    logs.detect(
        Kind.SESSION_THEFT, SuspectType.SESSION, "s1",
        where=f"actor_session_uid = 's1' AND ts >= {ATTACK}", accounts=AccountRole.INSTRUMENT, follow=True,
    )  # fmt: skip


def test_only_the_thiefs_part_of_a_stolen_session_counts(logs: Logs) -> None:
    stolen_session(logs)
    draft = logs.draft()
    ann = draft.accounts[0]
    assert (ann.account, ann.role, ann.certainty.value) == ("ann", "instrument", "confirmed")
    assert ann.data == ("payment",)
    assert (ann.first_ts, ann.last_ts) == (ATTACK + 1, ATTACK + 1)
    assert ann.country == "FR"


def test_a_stolen_session_without_proven_use_is_likely(logs: Logs) -> None:
    stolen_session(logs)
    logs.detections.clear()
    logs.detect(
        Kind.SESSION_THEFT, SuspectType.SESSION, "s1", where="actor_session_uid = 's1' AND device_uid = 'nothing'",
        accounts=AccountRole.INSTRUMENT, follow=True,
    )  # fmt: skip
    assert certainties(logs.draft()) == {"ann": "likely"}


def test_an_account_with_several_parts_is_told_by_the_gravest_with_every_reason(logs: Logs) -> None:
    stuffing(logs)
    logs.staff_read(ATTACK, "maja", "eve", **{**OFFENDER, "src_endpoint_ip": "203.0.113.5"})
    insider(logs)
    logs.detect(Kind.SCRAPING, SuspectType.ACCOUNT, "eve", where="account = 'eve'", accounts=AccountRole.ATTACKER)
    draft = logs.draft()
    eve = draft.accounts[0]
    assert (eve.role, eve.certainty) == ("attacker", "confirmed")
    assert {reason.text.split(":")[0] for reason in eve.reasons} >= {
        "used by the intruder", "opened or owned by the intruder", "its data was opened by the intruder"
    }  # fmt: skip
    assert eve.detections == ("d0", "d1", "d2")
    assert draft.counts["confirmed"] == 0


def test_an_instrument_that_was_also_read_is_an_instrument(logs: Logs) -> None:
    stuffing(logs)
    insider(logs, "eve")
    assert roles(logs.draft()) == {"eve": "instrument"}


@pytest.mark.parametrize("kind", [Kind.SCAN, Kind.CRAWL, Kind.DOS, Kind.EXPLOIT_ATTEMPT, Kind.MISCONFIGURATION])
def test_noise_from_outside_affects_nobody(logs: Logs, kind: Kind) -> None:
    logs.add(ATTACK, account="ann", data_category="contact", object_type="page", object_id="p", **OFFENDER)
    logs.detect(kind, SuspectType.ADDRESS, "203.0.113.66", where="src_endpoint_ip = '203.0.113.66'")
    draft = logs.draft()
    assert (draft.accounts, draft.objects, draft.window) == ((), (), None)


def test_nothing_detected_is_nobody_affected(logs: Logs) -> None:
    logs.every_hour(account="ann", data_category="profile", **HOME)
    draft = logs.draft()
    assert (draft.accounts, draft.window, draft.aware_ts) == ((), None, None)
    assert {line.reach.value for line in draft.data} == {"not_reached"}


def test_an_empty_log_says_that_nothing_can_be_known(logs: Logs) -> None:
    assert {line.reach.value for line in logs.draft().data} == {"unknowable"}
