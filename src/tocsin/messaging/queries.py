"""What can be asked about messages and channels."""

from tocsin.messaging.channels import channel, channel_secrets, channels
from tocsin.messaging.tracing import body_of, message, messages, prepared_of, trace, unknown
from tocsin.messaging.waiting import outbox_status

__all__ = [
    "body_of",
    "channel",
    "channel_secrets",
    "channels",
    "message",
    "messages",
    "outbox_status",
    "prepared_of",
    "trace",
    "unknown",
]
