"""Whether this process answers: for whoever watches it. It says nothing about anybody."""

from tocsin.api.exchange import Answer, Request
from tocsin.api.routes import Route


async def alive(_request: Request) -> Answer:
    """Say that the server answers; the database is not asked, so that a watcher does not restart us for its sake."""
    return Answer.of_json({"status": "ok"})


ROUTES = (Route("GET", "/healthz", alive),)
