"""Mails made from texts, in a real Chromium: on a phone, in the dark, from right to left, and never more than was written."""

from typing import Any

import pytest

from tocsin.integrations.email import layout

ADDRESS = "https://larkwave.example/what-happened?reference=" + "ABCDEFGH" * 12
ENGLISH = f"Hello Ana,\n\nsomebody opened your account.\nWe closed the door.\n\n- Choose a new password.\n- Look at {ADDRESS}."
ARABIC = (
    "مرحبا آنا،\n\nفتح شخص ما حسابك بكلمة المرور الخاصة بك.\n\n- اختر كلمة مرور جديدة في تطبيق Larkwave.\n- لا تستخدمها"
)
HOSTILE = "<script>document.title = 'ran'</script>\n\n<img src=x onerror=\"document.title='ran'\">\n\nhttps://a.example/\"onclick=alert(1)"
LOOK = layout.Look("Larkwave", foot="Larkwave Ltd., 1 Harbour Street, Dublin")


def shown(chromium: Any, text: str, *, language: str = "", **screen: Any) -> Any:
    page = chromium.new_page(**{"viewport": {"width": 360, "height": 700}, **screen})
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    unsubscribe = ("Get no more", "https://larkwave.example/u/1")
    page.set_content(layout.page(text, subject="About <you>", look=LOOK, language=language, unsubscribe=unsubscribe))
    assert asked == []
    return page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 900])
@pytest.mark.parametrize(("text", "language"), [(ENGLISH, "en"), (ARABIC, "ar")])
def test_it_fits_and_can_be_read(chromium: Any, text: str, language: str, width: int, scheme: str):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    screen = {"viewport": {"width": width, "height": 700}, "color_scheme": scheme}
    page = shown(chromium, text, language=language, **screen)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate("document.querySelector('.card').offsetWidth") <= 600
    ink, paper = page.evaluate(
        "(() => { const c = getComputedStyle(document.querySelector('.card')); return [c.color, c.backgroundColor]; })()"
    )
    light = {"rgb(255, 255, 255)": "light"}.get(paper, "dark")
    assert light == scheme and ink != paper
    if width > 320:
        page.close()
        return
    found = axe.Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa"]})
    assert [each["id"] for each in found.response["violations"]] == []
    page.close()


def test_every_paragraph_finds_its_own_direction(chromium: Any):
    page = shown(chromium, f"{ARABIC}\n\nAnd in English.", language="ar")
    directions = page.evaluate(
        "[...document.querySelectorAll('.card > p, ul')].map(p => getComputedStyle(p).direction)"
    )
    assert directions == ["ltr", "rtl", "rtl", "rtl", "ltr"]  # the company's name first
    inside = page.evaluate(
        "(() => { const u = document.querySelector('ul'), l = u.querySelector('li');"
        " return u.getBoundingClientRect().right - l.getBoundingClientRect().right; })()"
    )
    assert inside > 0  # the points stand within the page
    assert page.evaluate("[document.documentElement.lang, document.documentElement.dir]") == ["ar", "rtl"]
    page.close()


def test_nothing_runs_and_what_can_be_followed_is_seen(chromium: Any):
    page = shown(chromium, HOSTILE)
    assert page.title() == "About <you>"
    assert page.evaluate("document.querySelectorAll('script, img, [onclick], [onerror]').length") == 0
    links = page.evaluate(
        "[...document.querySelectorAll('.card > p a')].map(a => [a.getAttribute('href'), a.textContent])"
    )
    assert links == [["https://a.example/", "https://a.example/"]]
    page.close()
    page = shown(chromium, ENGLISH)
    links = page.evaluate("[...document.querySelectorAll('li a')].map(a => [a.getAttribute('href'), a.textContent])")
    assert links == [[ADDRESS, ADDRESS]]  # without the full stop of the sentence
    assert page.evaluate("document.querySelectorAll('li').length") == 2
    page.close()
