"""Formats for records whose field names speak for themselves."""

from tocsin.events.ports import Format

FORMATS: tuple[Format, ...] = ()
