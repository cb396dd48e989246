"""Whether a product's address can be reached: looked up, connected to, its certificate read. Nothing is asked of it."""

import asyncio
import contextlib
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from aiohttp.abc import AbstractResolver
from yarl import URL

from tocsin.integrations.http_calls.calls import NotReached
from tocsin.kernel import clock
from tocsin.kernel.language import format_date, gettext as _
from tocsin.kernel.remarks import Remark, Standing

SECONDS_MAX = 10.0
SOON = timedelta(days=14)


async def remarks(address: URL, *, resolver: AbstractResolver, tls: ssl.SSLContext) -> Sequence[Remark]:
    """Return what is found at an address, whose names ``resolver`` looks up."""
    host, port = address.host or "", address.port or 443
    try:
        async with asyncio.timeout(SECONDS_MAX):
            found = [each["host"] for each in await resolver.resolve(host, port)]
            writer = await _connected(found, port, tls=tls if address.scheme == "https" else None, name=host)
    except NotReached:
        return (_fault(_("Its name leads to a private address."), _("Set allow_private to yes if that is meant.")),)
    except ssl.SSLCertVerificationError as error:
        words = _("Its certificate is not trusted: {reason}.").format(reason=error.verify_message)
        return (_fault(words, _("Name the file of its authority with ca_file, or mend the certificate.")),)
    except TimeoutError:
        return (_fault(_("Nothing answers at the address.")),)
    except OSError:
        return (_fault(_("Nothing answers at the address, or its name is not known.")),)
    try:
        return _told(writer)
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError, ssl.SSLError):
            await writer.wait_closed()


async def _connected(hosts: Sequence[str], port: int, *, tls: ssl.SSLContext | None, name: str) -> asyncio.StreamWriter:
    """Connect to the first address that takes it; raises what went wrong with the last."""
    error: OSError = OSError("no address")
    for host in hosts:
        try:
            named = name if tls else None
            return (await asyncio.open_connection(host, port, ssl=tls, server_hostname=named))[1]
        except ssl.SSLCertVerificationError:
            raise
        except OSError as last:
            error = last
    raise error


def _told(writer: asyncio.StreamWriter) -> Sequence[Remark]:
    certificate = writer.get_extra_info("peercert")
    if not certificate:
        return (
            Remark(Standing.WARNING, _("Something answers at the address. What is said to it can be read on the way.")),
        )
    until = datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)
    words = _("Something answers at the address; its certificate is good until {date}.").format(date=format_date(until))
    return (Remark(Standing.OK if until - clock.now() > SOON else Standing.WARNING, words),)


def _fault(text: str, mend: str = "") -> Remark:
    return Remark(Standing.FAULT, text, mend)
