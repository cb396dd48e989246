"""The life of a message template: review, quality, pauses, archive, end. Every change tells the webhook."""

import re
from typing import Any

from tocsin_simulator.template_rules import variables
from tocsin_simulator.values import Template
from tocsin_simulator.world import World

HOUR = 3600.0
DAY = 24 * HOUR
PAUSES = ((3 * HOUR, "FIRST_PAUSE"), (6 * HOUR, "SECOND_PAUSE"))
DELETED_AFTER_SECONDS = 28 * DAY  # of an archived template nobody took out again
# Meta does not say after how long an unused template is archived; this is our choice.
ARCHIVED_AFTER_SECONDS = 180 * DAY
NAME_BLOCKED_SECONDS = 30 * DAY
CATEGORY_NOTICE_SECONDS = DAY
REVIEW_SECONDS = (20.0, 900.0)
# Feedback: of so many messages, the share of people who blocked that makes the quality yellow, and red.
FEEDBACK_MESSAGES_MIN = 20
YELLOW_SHARE, RED_SHARE = 0.02, 0.05

_PROMOTION = re.compile(
    r"(?i)\b(\d+ ?% ?off|discount|sale|promo\w*|coupon|special offer|limited[- ]time|buy now|shop now|soldes?|remise|"
    r"r[ée]duction|rabais|offre sp[ée]ciale)\b"
)
_SCAM = re.compile(
    r"(?i)\b(send|reply with|tell) us your (password|pin|card number|cvv)\b|\bfull (credit )?card number\b"
)
_ADJACENT = re.compile(r"\}\}\s*\{\{")
_ABUSE = re.compile(r"(?i)\b(we will (hurt|harass)|or else we will)\b")

INVALID_FORMAT = {
    "reason": "Your template has parameters placed next to each other (like {{1}}{{2}}) without text or punctuation "
    "between them.",
    "recommendation": "Separate parameters with descriptive text and ensure each parameter is clearly contextualized.",
}


def about(world: World, template: Template) -> dict[str, Any]:
    """Return how a webhook names a template: its id is a number there.

    Meta's pages write its language with a hyphen, webhooks that were recorded with an underscore.
    """
    hyphens = world.settings.hyphens
    return {
        "message_template_id": int(template.id),
        "message_template_name": template.name,
        "message_template_language": template.language.replace("_", "-") if hyphens else template.language,
    }


def tell(world: World, template: Template, event: str, *, reason: str | None = "NONE", **more: Any) -> None:
    """Emit `message_template_status_update`."""
    value = (
        {"event": event} | about(world, template) | {"reason": reason, "message_template_category": template.category}
    )
    world.emit("message_template_status_update", value | more)


def _move(template: Template, status: str) -> int:
    """Set a status and return the template's turn: what was planned for an earlier turn is void."""
    template.status = status
    template.extra["turn"] = template.extra.get("turn", 0) + 1
    return int(template.extra["turn"])


def _still(world: World, template_id: str, turn: int) -> Template | None:
    template = world.templates.get(template_id)
    return template if template is not None and template.extra.get("turn") == turn else None


def submit(world: World, template: Template) -> None:
    """Hand a new or edited template to the review."""
    turn = _move(template, "PENDING")
    if not world.settings.review:
        decide(world, template.id, turn)
        return
    least, most = REVIEW_SECONDS
    share = world.chance("review", template.id, turn) ** 3
    world.clock.after((least + (most - least) * share) * world.settings.delay, decide, world, template.id, turn)


def decide(world: World, template_id: str, turn: int) -> None:
    """End a review."""
    template = _still(world, template_id, turn)
    if template is None:
        return
    reason = verdict(template)
    if reason != "NONE":
        reject(world, template, reason=reason)
        return
    if template.category == "UTILITY" and _PROMOTION.search(words_of(template)):
        template.extra["previous_category"], template.category = template.category, "MARKETING"
    approve(world, template)


