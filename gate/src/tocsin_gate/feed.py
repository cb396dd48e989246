"""Speaking with the source of lists over HTTP: one request each, and the stream of changes."""

import contextlib
import http.client
import json
import os
import shutil
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tocsin_gate.errors import SourceRefused

TIMEOUT_SECONDS = 30.0
# A source sends a heartbeat well within this; silence for longer is a dead connection.
SILENCE_SECONDS_MAX = 60.0
LINE_BYTES_MAX = 64 * 1024 * 1024
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


@dataclass(frozen=True, slots=True)
class Told:
    """One event of the stream: its kind (``change``, ``heartbeat``, ``epoch``) and its JSON."""

    kind: str
    data: dict[str, Any]


class Source:
    """Where lists come from. TLS is verified; ``ca_file`` names other roots than the system's.

    Plain HTTP would show the token to everyone on the way, so it is for this machine only unless ``plain_http`` says
    otherwise.
    """

    def __init__(self, url: str, *, token: str | None, ca_file: str | None = None, plain_http: bool = False) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise SourceRefused("is no http or https address.", where=url)
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK and not plain_http:
            raise SourceRefused("would send the token unprotected.", where=url, mend="Use https.")
        self.url = url
        self._host, self._port, self._path = parts.hostname, parts.port, parts.path.rstrip("/")
        self._context = ssl.create_default_context(cafile=ca_file) if parts.scheme == "https" else None
        self._token = token

    def fetch(self, aside: Path, *, epoch: int | None) -> bool:
        """Write the current list to a file of its own; False when it is still the given epoch."""
        headers = {"If-None-Match": f'"{epoch}"'} if epoch is not None else {}
        connection, response = self._ask("GET", "/gate/v1/snapshot", headers=headers)
        try:
            if response.status == http.HTTPStatus.NOT_MODIFIED:
                return False
            self._expect(response)
            offered = (response.getheader("ETag") or "").strip('"')
            if epoch is not None and offered.isdecimal() and int(offered) < epoch:
                # Told by the name alone, so that a large list is not fetched again and again to be refused.
                raise SourceRefused(f"offers epoch {offered}; epoch {epoch} is in force.", where=self.url)
            with aside.open("wb") as file:
                shutil.copyfileobj(response, file, 1024 * 1024)
                file.flush()
                os.fsync(file.fileno())
            wanted = response.getheader("Content-Length")
            if wanted is not None and aside.stat().st_size != int(wanted):
                raise SourceRefused("broke off in the middle of the list.", where=self.url)
            return True
        finally:
            connection.close()

    def report(self, *, name: str, epoch: int, seq: int) -> None:
        """Tell what this gate enforces now."""
        body = json.dumps({"gate": name, "epoch": epoch, "seq": seq}).encode()
        headers = {"Content-Type": "application/json"}
        connection, response = self._ask("POST", "/gate/v1/enforcing", headers=headers, body=body)
        try:
            self._expect(response)
        finally:
            connection.close()

    def changes(self, *, epoch: int, seq: int) -> "Changes":
        """Open the stream of changes of an epoch, after the last one that was applied."""
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store", "Last-Event-ID": f"{epoch}.{seq}"}
        connection, response = self._ask("GET", f"/gate/v1/changes?epoch={epoch}", headers=headers)
        try:
            self._expect(response)
        except SourceRefused:
            connection.close()
            raise
        connection.plug.settimeout(SILENCE_SECONDS_MAX)
        return Changes(connection.plug, response)

    def _ask(
        self, method: str, path: str, *, headers: dict[str, str], body: bytes | None = None
    ) -> tuple["_Connection", http.client.HTTPResponse]:
        connection = _Connection(self._host, self._port, context=self._context)
        if self._token:
            headers = {**headers, "Authorization": f"Bearer {self._token}"}
        try:
            return connection, connection.ask(method, self._path + path, headers=headers, body=body)
        except (OSError, http.client.HTTPException):
            connection.close()
            raise

    def _expect(self, response: http.client.HTTPResponse) -> None:
        if not 200 <= response.status < 300:
            what = f"answers {response.status} {response.reason}."
            mend = "Export the trust file anew." if response.status in (401, 403) else ""
            raise SourceRefused(what, status=response.status, where=self.url, mend=mend)


class _Connection:
    """One connection, whose socket stays known: `http.client` forgets it when the answer has no length."""

    def __init__(self, host: str, port: int | None, *, context: ssl.SSLContext | None) -> None:
        if context is not None:
            self._http: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, port, timeout=TIMEOUT_SECONDS, context=context
            )
        else:
            self._http = http.client.HTTPConnection(host, port, timeout=TIMEOUT_SECONDS)
        self._http.connect()
        self.plug: socket.socket = self._http.sock

    def ask(self, method: str, path: str, *, headers: dict[str, str], body: bytes | None) -> http.client.HTTPResponse:
        self._http.request(method, path, body=body, headers=headers)
        return self._http.getresponse()

    def close(self) -> None:
        self._http.close()
        self.plug.close()


class Changes:
    """An open stream; ``close`` may be called from another thread and ends a read that waits."""

    def __init__(self, plug: socket.socket, response: http.client.HTTPResponse) -> None:
        self._plug = plug
        self._response = response

    def __iter__(self) -> Iterator[Told]:
        """Yield the events; ends when the source closes (Server-Sent Events, WHATWG HTML, section 9.2)."""
        kind, data = "message", list[str]()
        while line := self._response.readline(LINE_BYTES_MAX):
            if not line.endswith(b"\n"):
                raise SourceRefused("sent half a line, or one too long.")
            text = line.rstrip(b"\r\n").decode("utf-8", "replace")
            if not text:
                if data:
                    yield _told(kind, "\n".join(data))
                kind, data = "message", []
                continue
            field, _, value = text.partition(":")
            value = value.removeprefix(" ")
            if field == "event":
                kind = value
            elif field == "data":
                data.append(value)

    def close(self) -> None:
        """End the stream."""
        # Already gone is what was wanted.
        with contextlib.suppress(OSError):
            self._plug.shutdown(socket.SHUT_RDWR)
        self._plug.close()


def _told(kind: str, text: str) -> Told:
    try:
        data = json.loads(text)
    except ValueError as error:
        raise SourceRefused("sent an event that is not JSON.") from error
    return Told(kind=kind, data=data if isinstance(data, dict) else {"value": data})
