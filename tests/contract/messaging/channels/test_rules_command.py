"""`tocsin channel words` and `tocsin customer object`: what staff choose and note, and how it is shown."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tocsin.messaging import queries
from tocsin.project import main

SETTINGS = {"account_sid": "AC" + "0" * 32, "from": "+33700000001"}


@pytest.fixture
def tocsin(committed_outbox: Any, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Run the command line, and return how it ended and what it said."""
    committed_outbox.add("other")

    def run(*arguments: object) -> tuple[int, str]:
        code = main.run([str(argument) for argument in arguments])
        shown = capsys.readouterr()
        return code, " ".join((shown.out + shown.err).split())

    return run


def test_words_are_chosen_shown_and_given_up_again(tocsin: Callable[..., tuple[int, str]]):
    assert "stops marketing" in tocsin("channel", "words", "main")[1]
    chosen = ("--stop", "no more", "--without", "baja", "--everything", "--as", "mona")
    code, out = tocsin("channel", "words", "main", *chosen)
    assert (code, "everything but security notices" in out, "no more" in out, "baja" in out) == (0, True, True, True)
    assert tocsin("channel", "words", "main", "--usual", "--as", "mona")[0] == 0
    assert queries.channel_rules("main").words == queries.Words()
    assert tocsin("channel", "words", "nothing")[0] == 2


def test_an_answer_is_kept_in_the_shape_of_the_channel(tocsin: Callable[..., tuple[int, str]], tmp_path: Path):
    config = tmp_path / "sms.yml"
    config.write_text("\n".join(f'{name}: "{value}"' for name, value in SETTINGS.items()), encoding="utf-8")
    (tmp_path / "token").write_text("x" * 32, encoding="utf-8")
    add = ("channel", "add", "sms", "--kind", "sms", "--config", config, "--as", "mona")
    assert tocsin(*add, "--secret", f"token=@{tmp_path / 'token'}")[0] == 0
    assert "No more offers." in tocsin("channel", "words", "sms", "--answer", "en=No more offers.", "--as", "mona")[1]
    assert queries.channel_rules("sms").words.answers["en"].content == {"text": "No more offers."}
    assert tocsin("channel", "words", "sms", "--answer", "No more offers.", "--as", "mona")[0] == 2


def test_what_a_customer_told_by_telephone_is_noted_and_shown(tocsin: Callable[..., tuple[int, str]], tmp_path: Path):
    book = tmp_path / "book.csv"
    book.write_text("account,phone\nada,+33612345678\n", encoding="utf-8")
    assert tocsin("customer", "import", book, "--as", "mona")[0] == 0
    assert "does not want" not in tocsin("customer", "show", "ada")[1]
    assert "marketing, since" in tocsin("customer", "object", "ada", "--reason", "called us", "--as", "mona")[1]
    assert "marketing, since" in tocsin("customer", "show", "ada")[1]
    tocsin("customer", "object", "ada", "--everything", "--as", "mona")
    assert "everything but security notices, since" in tocsin("customer", "show", "ada")[1]
    for more in ((), ("--everything",)):
        tocsin("customer", "object", "ada", "--again", *more, "--as", "mona")
    assert "does not want" not in tocsin("customer", "show", "ada")[1]
    assert tocsin("customer", "object", "nobody", "--as", "mona")[0] == 2
