"""`tocsin demo`: the whole of it, on a simulated company that has just been broken into."""

import shutil
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from tocsin import story
from tocsin.cli import demo_door
from tocsin.cli.investigate import watched
from tocsin.cli.wired import Wired
from tocsin.kernel.language import format_number, gettext as _, gettext_noop
from tocsin.rehearsals import commands as rehearsals
from tocsin.rehearsals.values import LINES_DEFAULT, LINES_MAX, LINES_MIN, ScenarioName, Simulated

STORIES = {
    ScenarioName.INTRUDER: gettext_noop(
        "An intruder in the internal tools, as it happened to a music service in 2014."
    ),
    ScenarioName.SCRAPE: gettext_noop("Somebody copies the catalogue through the API, fast and slowly."),
    ScenarioName.STUFFING: gettext_noop("Stolen passwords are tried by many machines; some sessions are stolen too."),
}


@click.command("demo")
@click.option(
    "--scenario",
    type=click.Choice([name.value for name in ScenarioName]),
    default=ScenarioName.INTRUDER.value,
    show_default=True,
    help="The attack that is planted.",
)
@click.option(
    "--lines",
    type=click.IntRange(LINES_MIN, LINES_MAX),
    default=LINES_DEFAULT,
    show_default=True,
    help="About how many lines of logs, over two days.",
)
@click.option("--seed", type=click.IntRange(0), default=2014, show_default=True, help="Another seed, another story.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("tocsin-demo"),
    show_default=True,
    help="Folder for logs, truth and findings; an earlier demo in it is replaced.",
)
@click.option("--keep", is_flag=True, help="Keep the simulated logs after they were investigated.")
@click.pass_obj
def command(wired: Wired, *, scenario: str, lines: int, seed: int, out: Path, keep: bool) -> int:
    """Show everything on a simulated company that has just been broken into.

    Larkwave, a music streaming service nobody has heard of, keeps two days of logs: web site, API, log-ins, internal
    tools. An attack is planted among its listeners, offices, partners and crawlers; then the logs are investigated
    exactly as `tocsin investigate` would. What was planted lies beside them, for comparison. Then the door is closed:
    the scope is frozen, a plan drawn and signed by two people, and the gate asked who passes. Two of the people are
    told, one on WhatsApp and one by mail, and one answers. All of it in an installation of the demo's own, which
    never touches yours, and with a WhatsApp and a mail server that are simulated on this machine.
    """
    name = ScenarioName(scenario)
    told = Console(stderr=True, highlight=False)
    told.print(Text(_(STORIES[name]), style="bold"))
    made = _simulated(name, folder=out, lines=lines, seed=seed, told=told)
    question = story.Question(
        accounts=made.accounts,
        command=("tocsin", "demo", "--scenario", scenario, "--lines", str(lines), "--seed", str(seed)),
    )
    findings = out / rehearsals.FINDINGS
    investigation = watched((str(made.logs),), out=findings, formats=wired.formats, question=question)
    demo_door.close_door(wired, scenario=name, investigation=investigation, made=made, seed=seed)
    if not keep:
        shutil.rmtree(made.logs)
    _point(findings, made=made, keep=keep)
    return 0


def _simulated(name: ScenarioName, *, folder: Path, lines: int, seed: int, told: Console) -> Simulated:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=told, transient=True) as progress:
        bar = progress.add_task(_("Two days at a company"), total=1.0)
        made = rehearsals.simulate(
            name,
            folder=folder,
            lines=lines,
            seed=seed,
            progress=lambda share: progress.update(bar, completed=share),
        )
    line = _("{n} lines of logs from {company}, seed {seed}").format(
        n=format_number(made.lines), company=rehearsals.COMPANY_NAME, seed=seed
    )
    told.print(Text(line, style="dim"))
    return made


def _point(findings: Path, *, made: Simulated, keep: bool) -> None:
    """Say where everything lies: the report to open, what was planted, and the logs or how to keep them."""
    console = Console(highlight=False)
    lines = [
        (_("Report"), str((findings / "report.html").resolve())),
        (_("What was planted"), str(made.truth.resolve())),
        (_("Logs"), str(made.logs.resolve()) if keep else _("removed; --keep keeps them")),
    ]
    pages = zip((_("Their phones"), _("Their mails")), rehearsals.PAGES, strict=True)
    lines += [
        (label, str((findings.parent / name).resolve())) for label, name in pages if (findings.parent / name).exists()
    ]
    console.print()
    for label, value in lines:
        console.print(Text.assemble((f"{label}: ", "bold"), value), soft_wrap=True)
