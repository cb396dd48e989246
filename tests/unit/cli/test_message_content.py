"""What the options of `message send` say, in the shape each kind of channel wants."""

import json
from pathlib import Path
from typing import Any

import pytest

from tocsin.cli.message_content import Said, wording_of
from tocsin.kernel import clock
from tocsin.messaging.values import Channel


def channel(kind: str) -> Channel:
    return Channel("main", kind, "", "", "", {}, None, "", None, "", clock.now())


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
