"""`tocsin signals`: Shared Signals transmitters we receive from."""

from pathlib import Path

import click

from tocsin.cli import listing
from tocsin.cli.acting import Acting, acting
from tocsin.cli.wired import Wired
from tocsin.containment import commands, queries
from tocsin.containment.values import Stream
from tocsin.kernel.errors import TocsinError
from tocsin.kernel.language import format_datetime, format_number, gettext as _
from tocsin.kernel.redaction import printable

UNMAPPED_SHOWN = 20
_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)


@click.group("signals")
def command() -> None:
    """Receive Shared Signals: who changed a password, whose sessions ended."""


@command.command("add")
@click.argument("called", metavar="NAME")
@click.option("--issuer", required=True, help="The `iss` of its tokens, exactly.")
@click.option("--audience", required=True, help="The `aud` of the tokens meant for us.")
@click.option("--jwks", required=True, metavar="URL|FILE", help="The issuer's public keys.")
@click.option("--delivery", required=True, type=click.Choice(["push", "poll"]), help="It pushes to us, or we ask.")
@click.option("--poll-url", default="", help="Where to ask (poll).")
@click.option("--token-file", type=_FILE, help="The bearer token: of theirs (push), or of ours (poll).")
@click.option("--token-url", default="", help="Where a bearer token is fetched with client credentials (poll).")
@click.option("--client-id", default="", help="For --token-url.")
@click.option("--client-secret-file", type=_FILE, help="For --token-url.")
@click.option(
    "--subject", "subjects", multiple=True, metavar="FORMAT=account|alias",
    help="How a name becomes an account: opaque=account, email=alias, iss_sub=account, ...",
)  # fmt: skip
@click.option("--aliases", type=_FILE, help="CSV: account, then its other names; for =alias.")
@click.option("--algorithm", "algorithms", multiple=True, help="Signature algorithms to accept (default RS256).")
@click.option("--stream-id", default="", help="What a verification must be about.")
@click.option("--verification-state", default="", help="The state a verification must bring back.")
@click.option("--ca-file", type=_FILE, help="The certificate authority of its servers.")
@click.option("--replace", is_flag=True, help="Change a stream there is; what could not be placed is tried again.")
@acting
@click.pass_obj
def add(
    wired: Wired,
    *,
    called: str,
    issuer: str,
    audience: str,
    jwks: str,
    delivery: str,
    poll_url: str,
    token_file: Path | None,
    token_url: str,
    client_id: str,
    client_secret_file: Path | None,
    subjects: tuple[str, ...],
    aliases: Path | None,
    algorithms: tuple[str, ...],
    stream_id: str,
    verification_state: str,
    ca_file: Path | None,
    replace: bool,
    acts: Acting,
) -> None:
    """Receive from a transmitter under NAME.

    Give the transmitter the address /signals/v1/NAME of `tocsin serve` behind TLS for --delivery push.
    """
    if delivery == "poll" and not poll_url:
        raise click.UsageError(_("--delivery poll needs --poll-url."))
    if delivery == "push" and not token_file:
        raise click.UsageError(_("--delivery push needs --token-file: the bearer token the transmitter shows us."))
    settings = {
        "delivery": delivery,
        "poll_url": _address(poll_url, option="--poll-url"),
        "token_url": _address(token_url, option="--token-url"),
        "client_id": client_id,
        "subjects": dict(_pair(each) for each in subjects) or {"opaque": "account"},
        "aliases": str(aliases.resolve()) if aliases else "",
        "algorithms": list(algorithms),
        "stream_id": stream_id,
        "verification_state": verification_state,
        "ca_file": str(ca_file.resolve()) if ca_file else "",
        **({"jwks_url": _address(jwks, option="--jwks")} if "://" in jwks else {"jwks": wired.issuer_keys(Path(jwks))}),
    }
    secrets = {"push_token" if delivery == "push" else "poll_token": _secret(token_file)}
    secrets["client_secret"] = _secret(client_secret_file)
    with wired.rows():
        stream = commands.add_stream(
            called, issuer=issuer, audience=audience, settings={k: v for k, v in settings.items() if v},
            secrets={k: v for k, v in secrets.items() if v}, replace=replace, by=acts.author(),
        )  # fmt: skip
    listing.console().print(listing.pairs(_described(stream)))


