"""Security event tokens pushed to us (RFC 8935)."""

from tocsin.api.exchange import Answer, Request
from tocsin.api.routes import Route

TOKEN_BYTES_MAX = 64 * 1024


async def push(request: Request) -> Answer:
    """Hand a token with its headers to the receiver the wiring chose; its answer is the transmitter's."""
    # Who shows no bearer token is refused by the receiver whatever follows: it need not be read.
    body = await request.body(bytes_max=TOKEN_BYTES_MAX) if "authorization" in request.headers else b""
    reply = await request.in_thread(
        request.wired.accept_signal, request.path_values["name"], headers=request.headers, body=body
    )
    return Answer(status=reply.status, headers=reply.headers, body=reply.body)


ROUTES = (Route("POST", "/signals/v1/{name}", push),)
