"""Files handed to a provider: which it still has, so that the same file is handed over once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from tocsin.journal import commands as journal
from tocsin.journal.values import Author
from tocsin.kernel import clock
from tocsin.kernel.loading import lazily

models = lazily("tocsin.messaging.models")

SPARE = timedelta(days=1)  # a file the provider forgets sooner is handed over again: messages may wait


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file a provider has, until ``expires_at``."""

    channel: str
    media_id: str
    media_type: str
    name: str
    sha256: str
    bytes: int
    uploaded_at: datetime
    expires_at: datetime


def remember_upload(kept: KeptFile, *, by: Author) -> None:
    """Keep that a provider has a file; one uploaded again takes the place of the older one."""
    with transaction.atomic():
        models.UploadedFile.objects.update_or_create(
            channel=kept.channel,
            sha256=kept.sha256,
            media_type=kept.media_type,
            defaults={
                "media_id": kept.media_id,
                "name": kept.name,
                "bytes": kept.bytes,
                "uploaded_at": kept.uploaded_at,
                "expires_at": kept.expires_at,
            },
        )
        facts = {"media_id": kept.media_id, "sha256": kept.sha256, "bytes": kept.bytes}
        journal.write(
            verb="messaging.file_uploaded", subject=f"messaging_channel:{kept.channel}", by=by, facts=facts
        )  # fmt: skip


def forget_upload(channel: str, media_id: str) -> None:
    """Forget an upload the provider does not have any more."""
    models.UploadedFile.objects.filter(channel=channel, media_id=media_id).delete()


def uploaded_file(channel: str, *, sha256: str, media_type: str) -> KeptFile | None:
    """Return the upload of a file the provider still has for a day at least, or None."""
    row = models.UploadedFile.objects.filter(
        channel=channel, sha256=sha256, media_type=media_type, expires_at__gt=clock.now() + SPARE
    ).first()
    return _kept(row) if row else None


def uploaded_files(channel: str) -> Sequence[KeptFile]:
    """Return the files a provider still has, those it forgets first at the head."""
    found = models.UploadedFile.objects.filter(channel=channel, expires_at__gt=clock.now()).order_by("expires_at")
    return [_kept(row) for row in found]


def _kept(row: Any) -> KeptFile:
    return KeptFile(
        channel=row.channel, media_id=row.media_id, media_type=row.media_type, name=row.name, sha256=row.sha256,
        bytes=row.bytes, uploaded_at=row.uploaded_at, expires_at=row.expires_at,
    )  # fmt: skip
