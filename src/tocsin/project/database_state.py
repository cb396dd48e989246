"""How the database is, found without starting it: for ``tocsin doctor``."""

import os
from pathlib import Path

import psycopg

from tocsin.cli.wired import RowsPlace, RowsState
from tocsin.kernel.errors import TocsinError
from tocsin.project import database_place, settings


def state() -> RowsState:
    """Return where the rows are and whether that place is made, running and usable; nothing is made or started."""
    url = os.environ.get("TOCSIN_DATABASE_URL")
    return _of_server(url) if url else _of_private()


def _of_server(url: str) -> RowsState:
    named = "TOCSIN_DATABASE_URL"
    try:
        parameters = settings.parameters_of_url(url)
        with psycopg.connect(url, connect_timeout=settings.CONNECT_SECONDS_MAX) as session:
            version = session.info.server_version
    except (TocsinError, psycopg.Error) as error:
        return RowsState(place=RowsPlace.SERVER, where=named, made=False, running=False, fault=str(error).strip())
    fault = "" if version >= settings.VERSION_MIN else f"PostgreSQL {version // 10_000}"
    where = f"{parameters['NAME']} @ {parameters['HOST'] or 'localhost'}, PostgreSQL {version // 10_000}"
    return RowsState(place=RowsPlace.SERVER, where=where, made=True, running=True, fault=fault)


def _of_private() -> RowsState:
    base = database_place.base_if_made()
    if base is None:
        where = str(database_place.SYSTEM_FOLDER if os.geteuid() == 0 else database_place.own_base())
        return RowsState(place=RowsPlace.PRIVATE, where=where, made=False, running=False)
    data = base / "cluster" / "data"
    return RowsState(
        place=RowsPlace.PRIVATE, where=str(base), made=data.exists(), running=_lives(data / "postmaster.pid")
    )


def _lives(path: Path) -> bool:
    """Whether the process named in ``postmaster.pid`` exists; the file is gone after an orderly stop."""
    try:
        os.kill(int(path.read_text(encoding="utf-8").split("\n", 1)[0]), 0)
    except PermissionError:
        return True
    except (OSError, ValueError):
        return False
    return True
