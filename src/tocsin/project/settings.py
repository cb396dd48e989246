"""Django's settings: one application, one database, no web pages."""

from typing import Any

import django
from django.conf import settings
from django.db import connections
from psycopg.conninfo import conninfo_to_dict
from psycopg.errors import Error

from tocsin.kernel.language import gettext as _
from tocsin.project.errors import DatabaseUnavailable

CONNECT_SECONDS_MAX = 15
VERSION_MIN = 150_000  # PostgreSQL 15, as the server numbers itself


def use_database(parameters: dict[str, Any]) -> None:
    """Set Django up on its first use, and from now on work on this database."""
    if settings.configured:
        connections.close_all()
        connections.settings["default"].update(parameters)
        return
    settings.configure(
        INSTALLED_APPS=["tocsin.apps.TocsinConfig"],
        DATABASES={"default": parameters},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
        TIME_ZONE="UTC",
        LOGGING_CONFIG=None,
    )
    django.setup(set_prefix=False)


def parameters_of_url(url: str) -> dict[str, Any]:
    """Return Django's parameters for a ``postgresql://`` address (libpq's syntax, section 32.1.1.2 of its manual)."""
    try:
        named = conninfo_to_dict(url)
    except Error as error:
        # The address may hold a password, so it is not repeated.
        raise DatabaseUnavailable(
            _("The address of the database cannot be read."),
            where="TOCSIN_DATABASE_URL",
            mend=_("Write it as postgresql://name:password@host:5432/database."),
        ) from error
    taken = {key: str(named.pop(key, "") or "") for key in ("dbname", "user", "password", "host", "port")}
    return _parameters(
        name=taken["dbname"], user=taken["user"], password=taken["password"], host=taken["host"], port=taken["port"],
        options={key: value for key, value in named.items() if value is not None},
    )  # fmt: skip


def parameters_of_socket(folder: str, *, role: str, database: str) -> dict[str, Any]:
    """Return Django's parameters for the private server."""
    return _parameters(name=database, user=role, password="", host=folder, port="", options={})


def _parameters(
    *, name: str, user: str, password: str, host: str, port: str, options: dict[str, Any]
) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "USER": user,
        "PASSWORD": password,
        "HOST": host,
        "PORT": port,
        "OPTIONS": {"application_name": "tocsin", "connect_timeout": CONNECT_SECONDS_MAX, **options},
    }
