"""What is sent or came in, sealed: its digest, how it is opened, and when it is erased."""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from tocsin.journal import commands as journal
from tocsin.journal.values import MACHINE
from tocsin.kernel import clock
from tocsin.messaging.values import Content, Prepared
from tocsin.staff.secrets import Sealing

SEALING = Sealing("message body")
ERASED_AT_ONCE_MAX = 10_000
# What still waits to be sent keeps its text however late it is; it is withheld or sent first.
_ERASE = """
WITH past AS (
  SELECT body.id FROM tocsin_messagebody body
   WHERE body.sealed IS NOT NULL AND body.keep_until <= %(now)s
     AND NOT EXISTS (SELECT 1 FROM tocsin_outboundmessage message
                      WHERE message.id = body.id AND message.state IN ('queued', 'retrying', 'claimed', 'unknown'))
   LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
UPDATE tocsin_messagebody body SET sealed = NULL FROM past WHERE body.id = past.id
"""
_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode


def canonical(value: Mapping[str, Any] | list[Any]) -> bytes:
    """Return canonical JSON (sorted keys, no blanks, ASCII): the same value always gives the same bytes."""
    return _canonical(value).encode()


def digest_of(content: Content) -> bytes:
    """Return the SHA-256 of a content as canonical JSON."""
    return hashlib.sha256(canonical(dict(content))).digest()


def seal(body_id: UUID, *, prepared: Prepared) -> bytes:
    """Seal all that one message may send: its content, the template instead of it, the text as it is shown."""
    held: dict[str, Any] = {"content": dict(prepared.content)}
    if prepared.fallback is not None:
        held["fallback"] = dict(prepared.fallback)
    if prepared.shown:
        held["shown"] = prepared.shown
    return SEALING.seal(json.dumps(held, separators=(",", ":")).encode(), about=str(body_id))


def unseal(body_id: UUID, *, sealed: bytes) -> Prepared:
    """Open what one message may send; SealKeyMissing and SealBroken as the seal says."""
    held = json.loads(SEALING.unseal(sealed, about=str(body_id)))
    return Prepared(held["content"], fallback=held.get("fallback"), shown=held.get("shown", ""))


def erase_bodies(now: datetime | None = None) -> int:
    """Erase the texts whose retention ended, and return how many; digests, states and proofs stay."""
    erased = 0
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_ERASE, {"now": now or clock.now(), "limit": ERASED_AT_ONCE_MAX})
            count = int(cursor.rowcount)
            if count:
                journal.write(verb="messaging.bodies_erased", subject="outbox", by=MACHINE, facts={"bodies": count})
        erased += count
        if count < ERASED_AT_ONCE_MAX:
            return erased
