"""Settings, secrets and moments, as the command line gives them; and the kinds there are, with what each takes."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import yaml

from tocsin.cli import listing
from tocsin.kernel.errors import TocsinError
from tocsin.kernel.language import gettext as _


def settings_in(config: Path, *, mend: str) -> Mapping[str, Any]:
    """Return the settings in a YAML file; TocsinError with ``mend`` when it is no mapping of names to values."""
    try:
        settings = yaml.safe_load(config.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        what = _("The settings cannot be read: {error}").format(error=" ".join(str(error).split()))
        raise TocsinError(what, where=config, mend=_("They are YAML: one setting a line.")) from error
    if not isinstance(settings, dict) or not all(isinstance(name, str) for name in settings):
        raise TocsinError(_("The settings must be a mapping of names to values."), where=config, mend=mend)
    return settings


def secrets_in(given: tuple[str, ...]) -> Mapping[str, str]:
    """Return the secrets that ``--secret`` names by their places."""
    return dict(_secret(each) for each in given)


def _secret(given: str) -> tuple[str, str]:
    """Read one secret from a file or the environment; never from the command line, which others can see."""
    name, equals, place = given.partition("=")
    mend = _("Write NAME=@FILE or NAME=env:VARIABLE.")
    if not name or not equals:
        raise TocsinError(_("A secret needs a name and a place."), where="--secret", mend=mend)
    if place.startswith("@"):
        path = Path(place[1:]).expanduser()
        try:
            return name, path.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise TocsinError(_("The secret cannot be read."), where=path, mend=mend) from error
    if place.startswith("env:"):
        value = os.environ.get(place[4:])
        if value is None:
            raise TocsinError(_("There is no such variable."), where=place[4:], mend=mend)
        return name, value
    raise TocsinError(_("Secrets are not given on the command line."), where=f"--secret {name}", mend=mend)


def moment(text: str | None) -> datetime | None:
    """Return the moment an option names, UTC where it names no zone; None when it was left out."""
    if text is None:
        return None
    try:
        named = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.UsageError(_("{text} is not a moment: write 2026-03-02T12:00:00Z.").format(text=text)) from error
    return named if named.tzinfo else named.replace(tzinfo=UTC)


def print_kinds(
    known: Mapping[str, tuple[Mapping[str, str], Mapping[str, str]]], *, only: str | None, as_json: bool = False
) -> None:
    """Explain every kind of what can be connected, or only one: its settings and its secrets."""
    shown = [only] if only else sorted(known)
    if as_json:
        listing.print_json([{"kind": each, "settings": known[each][0], "secrets": known[each][1]} for each in shown])
        return
    for each in shown:
        settings, secrets = known[each]
        listing.lines(each, style="bold")
        rows = [(setting, _(text)) for setting, text in settings.items()]
        rows += [(f"--secret {secret}", _(text)) for secret, text in secrets.items()]
        listing.console().print(listing.pairs(rows))
        listing.lines("")
