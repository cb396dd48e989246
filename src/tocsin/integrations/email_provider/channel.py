"""One sender of mail at a provider. django-anymail is synchronous: its calls are made in a few threads."""

import asyncio
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from tocsin.customers.values import AddressKind
from tocsin.integrations.channel_settings import ChannelLimits, ChannelSettings
from tocsin.integrations.email import contents, mime
from tocsin.integrations.email.addresses import normal_address
from tocsin.integrations.email.channel import MESSAGE
from tocsin.integrations.email_provider import replies
from tocsin.integrations.email_provider.providers import PROVIDERS, Provider
from tocsin.kernel.errors import TocsinError
from tocsin.kernel.language import gettext as _, gettext_noop
from tocsin.kernel.loading import lazily
from tocsin.messaging.errors import AddressNotUnderstood
from tocsin.messaging.values import Accepted, Content, Outgoing, Prepared, Purpose

mail = lazily("django.core.mail")  # it needs Django's settings, which are made later

SETTINGS: Mapping[str, str] = {
    "provider": gettext_noop("brevo, mailersend, mailgun, mailjet, postmark, resend or sparkpost"),
    "from": gettext_noop("address the mails are from"),
    "from_name": gettext_noop("name shown beside it"),
    "reply_to": gettext_noop("address answers go to; the one they are from if left out"),
    "sender_domain": gettext_noop("domain that is set up at Mailgun"),
    "unsubscribe_url": gettext_noop("https address for one-click unsubscribing, {message} stands for the message's id"),
    "base_url": gettext_noop("address of the provider's interface, for another region"),
    "plain_http": gettext_noop("yes: allow http:// to another machine, so that secrets cross the network in the open"),
    "connections": gettext_noop("calls under way at once; 8 if left out"),
    "per_second": gettext_noop("mails a second at most"),
    "timeout_seconds": gettext_noop("seconds to wait for an answer; 30 if left out"),
}
SECRETS: Mapping[str, str] = {
    "key": gettext_noop("API key, API token or server token of the provider"),
    "second_key": gettext_noop("secret key of Mailjet"),
}
OUR_ID = "tocsin_id"  # what comes back in the provider's webhooks
LATE_SECONDS = 5.0


def connect(name: str, *, settings: Mapping[str, Any], secrets: Mapping[str, str]) -> "EmailProvider":
    """Return the channel; ChannelNotUnderstood says which setting is wrong. Nothing is opened yet."""
    given = ChannelSettings(name, settings=settings, secrets=secrets, known=SETTINGS, known_secrets=SECRETS)
    provider = PROVIDERS[given.choice("provider", of=tuple(PROVIDERS), default="")]
    if find_spec("anymail") is None:
        raise given.wrong(
            "provider", _("django-anymail is not installed."), mend=_("pip install 'tocsin[email-providers]'")
        )
    timeout_seconds = given.number("timeout_seconds", default=30.0, least=0.1) or 30.0
    options = {provider.key: given.secret("key"), "requests_timeout": timeout_seconds}
    if provider.second_key:
        options[provider.second_key] = given.secret("second_key")
    if provider.needs_sender_domain:
        options["sender_domain"] = given.text("sender_domain")
    if given.text("base_url", default=""):
        options["api_url"] = given.address("base_url") + "/"
    return EmailProvider(
        provider,
        options=options,
        sender=_sender(given),
        connections=int(given.number("connections", default=8, least=1) or 8),
        timeout_seconds=timeout_seconds,
        limits=ChannelLimits(per_second=given.number("per_second", default=None, least=0.01)),
    )


