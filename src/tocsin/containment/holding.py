"""Holding a plan back: by a stop rule, or by a person."""

from typing import Any

from tocsin.containment import approving, plans, stop_rules
from tocsin.containment.states import PlanState, WaveState
from tocsin.journal import commands as journal
from tocsin.journal.values import Author


def hold_if_stopped(stored: Any, *, by: Author) -> bool:
    """Hold the wave that runs and pause the plan when a stop rule fired; say whether it did."""
    fired = stop_rules.stopping(stored)
    if fired is None:
        return False
    reason = f"{fired.rule.value}: {fired.value:.4g} > {fired.limit:g}"
    running = [wave for wave in plans.waves_of(stored) if wave.state == WaveState.BEGUN]
    for wave in running[-1:]:
        wave.state, wave.held_reason = WaveState.HELD, reason
        wave.save(update_fields=["state", "held_reason"])
    pause(stored, reason=reason, held=True, by=by)
    return True


def pause(stored: Any, *, reason: str, held: bool, by: Author) -> None:
    """Put a running plan to rest, with the reason: what is in force stays in force."""
    approving.move(stored, to=PlanState.PAUSED)
    stored.paused_reason = reason
    stored.save(update_fields=["state", "paused_reason"])
    facts = {"plan": stored.number, "by_stop_rule": held, **({"rule": reason} if held else {})}
    personal = {} if held else {"reason": (reason, plans.entry_about(stored))}
    journal.write(
        verb="containment.plan_paused", subject=plans.entry_about(stored), by=by, facts=facts, personal=personal
    )
