"""The answer in plain words is right in every case, in both languages."""

from dataclasses import replace
from types import ModuleType

import pytest

from tocsin.detections.values import Kind, Reason
from tocsin.reports import queries
from tocsin.reports.values import Investigation, Tone
from tocsin.scopes.values import DataReach, Reach

NARROW = "\N{NARROW NO-BREAK SPACE}"


def _text(investigation: Investigation, language: str = "en") -> str:
    return queries.answer(replace(investigation, language=language)).text


def test_one_customer_read_is_told_with_what_was_not_reached_and_what_to_do(cases: ModuleType) -> None:
    assert _text(cases.small()) == (
        "1 customer's data was read: contact and profile data. "
        "Payment and password data: not reached (logs complete 00:00–24:00). "
        "2,417 should sign in again; Android must update; iOS and Windows: nothing. 5 suspects cleared."
    )


def test_the_same_in_french_with_its_numbers_and_typography(cases: ModuleType) -> None:
    assert _text(cases.small(), "fr").replace(NARROW, "_") == (
        "Les données de 1 client ont été lues_: données de contact et de profil. "
        "Données de paiement et de mot de passe_: non atteintes (journaux complets 00:00–24:00). "
        "2_417 comptes doivent se reconnecter_; mise à jour nécessaire sur Android_; iOS et Windows_: rien. "
        "5 suspects mis hors de cause."
    )


def test_nothing_found_is_said_with_how_far_that_reaches(cases: ModuleType) -> None:
    answer = queries.answer(cases.investigation())
    assert answer.tone is Tone.CLEAR
    assert answer.text == (
        "Nothing suspicious was found in 199,990 events (14 March 2014, 00:00–24:00). "
        "This is what these logs and rules can show; it does not prove that nothing happened."
    )


def test_nothing_found_between_two_moments_counts_only_what_lies_between(cases: ModuleType) -> None:
    kept = (12, cases.DAY_START + 9 * cases.HOUR, cases.DAY_START + 11 * cases.HOUR)
    assert _text(cases.investigation(kept=kept)).startswith(
        "Nothing suspicious was found in 12 events (14 March 2014, 09:00–11:00). "
    )


def test_nothing_found_in_logs_with_a_gap_says_which_hours_are_unknown(cases: ModuleType) -> None:
    gap = cases.Gap("edge.log", cases.DAY_START + 2 * cases.HOUR, cases.DAY_START + 3 * cases.HOUR, 900.0)
    text = _text(cases.investigation(gaps=(gap,)))
    assert "No logs for 14 March 2014, 02:00–03:00: what happened then cannot be told." in text


def test_nothing_readable_is_not_called_nothing_found(cases: ModuleType) -> None:
    nothing = cases.source(lines=10, parsed=0, rejected=10, first_ts=None, last_ts=None, format="unknown")
    text = _text(cases.investigation(sources=(nothing,)))
    assert text == "Nothing could be read, so nothing can be told. 100 % of the lines could not be read."


def test_a_scraped_catalogue_is_counted_and_no_personal_data(cases: ModuleType) -> None:
    answer = queries.answer(cases.scraped())
    assert answer.tone is Tone.COPIED
    assert answer.text.startswith("20 accounts of the intruder's copied 81,000 tracks; no personal data. Payment")


def test_a_scraped_catalogue_too_long_for_memory_is_counted_from_its_kinds_of_data(cases: ModuleType) -> None:
    whole = cases.scraped()
    part = replace(whole.scope, objects=whole.scope.objects[:100], objects_total=1_620_000)
    assert _text(replace(whole, scope=part)).startswith("20 accounts of the intruder's copied 81,000 tracks;")


def test_accounts_entered_and_accounts_used_are_two_numbers(cases: ModuleType) -> None:
    assert _text(cases.stuffed()).startswith("212 accounts were entered; 35 of them were used to read data. 9 more")
    assert _text(cases.stuffed(used=0)).startswith("212 accounts were entered; no reading of data is seen in them.")
    assert _text(cases.stuffed(used=212)).startswith("212 accounts were entered and used to read data.")
    assert _text(cases.stuffed(used=1)).startswith("212 accounts were entered; 1 of them was used to read data.")