@command.command("list")
@listing.JSON
@click.pass_obj
def show(wired: Wired, as_json: bool) -> None:
    """List the streams, what came of their tokens, and the names that could not be placed."""
    with wired.rows():
        streams = queries.streams()
        lost = {stream.name: queries.unmapped(stream.name, limit=UNMAPPED_SHOWN) for stream in streams}
    if as_json:
        keys = ("format", "name", "event")
        unplaced = {name: [dict(zip(keys, each, strict=True)) for each in rows] for name, rows in lost.items()}
        listing.print_json([listing.plain(each) | {"not_placed": unplaced[each.name]} for each in streams])
        return
    for stream in streams:
        listing.console().print(listing.pairs(_described(stream)))
        for form, name, event in lost[stream.name]:
            listing.lines(_("  not placed: {format} {name} ({event})").format(format=form, name=name, event=event))
    if not streams:
        listing.lines(_("No transmitter is received from. Add one: tocsin signals add NAME ..."))


@command.command("poll")
@click.argument("names", nargs=-1)
@click.pass_obj
def poll(wired: Wired, names: tuple[str, ...]) -> None:
    """Ask the transmitters of polled streams (all, or NAMES), then record what every kept token tells."""
    with wired.rows():
        polled = [each.name for each in queries.streams() if each.settings.get("delivery") == "poll"]
        for name in names or polled:
            told = wired.poll_signals(name)
            refused = ", ".join(f"{code}: {format_number(n)}" for code, n in sorted(told.refused.items())) or "-"
            words = _("{name}: {received} received, {new} new, refused {refused}")
            listing.lines(words.format(name=name, received=told.received, new=told.new, refused=refused))
        taken = unmapped = new = closed = 0
        while (placed := commands.record_news()).taken:
            taken, unmapped = taken + placed.taken, unmapped + placed.unmapped
            new, closed = new + placed.recorded.new, closed + placed.recorded.closed
    words = _("{taken} tokens worked off: {new} new facts, {closed} accounts safe by them, {unmapped} not placed.")
    listing.lines(words.format(taken=taken, new=new, closed=closed, unmapped=unmapped))


@command.command("remove")
@click.argument("called", metavar="NAME")
@click.option("--reason", required=True, help="Why; it is kept in the journal.")
@acting
@click.pass_obj
def remove(wired: Wired, called: str, reason: str, acts: Acting) -> None:
    """Receive nothing from NAME any more, and forget its secrets."""
    with wired.rows():
        commands.remove_stream(called, reason=reason, by=acts.author())
    listing.lines(_("{name} is not received from any more.").format(name=called))


def _described(stream: Stream) -> list[tuple[str, object]]:
    settings = stream.settings
    counts = ", ".join(f"{outcome}: {format_number(n)}" for outcome, n in sorted(stream.counts.items())) or "-"
    names = ", ".join(f"{form}={way}" for form, way in settings.get("subjects", {}).items())
    rows: list[tuple[str, object]] = [
        (_("stream"), stream.name),
        (_("issuer"), stream.issuer),
        (_("audience"), stream.audience),
        (_("delivery"), settings["delivery"]),
        (_("keys"), settings.get("jwks_url") or _("a file")),
        (_("names"), names),
        (_("tokens"), counts),
    ]
    return [*rows, (_("last"), format_datetime(stream.last_at))] if stream.last_at else rows


def _pair(text: str) -> tuple[str, str]:
    form, _equals, way = text.partition("=")
    return form, way or "account"


def _address(text: str, *, option: str) -> str:
    if text and not text.startswith(("https://", "http://127.0.0.1", "http://localhost", "http://[::1]")):
        raise TocsinError(
            _("Keys and tokens are asked for over TLS only."),
            where=f"{option} {printable(text)}",
            mend=_("Use https://."),
        )
    return text


def _secret(file: Path | None) -> str:
    """Return the first line of a file: a secret never stands on the command line."""
    lines = file.read_text(encoding="utf-8").splitlines() if file else []
    return lines[0].strip() if lines else ""