def _sender(given: ChannelSettings) -> tuple[str, str, str]:
    """Return the From header, the Reply-To address and the address for unsubscribing."""
    name, url = given.text("from_name", default=""), given.text("unsubscribe_url", default="")
    if not mime.is_clean(name):
        raise given.wrong("from_name", _("it holds a line end or another control character."))
    if url and not contents.is_https(url.replace(MESSAGE, "0")):
        raise given.wrong("unsubscribe_url", _("it must begin with https:// and name a host."))
    found = {}
    for key, default in (("from", None), ("reply_to", "")):
        text = given.text(key, default=default)
        try:
            found[key] = normal_address(text) if text else ""
        except AddressNotUnderstood as error:
            raise given.wrong(key, error.what, mend=error.mend) from error
    return mime.mailbox(name, address=found["from"], raw=True), found["reply_to"], url


class EmailProvider:
    """One sender of mail at a provider."""

    reaches: Sequence[AddressKind] = (AddressKind.EMAIL,)
    reports = True

    def __init__(
        self,
        provider: Provider,
        *,
        options: Mapping[str, Any],
        sender: tuple[str, str, str],
        connections: int,
        timeout_seconds: float,
        limits: ChannelLimits,
    ) -> None:
        self._provider, self._options = provider, options
        self._from, self._reply_to, self._unsubscribe_url = sender
        self._threads = ThreadPoolExecutor(connections, thread_name_prefix="mail")
        self._own, self._opened = threading.local(), list[Any]()
        self.line, self.account, self.portfolio = f"{self._from} via {provider.module}", "", ""
        self._room, self._wait_seconds = asyncio.Semaphore(connections), timeout_seconds
        # Waiting for a free thread, connecting, reading: each is bounded by itself.
        self.seconds_max, self.limits = 3 * timeout_seconds + LATE_SECONDS, limits

    def address(self, text: str, *, kind: AddressKind) -> str:
        """Return an address in its one normal form."""
        if kind is not AddressKind.EMAIL:
            raise AddressNotUnderstood(_("E-mail reaches e-mail addresses only."))
        return normal_address(text)

    def prepare(self, content: Content) -> Prepared:
        """Return what sending this needs; ContentNotUnderstood names the place."""
        return contents.prepared(content)

    async def send(self, message: Outgoing) -> Accepted:
        """Hand one mail to the provider, once: its library tries nothing again."""
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._room.acquire()
        except TimeoutError:
            raise replies.no_room() from None
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._send, message)
        finally:
            self._room.release()

    async def close(self) -> None:
        """Let go of connections and threads."""
        await asyncio.to_thread(self._threads.shutdown)
        for each in self._opened:
            each.close()
        self._opened.clear()

    def _send(self, message: Outgoing) -> Accepted:
        made = self._mail(message)
        with replies.as_transport_errors():
            made.send()
            status = made.anymail_status
            replies.check_status(status)
            return Accepted(str(status.message_id or ""))

    def _mail(self, message: Outgoing) -> Any:
        try:
            content = contents.made(message.content)
        except TocsinError as error:
            raise replies.our_mistake(error.what) from None
        headers = dict(message.content.get("headers", {}))
        if message.reply_to and contents.is_message_id(message.reply_to):
            headers |= {"In-Reply-To": f"<{message.reply_to}>", "References": f"<{message.reply_to}>"}
        if message.purpose is Purpose.MARKETING:
            url = content.unsubscribe_url or self._unsubscribe_url.replace(MESSAGE, str(message.id))
            if not url:
                raise replies.our_mistake("a campaign needs unsubscribe_url")
            headers |= {"List-Unsubscribe": f"<{url}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
        made = mail.EmailMultiAlternatives(
            content.subject, content.text, self._from, [normal_address(message.address)], headers=headers,
            reply_to=[self._reply_to] if self._reply_to else None, connection=self._connection(),
        )  # fmt: skip
        if content.html:
            made.attach_alternative(content.html, "text/html")
        made.metadata = {OUR_ID: str(message.id)}
        return made

    def _connection(self) -> Any:
        """Return this thread's way to the provider, kept open."""
        found = getattr(self._own, "backend", None)
        if found is None:
            module = import_module(f"anymail.backends.{self._provider.module}")
            found = module.EmailBackend(**self._options)
            found.open()
            self._own.backend = found
            self._opened.append(found)
        return found
