"""What was caught, over HTTP: JSON for programs, and a page that shows mails as they look."""

import asyncio
from itertools import islice
from typing import Any, Protocol

import orjson
from aiohttp import web

from tocsin_simulator.mail_faults import FaultPlanUnclear, MailFaults, read_mail_faults
from tocsin_simulator.mailbox import CaughtMail, Mailbox
from tocsin_simulator.snapshot import snapshot
from tocsin_simulator.wording import CONTENT_SECURITY_POLICY, asset, language_of, page

_LIMIT_MAX = 1000
_WAITING_MAX = 200
_BEAT_SECONDS = 15.0
_STILL_MAX = 200  # mails in the page as one file
# A mail's HTML is a stranger's: no script, no form, nothing from outside; only what the mail itself brings.
_MAIL_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:; sandbox"


class HasFaults(Protocol):
    """Where the plan of faults in force is kept."""

    faults: MailFaults


class MailPages:
    """Answers every request to the catcher's HTTP port."""

    def __init__(self, mailbox: Mailbox, plan: HasFaults) -> None:
        self.mailbox = mailbox
        self.plan = plan
        self._listeners: set[asyncio.Queue[bytes | None]] = set()

    def changed(self, mail: CaughtMail | None) -> None:
        """Tell the open pages that a mail came or a count changed; a page too slow to follow misses some."""
        if not self._listeners:
            return
        told = b"data: " + orjson.dumps({"mail": mail.short() if mail else None, "count": self._short()}) + b"\n\n"
        for listener in self._listeners:
            if not listener.full():
                listener.put_nowait(told)

    def close(self) -> None:
        """Let go of the open pages."""
        for listener in self._listeners:
            if listener.full():
                listener.get_nowait()
            listener.put_nowait(None)

    def _short(self) -> dict[str, int]:
        box = self.mailbox
        refused, dropped = sum(box.refused.values()), sum(box.dropped.values())
        return {"received": box.received, "accepted": box.accepted, "refused": refused, "dropped": dropped}

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        path = request.path.rstrip("/") or "/"
        if request.method in {"GET", "HEAD"}:
            return await self._read(request, path)
        if request.method == "POST" and path == "/_simulator/faults":
            return await self._replace_faults(request)
        if (request.method, path) in {("POST", "/_simulator/reset"), ("DELETE", "/_simulator/mails")}:
            self.mailbox.clear()
            self.changed(None)
            return _json({"success": True})
        return _missing(path)

    async def _read(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        if path in {"/", "/mails"}:
            accepted = request.headers.get("Accept-Language", "")
            language = language_of(accepted, asked=request.query.get("lang", ""))
            return _bytes(page("mails.html", language=language), "text/html")
        if path == "/_simulator/snapshot.html":
            return self._still(request)
        if path.startswith("/assets/"):
            found = asset(path.removeprefix("/assets/"))
            return _bytes(*found) if found else _missing(path)
        if path in {"/_simulator/count", "/_simulator/state"}:
            return _json(self.mailbox.counts())
        if path == "/_simulator/mails":
            return self._list(request)
        if path == "/_simulator/events":
            return await self._follow(request)
        if path.startswith("/_simulator/mails/"):
            return self._one(path.removeprefix("/_simulator/mails/"))
        return _missing(path)

    def _still(self, request: web.BaseRequest) -> web.Response:
        """Answer the page as one file, with the mails as they are now."""
        mails = list(islice(self.mailbox.newest_first(to="", sender="", subject=""), _STILL_MAX))
        shown = {"count": len(mails), "received": self.mailbox.received, "mails": [mail.short() for mail in mails]}
        kept = {"/_simulator/mails": orjson.dumps(shown).decode()}
        for mail in mails:
            kept[f"/_simulator/mails/{mail.id}"] = orjson.dumps(mail.whole()).decode()
            kept[f"/_simulator/mails/{mail.id}/source"] = mail.raw.decode("utf-8", "replace")
            kept[f"/_simulator/mails/{mail.id}/html"] = mail.html
        language = language_of(request.headers.get("Accept-Language", ""), asked=request.query.get("lang", ""))
        whole = snapshot("mails.html", language=language, kept=kept)
        return web.Response(body=whole, headers={"Content-Type": "text/html; charset=utf-8"})

    def _list(self, request: web.BaseRequest) -> web.Response:
        query = request.query
        try:
            limit, offset = min(int(query.get("limit", 100)), _LIMIT_MAX), int(query.get("offset", 0))
        except ValueError:
            return _json({"error": "limit and offset are numbers."}, status=400)
        whole = query.get("whole", "") in {"1", "true", "yes"}
        wanted = self.mailbox.newest_first(
            to=query.get("to", ""), sender=query.get("from", ""), subject=query.get("subject", "")
        )
        found = list(wanted)
        shown = found[offset : offset + limit]
        mails = [mail.whole() if whole else mail.short() for mail in shown]
        return _json({"count": len(found), "received": self.mailbox.received, "mails": mails})

    def _one(self, path: str) -> web.Response:
        mail_id, _, form = path.partition("/")
        mail = self.mailbox.find(mail_id)
        if mail is None:
            return _missing(path)
        if not form:
            return _json(mail.whole())
        if form == "source":
            return _bytes(mail.raw, "text/plain")
        if form == "html":
            return _bytes(mail.html.encode("utf-8", "replace"), "text/html", policy=_MAIL_POLICY)
        kind, _, number = form.partition("/")
        parts = mail.attachments()
        if kind == "attachments" and number.isdigit() and int(number) < len(parts):
            payload = parts[int(number)].get_payload(decode=True)
            content = payload if isinstance(payload, bytes) else b""
            return _bytes(content, "application/octet-stream", policy=_MAIL_POLICY, attached=True)
        return _missing(path)

    async def _replace_faults(self, request: web.BaseRequest) -> web.Response:
        try:
            self.plan.faults = read_mail_faults(await request.read(), where="the body", seed=self.plan.faults.seed)
        except FaultPlanUnclear as error:
            return _json({"error": str(error)}, status=400)
        return _json({"success": True, "rules": len(self.plan.faults.rules)})

    async def _follow(self, request: web.BaseRequest) -> web.StreamResponse:
        """Keep a page told, until it goes."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await response.prepare(request)
        listener: asyncio.Queue[bytes | None] = asyncio.Queue(_WAITING_MAX)
        self._listeners.add(listener)
        try:
            await response.write(b"data: " + orjson.dumps({"mail": None, "count": self._short()}) + b"\n\n")
            while True:
                try:
                    told = await asyncio.wait_for(listener.get(), _BEAT_SECONDS)
                except TimeoutError:
                    told = b": still here\n\n"
                if told is None:
                    return response
                await response.write(told)
        except ConnectionError:
            return response
        finally:
            self._listeners.discard(listener)


def _json(body: Any, *, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")


def _missing(path: str) -> web.Response:
    return _json({"error": f"There is nothing at {path}."}, status=404)


def _bytes(
    body: bytes, content_type: str, *, policy: str = CONTENT_SECURITY_POLICY, attached: bool = False
) -> web.Response:
    headers = {
        "Content-Type": content_type
        if content_type == "application/octet-stream"
        else f"{content_type}; charset=utf-8",
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }
    if attached:
        headers["Content-Disposition"] = "attachment"
    return web.Response(body=body, headers=headers)
