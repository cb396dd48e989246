"""Media of the simulated account: upload, address, download, delete; and resumable uploads of template samples."""

import base64
import hashlib
import re
from dataclasses import dataclass

from tocsin_simulator.errors import GraphError, missing, unknown_object
from tocsin_simulator.routing import Reply, Request, Route
from tocsin_simulator.values import Media, Upload
from tocsin_simulator.world import World

UPLOADED_SECONDS = 30 * 24 * 3600.0
ADDRESS_SECONDS = 300.0
MEGABYTE = 1024 * 1024
# Meta's list of what may be uploaded, and how large: business-phone-numbers/media.
TYPES_MAX_BYTES = {
    **dict.fromkeys(("audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg", "audio/opus"), 16 * MEGABYTE),
    **dict.fromkeys(("image/jpeg", "image/png"), 5 * MEGABYTE),
    **dict.fromkeys(("video/mp4", "video/3gpp", "video/3gp"), 16 * MEGABYTE),
    "image/webp": 500 * 1024,
    **dict.fromkeys(
        (
            "text/plain",
            "application/pdf",
            "application/msword",
            "application/vnd.ms-excel",
            "application/vnd.ms-powerpoint",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        ),
        100 * MEGABYTE,
    ),
}
SAMPLE_TYPES = ("application/pdf", "image/jpeg", "image/jpg", "image/png", "video/mp4")
_DISPOSITION = re.compile(rb'(?i)\b(name|filename)="((?:[^"\\]|\\.)*)"')
_BOUNDARY = re.compile(r'(?i)boundary="?([^";]+)"?')


@dataclass(frozen=True)
class Part:
    """One part of a form."""

    name: str
    content: bytes
    filename: str = ""
    mime_type: str = ""


def parts_of(request: Request) -> dict[str, Part]:
    """Return the parts of a `multipart/form-data` body by their name; raises `GraphError` when it is none."""
    found = _BOUNDARY.search(request.raw.headers.get("Content-Type", ""))
    if request.raw.content_type != "multipart/form-data" or found is None:
        raise GraphError(100, "The body is no multipart/form-data.")
    parts: dict[str, Part] = {}
    for chunk in (b"\r\n" + request.body).split(b"\r\n--" + found.group(1).encode())[1:]:
        head, blank, content = chunk.partition(b"\r\n\r\n")
        if chunk.startswith(b"--") or not blank:
            break
        said = {key.lower().decode(): value.decode("utf-8", "replace") for key, value in _DISPOSITION.findall(head)}
        mime_type = re.search(rb"(?i)content-type:\s*([^\s;]+)", head)
        name = said.get("name", "")
        parts[name] = Part(name, content, said.get("filename", ""), mime_type.group(1).decode() if mime_type else "")
    return parts


def _text(parts: dict[str, Part], name: str) -> str:
    return parts[name].content.decode("utf-8", "replace").strip() if name in parts else ""


async def upload(world: World, request: Request) -> Reply:
    """Take a file; its id is good for 30 days, or `ttl_minutes`."""
    parts = parts_of(request)
    if _text(parts, "messaging_product") != "whatsapp":
        raise missing("messaging_product")
    if "file" not in parts:
        raise missing("file")
    file = parts["file"]
    mime_type = (_text(parts, "type") or file.mime_type).split(";")[0].strip().lower()
    if mime_type not in TYPES_MAX_BYTES:
        told = f"Param file must be a file with one of the following types: {', '.join(TYPES_MAX_BYTES)}."
        raise GraphError(100, title=f"{told} Received file of type '{mime_type}'.")
    if len(file.content) > TYPES_MAX_BYTES[mime_type]:
        raise GraphError(131053, f"Media file size too big. Max file size is {TYPES_MAX_BYTES[mime_type]} bytes.")
    minutes = _text(parts, "ttl_minutes")
    seconds = int(minutes) * 60 if minutes.isdigit() else UPLOADED_SECONDS
    media = Media(
        id=world.new_id(),
        content=file.content,
        mime_type=mime_type,
        sha256=hashlib.sha256(file.content).hexdigest(),
        expires_at=world.clock.now() + seconds,
        extra={"phone": request.given["phone"], "filename": file.filename},
    )
    world.media[media.id] = media
    world.clock.at(media.expires_at, _forget, world, media.id)
    return Reply({"id": media.id})


def _forget(world: World, media_id: str) -> None:
    world.media.pop(media_id, None)


