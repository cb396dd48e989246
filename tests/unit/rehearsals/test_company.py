"""The simulated company: what is drawn, from where, and that it is the same every time."""

import hashlib
import itertools
import json
import statistics
from ipaddress import ip_address
from pathlib import Path
from random import Random

import iporigin
import pytest

from tocsin.events import commands as events
from tocsin.rehearsals import addresses, commands, company, traffic, workplace
from tocsin.rehearsals.errors import FolderTaken, SizeRefused
from tocsin.rehearsals.values import LINES_MIN, ScenarioName


@pytest.fixture(scope="module")
def firm() -> company.Company:
    return company.company(lines=LINES_MIN, seed=5)


@pytest.fixture(scope="module")
def generator(firm, tmp_path_factory):
    with events.Generator(tmp_path_factory.mktemp("generator")) as made:
        company.prepare(made, firm)
        yield made


def _simulate(folder: Path, *, seed: int = 1, scenario: ScenarioName = ScenarioName.INTRUDER):
    return commands.simulate(scenario, folder=folder, lines=LINES_MIN, seed=seed, progress=lambda _: None)


def _digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_a_draw_is_even_and_says_nothing_about_the_next_question_or_the_next_thing(generator):
    ((mean, spread, neighbour, question, tail),) = generator.rows(
        """
        SELECT avg(u), stddev_pop(u), corr(u, next), corr(u, other), count(*) FILTER (u < 0.1 AND other < 0.1) / count(*)
        FROM (SELECT rnd(i, 1) AS u, rnd(i, 2) AS other, lead(rnd(i, 1)) OVER (ORDER BY i) AS next FROM range(200000) r(i))
        """
    )
    assert mean == pytest.approx(0.5, abs=0.005)
    assert spread == pytest.approx(12**-0.5, abs=0.005)
    assert abs(neighbour) < 0.01
    assert abs(question) < 0.01
    assert tail == pytest.approx(0.01, abs=0.001)


def test_every_account_has_a_name_of_its_own(generator, firm):
    ((names,),) = generator.rows(f"SELECT count(DISTINCT account_name(a)) FROM range({firm.accounts}) r(a)")
    assert names == firm.accounts


def test_a_track_of_half_the_rank_is_asked_for_about_twice_as_often(generator):
    counts = dict(generator.rows("SELECT liked_track(i, 7), count(*) FROM range(400000) r(i) GROUP BY 1"))
    names = [generator.rows(f"SELECT track_name({rank})")[0][0] for rank in (8, 16, 32, 64)]
    ratios = [counts[near] / counts[far] for near, far in itertools.pairwise(names)]
    assert statistics.mean(ratios) == pytest.approx(2.0, abs=0.25)


def test_people_live_where_no_real_person_does(generator, firm):
    drawn = generator.rows(
        f"SELECT home_ip(a), carrier_ip(a, a % 8, {firm.first_ts}), office_ip(a) FROM range({firm.accounts}) r(a)"
    )
    for address in {address for row in drawn for address in row}:
        assert not ip_address(address).is_global, address


@pytest.mark.parametrize("kind", ["hosting", "vpn", "bot"])
def test_rented_addresses_are_what_they_are_said_to_be(kind):
    found = addresses.drawn(Random(3), kind=kind, count=60, together=4)
    assert len(set(found)) == 60
    assert {iporigin.classify(address).kind for address in found} == {kind}


def test_slices_share_all_activity_without_overlap(generator, firm):
    parts = traffic.slices(generator, firm, count=7)
    assert [part.last_ts for part in parts[:-1]] == [part.first_ts for part in parts[1:]]
    assert (parts[0].first_ts, parts[-1].last_ts) == (firm.first_ts, firm.last_ts)
    runs = [part.numbers(10_000) for part in parts]
    assert runs[0][0] == 0
    assert runs[-1][1] == 10_000
    assert all(left[1] == right[0] for left, right in itertools.pairwise(runs))


def test_every_hour_has_somebody_in_support(firm):
    hours = {who[3] for who in workplace.people(firm) if who[2] == "support"}
    assert hours == {0, 8, 16}
    names = [who[1] for who in workplace.people(company.company(lines=100_000_000, seed=1))]
    assert len(set(names)) == len(names)


def test_the_same_seed_tells_the_same_story_and_another_seed_another(tmp_path):
    first = _simulate(tmp_path / "a")
    again = _simulate(tmp_path / "b")
    other = _simulate(tmp_path / "c", seed=2)
    assert _digests(first.logs) == _digests(again.logs)
    assert _digests(first.truth.parent) == _digests(again.truth.parent)
    assert _digests(first.logs) != _digests(other.logs)


def test_the_truth_lies_outside_the_logs_and_the_lines_are_about_as_many_as_asked(tmp_path):
    made = _simulate(tmp_path)
    assert not made.truth.is_relative_to(made.logs)
    assert not made.accounts.is_relative_to(made.logs)
    assert json.loads(made.truth.read_text())["lines"] == made.lines
    assert LINES_MIN * 0.8 < made.lines < LINES_MIN * 1.5


def test_a_folder_of_somebody_elses_is_refused_and_an_earlier_demos_is_replaced(tmp_path):
    taken = tmp_path / "letters"
    taken.mkdir()
    (taken / "dear.txt").write_text("diary")
    with pytest.raises(FolderTaken):
        _simulate(taken)
    assert (taken / "dear.txt").read_text() == "diary"
    made = _simulate(tmp_path / "demo")
    (made.logs / "left-over.log").write_text("old")
    _simulate(tmp_path / "demo", seed=3)
    assert not (made.logs / "left-over.log").exists()


@pytest.mark.parametrize("lines", [LINES_MIN - 1, 100_000_001])
def test_a_size_the_generator_was_not_made_for_is_refused(tmp_path, lines):
    with pytest.raises(SizeRefused):
        commands.simulate(ScenarioName.INTRUDER, folder=tmp_path, lines=lines, seed=1, progress=lambda _: None)
