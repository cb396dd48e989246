"""Tables of messaging.

A message's rows name it by id without foreign keys: they are written by COPY, thousands a second, and the message is
always there first.
"""

from django.db import models

from tocsin.customers.values import AddressKind
from tocsin.kernel.ids import new_id
from tocsin.messaging.states import IntakeState, MessageState
from tocsin.messaging.values import Reason


class MessagingChannel(models.Model):
    """One way to send: a telephone number, a sender of mail. Its secrets are sealed."""

    name = models.TextField(primary_key=True)
    kind = models.TextField()
    line = models.TextField(blank=True)  # the provider's id of it
    account = models.TextField(blank=True)  # what holds several lines
    portfolio = models.TextField(blank=True)  # what shares a daily limit
    settings = models.JSONField(default=dict)
    sealed = models.BinaryField()  # JSON of all secrets
    added_at = models.DateTimeField()
    paused_at = models.DateTimeField(null=True)  # the kill switch: by a person
    paused_reason = models.TextField(blank=True)
    held_until = models.DateTimeField(null=True)  # by the provider's answers; with a reason and no time: until released
    held_reason = models.TextField(blank=True)
    health = models.JSONField(default=dict)  # what the provider said last: quality, level, limit
    rules = models.JSONField(default=dict)  # what staff chose: see rules.py

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "line"], name="messaging_line_once", condition=~models.Q(line="")),
        ]


class MessagingSwitch(models.Model):
    """The kill switch of all channels: one row, there while everything is paused."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    paused_at = models.DateTimeField()
    reason = models.TextField()


class MessageBody(models.Model):
    """What is sent or came in, sealed; erased when its retention ends, while digest and message stay."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    digest = models.BinaryField()  # SHA-256 of the content as canonical JSON
    sealed = models.BinaryField(null=True)  # null: erased
    keep_until = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["keep_until"], name="message_body_expiry", condition=models.Q(sealed__isnull=False)),
        ]


class OutboundMessage(models.Model):
    """One rendered text for one address."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    channel = models.TextField()
    priority = models.PositiveSmallIntegerField()
    purpose = models.TextField()
    address = models.TextField()
    address_kind = models.TextField()
    goes_to = models.TextField(blank=True, db_default="")  # what that address had become when it was claimed
    person_id = models.UUIDField(null=True)
    account = models.TextField(blank=True)
    once_key = models.TextField(null=True)
    broadcast = models.TextField(blank=True)
    reply_to = models.TextField(blank=True)
    body_id = models.UUIDField()
    digest = models.BinaryField()
    batch_id = models.UUIDField()  # the one it was queued in
    needs_window = models.BooleanField(default=False)
    template = models.TextField(blank=True)  # name/language it is sent with, or falls back to
    category = models.TextField(blank=True)
    state = models.TextField(default=MessageState.QUEUED)
    reason = models.TextField(blank=True)
    detail = models.TextField(blank=True)  # the provider's code and words, never an address
    tries = models.PositiveSmallIntegerField(default=0)
    crashes = models.PositiveSmallIntegerField(default=0)  # senders that died or broke over it before its bytes left
    next_try_at = models.DateTimeField(null=True)  # null unless queued or retrying
    claimed_by = models.TextField(blank=True)
    lease_until = models.DateTimeField(null=True)
    provider_id = models.TextField(blank=True)
    queued_at = models.DateTimeField()
    state_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    delivered_at = models.DateTimeField(null=True)
    read_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            # Not `unique=True`, which makes a second index for searches by beginning.
            models.UniqueConstraint(fields=["once_key"], name="message_once"),
            models.CheckConstraint(condition=models.Q(state__in=list(MessageState)), name="message_state_known"),
            models.CheckConstraint(
                condition=~models.Q(state__in=[MessageState.WITHHELD, MessageState.FAILED]) | ~models.Q(reason=""),
                name="message_reason_given",
            ),
            models.CheckConstraint(
                condition=~models.Q(state__in=[MessageState.QUEUED, MessageState.RETRYING])
                | models.Q(next_try_at__isnull=False),
                name="message_waits_until",
            ),
            models.CheckConstraint(
                condition=~models.Q(state=MessageState.CLAIMED) | models.Q(lease_until__isnull=False),
                name="message_claimed_until",
            ),
            models.CheckConstraint(
                condition=~models.Q(state=MessageState.UNKNOWN)
                | models.Q(reason__in=[Reason.NO_ANSWER, Reason.SENDER_DIED]),
                name="message_unknown_since",
            ),
        ]
        indexes = [
            # None of these reads `state`: what a status changes then touches no index at all, and the new version of
            # the row stands beside the old one (PostgreSQL's heap-only tuples).
            models.Index(  # what a sender claims next on a channel
                fields=["channel", "priority", "next_try_at", "id"],
                name="message_due",
                condition=models.Q(next_try_at__isnull=False),
            ),
            models.Index(  # what is held until something is so again
                fields=["channel", "reason", "template", "next_try_at"],
                name="message_held",
                condition=models.Q(
                    reason__in=[Reason.LINE_FLAGGED, Reason.TEMPLATE_NOT_USABLE, Reason.KEY_MISSING],
                    next_try_at__isnull=False,
                ),
            ),
            models.Index(  # leases that ran out
                fields=["lease_until"], name="message_leased", condition=models.Q(lease_until__isnull=False)
            ),
            models.Index(  # what a person must look at
                fields=["queued_at"],
                name="message_unknown",
                condition=models.Q(reason__in=[Reason.NO_ANSWER, Reason.SENDER_DIED]),
            ),
            models.Index(  # statuses without our id, and replies
                fields=["provider_id"], name="message_provider_id", condition=~models.Q(provider_id="")
            ),
            models.Index(fields=["person_id"], name="message_person", condition=models.Q(person_id__isnull=False)),
            models.Index(fields=["address", "id"], name="message_address"),  # did she get it
            models.Index(fields=["broadcast"], name="message_broadcast", condition=~models.Q(broadcast="")),
        ]


class MessageBatch(models.Model):
    """Rows written together: the journal holds the Merkle root over them, so each one is provable."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.TextField()  # queued, attempts, statuses
    rows = models.PositiveIntegerField()
    root = models.BinaryField()
    leaves = models.BinaryField()  # their hashes, 32 bytes each: one row is provable though others were erased
    entry_id = models.UUIDField()  # of the journal
    made_at = models.DateTimeField()


