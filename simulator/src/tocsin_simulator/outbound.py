"""Is an outbound message one that Meta would take? Each type with its limits (`messages/*` of Meta's documentation)."""

from collections.abc import Callable
from typing import Any

from tocsin_simulator.errors import GraphError
from tocsin_simulator.world import World

Body = dict[str, Any]
TEXT_MOST = 4096
CAPTION_MOST = 1024
CALLBACK_MOST = 512
CONTACTS_MOST = 257
MEDIA_TYPES = ("image", "video", "audio", "document", "sticker")
CAPTIONED = ("image", "video", "document")


def check(kind: str, content: Body, *, world: World) -> None:
    """Check the content of a message of a type, templates aside.

    Raises:
        GraphError: with Meta's code and words.

    """
    if kind in MEDIA_TYPES:
        check_media(kind, content, world=world)
        return
    CHECKS[kind](content, world)


def required(content: Body, name: str, *, of: str) -> Any:
    """Return a field that must be there, or refuse as Meta does."""
    value = content.get(name)
    if value is None or value == "":
        raise GraphError(
            131008, f"Required parameter {of}['{name}'] is missing.", title="Required parameter is missing"
        )
    return value


def within(text: Any, most: int, *, place: str) -> str:
    """Return a text of 1 to `most` characters, or refuse as Meta does."""
    if not isinstance(text, str):
        raise GraphError(100, f"Param {place} must be a string.")
    if len(text) > most:
        long = f"Param {place} must be at most {most} characters long."
        raise GraphError(100, long, title=long)
    return text


def length(text: Any, most: int, *, what: str, least: int = 1) -> str:
    """Return a text of `least` to `most` characters; refused as parts of interactive messages are."""
    if not isinstance(text, str) or not least <= len(text) <= most:
        raise GraphError(131009, f"{what} length invalid. Min length: {least}, Max length: {most}")
    return text


def a_list(value: Any, *, place: str) -> list[Any]:
    """Return a list of objects."""
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise GraphError(100, f"Param {place} must be an array of objects.")
    return value


def an_object(value: Any, *, place: str) -> Body:
    """Return an object."""
    if not isinstance(value, dict):
        raise GraphError(100, f"Param {place} must be a JSON object.")
    return value


def check_text(content: Body, _world: World) -> None:
    """Text: at most 4,096 characters."""
    within(required(content, "body", of="text"), TEXT_MOST, place="text['body']")


def check_media(kind: str, content: Body, *, world: World) -> None:
    """Image, video, audio, document, sticker: by the id of an upload that has not expired, or by a link."""
    known, link = content.get("id"), content.get("link")
    if (known is None) == (link is None):
        raise GraphError(100, f"Exactly one of {kind}['id'] and {kind}['link'] is required.")
    if link is not None and not str(link).startswith(("https://", "http://")):
        raise GraphError(100, f"Param {kind}['link'] is not a valid URI.")
    if known is not None:
        media = world.media.get(str(known))
        if media is None or world.clock.now() >= media.expires_at:
            raise GraphError(100, f"Param {kind}['id'] is not a valid whatsapp business account media attachment ID")
        family = media.mime_type.partition("/")[0]
        wanted = {"sticker": "image", "document": family}.get(kind, kind)
        if family != wanted:
            raise GraphError(131053, f"{kind}: the uploaded file is {media.mime_type}.")
    if "caption" in content:
        if kind not in CAPTIONED:
            raise GraphError(100, f"Unexpected key caption on param {kind}.")
        within(content["caption"], CAPTION_MOST, place=f"{kind}['caption']")


def check_location(content: Body, _world: World) -> None:
    """Location: latitude and longitude, as numbers or as texts of numbers."""
    for name, most in (("latitude", 90), ("longitude", 180)):
        try:
            value = float(required(content, name, of="location"))
        except (TypeError, ValueError) as error:
            raise GraphError(100, f"Param location['{name}'] must be a number.") from error
        if not -most <= value <= most:
            raise GraphError(131009, f"location['{name}'] must be between -{most} and {most}.")


def check_contacts(content: Any, _world: World) -> None:
    """Contact cards: at most 257, each with a formatted name and one more part of it."""
    cards = a_list(content, place="contacts")
    if not 1 <= len(cards) <= CONTACTS_MOST:
        raise GraphError(131009, f"contacts: Min length: 1, Max length: {CONTACTS_MOST}")
    for card in cards:
        name = an_object(required(card, "name", of="contacts"), place="contacts['name']")
        required(name, "formatted_name", of="contacts['name']")
        if not set(name) & {"first_name", "last_name", "middle_name", "prefix", "suffix"}:
            raise GraphError(131009, "contacts['name'] needs at least one optional part beside formatted_name.")


def check_reaction(content: Body, _world: World) -> None:
    """Reaction: to a message; an empty emoji takes it back."""
    required(content, "message_id", of="reaction")
    if not isinstance(content.get("emoji", ""), str):
        raise GraphError(100, "Param reaction['emoji'] must be a string.")


def check_interactive(content: Body, world: World) -> None:
    """Check what all interactive messages have, then what their kind has."""
    kind = required(content, "type", of="interactive")
    checked = INTERACTIVE.get(kind) if isinstance(kind, str) else None
    if checked is None:
        raise GraphError(131009, f"Interactive Message type, {kind!r}, is not valid.")
    action = content.get("action", {})
    if kind != "order_status":
        action = an_object(required(content, "action", of="interactive"), place="interactive['action']")
    if "body" in content or kind not in ("product", "catalog_message", "call_permission_request"):
        body = an_object(required(content, "body", of="interactive"), place="interactive['body']")
        most = TEXT_MOST if kind == "list" else 1024
        length(body.get("text"), most, what="Body text")
    if "footer" in content:
        length(an_object(content["footer"], place="interactive['footer']").get("text"), 60, what="Footer text")
    if "header" in content:
        check_header(an_object(content["header"], place="interactive['header']"), kind=kind, world=world)
    checked(action)


