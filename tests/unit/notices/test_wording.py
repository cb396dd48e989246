"""Wordings: per language, with placeholders, and a word where a name is missing."""

import json
from pathlib import Path
from uuid import UUID

import pytest

from tocsin.customers.values import Person
from tocsin.notices.errors import WordingNotUnderstood
from tocsin.notices.queries import Wording, one_wording, wording_in


def person(name: str = "Ada", language: str = "fr") -> Person:
    return Person(id=UUID(int=1), name=name, language=language, accounts=("ada",), addresses=())


def written(folder: Path, **contents: object) -> None:
    for name, content in contents.items():
        stem = name.replace("__", ".").replace("_", "-")
        (folder / f"{stem}.json").write_text(json.dumps(content), encoding="utf-8")


@pytest.mark.parametrize(
    ("spoken", "chosen"),
    [
        ("fr", "fr"),
        ("fr-CA", "fr"),
        ("pt-BR", "pt-BR"),
        ("pt", "pt-BR"),
        ("de", "en"),
        ("", "en"),
        ("zh-Hant-TW", "en"),
    ],
)
def test_the_nearest_language_is_chosen_else_the_fallback(spoken: str, chosen: str):
    wording = Wording({"en": {}, "fr": {}, "pt-BR": {}}, "en")
    assert wording.language_for(spoken) == chosen


def test_an_empty_name_does_not_fail_the_message_and_is_never_an_empty_parameter():
    template = {"type": "template", "template": {"components": [{"parameters": [{"type": "text", "text": "{name}"}]}]}}
    filled = one_wording(template, language="fr").for_person(person(""), accounts=("ada",), language="fr")
    assert filled["template"]["components"][0]["parameters"][0]["text"] == "Madame, Monsieur"


def test_placeholders_are_filled_once_and_other_braces_stay():
    content = {"text": "{name|you}: {accounts} {unknown} {{1}} {account}"}
    filled = one_wording(content).for_person(person("{accounts}"), accounts=("a", "b"), language="en")
    assert filled == {"text": "{accounts}: a, b {unknown} {{1}} a"}


def test_translations_beside_a_file_are_found(tmp_path: Path):
    written(
        tmp_path,
        notice__en={"text": "e"},
        notice__fr={"text": "f"},
        notice__pt_BR={"text": "p"},
        other__de={"text": "d"},
    )
    wording = wording_in(tmp_path / "notice.json")
    assert (sorted(wording.contents), wording.fallback) == (["en", "fr", "pt-BR"], "en")
    assert wording_in(tmp_path / "notice.json", fallback="fr").fallback == "fr"
    assert wording_in(tmp_path / "notice.fr.json").contents == {"fr": {"text": "f"}}


def test_a_file_alone_is_for_everybody(tmp_path: Path):
    written(tmp_path, notice={"text": "x"})
    assert wording_in(tmp_path / "notice.json", fallback="it") == Wording({"it": {"text": "x"}}, "it")


def test_a_wording_that_cannot_be_read_says_where(tmp_path: Path):
    (tmp_path / "bad.json").write_text('{\n"text": }')
    (tmp_path / "list.json").write_text("[]")
    written(tmp_path, notice__fr={"text": "f"})
    for name, fallback, words in (
        ("bad.json", "", "bad.json:2"),
        ("list.json", "", "JSON object"),
        ("none.json", "", "no such wording"),
        ("notice.json", "de", "not there in de"),
    ):
        with pytest.raises(WordingNotUnderstood, match=words):
            wording_in(tmp_path / name, fallback=fallback)
