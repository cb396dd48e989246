"""AWS Signature Version 4, as AWS documents it ("Create a signed AWS API request") and its published test suite checks.

botocore signs as well and brings over eighty megabytes of models of services that are not called here.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote

from yarl import URL

_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """An access key; ``session_token`` of temporary ones."""

    access_key_id: str
    secret_access_key: str
    session_token: str = ""


def signed_headers(
    credentials: Credentials,
    *,
    method: str,
    url: URL,
    headers: Mapping[str, str],
    body: bytes,
    region: str,
    service: str,
    at: datetime,
) -> dict[str, str]:
    """Return the headers that authorise a call: ``X-Amz-Date``, ``Authorization`` and the token where there is one.

    ``headers`` are signed with it, ``Host`` is added; the path is taken as already encoded.
    """
    stamp = at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    added = {"X-Amz-Date": stamp}
    if credentials.session_token:
        added["X-Amz-Security-Token"] = credentials.session_token
    everything = {"host": _host(url)} | {
        name.lower(): " ".join(text.split()) for name, text in {**headers, **added}.items()
    }
    names = ";".join(sorted(everything))
    canonical = "\n".join(
        (
            method,
            url.raw_path or "/",
            _query(url),
            *(f"{name}:{everything[name]}" for name in sorted(everything)),
            "",
            names,
            hashlib.sha256(body).hexdigest(),
        )
    )
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    to_sign = "\n".join((_ALGORITHM, stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    key = f"AWS4{credentials.secret_access_key}".encode()
    for part in (stamp[:8], region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.new(key, to_sign.encode(), "sha256").hexdigest()
    credential = f"{credentials.access_key_id}/{scope}"
    added["Authorization"] = f"{_ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={signature}"
    return added


def _host(url: URL) -> str:
    return f"{url.host}" if url.is_default_port() else f"{url.host}:{url.port}"


def _query(url: URL) -> str:
    pairs = parse_qsl(url.raw_query_string, keep_blank_values=True)
    return "&".join(sorted(f"{quote(name, safe='-_.~')}={quote(text, safe='-_.~')}" for name, text in pairs))
