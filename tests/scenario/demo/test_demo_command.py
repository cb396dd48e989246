"""`tocsin demo` through its own door."""

import json
import re
from collections.abc import Callable

import pytest

from tocsin.project import main


def _demo(*arguments: str) -> int:
    return main.run(["demo", "--lines", "50000", *arguments])


@pytest.fixture
def play(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Return a function that plays a demo which must end well, and returns what it printed."""

    def played(*arguments: str) -> str:
        code = _demo(*arguments)
        said = capsys.readouterr()
        assert code == 0, said.err[-600:]
        return said.out

    return played


def test_the_demo_ends_well_and_says_where_the_report_lies(tmp_path, play):
    said = play("--out", str(tmp_path / "demo"))
    report = tmp_path / "demo" / "findings" / "report.html"
    assert report.is_file()
    assert str(report) in said
    truth = json.loads((tmp_path / "demo" / "truth" / "truth.json").read_text())
    assert truth["seed"] == 2014
    assert not (tmp_path / "demo" / "logs").exists()


def test_two_people_are_told_and_one_answers(tmp_path, play):
    said = play("--out", str(tmp_path / "demo"), "--seed", "42")
    phones, mails = ((tmp_path / "demo" / name).read_text() for name in ("phones.html", "mails.html"))
    assert re.search("Was my card seen|Ma carte a-t-elle", phones)
    assert "Larkwave" in mails
    assert "Proven by" in said
    assert "The person answered this very message" in said


def test_the_logs_are_kept_when_asked_and_a_second_demo_replaces_the_first(tmp_path, play):
    out = tmp_path / "demo"
    play("--out", str(out), "--keep", "--scenario", "catalogue-scrape")
    first = {path.name for path in (out / "logs").iterdir()}
    play("--out", str(out), "--keep", "--seed", "9")
    assert first
    sources = json.loads((out / "findings" / "summary.json").read_text())["sources"]
    assert len(sources) == len(list((out / "logs").iterdir()))
    assert json.loads((out / "truth" / "truth.json").read_text())["scenario"] == "intruder-2014"


@pytest.mark.parametrize("arguments", [("--lines", "7"), ("--scenario", "flood"), ("--seed", "-1")])
def test_what_cannot_be_played_is_refused_in_words(tmp_path, capsys, arguments):
    assert main.run(["demo", "--out", str(tmp_path / "demo"), *arguments]) == 2
    assert arguments[0] in capsys.readouterr().err


def test_a_folder_of_somebody_elses_is_left_alone(tmp_path, capsys):
    (tmp_path / "dear.txt").write_text("diary")
    assert _demo("--out", str(tmp_path)) == 2
    assert "--out" in capsys.readouterr().err
    assert (tmp_path / "dear.txt").read_text() == "diary"
