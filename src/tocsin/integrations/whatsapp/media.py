"""Files at Meta: uploaded once and sent by id, fetched in pieces and checked, samples for templates."""

import hashlib
import mimetypes
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import aiohttp
from yarl import URL

from tocsin.integrations.whatsapp.errors import NotAnswered
from tocsin.integrations.whatsapp.graph import Graph
from tocsin.kernel import clock
from tocsin.kernel.errors import TocsinError
from tocsin.kernel.language import format_number, gettext as _, gettext_noop

MEGABYTE = 1024 * 1024
FETCHED_BYTES_MAX = 100 * MEGABYTE
UPLOADED_DAYS = 30  # then Meta forgets an uploaded file
PIECE_BYTES = 65_536
FILE_SECONDS = 600.0
# What may be sent, and how large (Meta, business-phone-numbers/media).
BYTES_MAX: Mapping[str, int] = {
    **dict.fromkeys(("audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"), 16 * MEGABYTE),
    **dict.fromkeys(("image/jpeg", "image/png"), 5 * MEGABYTE),
    **dict.fromkeys(("video/mp4", "video/3gpp"), 16 * MEGABYTE),
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
SAMPLE_TYPES = ("application/pdf", "image/jpeg", "image/png", "video/mp4")


class FileNotUsable(TocsinError):
    """A file cannot be sent, or what was fetched is not what was announced."""

    usual_mend = gettext_noop("Make it smaller or change its format, and try again.")


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A file Meta keeps until ``expires_at``."""

    id: str
    media_type: str
    sha256: str
    bytes: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that was fetched, whole and as announced."""

    path: Path
    media_type: str
    sha256: str
    bytes: int


class MediaFiles:
    """The files of one number."""

    def __init__(self, graph: Graph, line: str) -> None:
        self._graph, self._line = graph, line

    async def upload(self, path: Path, *, media_type: str = "") -> Uploaded:
        """Upload a file, in pieces; FileNotUsable says why it cannot be sent."""
        media_type, digest = self.described(path, media_type=media_type)
        form = aiohttp.FormData()
        form.add_field("messaging_product", "whatsapp")
        form.add_field("type", media_type)
        with path.open("rb") as file:
            form.add_field("file", file, filename=path.name, content_type=media_type)
            answer = await self._graph.call("POST", f"{self._line}/media", data=form, seconds=FILE_SECONDS)
        if not answer.get("id"):
            raise NotAnswered(_("Meta took the file and gave it no id."))
        return Uploaded(
            id=str(answer["id"]),
            media_type=media_type,
            sha256=digest,
            bytes=path.stat().st_size,
            expires_at=clock.now() + timedelta(days=UPLOADED_DAYS),
        )

    def described(self, path: Path, *, media_type: str = "") -> tuple[str, str]:
        """Return type and SHA-256 of a file that may be sent."""
        return checked_type(path, media_type), digest_of(path)

    async def fetch(self, media_id: str, to: Path, *, sha256: str = "") -> Fetched:
        """Fetch a file to ``to``: its address is asked for first, because one lives five minutes.

        ``sha256`` is what the webhook announced, in hex or base64; Meta's own word is checked in any case.
        """
        told = await self._graph.get(media_id, {"phone_number_id": self._line})
        address = URL(str(told.get("url", "")), encoded=True)
        root = URL(self._graph.reach.base_url)
        if not address.host or address.scheme not in {"https", root.scheme}:
            # The token goes with the request: never over an open line.
            raise NotAnswered(_("Meta gives no usable address for the file."))
        told_bytes = told.get("file_size")
        if isinstance(told_bytes, int) and told_bytes > FETCHED_BYTES_MAX:  # whatever is told, no more is read
            raise too_large(told_bytes)
        aside = to.with_name(f".{to.name}.part")
        try:
            size, digest = await self._stream(address, aside)
            announced = {word for word in (sha256, str(told.get("sha256") or "")) if word}
            if not announced <= {digest.hex(), b64encode(digest).decode()}:
                raise FileNotUsable(
                    _("What was fetched is not the file that was announced."), mend=_("Fetch it again.")
                )
            aside.replace(to)
        finally:
            aside.unlink(missing_ok=True)
        return Fetched(to, str(told.get("mime_type", "")), digest.hex(), size)

    async def delete(self, media_id: str) -> None:
        """Let Meta forget a file."""
        await self._graph.call("DELETE", media_id, params={"phone_number_id": self._line})

    async def sample(self, app: str, path: Path, *, media_type: str = "") -> str:
        """Upload a sample for the header of a template (resumable upload); returns its handle."""
        media_type = checked_type(path, media_type)
        if media_type not in SAMPLE_TYPES:
            raise FileNotUsable(
                _("A sample is one of: {names}.").format(names=", ".join(SAMPLE_TYPES)), where=path.name
            )
        about = {"file_name": path.name, "file_length": str(path.stat().st_size), "file_type": media_type}
        session = await self._graph.call("POST", f"{app}/uploads", params=about)
        with path.open("rb") as file:
            answer = await self._graph.call(
                "POST",
                str(session.get("id", "")),
                data=file,
                headers={
                    "Authorization": f"OAuth {self._graph.reach.token}",  # the one call that wants this word
                    "Content-Type": "application/octet-stream",
                    "file_offset": "0",
                },
                seconds=FILE_SECONDS,
            )
        if not answer.get("h"):
            raise NotAnswered(_("Meta took the file and gave it no id."))
        return str(answer["h"])

    async def _stream(self, address: URL, to: Path) -> tuple[int, bytes]:
        """Write what an address answers to a file, up to the cap; returns its size and SHA-256."""
        hashed, size = hashlib.sha256(), 0
        waits = aiohttp.ClientTimeout(total=FILE_SECONDS, sock_read=self._graph.reach.timeout_seconds)
        try:
            async with self._graph.session().get(
                address, allow_redirects=False, proxy=self._graph.reach.proxy, timeout=waits
            ) as response:
                if response.status != 200:
                    raise NotAnswered(_("The file is not there (HTTP {status}).").format(status=response.status))
                with to.open("wb") as file:
                    async for piece in response.content.iter_chunked(PIECE_BYTES):
                        size += len(piece)
                        if size > FETCHED_BYTES_MAX:
                            raise too_large(size)
                        hashed.update(piece)
                        file.write(piece)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise NotAnswered(_("The file did not come whole."), mend=_("Fetch it again.")) from error
        return size, hashed.digest()


def checked_type(path: Path, media_type: str = "") -> str:
    """Return the type of a file that may be sent; FileNotUsable when it is of another type, empty or too large."""
    media_type = media_type or mimetypes.guess_type(path.name)[0] or ""
    most = BYTES_MAX.get(media_type)
    if most is None:
        raise FileNotUsable(
            _("WhatsApp does not take files of the type {name}.").format(name=media_type or "?"),
            where=path.name,
            mend=_("Known: {names}.").format(names=", ".join(sorted(BYTES_MAX))),
        )
    size = path.stat().st_size
    if not 0 < size <= most:
        told = _("It has {n} bytes, WhatsApp allows 1 to {most}.")
        raise FileNotUsable(told.format(n=format_number(size), most=format_number(most)), where=path.name)
    return media_type


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def too_large(size: int) -> FileNotUsable:
    """Return the error about a file beyond the cap."""
    told = _("The file has {n} bytes or more; {most} are taken at most.")
    return FileNotUsable(told.format(n=format_number(size), most=format_number(FETCHED_BYTES_MAX)))
