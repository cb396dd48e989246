"""`tocsin simulate`: the outside world to practise on, which is a distribution of its own."""

from importlib import import_module

import click

from tocsin.kernel.errors import TocsinError
from tocsin.kernel.language import gettext as _

_PROGRAM = "tocsin_simulator.program"


class Simulators(click.Group):
    """The simulator's own commands, loaded only when one is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return ["whatsapp", "smtp"]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        try:
            found: click.Command = getattr(import_module(_PROGRAM), cmd_name)
        except ModuleNotFoundError as error:
            what = _("The simulator is not installed.")
            raise TocsinError(what, mend=_("Install the package tocsin-simulator beside tocsin.")) from error
        return found


@click.command("simulate", cls=Simulators)
def command() -> None:
    """Practise on a simulated outside world: WhatsApp's Cloud API with people who answer, or a mail server.

    Both listen on this machine alone, count what reaches them before anything else, and show it on a page.
    """