def _media(world: World, request: Request) -> Media:
    """Return the file of a path, when it is there and belongs to the number named."""
    media = world.media[request.given["media"]]
    named = request.query.get("phone_number_id")
    if media.expires_at <= world.clock.now() or (named and media.extra.get("phone", named) != named):
        raise unknown_object(request.method, media.id)
    return media


def address_of(world: World, media: Media) -> str:
    """Return an address the file can be fetched at for five minutes, with the access token."""
    until = int(world.clock.now() + ADDRESS_SECONDS)
    sign = world.digest("address", media.id, until).hex()[:24]
    return f"{world.address}/whatsapp_business/attachments/?mid={media.id}&ext={until}&hash={sign}"


async def read_media(world: World, request: Request) -> Reply:
    """Answer where a file is, and what."""
    media = _media(world, request)
    return Reply(
        {
            "messaging_product": "whatsapp",
            "url": address_of(world, media),
            "mime_type": media.mime_type,
            "sha256": media.sha256,
            "file_size": len(media.content),
            "id": media.id,
        }
    )


async def download(world: World, request: Request) -> Reply:
    """Answer the bytes of a file whose address is not five minutes old."""
    media = world.media.get(request.query.get("mid", ""))
    until = request.query.get("ext", "")
    sign = world.digest("address", media.id, int(until)).hex()[:24] if media and until.isdigit() else ""
    if media is None or sign != request.query.get("hash") or int(until) < world.clock.now():
        raise GraphError(100, title="This media can't be fetched: its address has expired.", http=404)
    headers = {"Content-Disposition": "attachment", "X-Content-Type-Options": "nosniff"}
    return Reply(media.content, content_type=media.mime_type, headers=headers)


async def delete_media(world: World, request: Request) -> Reply:
    """Forget a file."""
    del world.media[_media(world, request).id]
    return Reply()


async def begin_upload(world: World, request: Request) -> Reply:
    """Open a session for a sample file of a template or a profile picture."""
    query = request.query
    if not query.get("file_length", "").isdigit() or query["file_length"] == "0":
        raise missing("file_length")
    if query.get("file_type") not in SAMPLE_TYPES:
        raise GraphError(100, title=f"Param file_type must be one of {', '.join(SAMPLE_TYPES)}.")
    key = f"upload:{base64.urlsafe_b64encode(f'attachment:{world.new_id()}'.encode()).decode().rstrip('=')}"
    world.records.uploads[key] = Upload(
        id=key, name=query.get("file_name", ""), mime_type=query["file_type"], length=int(query["file_length"])
    )
    return Reply({"id": f"{key}?sig={world.digest('upload', key).hex()[:16]}"})


async def continue_upload(world: World, request: Request) -> Reply:
    """Take bytes from `file_offset` on; the last of them makes the handle a template's sample is named by."""
    session = world.records.uploads[request.given["upload"]]
    offset = request.raw.headers.get("file_offset", "0")
    if not offset.isdigit() or int(offset) != len(session.content):
        raise GraphError(100, title=f"The file_offset must be {len(session.content)}.")
    if len(session.content) + len(request.body) > session.length:
        raise GraphError(100, title=f"More bytes came than the file_length {session.length} said.")
    session.content += request.body
    if len(session.content) < session.length:
        return Reply({"id": session.id, "file_offset": len(session.content)})
    kind = base64.b64encode(session.mime_type.encode()).decode()
    content = base64.urlsafe_b64encode(hashlib.sha256(session.content).digest()).decode().rstrip("=")
    session.handle = f"4::{kind}:{content}:e:{int(world.clock.now())}:{world.settings.app_id}"
    return Reply({"h": session.handle})


async def read_upload(world: World, request: Request) -> Reply:
    """Answer how much has come, so that a broken upload can go on."""
    session = world.records.uploads[request.given["upload"]]
    return Reply({"id": session.id, "file_offset": len(session.content)})


ROUTES: tuple[Route, ...] = (
    Route("POST", "/{version}/{phone}/media", upload, counted=False),
    Route("GET", "/{version}/{media}", read_media, counted=False),
    Route("DELETE", "/{version}/{media}", delete_media, counted=False),
    Route("GET", "/whatsapp_business/attachments", download, counted=False),
    Route("POST", "/{version}/{app}/uploads", begin_upload, counted=False),
    Route("POST", "/{version}/{upload}", continue_upload, counted=False),
    Route("GET", "/{version}/{upload}", read_upload, counted=False),
)