class MessageAttempt(models.Model):
    """One try to send a message, as it ended."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    message_id = models.UUIDField(db_index=True)
    number = models.PositiveSmallIntegerField()
    channel = models.TextField()
    claimed_at = models.DateTimeField()
    begun_at = models.DateTimeField(null=True)  # bytes began to leave
    answered_at = models.DateTimeField(null=True)
    state = models.TextField()  # what the attempt brought the message to
    reason = models.TextField(blank=True)
    code = models.IntegerField(default=0)
    detail = models.TextField(blank=True)
    provider_id = models.TextField(blank=True)
    fallback = models.BooleanField(default=False)  # the template went out, the window being shut
    digest = models.BinaryField()  # of the body that was sent
    batch_id = models.UUIDField()


class MessageStatus(models.Model):
    """A provider's word on one message, as it came."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    message_id = models.UUIDField(db_index=True)
    status = models.TextField()
    at = models.DateTimeField()  # the provider's clock
    received_at = models.DateTimeField()
    code = models.IntegerField(default=0)
    detail = models.TextField(blank=True)
    category = models.TextField(blank=True)
    price_type = models.TextField(blank=True)
    intake_id = models.BigIntegerField(null=True)
    batch_id = models.UUIDField()


class MessagePrice(models.Model):
    """That one message is to be paid: one row per message, however often it is told. The rates say how much."""

    message_id = models.UUIDField(primary_key=True)
    channel = models.TextField()
    broadcast = models.TextField(blank=True)
    category = models.TextField()
    price_type = models.TextField(blank=True)
    market = models.TextField()
    at = models.DateTimeField(db_index=True)  # of its delivery


class MessageRate(models.Model):
    """One line of a rate file."""

    id = models.BigAutoField(primary_key=True)
    valid_from_on = models.DateField()
    currency = models.TextField()
    market = models.TextField()
    category = models.TextField()
    messages_from = models.BigIntegerField(default=0)  # of the month, in this market and category
    micros = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["valid_from_on", "currency", "market", "category", "messages_from"], name="message_rate_once"
            ),
        ]


