"""What the options of `message send` say, in the shape each kind of channel wants."""

import json
from pathlib import Path
from typing import Any

import pytest

from tocsin.cli.message_content import Said, check_unsubscribing, wording_of
from tocsin.kernel import clock
from tocsin.kernel.errors import TocsinError
from tocsin.messaging.values import Channel
from tocsin.notices.queries import Wording


def channel(kind: str, **settings: str) -> Channel:
    return Channel("main", kind, "", "", "", settings, None, "", None, "", clock.now())


def said(**named: Any) -> Said:
    given = {"text": "", "subject": "", "content": None, "template": "", "language": "", "params": (), **named}
    return Said(**given)


@pytest.mark.parametrize(
    ("language", "told"), [("", {}), ("pt_BR", {"language": "pt-BR"}), ("français", {"language": "fr"})]
)
def test_a_mail_says_its_language_when_somebody_said_it(language: str, told: dict[str, str]):
    wording = wording_of(said(text="Olá", subject="Sim", language=language), channel=channel("email"))
    assert list(wording.contents.values()) == [{"subject": "Sim", "text": "Olá", **told}]


def test_translations_of_a_mail_each_say_theirs_and_a_file_that_says_its_own_keeps_it(tmp_path: Path):
    for tag, more in (("en", {}), ("ar", {"language": "ar-EG"})):
        (tmp_path / f"notice.{tag}.json").write_text(
            json.dumps({"subject": "x", "text": "x", **more}), encoding="utf-8"
        )
    found = said(content=tmp_path / "notice.json")
    contents = wording_of(found, channel=channel("email_provider")).contents
    assert {tag: content["language"] for tag, content in contents.items()} == {"en": "en", "ar": "ar-EG"}
    assert all(
        "language" not in each or each["language"] == "ar-EG"
        for each in wording_of(found, channel=channel("webhook")).contents.values()
    )


@pytest.mark.parametrize(
    ("kind", "settings", "content", "goes"),
    [
        ("email", {}, {}, False),
        ("email_provider", {}, {}, False),
        ("email", {"unsubscribe_url": "https://example.org/{message}"}, {}, True),
        ("email", {"unsubscribe_to": "off@example.org"}, {}, True),
        ("email", {}, {"unsubscribe_url": "https://example.org/off"}, True),
        ("sms", {}, {}, True),
    ],
)
def test_a_campaign_by_mail_without_a_way_out_is_refused_before_it_is_queued(
    kind: str, settings: dict[str, str], content: dict[str, str], goes: bool
):
    wording = Wording({"en": {"subject": "x", "text": "x", **content}}, "en")
    if goes:
        check_unsubscribing(wording, channel=channel(kind, **settings))
    else:
        with pytest.raises(TocsinError, match="needs a way to unsubscribe, and main has none"):
            check_unsubscribing(wording, channel=channel(kind, **settings))
