"""Read receipts and typing indicators: what a person sees of us before we answer."""

from tocsin.integrations.whatsapp.graph import Graph

TYPING_SECONDS = 25  # Meta shows it so long, or until our message comes


class Receipts:
    """What one number tells the people who wrote to it."""

    def __init__(self, graph: Graph, line: str) -> None:
        self._graph, self._path = graph, f"{line}/messages"

    async def read(self, provider_id: str, *, typing: bool = False) -> None:
        """Show somebody that their message, and all before it, was read; ``typing``: and that an answer is written.

        Not counted as a management call: it goes the way of messages. Raises RefusedByMeta or NotAnswered; to do it
        again changes nothing.
        """
        body: dict[str, object] = {"messaging_product": "whatsapp", "status": "read", "message_id": provider_id}
        if typing:
            body["typing_indicator"] = {"type": "text"}
        await self._graph.call("POST", self._path, body=body, counted=False)
