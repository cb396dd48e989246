"""The business profile: what people see of a number besides its name."""

from collections.abc import Mapping
from typing import Any

from tocsin.integrations.whatsapp.graph import Graph
from tocsin.integrations.whatsapp.reading import Part
from tocsin.kernel.language import gettext as _

CHARACTERS_MAX: Mapping[str, int] = {"about": 139, "address": 256, "description": 512, "email": 128}
WEBSITES_MAX = 2
FIELDS = (*CHARACTERS_MAX, "profile_picture_url", "websites", "vertical")


class Profile:
    """The profile of one number."""

    def __init__(self, graph: Graph, line: str) -> None:
        self._graph, self._path = graph, f"{line}/whatsapp_business_profile"

    async def read(self) -> dict[str, Any]:
        """Return the fields that are filled."""
        answer = await self._graph.get(self._path, {"fields": ",".join(FIELDS)})
        found = answer.get("data") or [{}]
        return {key: value for key, value in found[0].items() if key in FIELDS and value}

    async def write(self, changes: Mapping[str, Any]) -> None:
        """Change some fields; ContentNotUnderstood names the one that is wrong. An empty text takes one out."""
        given = Part(changes, "")
        given.only(*CHARACTERS_MAX, "websites", "vertical", "profile_picture_handle")
        for key, most in CHARACTERS_MAX.items():
            if given.has(key):
                given.text(key, longest=most, may_be_empty=key != "about")
        websites = changes.get("websites") or []
        if len(websites) > WEBSITES_MAX:
            raise given.wrong("websites", _("two addresses are allowed at most."))
        for place, website in enumerate(websites):
            Part({"website": website}, f"websites[{place}]").address("website", longest=256)
        await self._graph.call("POST", self._path, body={"messaging_product": "whatsapp", **changes})
