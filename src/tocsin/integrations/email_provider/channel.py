"""One sender of mail at a provider. django-anymail is synchronous: its calls are made in a few threads."""

import asyncio
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from tocsin.integrations.channel_settings import ChannelLimits, ChannelSettings
from tocsin.integrations.email import contents, mime, own_ids, published, sender
from tocsin.integrations.email.addresses import normal_address
from tocsin.integrations.email_provider import replies
from tocsin.integrations.email_provider.providers import PROVIDERS, Provider
from tocsin.kernel.errors import TocsinError
from tocsin.kernel.language import gettext as _, gettext_noop
from tocsin.kernel.loading import lazily
from tocsin.kernel.remarks import Remark, Standing
from tocsin.messaging.values import Accepted, Outgoing, Purpose

mail = lazily("django.core.mail")  # it needs Django's settings, which are made later

SETTINGS: Mapping[str, str] = {
    **sender.SETTINGS,
    "provider": gettext_noop(
        "brevo, mailersend, mailgun, mailjet, mailtrap, mandrill, postal, postmark, resend, scaleway, sparkpost or unisender_go"
    ),
    "sender_domain": gettext_noop("domain that is set up at Mailgun"),
    "project_id": gettext_noop("project at Scaleway"),
    "region": gettext_noop("region at Scaleway; fr-par if left out"),
    "sandbox_id": gettext_noop("inbox at Mailtrap that catches the mails, for tests"),
    "base_url": gettext_noop(
        "address of the provider's interface: for another region, and always for Postal and Unisender Go"
    ),
    "plain_http": gettext_noop("yes: allow http:// to another machine, so that secrets cross the network in the open"),
    "connections": gettext_noop("calls under way at once; 8 if left out"),
    "per_second": gettext_noop("mails a second at most"),
    "timeout_seconds": gettext_noop("seconds to wait for an answer; 30 if left out"),
}
SECRETS: Mapping[str, str] = {
    **sender.SECRETS,
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
    needs = set(provider.needs)
    for key in ("sender_domain", "project_id", "region", "sandbox_id"):
        if text := given.text(key, default=None if key in needs else ""):
            options[key] = text
    if given.text("base_url", default=None if "base_url" in needs else ""):
        options["api_url"] = given.address("base_url") + "/"
    return EmailProvider(
        provider,
        options=options,
        identity=sender.identity(given),
        connections=int(given.number("connections", default=8, least=1) or 8),
        timeout_seconds=timeout_seconds,
        limits=ChannelLimits(per_second=given.number("per_second", default=None, least=0.01)),
    )


class EmailProvider(sender.ReachesByMail):
    """One sender of mail at a provider."""

    def __init__(
        self,
        provider: Provider,
        *,
        options: Mapping[str, Any],
        identity: sender.Identity,
        connections: int,
        timeout_seconds: float,
        limits: ChannelLimits,
    ) -> None:
        self._provider, self._options = provider, options
        self.reports = provider.keeps_id
        self._identity = identity
        self._threads = ThreadPoolExecutor(connections, thread_name_prefix="mail")
        self._own, self._opened = threading.local(), list[Any]()
        self.line, self.account, self.portfolio = f"{identity.address} via {provider.module}", "", ""
        self._room, self._wait_seconds = asyncio.Semaphore(connections), timeout_seconds
        # Waiting for a free thread, connecting, reading: each is bounded by itself.
        self.seconds_max, self.limits = 3 * timeout_seconds + LATE_SECONDS, limits

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

    async def check(self) -> Sequence[Remark]:
        """Say what the DNS says of the address mails are from. Providers have no way to try a key without a mail."""
        names = published.Names(domain=self._identity.domain)
        unknown = _("Whether the key is right, and the domain set up at the provider, shows the first mail.")
        return (Remark(Standing.WARNING, unknown), *await published.remarks(names, lookups=self._identity.lookups()))

    def _send(self, message: Outgoing) -> Accepted:
        made = self._mail(message)
        with replies.as_transport_errors():
            made.send()
            status = made.anymail_status
            replies.check_status(status)
            return Accepted(str(status.message_id or ""))

    def _mail(self, message: Outgoing) -> Any:
        identity = self._identity
        try:
            content = contents.made(message.content)
        except TocsinError as error:
            raise replies.our_mistake(error.what) from None
        keeps_id, takes_headers = self._provider.keeps_id, self._provider.takes_headers
        headers = {own_ids.HEADER: str(message.id)} if takes_headers else {}
        headers |= message.content.get("headers", {})
        if message.reply_to and contents.is_message_id(message.reply_to):
            headers |= {"In-Reply-To": f"<{message.reply_to}>", "References": f"<{message.reply_to}>"}
        ways = identity.unsubscribing(message, url=content.unsubscribe_url)
        if message.purpose is Purpose.MARKETING and not ways:
            raise replies.our_mistake("a campaign needs unsubscribe_url")
        headers |= dict(ways)
        made = mail.EmailMultiAlternatives(
            content.subject, content.text, mime.mailbox(identity.name, address=identity.address, raw=True), [normal_address(message.address)], headers=headers,
            reply_to=[identity.reply_to] if identity.reply_to else None, connection=self._connection(),
        )  # fmt: skip
        if html := identity.html(content, message):
            made.attach_alternative(html, "text/html")
        if keeps_id:
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
