"""What was planted is found, exactly: over three seeds, with the attack's parameters drawn from the seed."""

import pytest

SEEDS = (1, 2, 2014)
INTRUDER, SCRAPE, STUFFING = "intruder-2014", "catalogue-scrape", "credential-stuffing"
ALL = [(scenario, seed) for scenario in (INTRUDER, SCRAPE, STUFFING) for seed in SEEDS]
EVERY_STREAM = ("api-access", "auth", "staff-tools", "payments", "credentials", "web-edge")


@pytest.mark.parametrize(("scenario", "seed"), ALL)
def test_every_line_is_read(play, scenario, seed):
    played = play(scenario, seed)
    assert played.summary["lines"] == played.summary["parsed"] == played.made.lines
    assert played.summary["rejected"] == 0


@pytest.mark.parametrize(("scenario", "seed"), ALL)
def test_every_planted_attack_is_found(play, scenario, seed):
    played = play(scenario, seed)
    missed = []
    for attack in played.truth["attacks"]:
        suspects = {who["value"] for who in attack["suspects"]}
        if not any(
            kind in attack["kinds"] and first <= attack["last_ts"] and last >= attack["first_ts"] and names & suspects
            for kind, first, last, names in played.named_in_evidence
        ):
            missed.append((attack["note"], sorted(suspects)[:3]))
    assert missed == []


@pytest.mark.parametrize(("scenario", "seed"), ALL)
def test_confirmed_accounts_are_exactly_those_used_or_read(play, scenario, seed):
    played = play(scenario, seed)
    assert played.accounts("confirmed") == {each["account"] for each in played.truth["confirmed"]}


@pytest.mark.parametrize(("scenario", "seed"), ALL)
def test_roles_are_right_and_the_intruders_own_accounts_are_not_victims(play, scenario, seed):
    played = play(scenario, seed)
    attackers = {name for name, row in played.affected.items() if row["role"] == "attacker"}
    assert attackers == set(played.truth["attackers"])
    planted = {each["account"]: each["role"] for each in played.truth["confirmed"]}
    found = {name: played.affected[name]["role"] for name in planted if name in played.affected}
    assert found == planted


@pytest.mark.parametrize(("scenario", "seed"), ALL)
def test_data_kinds_are_right_per_account_and_on_the_whole(play, scenario, seed):
    played = play(scenario, seed)
    planted = {each["account"]: set(each["data"]) for each in played.truth["confirmed"]}
    found = {
        name: {kind for kind in played.affected[name]["data"].replace(";", " ").replace(",", " ").split() if kind}
        for name in planted
        if name in played.affected
    }
    assert found == planted
    told = {kind: played.summary["data"].get(kind) for kind in played.truth["data"]}
    assert told == played.truth["data"]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_intruder_is_the_phished_person_and_no_colleague(play, seed):
    played = play(INTRUDER, seed)
    assert set(played.investigation.scope.principals) == set(played.truth["principals"])


@pytest.mark.parametrize("seed", SEEDS)
def test_the_signing_key_is_among_the_objects_read(play, seed):
    played = play(INTRUDER, seed)
    (key,) = played.truth["objects"]
    version = played.truth["cohort"]["version_at_most"]
    touched = {f"{row['object_type']} {row['object']}" for row in played.objects}
    assert any(key["object"] in each or version in each for each in touched), touched


@pytest.mark.parametrize("seed", SEEDS)
def test_the_cohort_is_everybody_on_the_clients_that_key_signed(play, seed):
    played = play(INTRUDER, seed)
    assert played.accounts("precaution") == played.listed("precaution.csv")
    platforms = played.investigation.scope.platforms
    told = {name for name, counts in platforms.items() if counts.get("update_client")}
    assert told == {played.truth["cohort"]["platform"]}


@pytest.mark.parametrize("seed", SEEDS)
def test_nobody_is_likely_affected_by_the_intruder_inside(play, seed):
    assert play(INTRUDER, seed).accounts("likely") == set()


@pytest.mark.parametrize(("scenario", "seed"), ALL)
def test_look_alikes_are_not_taken_for_the_intruder(play, scenario, seed):
    played = play(scenario, seed)
    alike = {who["value"] for who in played.truth["look_alikes"]}
    harmed = {each["account"] for each in played.truth["confirmed"]}
    accused = set(played.investigation.scope.principals)
    accused |= {name for name, row in played.affected.items() if row["certainty"] != "precaution"}
    assert accused & (alike - harmed) == set()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_copied_catalogue_has_no_victims(play, seed):
    played = play(SCRAPE, seed)
    assert played.accounts("confirmed") | played.accounts("likely") == set()
    assert any(row["object_type"] == "track" for row in played.objects)


@pytest.mark.parametrize("seed", SEEDS)
def test_accounts_merely_tried_are_not_confirmed(play, seed):
    played = play(STUFFING, seed)
    entered = {each["account"] for each in played.truth["confirmed"]}
    assert played.accounts("confirmed") & (played.listed("tried.csv") - entered) == set()


@pytest.mark.parametrize("seed", SEEDS)
def test_an_hour_missing_from_the_payment_log_makes_payment_data_unknowable(play, without_hour, seed):
    played = play(INTRUDER, seed)
    attack = played.truth["attacks"][0]
    middle = (attack["first_ts"] + attack["last_ts"]) // 2
    cut = without_hour(played, first_ts=middle - 1_800_000, streams=("payments", "api-access"))
    assert cut.summary["data"]["payment"] == "unknowable"
    assert cut.summary["data"]["profile"] == "reached"
    assert any(gap["first_ts"] <= middle <= gap["last_ts"] for gap in cut.summary["gaps"])
    assert cut.accounts("confirmed") == played.accounts("confirmed")


@pytest.mark.parametrize("seed", SEEDS)
def test_an_hour_missing_from_every_log_is_said_of_whatever_was_not_reached(play, without_hour, seed):
    played = play(SCRAPE, seed)
    middle = (played.truth["first_ts"] + played.truth["last_ts"]) // 2
    cut = without_hour(played, first_ts=middle, streams=EVERY_STREAM)
    untouched = {kind for kind, reach in played.truth["data"].items() if reach == "not_reached"}
    assert {cut.summary["data"][kind] for kind in untouched} == {"unknowable"}
    assert any(gap["first_ts"] <= middle + 1_800_000 <= gap["last_ts"] for gap in cut.summary["gaps"])
