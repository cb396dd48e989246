"""The truth beside the logs agrees with the logs: it is recounted here from the files, line by line."""

import csv
import json
from pathlib import Path

import pytest

from tocsin.rehearsals import commands
from tocsin.rehearsals.values import LINES_MIN, ScenarioName

SEEDS = (1, 2, 3)


def _simulated(folder: Path, *, scenario: ScenarioName, seed: int):
    made = commands.simulate(scenario, folder=folder, lines=LINES_MIN, seed=seed, progress=lambda _: None)
    return made, json.loads(made.truth.read_text())


def _lines(folder: Path, stream: str):
    for path in sorted(folder.glob(f"{stream}-*.jsonl")):
        with path.open() as handle:
            for line in handle:
                yield json.loads(line)


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_intruder_opens_one_customer_and_one_key_and_nothing_of_payments(tmp_path, seed):
    made, truth = _simulated(tmp_path, scenario=ScenarioName.INTRUDER, seed=seed)
    address = next(who["value"] for who in truth["attacks"][0]["suspects"] if who["type"] == "address")
    seen = [row for stream in ("staff-tools", "payments", "credentials") for row in _lines(made.logs, stream)]
    paths = {row["path"] for row in seen if row["ip"] == address and row["path"]}
    (customer,) = (each["account"] for each in truth["confirmed"])
    assert {path for path in paths if path.startswith("/customers")} == {f"/customers/{customer}"}
    assert truth["objects"][0]["object"] in paths
    assert {row["staff"] for row in seen if row["ip"] == address} == set(truth["principals"])


@pytest.mark.parametrize("seed", SEEDS)
def test_the_cohort_is_everybody_seen_on_that_client_or_an_older_one(tmp_path, seed):
    made, truth = _simulated(tmp_path, scenario=ScenarioName.INTRUDER, seed=seed)
    cohort = truth["cohort"]
    affected = {
        row["account"]
        for stream in ("api-access", "auth")
        for row in _lines(made.logs, stream)
        if row["account"]
        and row["platform"] == cohort["platform"]
        and _version(row["app_version"]) <= _version(cohort["version_at_most"])
    }
    with (made.truth.parent / "precaution.csv").open() as handle:
        members = {row["account"] for row in csv.DictReader(handle)}
    assert members == affected - {each["account"] for each in truth["confirmed"]}
    assert len(members) == cohort["accounts"] > 0


@pytest.mark.parametrize("seed", SEEDS)
def test_scrapers_copy_tracks_and_touch_no_customer(tmp_path, seed):
    made, truth = _simulated(tmp_path, scenario=ScenarioName.SCRAPE, seed=seed)
    attackers = set(truth["attackers"])
    copied = [row for row in _lines(made.logs, "api-access") if row["account"] in attackers]
    assert {row["account"] for row in copied} == attackers
    assert all(row["path"].startswith("/v1/tracks/") for row in copied)
    everything = {row["path"].split("/")[3] for row in _lines(made.logs, "api-access") if "/tracks/" in row["path"]}
    assert len({row["path"].split("/")[3] for row in copied}) > 0.25 * len(everything)
    assert truth["confirmed"] == []


@pytest.mark.parametrize("seed", SEEDS)
def test_stuffing_enters_exactly_the_accounts_the_truth_names(tmp_path, seed):
    made, truth = _simulated(tmp_path, scenario=ScenarioName.STUFFING, seed=seed)
    machines = {who["value"] for attack in truth["attacks"] for who in attack["suspects"] if who["type"] == "address"}
    logins = [row for row in _lines(made.logs, "auth") if row["ip"] in machines]
    calls = [row for row in _lines(made.logs, "api-access") if row["ip"] in machines]
    entered = {row["account"] for row in logins if row["result"] == "success"} | {row["account"] for row in calls}
    assert {each["account"] for each in truth["confirmed"]} == entered
    kinds = {"/v1/me/profile": "profile", "/v1/me/payment-methods": "payment"}
    for each in truth["confirmed"]:
        reached = {kinds[row["path"]] for row in calls if row["account"] == each["account"] and row["path"] in kinds}
        assert set(each["data"]) == reached
    assert sum(row["result"] == "failure" for row in logins) > 20 * len(entered)
