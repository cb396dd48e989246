"""How the database is, for ``tocsin doctor``: it is looked at, never made or started."""

import os
from pathlib import Path

import psycopg

from tocsin.cli.wired import RowsPlace, RowsState
from tocsin.kernel.home import home_path
from tocsin.project import database_place

CONNECT_SECONDS_MAX = 3


def state() -> RowsState:
    """Return the state of the server ``TOCSIN_DATABASE_URL`` names, else of the private one."""
    url = os.environ.get("TOCSIN_DATABASE_URL")
    return _server(url) if url else _private()


def _server(url: str) -> RowsState:
    where = "TOCSIN_DATABASE_URL"
    try:
        with psycopg.connect(url, connect_timeout=CONNECT_SECONDS_MAX) as session:
            info = session.info
            where = f"PostgreSQL {info.server_version // 10_000}, {info.host or '-'}, {info.dbname}"
    except psycopg.Error as error:
        # The first line says why; the address itself may hold a password and is never repeated.
        return RowsState(RowsPlace.SERVER, where, made=False, running=False, fault=str(error).strip().splitlines()[0])
    return RowsState(RowsPlace.SERVER, where, made=True, running=True)


def _private() -> RowsState:
    base = home_path() / "postgresql"
    named = base / "installation"
    if os.geteuid() == 0 and named.exists():
        base = database_place.SYSTEM_FOLDER / named.read_text(encoding="ascii").strip()
    data = base / "cluster" / "data"
    return RowsState(RowsPlace.PRIVATE, str(base), made=data.exists(), running=_answers(data / "postmaster.pid"))


def _answers(pid_file: Path) -> bool:
    """Whether the process PostgreSQL wrote on the first line of ``postmaster.pid`` is alive."""
    try:
        os.kill(int(pid_file.read_text(encoding="ascii").split("\n", 1)[0]), 0)
    except PermissionError:
        return True  # alive, and another user's
    except (OSError, ValueError):
        return False
    return True
