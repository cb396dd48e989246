"""What can be asked about messages and channels."""

from tocsin.messaging.apps import app, app_named, apps, apps_that_open
from tocsin.messaging.channels import channel, channel_secrets, channels
from tocsin.messaging.inbound import Heard, addresses_in_window, heard, inbound_body, window_open
from tocsin.messaging.intake import intake_aside, intake_body, intake_counts
from tocsin.messaging.media_fetching import Media, media_of, media_pieces
from tocsin.messaging.objecting import standing as standing_objections, who_objects
from tocsin.messaging.pricing import SpendBy, Spent, price_of, spend
from tocsin.messaging.rates import Rate, rates
from tocsin.messaging.rules import ChannelRules, WhenFlagged, Words, channel_rules
from tocsin.messaging.states import MessageState
from tocsin.messaging.templates import Template, template, templates
from tocsin.messaging.tracing import body_of, message, messages, prepared_of, trace, unknown
from tocsin.messaging.unsigned import people_without_signature
from tocsin.messaging.uploads import KeptFile, uploaded_file, uploaded_files
from tocsin.messaging.waiting import OPEN_STATES, all_paused, outbox_status

__all__ = [
    "OPEN_STATES",
    "ChannelRules",
    "Heard",
    "KeptFile",
    "Media",
    "MessageState",
    "Rate",
    "SpendBy",
    "Spent",
    "Template",
    "WhenFlagged",
    "Words",
    "addresses_in_window",
    "all_paused",
    "app",
    "app_named",
    "apps",
    "apps_that_open",
    "body_of",
    "channel",
    "channel_rules",
    "channel_secrets",
    "channels",
    "heard",
    "inbound_body",
    "intake_aside",
    "intake_body",
    "intake_counts",
    "media_of",
    "media_pieces",
    "message",
    "messages",
    "outbox_status",
    "people_without_signature",
    "prepared_of",
    "price_of",
    "rates",
    "spend",
    "standing_objections",
    "template",
    "templates",
    "trace",
    "unknown",
    "uploaded_file",
    "uploaded_files",
    "who_objects",
    "window_open",
]
