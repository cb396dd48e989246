"""The one Django application: modules are packages, so a noun can move without moving its table."""

from django.apps import AppConfig


class TocsinConfig(AppConfig):
    """Every table of Tocsin."""

    name = "tocsin"
    label = "tocsin"
