"""What bearerbox says of itself: whether it runs, and whether its message centres are connected (``/status.xml``)."""

import re
from collections.abc import Sequence

from tocsin.kernel.language import gettext as _
from tocsin.kernel.remarks import Remark, Standing

_STATE = re.compile(r"<status>([a-z ]{1,20}), uptime")
_CENTRE = re.compile(r"<smsc>(.*?)</smsc>", re.DOTALL)
_NAME = re.compile(r"<id>([^<]{0,60})</id>")
_CONNECTED = re.compile(r"<status>([a-z-]{1,20})")
_STORAGE = re.compile(r"<storage>([a-z]{1,20})</storage>")
ONLINE, RUNNING, IN_MEMORY = "online", "running", "internal"


def remarks(page: str, *, smsc: str) -> Sequence[Remark]:
    """Return what is right and wrong of it; ``smsc`` names the one message centre that is meant, or is empty."""
    state = _STATE.search(page)
    if state is None:
        wrong = _("Kannel does not show its status.")
        mend = _("Compare status_url and status_password with admin-port and status-password of kannel.conf.")
        return [Remark(Standing.FAULT, wrong, mend=mend)]
    found: list[Remark] = []
    if state[1] != RUNNING:
        wrong = _("Kannel is {state} and sends nothing.").format(state=state[1])
        found.append(Remark(Standing.FAULT, wrong, mend=_("Continue it on its administration page.")))
    centres = {_inside(_NAME, part): _inside(_CONNECTED, part) for part in _CENTRE.findall(page)}
    meant = {name: how for name, how in centres.items() if smsc in {"", name}}
    found += [_centre(name, how) for name, how in sorted(meant.items())]
    if not meant:
        wrong = _("Kannel has no such message centre.") if smsc else _("Kannel has no message centre.")
        found.append(Remark(Standing.FAULT, wrong, mend=_("Look at the groups smsc in kannel.conf.")))
    if _inside(_STORAGE, page) == IN_MEMORY:
        lost = _("A restart of Kannel forgets which reports it waits for: their messages then stay sent.")
        found.append(Remark(Standing.WARNING, lost, mend=_("Set dlr-storage in kannel.conf to a database.")))
    return found


def _centre(name: str, how: str) -> Remark:
    if how == ONLINE:
        return Remark(Standing.OK, _("Message centre {name} is connected.").format(name=name))
    wrong = _("Message centre {name} is not connected: {how}.").format(name=name, how=how)
    mend = _("Look at its group smsc in kannel.conf, and at what bearerbox logs.")
    return Remark(Standing.FAULT, wrong, mend=mend)


def _inside(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[1] if found else ""
