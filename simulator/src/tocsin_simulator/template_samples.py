"""Samples of template headers: named by the handle of an upload when sent, by an address when read back."""

import hashlib
from typing import Any

from tocsin_simulator.errors import GraphError
from tocsin_simulator.world import World


def read_back(component: dict[str, Any]) -> dict[str, Any]:
    """Return a component as Meta gives it back: a sample is no longer named by its handle but by an address."""
    handles = (component.get("example") or {}).get("header_handle")
    if not isinstance(handles, list):
        return component
    return component | {"example": {"header_handle": [sample_address(str(each)) for each in handles]}}


def sample_address(handle: str) -> str:
    """Return where Meta shows a sample that was uploaded; an address stays one."""
    if handle.startswith("https://"):
        return handle
    return f"https://scontent.whatsapp.net/v/t61/{hashlib.sha256(handle.encode()).hexdigest()[:32]}?ccb=1-7"


def check_samples(world: World, components: list[dict[str, Any]]) -> None:
    """Raise when a header's sample is none that was uploaded: an id of media will not do."""
    known = {each.handle for each in world.records.uploads.values() if each.handle}
    known |= {sample_address(each) for each in known}
    for component in components:
        cards = [part for card in component.get("cards", []) for part in card.get("components", [])]
        check_samples(world, cards)
        for handle in (component.get("example") or {}).get("header_handle") or []:
            if handle not in known:
                told = "The uploaded media handle is invalid. Please try to upload the media again."
                extra = {"error_user_title": "Uploaded Media Handle Is Invalid", "error_user_msg": told}
                raise GraphError(131009, title="Parameter value is not valid", subcode=2494102, extra=extra)
