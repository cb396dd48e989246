"""report.html as a person meets it: on a wide and a narrow screen, in the dark, on paper, without scripts."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest

LANGUAGES = ("en", "fr")
PAGES = pytest.mark.parametrize(
    ("name", "language"),
    [("small", "en"), ("small", "fr"), ("hostile", "fr"), ("nothing", "fr"), ("unknowable", "fr"), ("stuffed", "en")],
)
A4_TEXT_WIDTH_PX = 688  # 210 mm less two margins of 14 mm, at 96 px an inch
WIDER_THAN = """width => [...document.querySelectorAll('body *')]
    .filter(one => one.getBoundingClientRect().right > width + 1 && !one.closest('.scroll') && !one.closest('.hidden')
        && !one.closest('.skip') && !one.closest('svg'))
    .map(one => one.tagName + '.' + one.className).slice(0, 5)"""

Address = Callable[[str, str], str]


@PAGES
def test_nothing_is_asked_of_the_network_and_nothing_runs(
    chromium: Any, report_of: Address, name: str, language: str
) -> None:
    page = chromium.new_page()
    requests: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    address = report_of(name, language)
    page.goto(address)
    assert [url for url in requests if url not in {address, "data:,"}] == []
    assert complaints == []
    assert page.locator("script, img, iframe, object, embed, form, input").count() == 0
    assert page.evaluate("getComputedStyle(document.querySelector('h1')).fontWeight") == "600", "the style is refused"
    page.close()


@PAGES
@pytest.mark.parametrize("width", [360, 1280])
def test_no_page_is_wider_than_the_screen(
    chromium: Any, report_of: Address, name: str, language: str, width: int
) -> None:
    page = chromium.new_page(viewport={"width": width, "height": 900})
    page.goto(report_of(name, language))
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(WIDER_THAN, width) == []
    page.close()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", ["small", "unknowable"])
def test_no_table_is_cut_off_on_a_wide_screen(chromium: Any, report_of: Address, name: str, language: str) -> None:
    page = chromium.new_page(viewport={"width": 1200, "height": 900})
    page.goto(report_of(name, language))
    hidden = """() => [...document.querySelectorAll('.scroll')].filter(one => one.scrollWidth > one.clientWidth + 1)
        .map(one => one.getAttribute('aria-label') + ' ' + (one.scrollWidth - one.clientWidth))"""
    assert page.evaluate(hidden) == []
    page.close()


@pytest.mark.parametrize(
    ("name", "scheme"),
    [("small", "light"), ("small", "dark"), ("unknowable", "dark"), ("hostile", "light"), ("nothing", "light")],
)
def test_axe_finds_no_barrier(chromium: Any, report_of: Address, name: str, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = chromium.new_page(color_scheme=scheme, viewport={"width": 1280, "height": 900})
    page.goto(report_of(name, "en"))
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    results = axe.run(page)
    assert results.violations_count == 0, results.generate_report()
    page.close()


@PAGES
def test_nothing_is_cut_off_on_paper(chromium: Any, report_of: Address, name: str, language: str) -> None:
    page = chromium.new_page(viewport={"width": A4_TEXT_WIDTH_PX, "height": 1000})
    page.emulate_media(media="print")
    page.goto(report_of(name, language))
    too_wide = page.evaluate(
        """width => [...document.querySelectorAll('body *')]
            .filter(one => one.getBoundingClientRect().right > width + 1 && !one.closest('.hidden'))
            .map(one => one.tagName + '.' + one.className + ' ' + one.textContent.slice(0, 40)).slice(0, 5)""",
        A4_TEXT_WIDTH_PX,
    )
    assert too_wide == []
    page.close()


def test_parameters_that_are_folded_on_screen_stand_on_paper(chromium: Any, report_of: Address) -> None:
    page = chromium.new_page()
    page.emulate_media(media="print")
    page.goto(report_of("small", "en"))
    assert page.locator(".detection .pairs").first.evaluate("one => one.checkVisibility()")
    page.close()


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_answer_is_read_first_with_scripts_off(chromium: Any, report_of: Address, language: str) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report_of("small", language))
    first = page.locator("main").inner_text().splitlines()
    said = {"en": "1 customer's data was read: contact and profile data.", "fr": "Les données de 1 client ont été lues"}
    assert any(line.startswith(said[language]) for line in first[:4])
    assert page.locator("html").get_attribute("lang") == language
    context.close()


def test_words_of_the_plot_do_not_overlap_on_a_narrow_screen(chromium: Any, report_of: Address) -> None:
    page = chromium.new_page(viewport={"width": 360, "height": 900})
    page.goto(report_of("small", "fr"))
    boxes = page.evaluate(
        """() => [...document.querySelectorAll('.plot .tick')].filter(one => getComputedStyle(one).display !== 'none')
            .map(one => one.getBoundingClientRect()).map(box => [box.left, box.right])"""
    )
    assert all(left[1] < right[0] for left, right in itertools.pairwise(boxes))
    page.close()
