"""Files that came with messages: fetched apart from them, so that a failed download never costs a message.

A file is claimed, fetched, sealed on disk in pieces (so that it never has to be in memory whole), and settled. Whoever
dies in between has lost nothing: the claim runs out and the file is fetched again.
"""

import asyncio
import os
import shutil
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from tocsin.kernel import clock, home
from tocsin.kernel.errors import TocsinError
from tocsin.kernel.loading import lazily
from tocsin.messaging import channels
from tocsin.messaging.ports import MediaSource, Sending, TransportError
from tocsin.messaging.values import Channel
from tocsin.staff import secrets
from tocsin.staff.errors import SealBroken
from tocsin.staff.secrets import Sealing

models = lazily("tocsin.messaging.models")

OpenChannel = Callable[[Channel, Mapping[str, str]], Sending]

ASIDE = ".fetching-"
LEFT_SECONDS = 3600.0
SEALING = Sealing("inbound media")
FETCHED_AT_ONCE_MAX = 8
LEASE = timedelta(minutes=15)
PAUSES_SECONDS = (10, 60, 300, 1800, 2 * 3600, 8 * 3600, 24 * 3600)
PIECE_BYTES = 1 << 20
LENGTH = struct.Struct(">I")
_GIVEN_UP = "given_up: "
_CLAIM = """
UPDATE tocsin_inboundmedia m SET tries = m.tries + 1, next_try_at = %(until)s
  FROM (SELECT id FROM tocsin_inboundmedia WHERE next_try_at <= %(now)s ORDER BY next_try_at LIMIT %(limit)s
           FOR UPDATE SKIP LOCKED) due
 WHERE m.id = due.id
RETURNING m.id, m.channel, m.media_id, m.sha256, m.tries, m.expires_at
"""
_EXPIRED = """
SELECT m.id, m.path FROM tocsin_inboundmedia m JOIN tocsin_messagebody b ON b.id = m.message_id
 WHERE m.path <> '' AND b.sealed IS NULL LIMIT 1000 FOR UPDATE OF m SKIP LOCKED
"""


@dataclass(frozen=True, slots=True)
class Media:
    """A file that came with a message; ``reason`` says why it is not there (yet)."""

    id: UUID
    media_type: str
    bytes: int
    is_fetched: bool
    tries: int
    next_try_at: datetime | None
    reason: str


@dataclass(frozen=True, slots=True)
class _Wanted:
    id: UUID
    channel: str
    media_id: str
    sha256: str
    tries: int
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Got:
    """A file on disk, sealed; or why there is none, and whether it is worth another try."""

    path: str = ""
    bytes: int = 0
    reason: str = ""
    is_final: bool = False


def fetch_media(open_channel: OpenChannel, *, limit: int = FETCHED_AT_ONCE_MAX) -> int:
    """Fetch files whose time has come and return how many were tried; several processes may do so at once."""
    wanted = _claim(limit)
    if wanted:
        got = asyncio.run(_fetched(wanted, open_channel))
        for each in wanted:
            _settle(each, got[each.id])
    return len(wanted)


def _claim(limit: int) -> list[_Wanted]:
    now = clock.now()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_CLAIM, {"now": now, "until": now + LEASE, "limit": limit})
        return [_Wanted(*row) for row in cursor.fetchall()]


async def _fetched(wanted: Sequence[_Wanted], open_channel: OpenChannel) -> dict[UUID, _Got]:
    got: dict[UUID, _Got] = {}
    for name in sorted({each.channel for each in wanted}):
        of_channel = [each for each in wanted if each.channel == name]
        try:
            # Reading our rows must not happen in the loop; this loop has nothing else to do yet.
            channel, secrets = await asyncio.to_thread(_opened, name)
            source = open_channel(channel, secrets)
        except TocsinError as error:
            got |= {each.id: _Got(reason=type(error).__name__) for each in of_channel}
            continue
        try:
            results = await asyncio.gather(*(_fetch(each, source) for each in of_channel))
        finally:
            await source.close()
        got |= {each.id: result for each, result in zip(of_channel, results, strict=True)}
    return got


def _opened(name: str) -> tuple[Channel, Mapping[str, str]]:
    try:
        return channels.channel(name), channels.channel_secrets(name)
    finally:
        connection.close()


async def _fetch(wanted: _Wanted, source: Sending) -> _Got:
    if not isinstance(source, MediaSource):
        return _Got(reason="channel_without_media", is_final=True)
    with TemporaryDirectory(dir=folder(), prefix=ASIDE) as aside:
        plain = Path(aside) / "plain"
        try:
            await source.fetch_media(wanted.media_id, plain, sha256=wanted.sha256)
            return await asyncio.to_thread(_sealed, plain, wanted.id)
        except TransportError as error:
            return _Got(reason=f"{error.reason} {error.code or ''}".strip(), is_final=error.permanent)
        except Exception as error:  # noqa: BLE001 - one file's fault must not keep the others
            return _Got(reason=type(error).__name__)


