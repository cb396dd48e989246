"""The feed gates follow: the list, its changes as Server-Sent Events, and what each gate says it enforces."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path

from tocsin.api.exchange import Answer, Problem, Request, unauthorized
from tocsin.api.routes import Route
from tocsin.containment import commands, queries
from tocsin.containment.values import GateList

POLL_SECONDS = 0.5
HEARTBEAT_SECONDS = 15.0
CHANGES_AT_ONCE = 500
PIECE_BYTES = 1024 * 1024
ENFORCING_BYTES_MAX = 4096
_GATE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@/-]{0,99}")
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def _check_token(request: Request) -> None:
    if not request.bearer_is(queries.feed_token()):
        raise unauthorized()


async def _list_in_force(request: Request) -> GateList:
    found = await request.in_thread(queries.list_in_force)
    if found is None:
        raise Problem(HTTPStatus.NOT_FOUND, "No list was published yet.", code="nothing_published")
    return found


async def snapshot(request: Request) -> Answer:
    """Answer the list in force: whole, or the range asked for; 304 when it is the one the gate has."""
    _check_token(request)
    published = await _list_in_force(request)
    headers = {"etag": f'"{published.epoch}"', "accept-ranges": "bytes", "cache-control": "no-cache"}
    known = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if headers["etag"] in known:
        return Answer(status=HTTPStatus.NOT_MODIFIED, headers=headers)
    start, end = _range(request, size=published.bytes, tag=headers["etag"])
    headers |= {"content-type": "application/octet-stream", "content-length": str(end - start)}
    status = HTTPStatus.OK
    if end - start < published.bytes:
        status, headers["content-range"] = HTTPStatus.PARTIAL_CONTENT, f"bytes {start}-{end - 1}/{published.bytes}"
    descriptor = await request.in_thread(_opened, published.path)
    return Answer(status=status, headers=headers, pieces=_pieces(request, descriptor, start=start, end=end))


def _opened(path: Path) -> int:
    """Open a list; it stays whole for us even when it is cleared away meanwhile."""
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "The list is being replaced.", code="again") from error


def _range(request: Request, *, size: int, tag: str) -> tuple[int, int]:
    """Return (start, end) of one range (RFC 9110, section 14.2); of several, or of another list, the whole."""
    asked = _RANGE.fullmatch(request.headers.get("range", ""))
    if asked is None or request.headers.get("if-range", tag) != tag or asked[1] == asked[2] == "":
        return 0, size
    if asked[1]:
        start, end = int(asked[1]), min(size, int(asked[2]) + 1 if asked[2] else size)
    else:
        start, end = max(0, size - int(asked[2])), size
    if start >= end:
        headers = {"content-range": f"bytes */{size}"}
        raise Problem(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers=headers)
    return start, end


async def _pieces(request: Request, descriptor: int, *, start: int, end: int) -> AsyncIterator[bytes]:
    try:
        while start < end:
            piece = await request.in_thread(os.pread, descriptor, min(PIECE_BYTES, end - start), start)
            if not piece:
                return
            start += len(piece)
            yield piece
    finally:
        os.close(descriptor)


async def changes(request: Request) -> Answer:
    """Answer the changes of an epoch as they come, after the one the gate had last."""
    _check_token(request)
    asked = request.query.get("epoch", "")
    if not asked.isdecimal() or len(asked) > 18:
        raise Problem(HTTPStatus.BAD_REQUEST, "Say which epoch: /gate/v1/changes?epoch=N.")
    await _list_in_force(request)
    epoch, seq = int(asked), 0
    last_epoch, _, last_seq = request.headers.get("last-event-id", "").partition(".")
    if last_epoch == asked and last_seq.isdecimal() and len(last_seq) <= 18:
        seq = int(last_seq)
    # nginx would hold the events back until its buffer is full.
    headers = {"content-type": "text/event-stream", "x-accel-buffering": "no"}
    return Answer(headers=headers, pieces=_events(request, epoch=epoch, seq=seq))


async def _events(request: Request, *, epoch: int, seq: int) -> AsyncIterator[bytes]:
    """Yield events until the gate goes, we stop, or a newer list waits. Each poll is one small question."""
    gone = asyncio.create_task(request.disconnected())
    stopping = asyncio.create_task(request.stopping.wait())
    loop = asyncio.get_running_loop()
    beat_at = loop.time()  # the first heartbeat at once: it tells a gate that comes back that its list is current
    try:
        while not gone.done() and not stopping.done():
            news = await request.in_thread(queries.changes_after, epoch, seq=seq, limit=CHANGES_AT_ONCE)
            if news.epoch != epoch:
                yield _event("epoch", identity="", data=f'{{"epoch":{news.epoch}}}')
                return
            for each in news.changes:
                seq = each.seq
                yield _event("change", identity=f"{epoch}.{seq}", data=each.content)
            if len(news.changes) == CHANGES_AT_ONCE:
                continue
            if loop.time() >= beat_at:
                beat_at = loop.time() + HEARTBEAT_SECONDS
                yield _event("heartbeat", identity="", data=queries.heartbeat(epoch, seq=seq))
            await asyncio.wait({gone, stopping}, timeout=POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for waiting in (gone, stopping):
            waiting.cancel()
            with suppress(asyncio.CancelledError):
                await waiting


def _event(kind: str, *, identity: str, data: str) -> bytes:
    """Return one Server-Sent Event (WHATWG HTML, section 9.2); ``data`` is JSON, which has no line breaks."""
    named = f"id: {identity}\n" if identity else ""
    return f"{named}event: {kind}\ndata: {data}\n\n".encode()


async def enforcing(request: Request) -> Answer:
    """Take what a gate says it enforces: the reading back of the list."""
    _check_token(request)
    said = await request.json_object(bytes_max=ENFORCING_BYTES_MAX)
    gate, epoch, seq = said.get("gate"), said.get("epoch"), said.get("seq")
    if not isinstance(gate, str) or not _GATE_NAME.fullmatch(gate):
        raise Problem(HTTPStatus.BAD_REQUEST, "gate must be a name of 1 to 100 letters, digits and . _ : @ / -")
    if not (isinstance(epoch, int) and isinstance(seq, int) and 0 <= epoch < 2**63 and 0 <= seq < 2**63):
        raise Problem(HTTPStatus.BAD_REQUEST, "epoch and seq must be whole numbers.")
    await request.in_thread(commands.record_enforcing, gate, epoch=epoch, seq=seq)
    return Answer(status=HTTPStatus.NO_CONTENT)


ROUTES = (
    Route("GET", "/gate/v1/snapshot", snapshot),
    Route("GET", "/gate/v1/changes", changes),
    Route("POST", "/gate/v1/enforcing", enforcing),
)
