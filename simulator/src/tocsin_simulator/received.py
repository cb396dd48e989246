"""Files that people send: kept for seven days, named in the webhook as Meta does."""

import base64
import binascii
import hashlib
from typing import Any

from tocsin_simulator import media
from tocsin_simulator.errors import GraphError
from tocsin_simulator.values import Media
from tocsin_simulator.world import World

THEIR_MEDIA_SECONDS = 7 * 24 * 3600
KINDS = {"image": "image/jpeg", "video": "video/mp4", "audio": "audio/ogg; codecs=opus", "document": "application/pdf",
         "sticker": "image/webp"}  # fmt: skip


def sent_file(world: World, phone: str, given: Any) -> dict[str, Any]:
    """Keep a file somebody sends to a number, and return the message that names it.

    `given`: `{"type", "base64", "mime_type"?, "caption"?, "filename"?, "voice"?}`. Raises GraphError.
    """
    kind = given.get("type") if isinstance(given, dict) else None
    if kind not in KINDS:
        raise GraphError(100, title=f"media['type'] must be one of {', '.join(KINDS)}.")
    try:
        content = base64.b64decode(str(given.get("base64", "")), validate=True)
    except binascii.Error as error:
        raise GraphError(100, title=f"media['base64'] is none: {error}.") from error
    digest = hashlib.sha256(content)
    file = Media(
        id=world.new_id(),
        content=content,
        mime_type=str(given.get("mime_type", KINDS[kind])),
        sha256=digest.hexdigest(),
        expires_at=world.clock.now() + THEIR_MEDIA_SECONDS,
        extra={"phone": phone, "filename": str(given.get("filename", ""))},
    )
    world.media[file.id] = file
    world.clock.at(file.expires_at, world.media.pop, file.id, None)
    # The same digest is hexadecimal where the API tells it, and base64 in webhooks.
    named = {"id": file.id, "mime_type": file.mime_type, "sha256": base64.b64encode(digest.digest()).decode()}
    named |= {key: given[key] for key in ("caption", "filename", "voice") if key in given}
    return {"type": kind, kind: named | {"url": media.address_of(world, file)}}
