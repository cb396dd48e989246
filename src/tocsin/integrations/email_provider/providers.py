"""The providers django-anymail speaks to that need nothing installed besides.

Not among them: Amazon SES (it needs Amazon's own library; its SMTP interface is a channel of kind ``email``) and SendGrid
(django-anymail no longer tests it; the same).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Signed(StrEnum):
    """How a provider proves that a webhook is its own."""

    NEVER = "never"  # name:password (HTTP Basic) in the address it is told must come back
    ALWAYS = "always"  # the secret is the key it signs with
    MAYBE = "maybe"  # the secret is either: one with a colon is name:password
    STANDARD = "standard"  # the same, and the signature is that of Standard Webhooks, under headers of its own
    NO_WEBHOOKS = "no_webhooks"


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider: where its classes are, what django-anymail calls its secrets, and how its webhooks are signed.

    ``key`` and ``second_key`` are the names of its secrets, ``signing`` of the key that signs webhooks, ``needs`` of
    settings that must be there. ``keeps_id``: it hands our id back in webhooks; ``takes_headers``: mails may have headers
    of ours.
    """

    module: str
    label: str  # of its classes
    key: str = "api_key"
    second_key: str = ""
    signed: Signed = Signed.NEVER
    signing: str = ""
    needs: tuple[str, ...] = ()
    keeps_id: bool = True
    takes_headers: bool = True
    view: str = "TrackingWebhookView"


PROVIDERS: Mapping[str, Provider] = {
    "brevo": Provider("brevo", "Brevo"),
    # Headers are for its largest plan only, and it hands nothing of ours back.
    "mailersend": Provider(
        "mailersend", "MailerSend", key="api_token", signed=Signed.ALWAYS, signing="signing_secret", keeps_id=False,
        takes_headers=False,
    ),
    "mailgun": Provider(
        "mailgun", "Mailgun", signed=Signed.ALWAYS, signing="webhook_signing_key", needs=("sender_domain",)
    ),
    "mailjet": Provider("mailjet", "Mailjet", second_key="secret_key"),
    "mailtrap": Provider("mailtrap", "Mailtrap", key="api_token", signed=Signed.MAYBE, signing="tracking_secret"),
    "mandrill": Provider(
        "mandrill", "Mandrill", signed=Signed.ALWAYS, signing="webhook_key", view="CombinedWebhookView"
    ),
    "postal": Provider(
        "postal", "Postal", signed=Signed.ALWAYS, signing="webhook_key", needs=("base_url",), keeps_id=False
    ),
    "postmark": Provider("postmark", "Postmark", key="server_token"),
    "resend": Provider("resend", "Resend", signed=Signed.STANDARD),
    "scaleway": Provider(
        "scaleway", "Scaleway", key="secret_key", signed=Signed.NO_WEBHOOKS, needs=("project_id",), keeps_id=False
    ),
    "sparkpost": Provider("sparkpost", "SparkPost"),
    "unisender_go": Provider(
        "unisender_go", "UnisenderGo", signed=Signed.ALWAYS, signing="api_key", needs=("base_url",)
    ),
}  # fmt: skip
