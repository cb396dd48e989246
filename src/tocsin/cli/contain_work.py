"""`tocsin contain work`: the worker, seen by a person."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from tocsin import story
from tocsin.cli import listing
from tocsin.cli.wired import Wired
from tocsin.containment import queries
from tocsin.containment.ports import Connector
from tocsin.containment.values import System, Worked
from tocsin.kernel import clock
from tocsin.kernel.language import format_datetime, format_number, gettext as _
from tocsin.kernel.redaction import printable

WAITING = 21  # the exit code of --once when something is left for later: nothing failed


class Shown:
    """What a person sees of the worker: a bar per system, and every system that is held."""

    def __init__(self, progress: Progress, waiting: Mapping[str, tuple[int, datetime]]) -> None:
        self.progress = progress
        self.states: Counter[str] = Counter()
        self.bars: dict[str, TaskID] = {}
        self.waiting = waiting

    def __call__(self, worked: Worked) -> None:
        """Hear of one round on one system."""
        self.states.update({str(state): count for state, count in worked.states.items()})
        if worked.system not in self.bars:
            # Every step is claimed once to be sent and once to be read back.
            total = 2 * self.waiting.get(worked.system, (0, None))[0] or None
            self.bars[worked.system] = self.progress.add_task(printable(worked.system), total=total)
        self.progress.update(self.bars[worked.system], advance=worked.claimed)
        if worked.held_reason:
            held = _("{name} is held: {reason}").format(name=worked.system, reason=worked.held_reason)
            self.progress.console.print(printable(held), style="yellow", markup=False, highlight=False)


@click.command("work")
@click.option("--once", is_flag=True, help="End as soon as nothing is due.")
@click.option("--system", "only", multiple=True, metavar="NAME", help="Work on this system only; may be repeated.")
@click.pass_obj
def work(wired: Wired, once: bool, only: tuple[str, ...]) -> int:
    """Carry out what was approved and started: send, read back, ask what people did, publish the gate's list.

    May be interrupted or killed at any moment and run again; several may run side by side. Ends with 21 when --once
    leaves steps for later.
    """

    def connect(system: System, secrets: Mapping[str, str]) -> Connector:
        return wired.connector(system.kind, name=system.name, settings=system.settings, secrets=secrets)

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with wired.rows():
        for name in only:
            queries.system(name)  # says so when there is none
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            shown = Shown(progress, queries.steps_waiting())
            story.contain_work(connect, once=once, only=only, told=shown)
        left = {name: each for name, each in queries.steps_waiting().items() if not only or name in only}
    words = ", ".join(f"{listing.word(state)} {format_number(n)}" for state, n in sorted(shown.states.items()))
    listing.lines(_("Steps: {states}").format(states=words or _("nothing was due")))
    for name, (count, next_at) in left.items():
        waits = _("{n} steps wait on {name}; the next is due {when}.")
        when = format_datetime(max(next_at, clock.now()), seconds=True)
        listing.lines(waits.format(n=format_number(count), name=name, when=when))
    return WAITING if left else 0
