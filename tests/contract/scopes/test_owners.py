"""Where only one account was tried, its owner is told from the intruder before anything counts as proven."""

from tests.contract.scopes.conftest import ATTACK, HOME, HOUR, OFFENDER, OFFICE, START, Logs, certainties

from tocsin.detections.values import AccountRole, Kind, SuspectType


def guessed(logs: Logs, **place: str) -> None:
    """One address fails ten times for one account, then succeeds."""
    for number in range(10):
        logs.login(ATTACK + number, "ann", success=False, **place)
    logs.login(ATTACK + 20, "ann", **place)
    logs.detect(
        Kind.BRUTE_FORCE, SuspectType.ADDRESS, place["src_endpoint_ip"],
        where=f"class_uid = 3002 AND ts >= {ATTACK}", accounts=AccountRole.INSTRUMENT,
    )  # fmt: skip


def test_a_guessed_password_on_a_strange_address_is_confirmed(logs: Logs) -> None:
    logs.login(START, "ann", **HOME)
    guessed(logs, **OFFENDER)
    assert certainties(logs.draft()) == {"ann": "confirmed"}


def test_the_owner_on_the_usual_device_and_network_is_cleared(logs: Logs) -> None:
    logs.login(START, "ann", **HOME)
    guessed(logs, **HOME)
    draft = logs.draft()
    assert certainties(draft) == {}
    assert [(line.suspect, dict(line.reason.values)) for line in draft.considered if line.suspect] == [
        ("198.51.100.7", {"account": "ann"})
    ]
    assert (draft.window, draft.aware_ts) == (None, None)


def test_an_account_never_seen_elsewhere_is_only_likely(logs: Logs) -> None:
    guessed(logs, **OFFENDER)
    logs.add(ATTACK + HOUR, account="ann", data_category="profile", **OFFENDER)
    draft = logs.draft()
    assert certainties(draft) == {"ann": "likely"}
    assert draft.accounts[0].data == ()


def test_staff_who_enrol_a_new_factor_at_their_usual_desk_are_cleared(logs: Logs) -> None:
    logs.staff_read(START, "maja", "cust9", **OFFICE)
    logs.staff_read(ATTACK, "maja", "cust1", **OFFICE)
    logs.detect(
        Kind.PHISHING, SuspectType.PRINCIPAL, "maja", where=f"actor_user_uid = 'maja' AND ts >= {ATTACK}", owners=True,
        follow=True,
    )  # fmt: skip
    draft = logs.draft()
    assert certainties(draft) == {}
    assert draft.window is None
    assert [line.suspect for line in draft.considered] == ["maja"]


def test_staff_on_their_first_day_in_an_office_of_colleagues_are_cleared_and_elsewhere_not(logs: Logs) -> None:
    for person in ("erik", "lars"):
        logs.staff_read(START, person, "cust9", **OFFICE)
    logs.staff_read(ATTACK, "maja", "cust1", **OFFICE)
    logs.staff_read(ATTACK, "sara", "cust2", **OFFENDER)
    for person in ("maja", "sara"):
        logs.detect(
            Kind.PHISHING, SuspectType.PRINCIPAL, person, where=f"actor_user_uid = '{person}'", owners=True, follow=True
        )
    draft = logs.draft()
    assert certainties(draft) == {"cust2": "confirmed"}
    assert "maja" in [line.suspect for line in draft.considered]


def test_at_a_stuffing_office_the_people_who_always_sit_there_are_not_confirmed(logs: Logs) -> None:
    logs.login(START, "ann", **OFFICE)
    for number in range(20):
        logs.login(ATTACK + number, f"tried{number}", success=False, **OFFICE)
    logs.login(ATTACK + 30, "ann", **OFFICE)
    logs.login(ATTACK + 40, "eve", **OFFICE)
    logs.detect(
        Kind.CREDENTIAL_STUFFING, SuspectType.ADDRESS, "192.0.2.10", where=f"class_uid = 3002 AND ts >= {ATTACK}",
        accounts=AccountRole.INSTRUMENT, network_cohort=True,
    )  # fmt: skip
    assert certainties(logs.draft()) == {"ann": "precaution", "eve": "confirmed"}


def travelled(logs: Logs) -> None:
    """One account signs in at two places an hour apart."""
    logs.login(ATTACK, "ann", **HOME)
    logs.login(ATTACK + HOUR, "ann", **OFFENDER)
    logs.add(ATTACK + HOUR + 1, account="ann", data_category="contact", **OFFENDER)
    logs.add(ATTACK + HOUR + 2, account="ann", data_category="payment", **HOME)
    logs.detect(
        Kind.IMPOSSIBLE_TRAVEL, SuspectType.ACCOUNT, "ann", where=f"class_uid = 3002 AND ts >= {ATTACK}",
        accounts=AccountRole.INSTRUMENT,
    )  # fmt: skip


def test_of_two_far_places_the_one_never_used_before_is_the_intruders(logs: Logs) -> None:
    logs.login(START, "ann", **HOME)
    travelled(logs)
    draft = logs.draft()
    assert certainties(draft) == {"ann": "confirmed"}
    assert draft.accounts[0].data == ("contact",)


def test_two_far_places_without_any_history_are_only_likely(logs: Logs) -> None:
    travelled(logs)
    draft = logs.draft()
    assert certainties(draft) == {"ann": "likely"}
    assert draft.accounts[0].data == ()
