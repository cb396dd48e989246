"""Whom a plan may trouble besides the intruder: a prediction from counts and stated assumptions, never a measurement.

The counts are exact. What a count leads to stands on ``Assumptions``, which a policy replaces by the company's own
figures (its support desk's, its mail provider's); the standard values are ours, taken on the high side, and printed
beside every result. NIST SP 800-63B-4 section 3.1.1.2 is why a reset is never asked of everybody without need.
"""

import math
from typing import Any

from tocsin.containment.drawing import MEASURED, Cell, Drawn
from tocsin.containment.matching import measures_in
from tocsin.containment.policy import Policy
from tocsin.containment.values import MeasureKind

ENDING = frozenset({MeasureKind.REAUTHENTICATE, MeasureKind.RESET_PASSWORD, MeasureKind.REVOKE_SESSIONS})
OF_CLIENTS = frozenset({MeasureKind.UPDATE_CLIENT, MeasureKind.RETIRE_CLIENT})


def predicted(drawn: Drawn, *, policy: Policy) -> dict[str, Any]:
    """Return the prediction: exact counts, then what the assumptions make of them.

    - ``sign_ins``: accounts whose session ends, each must sign in once more.
    - ``support_calls`` = resets x calls_per_reset + other sign-ins x calls_per_sign_in, rounded up.
    - ``mails`` = resets: one message each at least. ``mail_minutes`` = the largest wave's mails / mails_per_minute.
    - ``locked_out`` = resets x mail_lost_share, rounded up: whoever the message does not reach needs a person.
    - ``platform_unknown``: accounts asked to update whose platform was never seen; the gate asks them nothing.
    """
    cells = [cell for cell in drawn.cells if cell.kept == MEASURED]
    assumed = policy.assumptions
    resets = _accounts(cells, drawn=drawn, kinds={MeasureKind.RESET_PASSWORD})
    sign_ins = _accounts(cells, drawn=drawn, kinds=ENDING)
    waves = {cell.wave for cell in cells}
    peak = max(
        (_accounts([c for c in cells if c.wave == w], drawn=drawn, kinds={MeasureKind.RESET_PASSWORD}) for w in waves),
        default=0,
    )
    calls = resets * assumed.calls_per_reset + (sign_ins - resets) * assumed.calls_per_sign_in
    return {
        "sign_ins": sign_ins,
        "resets": resets,
        "updates": _accounts(cells, drawn=drawn, kinds=OF_CLIENTS),
        "suspended": _accounts(cells, drawn=drawn, kinds={MeasureKind.SUSPEND}),
        "keys": _accounts(cells, drawn=drawn, kinds={MeasureKind.ROTATE_KEY}),
        "support_calls": math.ceil(calls),
        "mails": resets,
        "mail_minutes": math.ceil(peak / assumed.mails_per_minute) if assumed.mails_per_minute else None,
        "locked_out": math.ceil(resets * assumed.mail_lost_share),
        "platform_unknown": _accounts([c for c in cells if not c.platform], drawn=drawn, kinds=OF_CLIENTS),
        "assumptions": {name: float(getattr(assumed, name)) for name in type(assumed).__slots__},
    }


def _accounts(cells: list[Cell], *, drawn: Drawn, kinds: frozenset[MeasureKind] | set[MeasureKind]) -> int:
    return sum(
        cell.accounts
        for cell in cells
        if cell.combination is not None
        and any(measure.kind in kinds for measure in measures_in(drawn.combinations[cell.combination]))
    )
