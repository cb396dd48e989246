"""Interactive messages: buttons, lists, links, flows, products and requests, with Meta's limits of each."""

from collections.abc import Callable, Mapping

from tocsin.integrations.whatsapp.reading import Part, differ
from tocsin.kernel.language import gettext as _

TEXT_OF_BODY = "text"
BODY_CHARACTERS_MAX = 1_024
LIST_BODY_CHARACTERS_MAX = 4_096
EDGE_CHARACTERS_MAX = 60  # header and footer
BUTTONS_MAX = 3
BUTTON_CHARACTERS_MAX = 20
ROWS_MAX = 10
PRODUCTS_MAX = 30
CheckFile = Callable[..., None]


def check_interactive(part: Part, *, check_file: CheckFile) -> None:
    """Check an interactive object; ContentNotUnderstood names the place that is wrong."""
    kind = part.choice("type", list(_ACTIONS))
    part.only("type", "header", "body", "footer", "action")
    longest = LIST_BODY_CHARACTERS_MAX if kind == "list" else BODY_CHARACTERS_MAX
    if kind != "product" or part.has("body"):
        part.part("body").text(TEXT_OF_BODY, longest=longest)
    if part.has("footer"):
        part.part("footer").text("text", longest=EDGE_CHARACTERS_MAX)
    _check_header(part, kind, check_file)
    _ACTIONS[kind](part.part("action"))


def _check_header(part: Part, kind: str, check_file: CheckFile) -> None:
    if not part.has("header"):
        if kind == "product_list":
            raise part.wrong("header", _("a list of products needs a header."))
        return
    header = part.part("header")
    if kind in _NO_HEADER:
        raise part.wrong("header", _("a message of this type has no header."))
    form = header.choice("type", ["text"] if kind in _TEXT_HEADER else ["text", "image", "video", "document"])
    if form == "text":
        header.text("text", longest=EDGE_CHARACTERS_MAX)
    else:
        check_file(header.part(form), "filename")


def _named(action: Part, name: str) -> None:
    action.choice("name", [name])


def _buttons(action: Part) -> None:
    replies = []
    for button in action.parts("buttons", most=BUTTONS_MAX):
        button.choice("type", ["reply"])
        reply = button.part("reply")
        reply.text("id", longest=256)
        reply.text("title", longest=BUTTON_CHARACTERS_MAX)
        replies.append(reply)
    differ(replies, "id")
    differ(replies, "title")


def _list(action: Part) -> None:
    action.text("button", longest=BUTTON_CHARACTERS_MAX)
    sections = action.parts("sections", most=ROWS_MAX)
    rows = []
    for section in sections:
        section.text("title", longest=24, needed=len(sections) > 1)
        for row in section.parts("rows"):
            row.text("id", longest=200)
            row.text("title", longest=24)
            row.text("description", longest=72, needed=False)
            rows.append(row)
    if len(rows) > ROWS_MAX:
        told = _("it has {n} rows in all, WhatsApp allows {most}.").format(n=len(rows), most=ROWS_MAX)
        raise action.wrong("sections", told)
    differ(rows, "id")


def _link(action: Part) -> None:
    _named(action, "cta_url")
    parameters = action.part("parameters")
    parameters.text("display_text", longest=BUTTON_CHARACTERS_MAX)
    parameters.address("url")


def _flow(action: Part) -> None:
    _named(action, "flow")
    parameters = action.part("parameters")
    parameters.text("flow_message_version")
    parameters.text("flow_cta", longest=30)
    if parameters.has("flow_id") == parameters.has("flow_name"):
        raise parameters.wrong("", _("either flow_id or flow_name is needed, and not both."))


def _product(action: Part) -> None:
    action.text("catalog_id")
    action.text("product_retailer_id")


def _products(action: Part) -> None:
    action.text("catalog_id")
    sections = action.parts("sections", most=ROWS_MAX)
    items = 0
    for section in sections:
        section.text("title", longest=24, needed=len(sections) > 1)
        for item in section.parts("product_items"):
            item.text("product_retailer_id")
            items += 1
    if items > PRODUCTS_MAX:
        told = _("it has {n} products in all, WhatsApp allows {most}.").format(n=items, most=PRODUCTS_MAX)
        raise action.wrong("sections", told)


def _carousel(action: Part) -> None:
    cards = action.parts("cards", least=2, most=10)
    for place, card in enumerate(cards):
        card.number("card_index", least=place, most=place)
        card.text("type")
        card.part("action")


def _asked(name: str) -> Callable[[Part], None]:
    return lambda action: _named(action, name)


def _with_parameters(name: str) -> Callable[[Part], None]:
    def check(action: Part) -> None:
        _named(action, name)
        action.part("parameters")

    return check


def _call(action: Part) -> None:
    _named(action, "voice_call")
    if action.has("parameters"):
        action.part("parameters").text("display_text", longest=BUTTON_CHARACTERS_MAX, needed=False)


_NO_HEADER = frozenset({"product", "location_request_message", "address_message", "carousel", "catalog_message"})
_TEXT_HEADER = frozenset({"list", "product_list"})
_ACTIONS: Mapping[str, Callable[[Part], None]] = {
    "button": _buttons,
    "list": _list,
    "cta_url": _link,
    "flow": _flow,
    "product": _product,
    "product_list": _products,
    "catalog_message": _asked("catalog_message"),
    "location_request_message": _asked("send_location"),
    "address_message": _with_parameters("address_message"),
    "call_permission_request": _asked("call_permission_request"),
    "voice_call": _call,
    "carousel": _carousel,
    "request_contact_info": _asked("request_contact_info"),
    "order_details": _with_parameters("review_and_pay"),
    "order_status": _with_parameters("review_order"),
}
