"""Real logs that nobody here wrote: read without a crash, every line accounted for, and the known truths found.

The folder lies beside the checkout (or where TOCSIN_TEST_DATA says); without it these tests are skipped, visibly.
"""

import gzip
import json
import os
import re
from pathlib import Path

import pytest

from tocsin import story, wiring

DATA = Path(os.environ.get("TOCSIN_TEST_DATA") or Path(__file__).parents[4] / "shared" / "data")
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the folder of real logs is not here")
LOG_FOLDERS = ("auth-rba-sample", "auth-ssh", "cloud-otrf", "cloudtrail-invictus-2023", "cloudtrail-stratus",
               "http-semicomplete-2015")  # fmt: skip
NOT_LOGS = re.compile(r"LICENSE|\.yaml$|truth\.json$|expected\.json$|correlation_rules\.json$")
ACCOUNT_TAKEOVER = {"credential_stuffing", "password_spraying", "brute_force", "session_theft", "impossible_travel"}


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("TOCSIN_HOME", str(tmp_path / "home"))


def _investigated(paths, out):
    return story.investigate(paths, out=out, formats=wiring.formats())


@pytest.fixture(scope="module")
def logs():
    return [path for name in LOG_FOLDERS for path in sorted((DATA / name).iterdir()) if not NOT_LOGS.search(path.name)]


@pytest.mark.timeout(300)
def test_every_log_is_recognised_and_every_line_accounted_for(tmp_path, logs):
    investigation = _investigated(logs, tmp_path / "out")
    assert {source.path for source in investigation.sources} == {str(path.resolve()) for path in logs}
    for source in investigation.sources:
        assert source.parsed + source.rejected == source.lines, source.path
        assert source.format != "unknown", source.path
        assert source.parsed >= 0.99 * source.lines, source.path


@pytest.mark.timeout(600)
def test_collections_of_other_products_logs_are_read_without_a_crash(tmp_path):
    paths = sorted(DATA.glob("cases-crowdsec-hub/*/*.log"))[::6] + sorted(DATA.glob("cases-panther/*.jsonl"))[::6]
    investigation = _investigated(paths, tmp_path / "out")
    assert len(investigation.sources) == len(paths)
    assert investigation.parsed + investigation.rejected == investigation.lines
    kept = gzip.decompress((tmp_path / "out" / "rejected.jsonl.gz").read_bytes()).splitlines()
    assert len(kept) == investigation.rejected


def test_the_stolen_role_its_eleven_calls_and_the_one_object_it_read_are_found(tmp_path):
    path = DATA / "cloud-otrf" / "ec2_proxy_s3_exfiltration_2020-09-14011940.json"
    investigation = _investigated([path], tmp_path / "out")
    (detection,) = [each for each in investigation.detections if each.suspect_type == "principal"]
    assert "MordorNginxStack-BankingWAFRole" in detection.suspect
    assert detection.events == 11
    read = [each for each in investigation.scope.objects if each.operation == "read"]
    assert [(each.object.rpartition("/")[2], each.count) for each in read] == [("ring.txt", 2)]
    assert investigation.scope.counts["confirmed"] == 0, "a cloud role is no customer"


def test_the_addresses_that_guessed_at_ssh_are_found_and_those_that_work_there_are_not(tmp_path):
    path = DATA / "auth-ssh" / "elastic-auth.log.gz"
    text = gzip.decompress(path.read_bytes()).decode()
    failures = re.findall(r"Failed password for (?:invalid user )?\S+ from (\S+)", text)
    accepted = re.findall(r"Accepted \S+ for \S+ from (\S+)", text)
    honest = {address for address in accepted if accepted.count(address) > failures.count(address)}
    loud = {address for address in failures if failures.count(address) >= 10} - honest
    suspects = {each.suspect for each in _investigated([path], tmp_path / "out").detections}
    assert loud
    assert loud <= suspects
    assert honest
    assert not suspects & honest


def test_an_ordinary_site_with_crawlers_raises_no_account_takeover(tmp_path):
    investigation = _investigated([DATA / "http-semicomplete-2015" / "access.log.gz"], tmp_path / "out")
    assert not {each.kind for each in investigation.detections} & ACCOUNT_TAKEOVER
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["parsed"] >= 9_999


@pytest.mark.timeout(120)
def test_the_attackers_of_the_cloudtrail_hour_are_the_suspects(tmp_path):
    folder = DATA / "cloudtrail-invictus-2023"
    lines = gzip.decompress((folder / "cloudtrail.jsonl.gz").read_bytes()).decode().replace("stratus-red-team", "tool")
    (tmp_path / "cloudtrail.jsonl").write_text(lines)
    investigation = _investigated([tmp_path / "cloudtrail.jsonl"], tmp_path / "out")
    kinds = {each.kind.value for each in investigation.detections}
    assert {"defence_evasion", "persistence"} <= kinds
    assert {each.suspect.rpartition("/")[2] for each in investigation.detections} == {"bert-jan"}
