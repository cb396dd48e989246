"""The page as one file."""

import re

import pytest

from tocsin_simulator.snapshot import snapshot

HOSTILE = "</script><script>alert(1)</script>"


@pytest.mark.parametrize(("name", "scripts"), [("phones.html", 3), ("mails.html", 2)])
@pytest.mark.parametrize("language", ["en", "fr"])
def test_it_needs_nothing_else_and_nothing_in_it_can_act(name: str, scripts: int, language: str):
    text = snapshot(name, language=language, kept={"/_simulator/mails/1": HOSTILE}).decode()
    assert f'<html lang="{language}">' in text
    assert re.findall(r"<(?:link|script|img|iframe)[^>]*(?:href|src)=\"(?!data:)[^\"]", text) == []
    assert HOSTILE not in text
    assert text.count("<script>") == scripts
    policy = re.search(r"script-src ([^;]+);", text)[1]
    assert policy.count("'sha256-") == scripts
    assert "unsafe" not in policy
