"""Channels as staff connect them: what is kept of them, what is not, and what holds them."""

import json
from datetime import timedelta

import pytest

from tocsin.journal.values import MACHINE, Assurance, Author
from tocsin.kernel import clock
from tocsin.kernel.errors import TocsinError
from tocsin.kernel.loading import lazily
from tocsin.messaging import commands, queries
from tocsin.messaging.channels import check_may_connect
from tocsin.messaging.errors import ChannelNotUnderstood, NoSuchChannel
from tocsin.staff.errors import SignatureNeeded

models = lazily("tocsin.messaging.models")
journal_models = lazily("tocsin.journal.models")
MONA = Author(name="mona", assurance=Assurance.ASSERTED)
pytestmark = pytest.mark.usefixtures("undone_rows")


def add(name: str = "mail", **changes: object):
    given = {
        "kind": "email", "line": "alarm@larkwave.example via mx", "settings": {"host": "mx"},
        "secrets": {"password": "hush-1"}, "by": MONA, **changes,
    }  # fmt: skip
    return commands.add_channel(name, **given)


def entries() -> list[dict]:
    contents = journal_models.JournalEntry.objects.order_by("id").values_list("content", flat=True)
    return [json.loads(each) for each in contents]


def written() -> list[str]:
    return [each["verb"] for each in entries() if each["verb"].startswith("messaging.channel")]


def test_a_channel_is_connected_changed_and_removed_and_each_is_written_once():
    made = add()
    assert (made.name, made.kind, made.line, made.held_reason) == ("mail", "email", "alarm@larkwave.example via mx", "")
    assert queries.channel_secrets("mail") == {"password": "hush-1"}
    with pytest.raises(ChannelNotUnderstood, match="connected already"):
        add()
    add(secrets={"password": "hush-2"}, replace=True)
    assert queries.channel_secrets("mail") == {"password": "hush-2"}
    assert [each.name for each in queries.channels()] == ["mail"]
    commands.remove_channel("mail", reason="closed", by=MONA)
    with pytest.raises(NoSuchChannel):
        queries.channel("mail")
    assert written() == [f"messaging.channel_{word}" for word in ("connected", "changed", "removed")]
    add()  # its name may be given again


def test_secrets_are_kept_sealed_and_stand_nowhere_else():
    add()
    sealed = bytes(models.MessagingChannel.objects.get(name="mail").sealed)
    assert b"hush" not in sealed
    assert "hush" not in json.dumps(entries())
    assert entries()[-1]["facts"]["secrets"] == ["password"]
    models.MessagingChannel.objects.filter(name="mail").update(sealed=b"TCSEAL1" + sealed[7:-1] + b"x")
    with pytest.raises(TocsinError):
        queries.channel_secrets("mail")


def test_two_channels_never_share_a_line_and_a_name_keeps_its_kind():
    add()
    with pytest.raises(ChannelNotUnderstood, match="sends on this line"):
        add("other")
    with pytest.raises(ChannelNotUnderstood, match="of the kind email"):
        add(kind="sms", replace=True)
    add("other", line="")
    add("third", line="")


def known_of_the_line() -> dict[str, int]:
    """Count what is kept of the line of the channel ``mail``."""
    return {
        "windows": models.ServiceWindow.objects.filter(channel="mail").count(),
        "pairs": models.PairPace.objects.filter(channel="mail").count(),
        "files": models.UploadedFile.objects.filter(channel="mail").count(),
        "paces": models.LinePace.objects.filter(scope="line:mail").count(),
    }


def learn_of_the_line(*names: str) -> None:
    now = clock.now()
    for name in names:
        models.ServiceWindow.objects.create(channel=name, address="+33600000001", last_inbound_at=now)
        models.PairPace.objects.create(channel=name, address="+33600000001", free_at=now)
        models.LinePace.objects.create(scope=f"line:{name}", free_at=now)
        models.UploadedFile.objects.create(
            channel=name, sha256="0", media_type="image/png", media_id="1", bytes=1, uploaded_at=now, expires_at=now
        )


def test_another_number_under_the_same_name_begins_with_nobody_who_wrote_to_the_one_before():
    add()
    learn_of_the_line("mail", "other")
    models.MessagingChannel.objects.update(health={"quality": "RED"})
    add(secrets={"password": "hush-2"}, replace=True)  # the same number: nothing is forgotten
    assert set(known_of_the_line().values()) == {1}
    add(line="another", replace=True)
    assert set(known_of_the_line().values()) == {0}
    assert models.MessagingChannel.objects.get().health == {}
    assert entries()[-1]["facts"]["line_before"] == "alarm@larkwave.example via mx"
    assert models.ServiceWindow.objects.filter(channel="other").exists()


def test_a_channel_of_the_name_of_one_that_was_removed_knows_nothing_of_its_line():
    add()
    learn_of_the_line("mail")
    commands.remove_channel("mail", reason="closed", by=MONA)
    assert set(known_of_the_line().values()) == {0}


@pytest.mark.parametrize("name", ["", " mail", "a\nb", "line:1"])
def test_a_name_that_cannot_be_typed_is_refused(name: str):
    with pytest.raises(ChannelNotUnderstood):
        add(name)


def test_a_hold_is_written_once_an_outage_and_ends_by_release_or_change():
    add()
    until = clock.now() + timedelta(minutes=1)
    commands.hold_channel("mail", until=until, reason="not reached")
    commands.hold_channel("mail", until=None, reason="wrong password")
    commands.hold_channel("mail", until=until, reason="not reached")  # said by a message that was under way
    assert (queries.channel("mail").held_until, queries.channel("mail").held_reason) == (None, "wrong password")
    commands.release_channel("mail")
    commands.release_channel("mail")
    assert queries.channel("mail").held_reason == ""
    commands.hold_channel("mail", until=until, reason="not reached", by=MACHINE)
    add(replace=True)
    assert queries.channel("mail").held_reason == ""
    verbs = [each.removeprefix("messaging.channel_") for each in written()]
    assert verbs == ["connected", "held", "released", "held", "changed"]


def test_once_somebody_is_enrolled_connecting_needs_a_signature(monkeypatch: pytest.MonkeyPatch):
    add()
    monkeypatch.setattr("tocsin.messaging.channels.staff.is_begun", lambda: True)
    with pytest.raises(SignatureNeeded):
        add("other", line="x")
    with pytest.raises(SignatureNeeded):
        commands.remove_channel("mail", reason="x", by=MONA)
    check_may_connect(Author(name="mona", assurance=Assurance.SIGNED))