class MessageTemplate(models.Model):
    """A wording the provider approved, in one language, as it was seen last."""

    id = models.BigAutoField(primary_key=True)
    account = models.TextField()
    name = models.TextField()
    language = models.TextField()
    provider_id = models.TextField(blank=True)
    status = models.TextField()
    category = models.TextField(blank=True)
    coming_category = models.TextField(blank=True)
    quality = models.TextField(blank=True)
    reason = models.TextField(blank=True)
    parameter_format = models.TextField(blank=True)
    components = models.JSONField(default=list)
    held_until = models.DateTimeField(null=True)
    held_reason = models.TextField(blank=True)  # with no time: until it is approved again
    told_at = models.JSONField(default=dict)  # fact -> when the provider said it: an older word never wins
    seen_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "name", "language"], name="message_template_once"),
        ]


class ServiceWindow(models.Model):
    """When a person last wrote to a line: free-form messages are allowed for 24 h from then."""

    id = models.BigAutoField(primary_key=True)
    channel = models.TextField()
    address = models.TextField()
    last_inbound_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["channel", "address"], name="service_window_once")]


class AddressName(models.Model):
    """What a provider calls the same person: a telephone number and a business-scoped id belong together."""

    id = models.BigAutoField(primary_key=True)
    portfolio = models.TextField()
    kind = models.TextField()
    value = models.TextField()
    other_kind = models.TextField()
    other_value = models.TextField()
    seen_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["portfolio", "kind", "value", "other_kind"], name="address_name_once"),
            models.CheckConstraint(
                condition=models.Q(kind__in=list(AddressKind), other_kind__in=list(AddressKind)),
                name="address_name_kinds_known",
            ),
            models.CheckConstraint(condition=~models.Q(kind=models.F("other_kind")), name="address_name_kinds_differ"),
        ]
        indexes = [
            models.Index(fields=["other_value"], name="address_name_other"),  # under which names she was written to
        ]


class AddressChange(models.Model):
    """That somebody gave an address up, as it was told or is known from its being somebody else's: see following.py."""

    id = models.BigAutoField(primary_key=True)
    portfolio = models.TextField()
    kind = models.TextField()
    value = models.TextField()
    other = models.TextField(blank=True)  # what they have instead; empty: nobody knows
    at = models.DateTimeField()
    since_at = models.DateTimeField(null=True)  # of an empty one: when they were last known to have it
    learned_at = models.DateTimeField()  # until then address books had the old one
    doubtful = models.BooleanField(default=False)  # by then it was known to be in use again

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["portfolio", "kind", "value", "at", "other", "since_at"],
                name="address_change_once",
                nulls_distinct=False,
            ),
            models.CheckConstraint(condition=models.Q(kind__in=list(AddressKind)), name="address_change_kind_known"),
        ]
        indexes = [
            models.Index(fields=["other"], name="address_change_other"),  # under which names she was written to
        ]


class PersonObjection(models.Model):
    """Who does not want to be written to, on which kind of channel and for which purpose (empty: for every one)."""

    id = models.BigAutoField(primary_key=True)
    kind = models.TextField()  # of address
    address = models.TextField()
    purpose = models.TextField(blank=True)
    reason = models.TextField()
    since_at = models.DateTimeField()
    lifted_at = models.DateTimeField(null=True)  # they want it again: kept, because a stop may be told after it

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "address", "purpose"], name="objection_once")]


class UnsignedWriting(models.Model):
    """Whom staff wrote to without a signature, and when last: the number of people of a moving 24 h is limited."""

    person = models.TextField(primary_key=True)  # person:<id>, or the kind and value of an address
    at = models.DateTimeField(db_index=True)


class LinePace(models.Model):
    """When a line may send again, or how many people a portfolio may begin to write to: all senders share it."""

    scope = models.TextField(primary_key=True)  # line:<channel>, people:<portfolio>, people:<portfolio>:<priority>
    per_second = models.FloatField(default=0)  # line: the pace it was lowered to; people: the limit ``room`` is of
    room = models.FloatField(default=0)  # people: so many more at least
    free_at = models.DateTimeField()  # line: the next moment not promised yet (GCRA)
    lowered_at = models.DateTimeField(null=True)  # when the provider last refused the pace
    wait_until = models.DateTimeField(null=True)  # the provider asked for silence


