"""Precautions: who is in a named cohort, and who is not."""

import pytest
from tests.contract.scopes.conftest import ATTACK, HOME, OFFENDER, START, Logs, certainties

from tocsin.detections.values import Kind, SuspectType
from tocsin.scopes.errors import CohortNotUnderstood

CLIENTS = {
    "old": ("android", "1.3.9"), "same": ("android", "1.4"), "equal": ("android", "v1.4.0"), "new": ("android", "1.10.0"),
    "odd": ("android", "beta"), "silent": ("android", None), "apple": ("ios", "1.3"), "desk": ("windows", "1.0"),
}  # fmt: skip


def clients(logs: Logs) -> None:
    """One event per account, each on its own client."""
    for account, (platform, version) in CLIENTS.items():
        logs.add(START, account=account, platform=platform, app_version=version, **HOME)


def key_read(logs: Logs, path: str, **columns: object) -> None:
    """The intruder reads one path of the internal tools."""
    columns = {
        "format": "tools_json", "actor_type": "staff", "actor_user_uid": "maja", "url_path": path, "object_id": path,
        "object_type": "release", "data_category": "credentials", **columns,
    }  # fmt: skip
    logs.add(ATTACK, **{**OFFENDER, **columns})
    logs.detect(Kind.INTERNAL_ACCESS, SuspectType.PRINCIPAL, "maja", where="actor_user_uid = 'maja'", owners=True)


def test_a_read_signing_key_takes_in_its_platform_up_to_its_version(logs: Logs) -> None:
    clients(logs)
    key_read(logs, "/releases/android/1.4/signing-key")
    draft = logs.draft()
    assert certainties(draft) == dict.fromkeys(("old", "same", "equal", "odd", "silent"), "precaution")
    assert [(cohort.platform, cohort.version_upto, cohort.accounts) for cohort in draft.cohorts] == [
        ("android", "1.4", 5)
    ]
    assert draft.platforms == {
        "android": {"accounts": 5, "sign_in_again": 5, "update_client": 5},
        "ios": {"accounts": 0, "sign_in_again": 0, "update_client": 0},
        "windows": {"accounts": 0, "sign_in_again": 0, "update_client": 0},
    }


def test_an_account_with_a_readable_newer_version_is_not_taken_in_by_an_unreadable_one(logs: Logs) -> None:
    clients(logs)
    logs.add(START + 1, account="new", platform="android", **HOME)
    key_read(logs, "/releases/android/1.4/signing-key")
    assert "new" not in certainties(logs.draft())


def test_a_key_without_a_version_takes_in_the_whole_platform(logs: Logs) -> None:
    clients(logs)
    key_read(logs, "vault/ios-release-key.p12")
    assert certainties(logs.draft()) == {"apple": "precaution"}


def test_a_refused_key_and_a_page_about_a_platform_take_in_nobody(logs: Logs) -> None:
    clients(logs)
    key_read(logs, "/releases/android/1.4/signing-key", status_id=2)
    key_read(logs, "/releases/android/1.4/notes", data_category=None)
    assert certainties(logs.draft()) == {}


def test_a_confirmed_account_stays_confirmed_in_a_cohort_and_must_update_too(logs: Logs) -> None:
    clients(logs)
    key_read(logs, "/releases/ios/2.0/signing-key")
    logs.staff_read(ATTACK, "maja", "apple", **OFFENDER)
    draft = logs.draft()
    assert certainties(draft) == {"apple": "confirmed"}
    assert len(draft.accounts[0].reasons) == 2
    assert draft.platforms["ios"] == {"accounts": 1, "sign_in_again": 1, "update_client": 1}


@pytest.mark.parametrize(
    ("cohort", "members"),
    [
        ("platform=android,version<1.4", {"old", "odd", "silent"}),
        ("platform=Android,version<=1.4", {"old", "same", "equal", "odd", "silent"}),
        ("platform=android,version>=1.10", {"new", "odd", "silent"}),
        ("platform=ios", {"apple"}),
        ("network=198.51.100.0/24,platform=windows", {"desk"}),
        ("network=198.51.100.7,platform=windows", {"desk"}),
        ("network=198.51.99.0/24", set()),
        ("route=/v1/x", set()),
        ("country=FR,platform=ios", {"apple"}),
    ],
)
def test_the_operator_names_a_cohort(logs: Logs, cohort: str, members: set[str]) -> None:
    clients(logs)
    draft = logs.draft(cohorts=[cohort])
    assert certainties(draft) == dict.fromkeys(members, "precaution")
    assert [found.accounts for found in draft.cohorts] == [len(members)]


@pytest.mark.parametrize(
    "cohort",
    [
        "", "platform", "platform=", "platform<android", "version<1.4", "platform=android,version<old", "color=red",
        "network=10.0.0.0/8", "network=nowhere", "platform=ios,platform=android", "platform=android,version<1.2.3.4.5.6.7",
    ],
)  # fmt: skip
def test_a_cohort_that_cannot_be_understood_says_how_to_mend_it(logs: Logs, cohort: str) -> None:
    clients(logs)
    with pytest.raises(CohortNotUnderstood) as raised:
        logs.draft(cohorts=[cohort])
    assert raised.value.mend
    assert cohort in raised.value.where


def test_a_cohort_named_with_quotes_is_only_a_value(logs: Logs) -> None:
    clients(logs)
    assert certainties(logs.draft(cohorts=["route=/x' OR 1=1 --"])) == {}
