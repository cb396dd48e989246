"""report.html: self-contained, hostile values stay text, every table can be heard, both languages."""

import base64
import hashlib
import re
import stat
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import pytest

from tocsin.reports import commands
from tocsin.reports.values import Investigation

TAGS = set(
    "a article bdi body br caption code dd desc details defs div dl dt figcaption figure footer g h1 h2 h3 head header "
    "html i li line link main meta nav p path pattern rect section span strong style summary svg table tbody td text th "
    "thead time title tr ul".split()
)


class Seen(HTMLParser):
    """Every element with its attributes, and the text outside the style."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._in_style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False

    def handle_data(self, data: str) -> None:
        if not self._in_style:
            self.words.append(data)


def _page(investigation: Investigation, folder: Path) -> str:
    return commands.write_report(investigation, folder=folder).read_text(encoding="utf-8")


def _seen(text: str) -> Seen:
    seen = Seen()
    seen.feed(text)
    seen.close()
    return seen


@pytest.mark.parametrize("language", ["en", "fr"])
@pytest.mark.parametrize(
    "name", ["nothing", "small", "hostile", "unknowable", "scraped", "stuffed", "cloud", "only_tried"]
)
def test_no_value_becomes_markup(cases: ModuleType, tmp_path: Path, name: str, language: str) -> None:
    seen = _seen(_page(replace(cases.ALL[name](), language=language), tmp_path))
    assert {tag for tag, _ in seen.elements} <= TAGS
    attributes = {key for _, found in seen.elements for key in found}
    assert not {key for key in attributes if key.startswith("on") or key in {"style", "src", "srcset", "action"}}
    links = {found["href"] for _, found in seen.elements if "href" in found}
    assert all(link is not None and link.startswith(("#", "data:,")) for link in links)


def test_hostile_characters_are_shown_not_obeyed(cases: ModuleType, tmp_path: Path) -> None:
    text = _page(cases.hostile(), tmp_path)
    assert "\u202e" not in text
    assert "\x1b" not in text
    assert "\x00" not in text
    assert "\\u202egpj.exe" in text
    assert "&lt;/script&gt;&lt;svg onload=alert(1)&gt;" in text
    assert "a" * 1_300 not in text


def test_the_policy_allows_this_very_style_and_nothing_else(cases: ModuleType, tmp_path: Path) -> None:
    text = _page(cases.small(), tmp_path)
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style.group(1).encode()).digest()).decode()
    policy = next(found["content"] for tag, found in _seen(text).elements if found.get("http-equiv"))
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    assert "@import" not in style.group(1)
    assert not re.search(r"url\((?!#)", style.group(1))


@pytest.mark.parametrize("language", ["en", "fr"])
def test_every_table_has_a_caption_and_every_head_a_scope(cases: ModuleType, tmp_path: Path, language: str) -> None:
    seen = _seen(_page(replace(cases.small(), language=language), tmp_path))
    tags = [tag for tag, _ in seen.elements]
    assert tags.count("caption") == tags.count("table") > 5
    assert all(found.get("scope") in {"col", "row"} for tag, found in seen.elements if tag == "th")
    assert [found["lang"] for tag, found in seen.elements if tag == "html"] == [language]


def test_the_answer_stands_before_everything_else(cases: ModuleType, tmp_path: Path) -> None:
    words = " ".join(_seen(_page(cases.small(), tmp_path)).words)
    assert words.index("1 customer's data was read") < words.index("Aware since") < words.index("Time line")
    assert words.index("Who is affected") < words.index("Which data") < words.index("How we know")


def test_a_long_list_of_accounts_is_capped_and_says_where_all_are(cases: ModuleType, tmp_path: Path) -> None:
    text = _page(cases.hostile(), tmp_path)
    assert "Shown here: 160. All 58,355,112 are in affected.csv." in text
    assert "Shown here: 100. All 103 are in objects.csv." in text
    assert len(text) < 1_000_000


def test_the_report_carries_what_is_needed_to_do_it_again(cases: ModuleType, tmp_path: Path) -> None:
    words = " ".join(_seen(_page(cases.small(), tmp_path)).words)
    for needed in (
        "tocsin evidence '/srv/cases/2014-03-14 stream' 0000000000000001",
        "tocsin investigate /var/log/edge/access.log --out '/srv/cases/2014-03-14 stream'",
        "3f" * 32,
        "ab" * 32,
        "cd" * 32,
        "T1213",
        "duckdb 2.0.0",
        "12 sessions could not be joined to an account.",
        "10 lines (under 0.1 %) could not be read",
        "A support team that works through a backlog.",
        "Ask the person, through another channel, what they were doing.",
    ):
        assert needed in words


def test_gaps_are_drawn_told_and_kept_apart_from_not_reached(cases: ModuleType, tmp_path: Path) -> None:
    text = _page(cases.unknowable(), tmp_path)
    assert 'class="gap"' in text
    assert (
        "“edge.log” says nothing for 14 March 2014, 02:00–03:00 (1 hour); it usually writes 8,213 lines an hour."
        in text
    )
    assert "mark-unknowable" in text
    assert 'class="mark-not_reached"' not in text


def test_the_file_is_private_whole_and_alone(cases: ModuleType, tmp_path: Path) -> None:
    path = commands.write_report(cases.small(), folder=tmp_path)
    commands.write_report(cases.unknowable(), folder=tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text(encoding="utf-8").rstrip().endswith("</html>")


def test_a_report_that_cannot_be_written_leaves_the_old_one(
    cases: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _page(cases.small(), tmp_path)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        commands.write_report(cases.unknowable(), folder=tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == before


def test_the_same_investigation_gives_the_same_page(cases: ModuleType, tmp_path: Path) -> None:
    assert _page(cases.small(), tmp_path) == _page(cases.small(), tmp_path)