def folder() -> Path:
    folder = home.data_home() / "media"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _sealed(plain: Path, id: UUID) -> _Got:
    """Seal a file piece by piece: each knows its place and whether it is the last, so that none can be left out."""
    size, name = plain.stat().st_size, f"{id.hex[-2:]}/{id}"
    target = folder() / name
    target.parent.mkdir(mode=0o700, exist_ok=True)
    aside = plain.with_name("sealed")
    with plain.open("rb") as file, aside.open("wb") as sealed:
        piece, number = file.read(PIECE_BYTES), 0
        while True:
            following = file.read(PIECE_BYTES)
            closed = SEALING.seal(piece, about=_about(id, number, is_last=not following))
            sealed.write(LENGTH.pack(len(closed)) + closed)
            if not following:
                break
            piece, number = following, number + 1
        sealed.flush()
        os.fsync(sealed.fileno())
    aside.replace(target)
    return _Got(path=name, bytes=size)


def keys_of(file: Path) -> set[bytes]:
    """Return the names of the keys of the installation a file is sealed with."""
    names = set()
    with file.open("rb") as sealed:
        while len(length := sealed.read(LENGTH.size)) == LENGTH.size:
            beginning = sealed.read(secrets.BEGINNING_BYTES_MAX)
            names.add(secrets.key_name(beginning))
            sealed.seek(LENGTH.unpack(length)[0] - len(beginning), os.SEEK_CUR)
    return names


def _about(id: UUID, number: int, *, is_last: bool) -> str:
    return f"{id}:{number}:{'last' if is_last else 'more'}"


def _settle(wanted: _Wanted, got: _Got) -> None:
    row = models.InboundMedia.objects.filter(id=wanted.id, tries=wanted.tries)
    now = clock.now()
    if got.path:
        with transaction.atomic():
            row.update(path=got.path, bytes=got.bytes, next_try_at=None, reason="")
            if not secrets.seals_now(keys_of(folder() / got.path)):
                # Who rotates may have looked through the files before this one was there: it is fetched again.
                row.update(path="", bytes=0, next_try_at=now, reason="the key changed")
        return
    pause = timedelta(seconds=PAUSES_SECONDS[min(wanted.tries, len(PAUSES_SECONDS)) - 1])
    is_late = wanted.expires_at is not None and now + pause > wanted.expires_at
    if got.is_final or is_late or wanted.tries > len(PAUSES_SECONDS):
        row.update(next_try_at=None, reason=f"{_GIVEN_UP}{got.reason}")
    else:
        row.update(next_try_at=now + pause, reason=got.reason)


def media_of(message_id: UUID) -> tuple[Media, ...]:
    """Return the files of an inbound message."""
    return tuple(_media_of(row) for row in models.InboundMedia.objects.filter(message_id=message_id).order_by("id"))


def _media_of(row: Any) -> Media:
    return Media(
        id=row.id, media_type=row.media_type, bytes=row.bytes, is_fetched=bool(row.path), tries=row.tries,
        next_try_at=row.next_try_at, reason=row.reason,
    )  # fmt: skip


def media_pieces(id: UUID) -> Iterator[bytes]:
    """Yield a fetched file, piece by piece, opened; SealBroken when it was changed, cut off or put together anew."""
    row = models.InboundMedia.objects.exclude(path="").get(id=id)
    with (folder() / row.path).open("rb") as file:
        number, length = 0, file.read(LENGTH.size)
        while len(length) == LENGTH.size:
            closed = file.read(LENGTH.unpack(length)[0])
            length = file.read(LENGTH.size)
            yield SEALING.unseal(closed, about=_about(id, number, is_last=not length))
            number += 1
        if length or not number:
            raise SealBroken("a file is cut off", where=row.path)


def erase_media() -> int:
    """Delete the files of messages whose text was erased, and return how many.

    What a killed process was fetching lies there unsealed: that goes too.
    """
    for left in folder().glob(f"{ASIDE}*"):
        if clock.now().timestamp() - left.stat().st_mtime > LEFT_SECONDS:
            shutil.rmtree(left, ignore_errors=True)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_EXPIRED)
            rows = cursor.fetchall()
        with ExitStack() as done:
            for _media_id, path in rows:
                done.callback((folder() / path).unlink, missing_ok=True)
        models.InboundMedia.objects.filter(id__in=[row[0] for row in rows]).update(path="", reason="erased")
    return len(rows)