def verdict(template: Template) -> str:
    """Return Meta's reason to reject, NONE for a template that may go out."""
    text = words_of(template)
    if _ADJACENT.search(text):
        return "INVALID_FORMAT"
    if _SCAM.search(text):
        return "SCAM"
    if _ABUSE.search(text):
        return "ABUSIVE_CONTENT"
    if template.category == "AUTHENTICATION" and len(variables(text)) > 1:
        return "TAG_CONTENT_MISMATCH"
    return "NONE"


def words_of(template: Template) -> str:
    """Return everything a reader of the template's messages would read."""
    return "\n".join(str(part.get("text", "")) for part in template.components)


def approve(world: World, template: Template) -> None:
    """Approve, tell it, and look from time to time whether the template is used."""
    template.extra.pop("rejected_reason", None)
    stand(world, template)
    tell(world, template, "APPROVED")


def stand(world: World, template: Template) -> None:
    """Let a template be approved without telling anybody."""
    turn = _move(template, "APPROVED")
    world.clock.after(ARCHIVED_AFTER_SECONDS, _look_whether_used, world, template.id, turn)


def reject(world: World, template: Template, *, reason: str) -> None:
    """Reject with Meta's word for why."""
    _move(template, "REJECTED")
    template.extra["rejected_reason"] = reason
    more = {"rejection_info": INVALID_FORMAT} if reason == "INVALID_FORMAT" else {}
    tell(world, template, "REJECTED", reason=reason, **more)


def rate(world: World, template: Template, score: str) -> None:
    """Set the quality score; red pauses the template: three hours, then six, the third time it is disabled."""
    if score == template.quality:
        return
    told = {"previous_quality_score": template.quality, "new_quality_score": score} | about(world, template)
    template.quality = score
    template.extra["rated_at"] = int(world.clock.now())
    world.emit("message_template_quality_update", told)
    if score == "RED" and template.status == "APPROVED":
        pause(world, template)


def pause(world: World, template: Template, *, paced: bool = False) -> None:
    """Pause for low quality (it ends by itself, the third time never) or by pacing (only a person ends it)."""
    count = template.extra.get("pauses", 0)
    if not paced and count >= len(PAUSES):
        disable(world, template)
        return
    turn = _move(template, "PAUSED")
    template.extra["paced"] = paced
    template.extra["paused_at"] = world.clock.now()
    if paced:
        told = "Your WhatsApp message template has been paused because of early negative feedback."
        tell(world, template, "PAUSED", other_info={"title": "RATE_LIMITING_PAUSE", "description": told})
        return
    template.extra["pauses"] = count + 1
    seconds, title = PAUSES[count]
    told = f"Your WhatsApp message template has been paused for {int(seconds // HOUR)} hours because of low quality."
    tell(world, template, "PAUSED", other_info={"title": title, "description": told})
    world.clock.after(seconds, _end_pause, world, template.id, turn)


def _end_pause(world: World, template_id: str, turn: int) -> None:
    template = _still(world, template_id, turn)
    if template is not None:
        unpause(world, template)


def unpause(world: World, template: Template) -> None:
    """Let a paused template be sent again; its quality begins anew."""
    turn = _move(template, "APPROVED")
    template.extra["feedback"] = [0, 0]
    told = "Your WhatsApp message template has been unpaused."
    tell(world, template, "APPROVED", other_info={"title": "UNPAUSE", "description": told})
    if template.quality == "RED":
        rate(world, template, "YELLOW")
    world.clock.after(ARCHIVED_AFTER_SECONDS, _look_whether_used, world, template.id, turn)


def disable(world: World, template: Template) -> None:
    """Disable for ever."""
    _move(template, "DISABLED")
    tell(world, template, "DISABLED", disable_info={"disable_date": str(int(world.clock.now()))})


def sent(world: World, template: Template) -> None:
    """Count a message of this template."""
    extra = template.extra
    extra["sent"] = extra.get("sent", 0) + 1
    extra["used_at"] = world.clock.now()
    extra.setdefault("feedback", [0, 0])[0] += 1


