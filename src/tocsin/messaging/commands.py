"""Every act that changes messages, channels and what came in."""

from tocsin.messaging.apps import OVERLAP_HOURS, add_app, remove_app, rotate_app
from tocsin.messaging.bodies import erase_bodies
from tocsin.messaging.calling import (
    call_turn,
    check_may_change_account,
    record_account_change,
    return_account_turn,
    take_account_turn,
)
from tocsin.messaging.channels import add_channel, hold_channel, release_channel, remove_channel
from tocsin.messaging.claiming import claim
from tocsin.messaging.deciding import cancel_messages, decide_unknown
from tocsin.messaging.intake import erase_intake, retry_intake, store_intake, take_intake
from tocsin.messaging.lines import keep as tell_lines
from tocsin.messaging.media_fetching import erase_media, fetch_media
from tocsin.messaging.objecting import object_to
from tocsin.messaging.pacing import forget as forget_paces
from tocsin.messaging.queueing import queue_messages
from tocsin.messaging.rates import import_rates
from tocsin.messaging.recovering import due_again, recover
from tocsin.messaging.resealing import sealed_places
from tocsin.messaging.rules import choose_when_flagged, choose_words
from tocsin.messaging.sending import Sender
from tocsin.messaging.settling import release, release_all_but, settle
from tocsin.messaging.statuses import apply_statuses
from tocsin.messaging.switching import pause, resume
from tocsin.messaging.templates import hold_template, save_templates
from tocsin.messaging.unsigned import PEOPLE_WITHOUT_SIGNATURE_MAX
from tocsin.messaging.uploads import forget_upload, remember_upload
from tocsin.messaging.waking import Bell, Listening, ring

__all__ = [
    "OVERLAP_HOURS",
    "PEOPLE_WITHOUT_SIGNATURE_MAX",
    "Bell",
    "Listening",
    "Sender",
    "add_app",
    "add_channel",
    "apply_statuses",
    "call_turn",
    "cancel_messages",
    "check_may_change_account",
    "choose_when_flagged",
    "choose_words",
    "claim",
    "decide_unknown",
    "due_again",
    "erase_bodies",
    "erase_intake",
    "erase_media",
    "fetch_media",
    "forget_paces",
    "forget_upload",
    "hold_channel",
    "hold_template",
    "import_rates",
    "object_to",
    "pause",
    "queue_messages",
    "record_account_change",
    "recover",
    "release",
    "release_all_but",
    "release_channel",
    "remember_upload",
    "remove_app",
    "remove_channel",
    "resume",
    "retry_intake",
    "return_account_turn",
    "ring",
    "rotate_app",
    "save_templates",
    "sealed_places",
    "settle",
    "store_intake",
    "take_account_turn",
    "take_intake",
    "tell_lines",
]
