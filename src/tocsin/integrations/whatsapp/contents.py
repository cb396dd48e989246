"""Contents of outbound messages: Meta's message object, checked against Meta's limits before it is queued."""

from tocsin.kernel.language import gettext as _
from tocsin.messaging.errors import ContentNotUnderstood
from tocsin.messaging.values import Content, Prepared


def prepare(content: Content, *, is_direct: bool = False) -> Prepared:
    kind = content.get("type")
    if kind == "template":
        template = content["template"]
        return Prepared(content=content, template=f"{template['name']}/{template['language']['code']}")
    if kind == "text":
        fallback = content.get("when_shut")
        rest = {key: value for key, value in content.items() if key != "when_shut"}
        fb = prepare({"type": "template", **fallback}).template if fallback else ""
        return Prepared(
            content=rest,
            needs_window=True,
            fallback=fallback,
            fallback_template=fb,
            category="service",
            shown=content["text"]["body"],
        )
    raise ContentNotUnderstood(_("There is no such type of message."), where="type")
