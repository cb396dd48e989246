"""The phones and the caught mails in a real Chromium: what comes is seen at once, what is typed arrives, nothing runs."""

import json
import re
import smtplib
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any

import pytest


def started(*command: str) -> tuple[subprocess.Popen[str], list[str]]:
    running = subprocess.Popen([sys.executable, "-m", "tocsin_simulator", *command], stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    return running, re.findall(r"(?:http|smtp)://\S+", running.stdout.readline())


@pytest.fixture(scope="module")
def simulated() -> Iterator[str]:
    running, (address,) = started("whatsapp", "--port", "0", "--token", "T", "--phone-id", "11", "--delay", "0")
    with running:
        yield address
        running.terminate()


@pytest.fixture
def whatsapp(simulated: str) -> str:
    """A simulator in which nothing has happened yet."""
    post(simulated, "/_simulator/reset", {})
    return simulated


@pytest.fixture(scope="module")
def catching() -> Iterator[tuple[str, str]]:
    running, (smtp, http) = started("smtp", "--port", "0")
    with running:
        yield smtp, http
        running.terminate()


@pytest.fixture
def mails(catching: tuple[str, str]) -> tuple[str, str]:
    """A mail server that has caught nothing yet."""
    post(catching[1], "/_simulator/reset", {})
    return catching


def post(address: str, path: str, body: Any) -> Any:
    headers = {"Authorization": "Bearer T", "Content-Type": "application/json"}
    request = urllib.request.Request(address + path, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def opened(chromium: Any, address: str) -> tuple[Any, list[str]]:
    """Return a page, and what its console complains of."""
    page = chromium.new_page(locale="fr-FR")
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(address)
    return page, complaints


def test_a_message_is_seen_on_the_phone_and_its_button_answers(chromium, whatsapp):
    page, complaints = opened(chromium, whatsapp)
    page.get_by_text("Personne n’a encore rien reçu").wait_for()
    post(whatsapp, "/_simulator/say", {"from": "+33600000001", "text": "<img src=x onerror=alert(1)>", "name": "Ada"})
    buttons = [{"type": "reply", "reply": {"id": "y", "title": "Oui"}}]
    content = {"type": "button", "body": {"text": "*Vraiment* ?"}, "action": {"buttons": buttons}}
    post(
        whatsapp,
        "/v24.0/11/messages",
        {"messaging_product": "whatsapp", "to": "+33600000001", "type": "interactive", "interactive": content},
    )
    phone = page.locator(".owner", has_text="Ada")
    phone.get_by_text("<img src=x onerror=alert(1)>").wait_for()
    assert phone.locator("strong").inner_text() == "Vraiment"
    phone.get_by_role("button", name="Oui").click()
    phone.locator(".bubble.out", has_text="Oui").wait_for()
    phone.get_by_label("Écrire à la place de cette personne").fill("Merci")
    page.keyboard.press("Enter")
    phone.locator(".bubble.out", has_text="Merci").wait_for()
    phone.get_by_role("button", name="Bloquer", exact=True).click()
    phone.get_by_role("button", name="Débloquer").wait_for()
    assert complaints == []
    page.close()


def test_a_phone_shows_blue_ticks_typing_quotes_and_why_something_failed(chromium, whatsapp):
    page, complaints = opened(chromium, whatsapp)
    wrote = post(whatsapp, "/_simulator/say", {"from": "+33600000001", "text": "Et ma carte ?", "name": "Ada"})["id"]
    phone = page.locator(".owner", has_text="Ada")
    phone.locator(".ticks.delivered").wait_for()
    read = {
        "messaging_product": "whatsapp",
        "status": "read",
        "message_id": wrote,
        "typing_indicator": {"type": "text"},
    }
    post(whatsapp, "/v24.0/11/messages", read)
    phone.locator(".out .ticks.read").wait_for()
    assert "Lu" in phone.locator(".out .ticks").get_attribute("aria-label")
    phone.locator(".who .now").wait_for()
    text = {"messaging_product": "whatsapp", "to": "+33600000001", "type": "text", "text": {"body": "Rien à craindre"}}
    sent = post(whatsapp, "/v24.0/11/messages", text | {"context": {"message_id": wrote}})["messages"][0]["id"]
    phone.locator(".quote", has_text="Et ma carte ?").wait_for()
    phone.locator(".who .now").wait_for(state="hidden")
    bubble = phone.locator(".bubble:not(.out)")
    bubble.hover()
    bubble.get_by_label("Réagir").click()
    bubble.get_by_role("button", name="🙏").click()
    phone.locator(".reaction", has_text="🙏").wait_for()
    phone.get_by_label("Ce que fait cette personne").click()
    phone.get_by_role("button", name="Ne veut plus d’offres").click()
    phone.locator(".chips", has_text="Pas d’offres").wait_for()
    post(whatsapp, "/_simulator/person", {"phone": "+33600000001", "on_whatsapp": False})
    post(whatsapp, "/v24.0/11/messages", text)
    phone.locator(".failed .why", has_text="131026").wait_for()
    assert sent
    assert complaints == []
    page.close()


def test_a_phone_fits_a_narrow_screen(chromium, whatsapp):
    post(whatsapp, "/_simulator/say", {"from": "+33600000001", "text": "Bonjour " * 40, "name": "Ada"})
    page = chromium.new_page(viewport={"width": 360, "height": 740}, locale="fr-FR")
    page.goto(whatsapp)
    page.locator(".bubble").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.close()


def test_a_mail_is_seen_as_it_looks_and_can_do_nothing(chromium, mails):
    smtp, http = mails
    page, _ = opened(chromium, http)
    page.get_by_text("Pas encore de courrier").wait_for()
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "us@lark.example", "ada@example.org", "Une nouvelle"
    made.set_content("Bonjour")
    made.add_alternative("<h1>Bonjour</h1><script>document.body.innerHTML = 'hijacked'</script>", subtype="html")
    host, port = smtp.removeprefix("smtp://").split(":")
    with smtplib.SMTP(host, int(port)) as line:
        line.send_message(made)
    page.get_by_role("button", name="ada@example.org").click()
    assert page.frame_locator("#frame").locator("h1").inner_text() == "Bonjour"
    assert page.frame_locator("#frame").get_by_text("hijacked").count() == 0
    page.get_by_role("tab", name="En-têtes").click()
    page.get_by_role("cell", name="us@lark.example").wait_for()
    page.get_by_role("tab", name="Source").click()
    page.locator("#source", has_text="Subject: Une nouvelle").wait_for()
    page.close()


def test_both_pages_can_be_used_by_everybody(chromium, whatsapp, mails):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed").Axe()
    post(whatsapp, "/_simulator/say", {"from": "+33600000001", "text": "Bonjour", "name": "Ada"})
    host, port = mails[0].removeprefix("smtp://").split(":")
    with smtplib.SMTP(host, int(port)) as line:
        line.sendmail("us@lark.example", "ada@example.org", "Subject: Une nouvelle\r\n\r\nBonjour")
    for address in (whatsapp, mails[1]):
        page = chromium.new_page()
        page.goto(address)
        page.get_by_text("Bonjour").first.wait_for()
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            found = axe.run(page)
            assert found.violations_count == 0, found.generate_report()
        page.close()
