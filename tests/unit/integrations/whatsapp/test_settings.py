"""The settings of a number: what is left out follows from what is given."""

import pytest

from tocsin.integrations.whatsapp import settings

META, SIMULATED, OTHER = "https://api.facebook.com", "http://127.0.0.1:8100", "https://archive.example"


@pytest.mark.parametrize(
    ("given", "archives_at"),
    [
        ({}, META),
        ({"base_url": "https://graph.facebook.com"}, META),
        ({"base_url": SIMULATED}, SIMULATED),
        ({"base_url": SIMULATED, "archive_url": OTHER}, OTHER),
    ],
)
def test_who_named_another_address_never_reaches_meta_to_archive(given: dict[str, str], archives_at: str):
    number = {"phone_number_id": "100", "waba_id": "900"} | given
    assert settings.read("wa", settings=number, secrets={"token": "T"}).reach.archive_url == archives_at
