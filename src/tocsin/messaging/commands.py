"""Every act that changes messages, channels and what came in."""

from tocsin.messaging.channels import add_channel, hold_channel, release_channel, remove_channel

__all__ = [
    "add_channel",
    "hold_channel",
    "release_channel",
    "remove_channel",
]
