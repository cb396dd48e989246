"""The outside applications whose webhooks come in: an opaque id in the URL chooses the secrets that sign."""

import json
import logging
import secrets as randomness
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from tocsin.journal import commands as journal
from tocsin.journal.values import Author
from tocsin.kernel import clock
from tocsin.kernel.language import gettext as _
from tocsin.kernel.loading import lazily
from tocsin.messaging.channels import check_may_connect
from tocsin.messaging.errors import ChannelNotUnderstood, NoSuchApp
from tocsin.messaging.values import App, AppSecret
from tocsin.staff import secrets as sealing
from tocsin.staff.errors import SealBroken, SealKeyMissing

models = lazily("tocsin.messaging.models")

ID_BYTES = 18  # 24 characters in a URL
SECRETS_MAX = 2
OVERLAP_HOURS = 24  # how long the secret before is good during a rotation, unless somebody says otherwise
_LOG = logging.getLogger("tocsin.messaging")


def add_app(name: str, *, kind: str, secrets: Sequence[str], verify_token: str = "", by: Author) -> str:
    """Make a place where webhooks of an application arrive and return its id; the secrets are sealed.

    Without ``verify_token`` one is made; ``app(id)`` shows it, because it has to be typed in at the provider.
    """
    check_may_connect(by)
    _check(name, secrets=secrets)
    if models.WebhookApp.objects.filter(name=name).exists():
        raise ChannelNotUnderstood(
            _("An application called {name} is there already.").format(name=name),
            mend=_("Choose another name, or change its secret with `tocsin whatsapp webhook rotate`."),
        )
    made = App(
        id=randomness.token_urlsafe(ID_BYTES),
        kind=kind,
        name=name,
        secrets=tuple(AppSecret(each) for each in secrets),
        verify_token=verify_token or randomness.token_urlsafe(ID_BYTES),
        made_at=clock.now(),
    )
    with transaction.atomic(), sealing.unchanged_key():
        models.WebhookApp.objects.create(id=made.id, kind=kind, name=name, sealed=_sealed(made), made_at=made.made_at)
        journal.write(
            verb="messaging.app_added", subject=about(made.id), by=by, facts={"name": name, "kind": kind}
        )  # fmt: skip
    return made.id


def rotate_app(name: str, *, secret: str, overlap_hours: float = OVERLAP_HOURS, by: Author) -> App:
    """Take a new secret; the one before stays good for ``overlap_hours`` (0: not at all), one before that no more."""
    check_may_connect(by)
    with transaction.atomic(), sealing.unchanged_key():
        row = models.WebhookApp.objects.select_for_update().filter(name=name).first()
        if row is None:
            raise _no_such(name)
        now, found = clock.now(), _app_of(row)
        _check(name, secrets=[secret])
        until = now + timedelta(hours=overlap_hours)
        before = next((each for each in found.secrets if each.value != secret), None)
        kept = (AppSecret(before.value, good_until=until),) if before and overlap_hours > 0 else ()
        changed = App(
            id=found.id, kind=found.kind, name=name, secrets=(AppSecret(secret), *kept),
            verify_token=found.verify_token, made_at=found.made_at,
        )  # fmt: skip
        row.sealed = _sealed(changed)
        row.save(update_fields=["sealed"])
        facts = {"name": name, "good_until": until.isoformat() if kept else None}
        journal.write(verb="messaging.app_secret_rotated", subject=about(found.id), by=by, facts=facts)
    return changed


def remove_app(name: str, *, reason: str, by: Author) -> None:
    """Take no more webhooks of an application; what came in stays, and is read no more."""
    check_may_connect(by)
    with transaction.atomic():
        row = models.WebhookApp.objects.select_for_update().filter(name=name).first()
        if row is None:
            raise _no_such(name)
        row.delete()
        facts = {"name": name, "reason": reason}
        journal.write(verb="messaging.app_removed", subject=about(row.id), by=by, facts=facts)


def apps() -> tuple[App, ...]:
    """Return every application with its secrets opened: for the receiver, which shows them to nobody."""
    return tuple(_app_of(row) for row in models.WebhookApp.objects.order_by("name"))


def apps_that_open() -> tuple[App, ...]:
    """Return the applications whose secrets open: one that is sealed by a lost key keeps no other from receiving.

    Raises SealKeyMissing or SealBroken when there are some and none opens.
    """
    found, broken = [], []
    for row in models.WebhookApp.objects.order_by("name"):
        try:
            found.append(_app_of(row))
        except (SealBroken, SealKeyMissing) as error:
            broken.append(error)
            _LOG.error("the secrets of the application %s do not open: nothing of it is received", row.name)
    if broken and not found:
        raise broken[0]
    return tuple(found)


def app(id: str) -> App:
    """Return one application by its id; NoSuchApp."""
    row = models.WebhookApp.objects.filter(id=id).first()
    if row is None:
        raise _no_such(id)
    return _app_of(row)


def app_named(name: str) -> App:
    """Return one application by its name; NoSuchApp."""
    row = models.WebhookApp.objects.filter(name=name).first()
    if row is None:
        raise _no_such(name)
    return _app_of(row)


def _check(name: str, *, secrets: Sequence[str]) -> None:
    if not name or name != name.strip() or not name.isprintable():
        raise ChannelNotUnderstood(
            _("{name} cannot be the name of an application.").format(name=repr(name)),
            mend=_("Write it without blanks at its ends, and with characters that can be printed."),
        )
    if not 1 <= len(secrets) <= SECRETS_MAX or not all(secrets):
        # An empty key makes a signature that everybody can make.
        raise ChannelNotUnderstood(
            _("An application needs one secret, or two while one is rotated."),
            mend=_("Give the app secret of the provider's console."),
        )


def _app_of(row: Any) -> App:
    opened = json.loads(sealing.unseal(bytes(row.sealed), about=about(row.id)))
    secrets = tuple(AppSecret(each["value"], good_until=_moment(each["good_until"])) for each in opened["secrets"])
    return App(
        id=row.id, kind=row.kind, name=row.name, secrets=secrets, verify_token=opened["verify_token"],
        made_at=row.made_at,
    )  # fmt: skip


def _sealed(app: App) -> bytes:
    secrets = [
        {"value": each.value, "good_until": each.good_until.isoformat() if each.good_until else None}
        for each in app.secrets
    ]
    said = {"secrets": secrets, "verify_token": app.verify_token}
    return sealing.seal(json.dumps(said).encode(), about=about(app.id))


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def about(id: str) -> str:
    """Return what the secrets of an application are bound to."""
    return f"webhook_app:{id}"


def _no_such(name: str) -> NoSuchApp:
    return NoSuchApp(
        _("No application is called {name}.").format(name=name),
        mend=_("`tocsin whatsapp webhook list` shows those there are."),
    )
