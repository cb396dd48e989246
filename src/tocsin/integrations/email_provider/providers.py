"""The providers django-anymail speaks to that need nothing installed besides."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider: where its classes are, what django-anymail calls its secrets, and how its webhooks are signed.

    ``key`` and ``second_key`` are the names of its secrets. ``signing`` is the one of the key that signs webhooks; where
    there is none, ``name:password`` (HTTP Basic) in the address it is told must come back.
    """

    module: str
    label: str  # of its classes
    key: str = "api_key"
    second_key: str = ""
    signing: str = ""
    needs_sender_domain: bool = False


PROVIDERS: Mapping[str, Provider] = {
    "brevo": Provider("brevo", "Brevo"),
    "mailersend": Provider("mailersend", "MailerSend", key="api_token", signing="signing_secret"),
    "mailgun": Provider("mailgun", "Mailgun", signing="webhook_signing_key", needs_sender_domain=True),
    "mailjet": Provider("mailjet", "Mailjet", second_key="secret_key"),
    "postmark": Provider("postmark", "Postmark", key="server_token"),
    "resend": Provider("resend", "Resend"),
    "sparkpost": Provider("sparkpost", "SparkPost"),
}
