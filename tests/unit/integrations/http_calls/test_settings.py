"""What may stand in the open settings of a connected system."""

import pytest

from tocsin.containment.errors import SystemNotUnderstood
from tocsin.integrations.http_calls.settings import Settings


def settings(**given):
    return Settings("one", settings=given, secrets={}, known={"proxy": ""}, known_secrets={})


def test_a_password_of_a_proxy_is_not_kept_among_the_settings_that_the_journal_shows():
    assert settings(proxy="http://proxy:3128").proxy() == "http://proxy:3128"
    assert settings().proxy() is None
    for given in ("http://mona:hunter2@proxy:3128", "http://mona@proxy:3128", "http://[bad"):
        with pytest.raises(SystemNotUnderstood) as refused:
            settings(proxy=given).proxy()
        assert "hunter2" not in str(refused.value)
