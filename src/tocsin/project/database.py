"""Our own rows: a context in which the database answers, with its tables brought up to date."""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import psycopg
from django.db import DatabaseError, OperationalError, connection
from django.db.migrations.executor import MigrationExecutor

from tocsin.journal import commands as journal
from tocsin.kernel.language import gettext as _, ngettext
from tocsin.project import database_place, database_server, settings
from tocsin.project.errors import DatabaseUnavailable

_MIGRATION_LOCK = 0x746F6373  # "tocs"; of two commands at once, the second waits for the first's migrations


@contextmanager
def opened() -> Iterator[None]:
    """Make the rows reachable for the length of a block.

    The server is the one ``TOCSIN_DATABASE_URL`` names, else the private one, started here and stopped by the last
    that leaves. Afterwards the journal's new entries are numbered, signed and shown to the witness.
    """
    with ExitStack() as stack:
        url = os.environ.get("TOCSIN_DATABASE_URL")
        if url:
            parameters = settings.parameters_of_url(url)
        else:
            place = database_place.find()
            stack.enter_context(database_server.running(place))
            parameters = settings.parameters_of_socket(
                str(place.socket_folder), role=database_server.ROLE, database=database_server.DATABASE
            )
            _make_database(parameters)
        settings.use_database(parameters)
        stack.callback(connection.close)
        _check_server()
        try:
            _migrate()
            yield
            _settle_journal()
        except OperationalError as error:
            raise DatabaseUnavailable(
                _("The database went away: {error}").format(error=str(error).strip()),
                mend=_("What was not finished was not done. Run the command again."),
            ) from error
        except BaseException:
            _settle_journal()  # what was committed before the failure is numbered all the same
            raise


def _settle_journal() -> None:
    if connection.connection is not None and not connection.is_usable():
        connection.close()  # the server was started anew while a long command ran
    journal.number_entries()
    for failure in journal.deliver_heads():
        sys.stderr.write(f"{failure}\n")


def _make_database(parameters: dict[str, Any]) -> None:
    """Make the private server's database where it is missing."""
    with psycopg.connect(
        host=parameters["HOST"], user=parameters["USER"], dbname="postgres", autocommit=True
    ) as session:
        session.execute("SELECT pg_advisory_lock(%s)", [_MIGRATION_LOCK])  # given back when the session ends
        if session.execute("SELECT 1 FROM pg_database WHERE datname = %s", [parameters["NAME"]]).fetchone() is None:
            session.execute(f'CREATE DATABASE "{parameters["NAME"]}"')


def _check_server() -> None:
    try:
        connection.ensure_connection()
    except OperationalError as error:
        raise DatabaseUnavailable(
            _("The database does not answer: {error}").format(error=str(error).strip()),
            where="TOCSIN_DATABASE_URL" if os.environ.get("TOCSIN_DATABASE_URL") else "",
            mend=_("Check that it runs and that the address, name and password are right."),
        ) from error
    if connection.pg_version < settings.VERSION_MIN:
        raise DatabaseUnavailable(
            _("The database is PostgreSQL {version}; 15 or later is needed.").format(
                version=connection.pg_version // 10_000
            ),
            where="TOCSIN_DATABASE_URL",
            mend=_("Name a newer server, or none to use the private one."),
        )


def _migrate() -> None:
    """Bring the tables up to date, and say so; a database from a newer Tocsin is refused."""
    executor = MigrationExecutor(connection)
    if not _is_current(executor):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [_MIGRATION_LOCK])
            try:
                _apply(MigrationExecutor(connection))
            finally:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [_MIGRATION_LOCK])


def _is_current(executor: MigrationExecutor) -> bool:
    newer = sorted(
        name for app, name in executor.loader.applied_migrations if (app, name) not in executor.loader.disk_migrations
    )
    if newer:
        raise DatabaseUnavailable(
            _("The database was used by a newer Tocsin (it knows {name}).").format(name=newer[-1]),
            mend=_("Update this installation."),
        )
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())


def _apply(executor: MigrationExecutor) -> None:
    targets = executor.loader.graph.leaf_nodes()
    plan = executor.migration_plan(targets)
    if not plan:
        return
    words = ngettext(
        "Bringing the database up to date: {n} step.", "Bringing the database up to date: {n} steps.", len(plan)
    )
    sys.stderr.write(words.format(n=len(plan)) + "\n")
    try:
        executor.migrate(targets, plan)
    except DatabaseError as error:
        raise DatabaseUnavailable(
            _("The database could not be brought up to date: {error}").format(error=str(error).strip()),
            mend=_("Nothing was changed. Check that the name it is opened with may create tables."),
        ) from error