class PairPace(models.Model):
    """When a line may write to one person again (GCRA, ITU-T I.371: the theoretical arrival time)."""

    id = models.BigAutoField(primary_key=True)
    channel = models.TextField()
    address = models.TextField()
    free_at = models.DateTimeField()  # theoretical arrival time of the next
    refused = models.PositiveSmallIntegerField(default=0)  # in a row, by the provider: pause of 4^X seconds
    wait_until = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["channel", "address"], name="pair_pace_once")]


class PortfolioPerson(models.Model):
    """Whom a portfolio began to write to, and when last: the daily limit counts unique people of a moving 24 h."""

    id = models.BigAutoField(primary_key=True)
    portfolio = models.TextField()
    address = models.TextField()
    begun_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["portfolio", "address"], name="portfolio_person_once")]
        indexes = [models.Index(fields=["portfolio", "begun_at"], name="portfolio_begun")]


class WebhookApp(models.Model):
    """Where webhooks of one outside application arrive: an opaque id in the URL chooses the secrets."""

    id = models.TextField(primary_key=True)  # random, URL-safe
    kind = models.TextField()
    name = models.TextField(unique=True)
    sealed = models.BinaryField()  # JSON: {"secrets": [...], "verify_token": ...}; two secrets during a rotation
    made_at = models.DateTimeField()


class WebhookIntake(models.Model):
    """The body of one webhook, sealed, as it came: stored before it is answered, taken in after."""

    id = models.BigAutoField(primary_key=True)
    app = models.TextField()
    received_at = models.DateTimeField()
    digest = models.BinaryField()  # SHA-256 of the raw body
    sealed = models.BinaryField(null=True)  # null: erased
    headers = models.JSONField(default=dict)  # those its reading needs
    state = models.TextField(default=IntakeState.WAITING)
    tries = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(null=True)
    reason = models.TextField(blank=True)
    keep_until = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(state__in=list(IntakeState)), name="intake_state_known"),
        ]
        indexes = [
            models.Index(  # what is taken in next
                fields=["next_try_at", "id"], name="intake_due", condition=models.Q(state=IntakeState.WAITING)
            ),
            models.Index(  # what a person may look at
                fields=["id"],
                name="intake_aside",
                condition=models.Q(state__in=[IntakeState.ASIDE, IntakeState.FAILED]),
            ),
            models.Index(fields=["keep_until"], name="intake_expiry"),
        ]


class InboundMessage(models.Model):
    """A message from a person: one row per message of the provider, however often it is told."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    channel = models.TextField()
    provider_id = models.TextField()
    address = models.TextField()
    address_kind = models.TextField()
    person_id = models.UUIDField(null=True)
    kind = models.TextField()
    at = models.DateTimeField()  # the provider's clock
    received_at = models.DateTimeField()
    body_id = models.UUIDField()
    digest = models.BinaryField()
    reply_to = models.TextField(blank=True)
    intake_id = models.BigIntegerField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["channel", "provider_id"], name="inbound_message_once")]
        indexes = [models.Index(fields=["address", "at"], name="inbound_address")]


class InboundMedia(models.Model):
    """A file that came with a message: fetched apart, so that a failed download never loses the message."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    message_id = models.UUIDField(db_index=True)
    channel = models.TextField()
    media_id = models.TextField()
    media_type = models.TextField(blank=True)
    sha256 = models.TextField(blank=True)
    path = models.TextField(blank=True)  # below the data folder, sealed; empty: not fetched
    bytes = models.BigIntegerField(default=0)
    tries = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(null=True)
    reason = models.TextField(blank=True)
    expires_at = models.DateTimeField(null=True)


class UploadedFile(models.Model):
    """A file handed to a provider, which is sent by its id until the provider forgets it."""

    id = models.BigAutoField(primary_key=True)
    channel = models.TextField()
    sha256 = models.TextField()
    media_type = models.TextField()
    media_id = models.TextField()
    name = models.TextField(blank=True)
    bytes = models.BigIntegerField()
    uploaded_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["channel", "sha256", "media_type"], name="uploaded_file_once"),
        ]
