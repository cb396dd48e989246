"""What can be asked about messages and channels."""

from tocsin.messaging.channels import channel, channel_secrets, channels

__all__ = [
    "channel",
    "channel_secrets",
    "channels",
]
