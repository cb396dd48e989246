"""`tocsin whatsapp`: numbers, templates, files, profile and prices of the WhatsApp Business Platform."""

import click

from tocsin.cli.whatsapp_account import block, number, profile
from tocsin.cli.whatsapp_analytics import analytics
from tocsin.cli.whatsapp_connect import connect, subscribe, test, unsubscribe
from tocsin.cli.whatsapp_media import media
from tocsin.cli.whatsapp_read import read, refresh
from tocsin.cli.whatsapp_received import rates, spend, webhook
from tocsin.cli.whatsapp_templates import templates


@click.group("whatsapp")
def command() -> None:
    """Connect and look after WhatsApp numbers: templates, files, profile, limits, prices."""


for each in (
    connect,
    test,
    read,
    refresh,
    subscribe,
    unsubscribe,
    number,
    templates,
    media,
    profile,
    block,
    analytics,
    webhook,
    rates,
    spend,
):
    command.add_command(each)