def check_header(header: Body, *, kind: str, world: World) -> None:
    """Check the header of an interactive message; a list takes a text only."""
    of = required(header, "type", of="interactive['header']")
    if of == "text":
        length(header.get("text"), 60, what="Header text")
    elif of in ("image", "video", "document") and kind not in {"list", "product_list"}:
        check_media(
            of, an_object(required(header, of, of="interactive['header']"), place=f"header['{of}']"), world=world
        )
    else:
        raise GraphError(131009, f"Header type {of!r} is not allowed for interactive type {kind!r}.")


def check_buttons(action: Body) -> None:
    """Check one to three reply buttons, with ids and titles of their own."""
    buttons = a_list(required(action, "buttons", of="action"), place="action['buttons']")
    if not 1 <= len(buttons) <= 3:
        raise GraphError(131009, "Invalid buttons count. Min allowed buttons: 1, Max allowed buttons: 3")
    replies = [an_object(required(button, "reply", of="button"), place="button['reply']") for button in buttons]
    for reply in replies:
        length(reply.get("title"), 20, what="Button title")
        length(reply.get("id"), 256, what="Button id")
    distinct([reply["id"] for reply in replies], what="Duplicate button ids")
    distinct([reply["title"] for reply in replies], what="Duplicate button titles")


def distinct(values: list[str], *, what: str) -> None:
    """Refuse values that come twice."""
    if len(set(values)) != len(values):
        raise GraphError(131009, f"{what} are not allowed.")


def check_rows(action: Body) -> None:
    """Check a list: a button, sections, and ten rows in all."""
    length(action.get("button"), 20, what="Button label")
    sections = a_list(required(action, "sections", of="action"), place="action['sections']")
    if not 1 <= len(sections) <= 10:
        raise GraphError(131009, "Sections count invalid. Min allowed: 1, Max allowed: 10")
    rows: list[Body] = []
    for section in sections:
        if len(sections) > 1:
            length(section.get("title"), 24, what="Section title")
        rows += a_list(required(section, "rows", of="section"), place="section['rows']")
    if not 1 <= len(rows) <= 10:
        raise GraphError(131009, "Total row count exceed max allowed count: 10")
    for row in rows:
        length(row.get("id"), 200, what="Row id")
        length(row.get("title"), 24, what="Row title")
        length(row.get("description", ""), 72, what="Row description", least=0)
    distinct([row["id"] for row in rows], what="Duplicate row ids")


def check_cta_url(action: Body) -> None:
    """Check a button that opens a page."""
    given = parameters(action, "cta_url")
    length(given.get("display_text"), 20, what="Button display text")
    if not str(given.get("url", "")).startswith(("https://", "http://")):
        raise GraphError(131009, "action['parameters']['url'] is not a valid URI.")


def check_flow(action: Body) -> None:
    """Check a button that opens a flow."""
    given = parameters(action, "flow")
    length(given.get("flow_cta"), 30, what="Flow button")
    if not given.get("flow_id") and not given.get("flow_name"):
        raise GraphError(131009, "action['parameters'] needs flow_id or flow_name.")


def parameters(action: Body, name: str) -> Body:
    """Return the parameters of an action that says its name."""
    if action.get("name") != name:
        raise GraphError(131009, f"action['name'] must be {name!r}.")
    return an_object(required(action, "parameters", of="action"), place="action['parameters']")


def check_product(action: Body) -> None:
    """Check one product of a catalogue."""
    required(action, "catalog_id", of="action")
    required(action, "product_retailer_id", of="action")


def check_products(action: Body) -> None:
    """Check products of a catalogue: at most 30, in at most ten sections."""
    required(action, "catalog_id", of="action")
    sections = a_list(required(action, "sections", of="action"), place="action['sections']")
    items = [item for section in sections for item in a_list(section.get("product_items"), place="product_items")]
    if len(sections) > 10 or not 1 <= len(items) <= 30:
        raise GraphError(131009, "Products count invalid. Min allowed: 1, Max allowed: 30, in at most 10 sections")


def check_cards(action: Body) -> None:
    """Check a carousel: two to ten cards."""
    cards = a_list(required(action, "cards", of="action"), place="action['cards']")
    if not 2 <= len(cards) <= 10:
        raise GraphError(131009, "Cards count invalid. Min allowed: 2, Max allowed: 10")


def named(name: str) -> Callable[[Body], None]:
    """Return the check of an action that only has to say its name."""

    def checked(action: Body) -> None:
        if action.get("name") != name:
            raise GraphError(131009, f"action['name'] must be {name!r}.")

    return checked


def anything(action: Body) -> None:
    """Take an action whose content is another system's business (orders, payments)."""


INTERACTIVE: dict[str, Callable[[Body], None]] = {
    "button": check_buttons,
    "list": check_rows,
    "cta_url": check_cta_url,
    "flow": check_flow,
    "product": check_product,
    "product_list": check_products,
    "catalog_message": named("catalog_message"),
    "location_request_message": named("send_location"),
    "address_message": named("address_message"),
    "call_permission_request": named("call_permission_request"),
    "voice_call": named("voice_call"),
    "request_contact_info": named("request_contact_info"),
    "carousel": check_cards,
    "order_details": anything,
    "order_status": anything,
}
CHECKS: dict[str, Callable[[Any, World], None]] = {
    "text": check_text,
    "location": check_location,
    "contacts": check_contacts,
    "reaction": check_reaction,
    "interactive": check_interactive,
}
TYPES = {*CHECKS, *MEDIA_TYPES, "template"}
