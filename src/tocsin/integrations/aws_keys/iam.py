"""Calls of AWS IAM: the Query protocol (form in, XML out), version 2010-05-08, and what its error codes mean."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

from yarl import URL

from tocsin.integrations.aws_keys.signature import Credentials, signed_headers
from tocsin.integrations.http_calls.calls import AGAIN_SECONDS, Later, Line, NoAnswer, NotReached, Reply, Request
from tocsin.integrations.http_calls.moments import from_iso
from tocsin.integrations.http_calls.order_by_order import NotAllowed
from tocsin.kernel import clock
from tocsin.kernel.language import gettext as _

VERSION = "2010-05-08"
_FORM = "application/x-www-form-urlencoded; charset=utf-8"
_THROTTLED = {"Throttling", "ThrottlingException", "RequestLimitExceeded", "SlowDown", "RequestThrottled"}
_NOT_US = {
    "InvalidClientTokenId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "UnrecognizedClientException",
    "IncompleteSignature",
}
_BUSY = {"ServiceUnavailable", "ServiceFailure", "EntityTemporarilyUnmodifiable", "ConcurrentModification"}


class NoSuchEntity(Exception):
    """IAM does not know the name."""


@dataclass(frozen=True, slots=True)
class AccessKey:
    """One access key of an IAM identity."""

    id: str
    is_active: bool
    created_at: datetime | None


class Signer:
    """Signs each call of a line for IAM, which is served from one region of a partition."""

    def __init__(self, credentials: Credentials, *, region: str) -> None:
        self._credentials, self._region = credentials, region

    async def __call__(self, line: Line, request: Request) -> Mapping[str, str]:
        """Return the headers that authorise the call."""
        kind = {"Content-Type": request.headers["Content-Type"]}
        return signed_headers(
            self._credentials,
            method=request.method,
            url=request.url,
            headers=kind,
            body=request.body,
            region=self._region,
            service="iam",
            at=clock.now(),
        )


async def ask(line: Line, action: str, **parameters: str) -> ET.Element:
    """Ask something; raise Later when no answer came, NoSuchEntity or NotAllowed when that is the answer."""
    try:
        return await _sent(line, action, parameters, pace="read")
    except NoAnswer as lost:
        raise Later(str(lost), seconds=AGAIN_SECONDS) from lost


async def change(line: Line, action: str, **parameters: str) -> ET.Element:
    """Change something; raise NoAnswer when nobody knows whether it was done."""
    return await _sent(line, action, parameters, pace="write")


async def keys_of(line: Line, name: str) -> list[AccessKey]:
    """Return the access keys of an IAM identity: two at most, as IAM allows."""
    told = await ask(line, "ListAccessKeys", UserName=name)
    return [
        AccessKey(text(each, "AccessKeyId"), text(each, "Status") == "Active", from_iso(text(each, "CreateDate")))
        for each in told.iter()
        if each.tag == "member" and text(each, "AccessKeyId")
    ]


def text(element: ET.Element, name: str) -> str:
    """Return the text of the first element of a name below another; empty without one."""
    return next((each.text or "" for each in element.iter() if each.tag == name), "")


async def _sent(line: Line, action: str, parameters: Mapping[str, str], *, pace: str) -> ET.Element:
    body = urlencode({"Action": action, "Version": VERSION, **parameters}).encode()
    reply = await line.send(Request("POST", URL(line.wire.base + "/"), body, {"Content-Type": _FORM}, pace))
    told = _parsed(reply)
    if reply.is_success:
        return told
    code = text(told, "Code")
    if code in _THROTTLED or code in _BUSY:
        line.pace_of(pace).close(AGAIN_SECONDS if code in _THROTTLED else 0)
        raise Later(_("the system's rate limit"), seconds=AGAIN_SECONDS)
    if code in _NOT_US:
        raise NotReached(_("it does not accept our credentials"))
    if code == "NoSuchEntity":
        raise NoSuchEntity
    raise NotAllowed(f"HTTP {reply.status}, {code}")


def _parsed(reply: Reply) -> ET.Element:
    """Return the body without namespaces; a document type is never expanded, because none is taken."""
    if b"<!DOCTYPE" in reply.body:
        raise NoAnswer(_("the answer is not of IAM"))
    try:
        root = ET.fromstring(reply.body)  # noqa: S314 - from IAM over TLS, and without a document type
    except ET.ParseError:
        raise NoAnswer(_("the answer is not of IAM")) from None
    for each in root.iter():
        each.tag = each.tag.rpartition("}")[2]
    return root