def test_where_data_is_unknowable_unseen_reading_is_not_called_none(cases: ModuleType) -> None:
    stuffed = cases.stuffed(used=0)
    scope = replace(stuffed.scope, data=(DataReach("profile", Reach.UNKNOWABLE, 0, 0),))
    assert "what was read there cannot be told in full." in _text(replace(stuffed, scope=scope))


def test_millions_of_confirmed_accounts_are_counted_though_only_some_are_listed(cases: ModuleType) -> None:
    small = cases.small()
    read = replace(small, scope=replace(small.scope, counts={"confirmed": 40_000}))
    entered = replace(cases.stuffed(), scope=replace(cases.stuffed().scope, counts={"confirmed": 40_000}))
    assert _text(read).startswith("40,000 customers' data was read: contact and profile data.")
    assert _text(entered).startswith("40,000 accounts were entered.")


def test_a_stolen_cloud_role_is_named_with_the_one_object_it_read(cases: ModuleType) -> None:
    answer = queries.answer(cases.cloud())
    assert answer.tone is Tone.HARMED
    assert answer.text == (
        "The intruder acted as 1 identity of yours: “arn:aws:sts::123456789012:assumed-role/backup/i-0abc”. "
        "The intruder read 1 stored object (S3) “payroll/ring.txt”; "
        "whether personal data was among it cannot be told. Payment data: cannot be told (no log of its systems)."
    )


def test_an_hour_without_logs_makes_data_unknowable_not_unreached(cases: ModuleType) -> None:
    text = _text(cases.unknowable())
    assert "Payment and password data: cannot be told (no logs 02:00–03:00)." in text
    assert "not reached" not in text
    assert "impossible à dire (aucun journal 02:00–03:00)." in _text(cases.unknowable(), "fr")


def test_only_tries_are_told_as_tries(cases: ModuleType) -> None:
    answer = queries.answer(cases.only_tried())
    assert answer.tone is Tone.TRIED
    assert answer.text == (
        "3 suspects tried to get in or looked for a way (scan and brute force); "
        "nobody got in, as far as these logs show."
    )


def test_a_detection_of_no_trying_kind_without_accounts_does_not_claim_that_nobody_got_in(cases: ModuleType) -> None:
    stopped = cases.detection(kind=Kind.DEFENCE_EVASION)
    text = _text(cases.investigation(detections=(stopped,)))
    assert text == "1 detection (evasion of defences); no affected account is known from these logs."


def test_hours_are_written_in_the_time_zone_of_the_investigation(cases: ModuleType) -> None:
    text = _text(replace(cases.unknowable(), timezone="Europe/Stockholm"))
    assert "no logs 14 March 2014, 03:00–04:00" in text


def test_kinds_unknowable_for_other_reasons_say_theirs(cases: ModuleType) -> None:
    line = DataReach("payment", Reach.UNKNOWABLE, 0, 0, reason=Reason("{n} lines could not be read", {"n": 1200}))
    small = cases.small()
    text = _text(replace(small, scope=replace(small.scope, data=(line,))))
    assert "Payment data: cannot be told (1,200 lines could not be read)." in text


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize("name", ["hostile", "small", "nothing", "cloud", "stuffed"])
def test_no_sentence_holds_a_character_that_hides_or_an_open_name(cases: ModuleType, name: str, language: str) -> None:
    text = _text(cases.ALL[name](), language)
    assert "\u202e" not in text
    assert "\x1b" not in text
    assert "{names}" not in text


def test_kinds_of_data_that_were_reached_share_a_sentence_with_their_accounts(cases: ModuleType) -> None:
    data = (
        DataReach("password", Reach.REACHED, 58, 0),
        DataReach("credentials", Reach.REACHED, 0, 1),
        DataReach("profile", Reach.REACHED, 1, 1),
        DataReach("content", Reach.REACHED, 9, 9),
    )
    stuffed = cases.stuffed()
    told = replace(stuffed, scope=replace(stuffed.scope, data=data))
    assert "Reached: password data of 58 accounts, credential data and profile data of 1 account." in _text(told)
    assert f"Atteintes{NARROW}: données de mot de passe de 58 comptes, données de clés d’accès et" in _text(told, "fr")


def test_logs_of_several_days_name_the_day_of_every_stretch(cases: ModuleType) -> None:
    small = cases.small()
    longer = replace(small, sources=(cases.source(last_ts=cases.DAY_END + cases.HOUR),))
    assert "not reached (logs complete 14 March 2014, 00:00–24:00)." in _text(longer)
