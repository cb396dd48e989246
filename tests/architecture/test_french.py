"""French as the French write it: narrow no-break spaces, their quotation marks, their apostrophe."""

import re
from pathlib import Path

import polib
import pytest

NARROW = "\N{NARROW NO-BREAK SPACE}"
FAULTS = {
    "a plain space before : ; ! ? % or »": re.compile(r"(?<=[^\s]) [:;!?%»](?=\s|$|\))"),
    "no narrow space before ; or !": re.compile(rf"[\w»)][;!](?=\s|$)(?<!{NARROW}.)"),
    "no narrow space after «": re.compile(rf"«[^{NARROW}]"),
    "no narrow space before »": re.compile(rf"[^{NARROW}]»"),
    "English quotation marks": re.compile(r"[“”]"),
    "a straight apostrophe": re.compile(r"\b(?:[cdjlmnst]|qu)'\w", re.IGNORECASE),
}


@pytest.fixture(scope="module")
def texts() -> list[str]:
    """Every French sentence, without the pieces of code in it."""
    place = Path(__file__).parents[2] / "src" / "tocsin" / "locale" / "fr" / "LC_MESSAGES" / "django.po"
    found = []
    for entry in polib.pofile(str(place)):
        found += [re.sub(r"`[^`]*`", "", text) for text in [entry.msgstr, *entry.msgstr_plural.values()]]
    return found


@pytest.mark.parametrize("fault", list(FAULTS))
def test_the_typography_is_french(texts: list[str], fault: str) -> None:
    assert [text for text in texts if FAULTS[fault].search(text)] == []
