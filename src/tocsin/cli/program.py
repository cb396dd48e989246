"""The table of commands, and the ``tocsin`` command itself: a command's file is loaded only when it is run."""

import copy
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

import click
from click.shell_completion import CompletionItem

from tocsin import __version__
from tocsin.cli import contents, examples
from tocsin.kernel import language
from tocsin.kernel.errors import TocsinError
from tocsin.kernel.language import gettext as _, gettext_noop


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of ``tocsin --help``. The command is the object ``command`` of ``tocsin.cli.<module>``."""

    name: str
    module: str
    chapter: str
    help: str  # English; translated when shown


FIND = gettext_noop("Find out")
ANSWER = gettext_noop("Who and what")
CLOSE = gettext_noop("Close the door")
TELL = gettext_noop("Tell people")
KEEP = gettext_noop("Proof and people")
RUN = gettext_noop("Keep it running")
INSTALLATION = gettext_noop("This installation")
COMMANDS: tuple[Entry, ...] = (
    Entry("demo", "demo", FIND, gettext_noop("Show everything on a simulated company that has just been broken into.")),
    Entry(
        "investigate",
        "investigate",
        FIND,
        gettext_noop("Read logs; say what happened, who is affected and how we know."),
    ),
    Entry("evidence", "evidence", FIND, gettext_noop("Print exactly the events a detection stands on.")),
    Entry("rules", "rules", FIND, gettext_noop("List, explain and test the detection rules.")),
    Entry("map", "map", FIND, gettext_noop("Draft a mapping for a log format Tocsin does not know.")),
    Entry("incident", "incident", ANSWER, gettext_noop("List and show incidents, and add signed facts to them.")),
    Entry("scope", "scope", ANSWER, gettext_noop("Show, question, compare and freeze who and what is affected.")),
    Entry(
        "contain",
        "contain",
        CLOSE,
        gettext_noop("Take measures for exactly the affected accounts, and see when each one is safe."),
    ),
    Entry("gate", "gate", CLOSE, gettext_noop("Build and look into the list the protected product checks against.")),
    Entry("connector", "connector", CLOSE, gettext_noop("Connect identity systems, databases and key stores.")),
    Entry(
        "signals",
        "signals",
        CLOSE,
        gettext_noop("Receive Shared Signals: who changed a password, whose sessions ended."),
    ),
    Entry("customer", "customer", TELL, gettext_noop("Bring in the people behind the accounts: addresses, languages.")),
    Entry("message", "message", TELL, gettext_noop("Send a message; say whether it arrived, and how we know.")),
    Entry("outbox", "outbox", TELL, gettext_noop("See what waits and what is unknown; drain, pause, resume.")),
    Entry("channel", "channel", TELL, gettext_noop("Connect the ways to people: WhatsApp, e-mail, SMS, webhooks.")),
    Entry("whatsapp", "whatsapp", TELL, gettext_noop("Connect and look after WhatsApp numbers, templates and prices.")),
    Entry(
        "serve",
        "serve",
        RUN,
        gettext_noop("Answer over HTTP, send what is queued, and carry out what waits: all in one."),
    ),
    Entry("receive", "receive", RUN, gettext_noop("Only answer over HTTP: gates, signals and webhooks.")),
    Entry("send", "send", RUN, gettext_noop("Only send the messages that are queued.")),
    Entry("work", "work", RUN, gettext_noop("Only carry out what waits: measures, and webhooks to be taken in.")),
    Entry(
        "simulate",
        "simulate",
        RUN,
        gettext_noop("Practise on a simulated WhatsApp or mail server, on this machine alone."),
    ),
    Entry("journal", "journal", KEEP, gettext_noop("Verify the record of our own work, or prove one entry of it.")),
    Entry("keys", "keys", KEEP, gettext_noop("See, rotate and check the keys that seal secrets, texts and files.")),
    Entry("staff", "staff", KEEP, gettext_noop("Enrol the operator's people and their signing keys.")),
    Entry("data", "data", INSTALLATION, gettext_noop("Bring in the network and country tables.")),
    Entry(
        "doctor",
        "doctor",
        INSTALLATION,
        gettext_noop("Say what is installed, where data lives, what is missing and how to mend it."),
    ),
)
EXAMPLES: tuple[tuple[str, str], ...] = (
    ("tocsin demo", gettext_noop("see the whole of it in twenty seconds")),
    ("tocsin investigate /var/log/nginx --out findings", gettext_noop("your own logs; nothing leaves this machine")),
    ("tocsin doctor", gettext_noop("what is installed, what is missing")),
)


class Program(click.Group):
    """A group that knows its commands by name and imports one only when it is run."""

    def __init__(self, *, build: Callable[[], object]) -> None:
        super().__init__(
            name="tocsin", context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
        )
        self.build = build
        self.entries = {entry.name: entry for entry in COMMANDS}
        click.version_option(__version__, prog_name="tocsin", message="%(prog)s %(version)s")(self)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in self.entries:
            return opened(self.entries[cmd_name])
        if cmd_name.startswith("-"):
            return None  # click says what is wrong with an option
        raise click.NoSuchCommand(cmd_name, possibilities=list(self.entries), ctx=ctx)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        named = [(entry.name, _(entry.help)) for entry in COMMANDS]
        return [*contents.completed(named, incomplete), *click.Command.shell_complete(self, ctx, incomplete)]

    def invoke(self, ctx: click.Context) -> object:
        ctx.obj = self.build()
        return super().invoke(ctx)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # Drawn by click alone: loading rich would take longer than all the rest of --help.
        formatter.write_text(
            _("Tocsin reads your logs, finds the intrusion, and says exactly who is affected and how it knows.")
        )
        with formatter.section(_("Start here")):
            rows = [(click.style(f"$ {line}", fg="green"), _(meaning)) for line, meaning in EXAMPLES]
            formatter.write_dl(rows, col_max=60)
        for chapter in dict.fromkeys(entry.chapter for entry in COMMANDS):
            with formatter.section(_(chapter)):
                entries = [entry for entry in COMMANDS if entry.chapter == chapter]
                formatter.write_dl([(click.style(f"{each.name:11}", fg="cyan"), _(each.help)) for each in entries])
        formatter.write_paragraph()
        formatter.write_text(_("Each command explains itself: tocsin COMMAND --help. Language: TOCSIN_LANG=fr or en."))


def run(arguments: list[str], *, build: Callable[[], object]) -> int:
    """Run one command line and return its exit code.

    ``build`` makes the value that commands get with ``click.pass_obj``; ``--help`` never calls it. A command ends with
    an exit code by ``click.get_current_context().exit(code)`` or by returning it.
    """
    language.lend()
    try:
        code = Program(build=build).main(args=arguments, prog_name="tocsin", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort as error:
        if (
            isinstance(error.__context__, EOFError) and not sys.stdin.isatty()
        ):  # a script, a timer: nobody pressed a key
            raise TocsinError(
                _("This asks a question, and nobody is there to answer it."),
                mend=_("Run it in a terminal, or give what it asks for as an option: `--help` names them."),
            ) from error
        raise KeyboardInterrupt from error
    return code if isinstance(code, int) else 0


def opened(entry: Entry) -> click.Command:
    """Return a command: a group as its page shows it, anything else loaded."""
    page = contents.pages().get(entry.name)
    return contents.Contents(entry.name, page=page, load=lambda: loaded_group(entry)) if page else loaded(entry)


def loaded_group(entry: Entry) -> click.Group:
    """Import the file of a group and return it."""
    group = loaded(entry)
    if not isinstance(group, click.Group):
        raise TypeError(f"tocsin {entry.name} is not a group any more: run bin/reference")
    return group


def loaded(entry: Entry) -> click.Command:
    """Import the file of a command and return its ``command``; say so when this installation lacks it."""
    name = f"tocsin.cli.{entry.module}"
    try:
        module = import_module(name)
    except ModuleNotFoundError as error:
        mend = _("It ships with the complete package: install it again, then run tocsin doctor.")
        if error.name == name:
            raise TocsinError(
                _("tocsin {name} is not part of this installation.").format(name=entry.name), mend=mend
            ) from error
        what = _("tocsin {name} needs the Python package {package}, which is not installed.")
        raise TocsinError(what.format(name=entry.name, package=error.name), mend=mend) from error
    command = module.command
    if not isinstance(command, click.Command):
        raise TypeError(f"{name}.command must be a click command")
    return translated(command, path=entry.name)


def translated(command: click.Command, *, path: str) -> click.Command:
    """Return a copy of a command with its help, its options' and that of what is below it in the current language."""
    spoken = copy.copy(command)
    spoken.epilog = examples.of(path) or None
    spoken.help = _(contents.sentences(command.help or ""))
    spoken.short_help = spoken.help.split("\n\n")[0]  # whole in the list of commands, where click would cut it off
    spoken.params = [copy.copy(parameter) for parameter in command.params]
    for parameter in spoken.params:
        if isinstance(parameter, click.Option) and parameter.help:
            parameter.help = _(contents.sentences(parameter.help))
    if isinstance(command, click.Group) and isinstance(spoken, click.Group):
        spoken.commands = {name: translated(inner, path=f"{path} {name}") for name, inner in command.commands.items()}
    return spoken