def blocked(world: World, template_id: str) -> None:
    """Take it that somebody blocked us after a message of this template; many make its quality yellow, then red."""
    template = world.templates.get(template_id)
    if template is None:
        return
    feedback = template.extra.setdefault("feedback", [0, 0])
    feedback[1] += 1
    messages, blocks = feedback
    if messages < FEEDBACK_MESSAGES_MIN or template.status != "APPROVED":
        return
    share = blocks / messages
    rate(world, template, "RED" if share >= RED_SHARE else "YELLOW" if share >= YELLOW_SHARE else "GREEN")


def _look_whether_used(world: World, template_id: str, turn: int) -> None:
    """Archive a template nobody sent for long; look again later when somebody did."""
    template = _still(world, template_id, turn)
    if template is None or template.status != "APPROVED":
        return
    due_at = template.extra.get("used_at", template.created_at) + ARCHIVED_AFTER_SECONDS
    if due_at > world.clock.now():
        world.clock.at(due_at, _look_whether_used, world, template_id, turn)
    else:
        archive(world, template)


def archive(world: World, template: Template) -> None:
    """Archive; 28 days later it is deleted unless somebody takes it out."""
    template.extra["archived_from"] = template.status
    turn = _move(template, "ARCHIVED")
    tell(world, template, "ARCHIVED")
    world.clock.after(DELETED_AFTER_SECONDS, _end_archive, world, template.id, turn)


def _end_archive(world: World, template_id: str, turn: int) -> None:
    template = _still(world, template_id, turn)
    if template is not None:
        delete(world, template)


def unarchive(world: World, template: Template) -> None:
    """Take out of the archive: as it was before."""
    turn = _move(template, template.extra.pop("archived_from", "APPROVED"))
    template.extra["used_at"] = world.clock.now()
    tell(world, template, "UNARCHIVED")
    world.clock.after(ARCHIVED_AFTER_SECONDS, _look_whether_used, world, template.id, turn)


def delete(world: World, template: Template) -> None:
    """Delete; the name of one that was approved is blocked for 30 days."""
    if template.status in {"APPROVED", "PAUSED", "ARCHIVED"}:
        world.records.names_taken_until[template.name] = world.clock.now() + NAME_BLOCKED_SECONDS
    _move(template, "DELETED")
    world.templates.pop(template.id, None)
    tell(world, template, "DELETED")


def recategorise(world: World, template: Template, category: str, *, notice_seconds: float) -> None:
    """Announce another category (`new_category` is then still the present one), and change it when notice is over."""
    template.extra["correct_category"] = category
    value = about(world, template) | {"correct_category": category, "new_category": template.category}
    if notice_seconds > 0:
        due_at = world.clock.now() + notice_seconds
        world.emit("template_category_update", value | {"category_update_timestamp": int(due_at)})
        world.clock.at(due_at, _change_category, world, template.id, category)
    else:
        _change_category(world, template.id, category)


def _change_category(world: World, template_id: str, category: str) -> None:
    template = world.templates.get(template_id)
    if template is None or template.category == category:
        return
    before, template.category = template.category, category
    template.extra["previous_category"] = before
    template.extra.pop("correct_category", None)
    told = about(world, template) | {"previous_category": before, "new_category": category}
    world.emit("template_category_update", told)


def tell_components(world: World, template: Template) -> None:
    """Emit `message_template_components_update` after an edit."""
    value = about(world, template)
    for part in template.components:
        kind = part["type"]
        if kind == "HEADER" and part.get("format") == "TEXT":
            value["message_template_title"] = part["text"]
        elif kind == "BODY" and "text" in part:
            value["message_template_element"] = part["text"]
        elif kind == "FOOTER" and "text" in part:
            value["message_template_footer"] = part["text"]
        elif kind == "BUTTONS":
            value["message_template_buttons"] = [_told_button(each) for each in part["buttons"]]
    world.emit("message_template_components_update", value)


def _told_button(button: dict[str, Any]) -> dict[str, Any]:
    told = {"message_template_button_type": button["type"], "message_template_button_text": button.get("text", "")}
    for name in ("url", "phone_number"):
        if name in button:
            told[f"message_template_button_{name}"] = button[name]
    return told
