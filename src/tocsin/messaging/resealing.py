"""Everything messaging keeps sealed, so that the keys of the installation can be rotated."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.db import connection, transaction

from tocsin.kernel import failpoints
from tocsin.kernel.language import gettext_noop
from tocsin.messaging import apps, bodies, channels, intake, media_fetching
from tocsin.staff import secrets
from tocsin.staff.errors import SealBroken
from tocsin.staff.ports import SealedPlace
from tocsin.staff.resealing import SealedColumn
from tocsin.staff.secrets import Sealing
from tocsin.staff.values import Moved

FILES_AT_ONCE = 20  # their rows are held meanwhile, and a file has up to 100 MB
_ROWS = "SELECT id, path FROM tocsin_inboundmedia WHERE path <> '' ORDER BY id"
_BATCH = """
SELECT id, path FROM tocsin_inboundmedia WHERE path <> '' {after} ORDER BY id LIMIT %(limit)s
   FOR NO KEY UPDATE SKIP LOCKED
"""


class MediaFiles:
    """The files that came with messages: each is written anew aside, its pieces as they are but for their data keys."""

    what = gettext_noop("files that came with messages")
    table = "tocsin_inboundmedia"

    def counts(self) -> Mapping[bytes, int]:
        """Return how many files of this machine each key sealed; one of two keys counts for both."""
        found: Counter[bytes] = Counter()
        with connection.cursor() as cursor:
            cursor.execute(_ROWS)
            for _id, path in cursor.fetchall():
                found.update(_keys_of(media_fetching.folder() / path))
        return found

    def reseal(self, keys: Sequence[bytes], *, after: Any, limit: int) -> Moved:
        """Seal the data keys of the next files anew; their rows are held, so that none is erased meanwhile."""
        moved = broken = 0
        asked = {"after": after, "limit": min(limit, FILES_AT_ONCE)}
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_BATCH.format(after="" if after is None else "AND id > %(after)s"), asked)
            rows = cursor.fetchall()
            for _id, path in rows:
                file = media_fetching.folder() / path
                if not _keys_of(file).isdisjoint(keys):
                    try:
                        _rewrite(file, keys)
                        moved += 1
                    except SealBroken:
                        broken += 1
        return Moved(moved, broken=broken, last=rows[-1][0] if rows else None)


def sealed_places() -> tuple[SealedPlace, ...]:
    """Return every place where messaging keeps what is sealed."""
    return (
        SealedColumn(
            gettext_noop("secrets of channels"), "tocsin_messagingchannel", about=channels.about, id="name",
            id_type="text",
        ),
        SealedColumn(gettext_noop("secrets of webhooks"), "tocsin_webhookapp", about=apps.about, id_type="text"),
        SealedColumn(gettext_noop("texts of messages"), "tocsin_messagebody", about=_purpose(bodies.SEALING)),
        SealedColumn(
            gettext_noop("bodies of webhooks"), "tocsin_webhookintake", about=_purpose(intake.SEALING),
            id_type="bigint",
        ),
        MediaFiles(),
    )  # fmt: skip


def _purpose(sealing: Sealing) -> Callable[[Any], str]:
    return lambda _id: sealing.purpose


def _pieces(file: Path) -> Iterator[bytes]:
    with file.open("rb") as sealed:
        while len(length := sealed.read(media_fetching.LENGTH.size)) == media_fetching.LENGTH.size:
            (size,) = media_fetching.LENGTH.unpack(length)
            piece = sealed.read(size)
            if len(piece) != size:
                raise SealBroken("a file is cut off", where=file)
            yield piece


def _keys_of(file: Path) -> set[bytes]:
    """Return the names of the keys a file is sealed with; none when it is on another machine."""
    return media_fetching.keys_of(file) if file.exists() else set()


def _rewrite(file: Path, keys: Sequence[bytes]) -> None:
    """Put a file in its own place, moved to the key that seals: whoever reads it meanwhile reads it to its end."""
    owner = file.stat()
    with TemporaryDirectory(dir=media_fetching.folder(), prefix=media_fetching.ASIDE) as aside:
        fresh = Path(aside) / "sealed"
        with fresh.open("wb") as written:
            for piece in _pieces(file):
                closed = _moved(piece) if secrets.key_name(piece) in keys else piece
                written.write(media_fetching.LENGTH.pack(len(closed)) + closed)
            if os.geteuid() == 0:  # for the account Tocsin runs under
                os.fchown(written.fileno(), owner.st_uid, owner.st_gid)
            written.flush()
            os.fsync(written.fileno())
        failpoints.reach("in_resealing_file")
        fresh.replace(file)
    descriptor = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)  # before the key it was sealed with may go
    finally:
        os.close(descriptor)


def _moved(piece: bytes) -> bytes:
    before, fresh = secrets.moved(piece[: secrets.BEGINNING_BYTES_MAX], about=media_fetching.SEALING.purpose)
    return fresh + piece[len(before) :]
