"""The commands about what came in, as an operator types them."""

import json
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import click
import pytest
from click.testing import CliRunner, Result
from tests.contract.messaging.receiving.conftest import NOW, Hooks, models

from tocsin.cli.whatsapp_received import rates, spend, webhook
from tocsin.kernel import clock
from tocsin.messaging import queries


class Wired:
    def rows(self) -> Any:
        return nullcontext()


@click.group()
def whatsapp() -> None:
    """Stand for the group these commands are in."""


for each in (webhook, rates, spend):
    whatsapp.add_command(each)


def typed(words: Sequence[str]) -> Result:
    with clock.fixed(NOW):
        return CliRunner().invoke(whatsapp, list(words), obj=Wired(), catch_exceptions=False)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text("very secret\n")
    return path


def test_an_application_is_added_shown_and_rotated_and_its_secret_never_printed(hooks: Hooks, secret: Path) -> None:
    added = typed(["webhook", "add", "second", "--secret", f"@{secret}", "--as", "mona"])
    app = queries.app_named("second")
    assert f"/webhooks/v1/{app.id}" in added.output
    assert app.verify_token in added.output
    assert [each.value for each in app.secrets] == ["very secret"]
    secret.write_text("newer")
    rotated = typed(["webhook", "rotate", "second", "--secret", f"@{secret}", "--overlap-hours", "3", "--as", "mona"])
    listed = typed(["webhook", "list"])
    assert "two, the older until" in listed.output
    assert app.verify_token not in listed.output
    assert app.verify_token in typed(["webhook", "list", "--tokens"]).output
    for said in (added, rotated, listed):
        assert said.exit_code == 0
        assert "secret\n" not in said.output
        assert "newer" not in said.output
    assert typed(["webhook", "remove", "second", "--reason", "gone", "--as", "mona"]).exit_code == 0
    assert [each.name for each in queries.apps()] == ["meta"]


def test_what_is_kept_aside_is_listed_shown_and_taken_in_again(hooks: Hooks) -> None:
    hooks.take(hooks.change("brand_new", {"text": "red \x1b[31m"}))
    (kept,) = queries.intake_aside()
    assert "field:brand_new" in typed(["webhook", "aside"]).output
    (told,) = [json.loads(line) for line in typed(["webhook", "aside", "--json"]).output.splitlines()]
    assert (told["id"], told["state"], told["reason"]) == (kept.id, "aside", "field:brand_new")
    shown = typed(["webhook", "show", str(kept.id)]).output
    assert json.loads(shown)["entry"][0]["changes"][0]["field"] == "brand_new"
    assert "\x1b" not in shown
    assert typed(["webhook", "retry", str(kept.id), "--as", "mona"]).exit_code == 0
    assert hooks.states() == [("waiting", "")]


def test_rates_come_from_a_file_and_spending_is_told_in_words_and_as_json(hooks: Hooks, tmp_path: Path) -> None:
    file = tmp_path / "rates.csv"
    file.write_text("valid_from,currency,market,category,messages_from,price\n2026-10-01,EUR,Spain,utility,0,0.0166\n")
    assert typed(["rates", "import", str(file), "--as", "mona"]).exit_code == 0
    assert "0.016600 EUR" in typed(["rates", "list", "--on", "2026-11-20"]).output
    for number, category in enumerate(["utility", "utility", "authentication"]):
        models.MessagePrice.objects.create(
            message_id=UUID(int=number), channel="main", category=category, price_type="regular", market="Spain",
            at=datetime.fromisoformat("2026-11-19T10:00:00Z"),
        )  # fmt: skip
    said = typed(["spend"]).output
    assert "2026-11-19" in said
    assert "0.03 EUR" in said
    assert "Some messages have no rate" in said
    rows = json.loads(typed(["spend", "--by", "category", "--since", "2026-11-01", "--json"]).output)
    assert rows == [
        {"category": "authentication", "messages": 1, "free": 0, "unpriced": 1, "cost": "0.000000", "currency": "EUR"},
        {"category": "utility", "messages": 2, "free": 0, "unpriced": 0, "cost": "0.033200", "currency": "EUR"},
    ]
    assert json.loads(typed(["spend", "--until", "2026-11-18", "--json"]).output) == []
