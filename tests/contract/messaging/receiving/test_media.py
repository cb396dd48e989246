"""Files that came with messages."""

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.contract.messaging.receiving.conftest import NOW, PHONE, Hooks, models

from tocsin.kernel import clock, home
from tocsin.messaging import commands, media_fetching, queries
from tocsin.messaging.ports import TransportError
from tocsin.messaging.values import Channel, Reason, Verdict
from tocsin.staff.errors import SealBroken


class Files:
    """A channel that only has files: what it is told to have, or the error it is told to make."""

    def __init__(self, *answers: bytes | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, _channel: Channel, _secrets: Mapping[str, str]) -> Any:
        return self

    async def fetch_media(self, media_id: str, to: Path, *, sha256: str = "") -> None:
        self.asked.append(f"{media_id} {sha256}")
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        to.write_bytes(answer)

    async def close(self) -> None:
        return None


def wrote(hooks: Hooks) -> Any:
    image = {"id": "77", "mime_type": "image/jpeg", "sha256": "sum", "caption": "the door"}
    hooks.take(hooks.messages(messages=[hooks.text(type="image", image=image, **{"from": PHONE[1:]})]))
    return models.InboundMessage.objects.get().id


def fetch(files: Files, *, after: timedelta = timedelta(seconds=5)) -> int:
    with clock.fixed(NOW + after):
        return commands.fetch_media(files)


@pytest.mark.parametrize("size", [0, 1, media_fetching.PIECE_BYTES, 2 * media_fetching.PIECE_BYTES + 1])
def test_a_file_is_fetched_once_and_kept_sealed(hooks: Hooks, size: int) -> None:
    message, content = wrote(hooks), b"jpeg" * (size // 4) + b"x" * (size % 4)
    files = Files(content)
    assert (fetch(files), fetch(files)) == (1, 0)
    (file,) = queries.media_of(message)
    assert (file.is_fetched, file.bytes, file.media_type) == (True, size, "image/jpeg")
    assert b"".join(queries.media_pieces(file.id)) == content
    assert files.asked == ["77 sum"]
    kept = [path for path in (home.data_home() / "media").rglob("*") if path.is_file()]
    assert len(kept) == 1
    assert b"jpegjpeg" not in kept[0].read_bytes()


def test_a_fetch_that_fails_is_tried_again_later_and_later(hooks: Hooks) -> None:
    message = wrote(hooks)
    trouble = TransportError(permanent=False, verdict=Verdict.RETRY, reason=Reason.NO_ANSWER)
    files = Files(trouble, OSError(), b"there")
    assert fetch(files) == 1
    assert fetch(files, after=timedelta(seconds=10)) == 0
    assert fetch(files, after=timedelta(seconds=20)) == 1
    assert queries.media_of(message)[0].reason == "OSError"
    assert fetch(files, after=timedelta(minutes=3)) == 1
    assert queries.media_of(message)[0].is_fetched


def test_one_file_that_breaks_its_channel_keeps_back_none_of_the_others(hooks: Hooks) -> None:
    first = wrote(hooks)
    hooks.take(hooks.messages(messages=[hooks.text(type="image", image={"id": "78"}, **{"from": PHONE[1:]})]))
    second = models.InboundMessage.objects.exclude(id=first).get().id
    assert fetch(Files(ValueError("not a number"), b"there")) == 2
    files = [queries.media_of(each)[0] for each in (first, second)]
    assert sorted((file.is_fetched, file.reason) for file in files) == [(False, "ValueError"), (True, "")]


def test_a_file_that_is_gone_is_given_up_and_the_message_stays(hooks: Hooks) -> None:
    message = wrote(hooks)
    gone = TransportError(permanent=True, verdict=Verdict.OUR_MISTAKE, reason=Reason.REFUSED, code=131052)
    assert fetch(Files(gone)) == 1
    (file,) = queries.media_of(message)
    assert (file.is_fetched, file.next_try_at, file.reason) == (False, None, "given_up: refused 131052")
    assert hooks.inbound()[0]["text"] == "the door"


def test_a_file_the_provider_no_longer_keeps_is_not_asked_for_again(hooks: Hooks) -> None:
    message = wrote(hooks)
    fetch(Files(OSError()), after=timedelta(days=7))
    assert queries.media_of(message)[0].reason.startswith("given_up: ")


def test_a_file_that_was_changed_or_cut_off_does_not_open(hooks: Hooks) -> None:
    message = wrote(hooks)
    fetch(Files(b"x" * (2 * media_fetching.PIECE_BYTES)))
    (file,) = queries.media_of(message)
    path = next(path for path in (home.data_home() / "media").rglob("*") if path.is_file())
    whole = path.read_bytes()
    for changed in (whole[: len(whole) // 2], whole[:-1] + b"?", b"", whole[:2]):
        path.write_bytes(changed)
        with pytest.raises(SealBroken):
            list(queries.media_pieces(file.id))


def test_a_file_goes_with_the_text_of_its_message(hooks: Hooks) -> None:
    message = wrote(hooks)
    fetch(Files(b"there"))
    assert commands.erase_media() == 0
    models.MessageBody.objects.update(sealed=None)
    assert commands.erase_media() == 1
    assert not [path for path in (home.data_home() / "media").rglob("*") if path.is_file()]
    assert not queries.media_of(message)[0].is_fetched


def test_what_a_killed_process_was_fetching_does_not_lie_there_unsealed_for_ever(hooks: Hooks) -> None:
    folder = home.data_home() / "media"
    folder.mkdir(exist_ok=True)
    left, busy = folder / ".fetching-dead", folder / ".fetching-busy"
    for each in (left, busy):
        each.mkdir()
        (each / "plain").write_bytes(b"secret")
    before = clock.now().timestamp() - media_fetching.LEFT_SECONDS - 1
    os.utime(left, (before, before))
    commands.erase_media()
    assert (left.exists(), busy.exists()) == (False, True)
