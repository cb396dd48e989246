"""What people do on the simulated WhatsApp arrives: through the receiver, the rows, the worker, as separate processes."""

from base64 import b64encode

from tests.scenario.messaging.stage import CHANNEL, Stage, rows, until

from tocsin.messaging import queries

JPEG = b"\xff\xd8\xff" + bytes(100_000)
ANA, MOVED = "+33600000001", "+33600000777"
HOLDS = {"restriction_type": "RESTRICTED_BIZ_INITIATED_MESSAGING", "expiration": 4102444800}


def test_what_people_and_meta_do_arrives_once_and_takes_its_effect(stage: Stage) -> None:
    stage.connect()
    receiver = stage.receive()
    stage.simulate(batch=1)
    worker = stage.tocsin("work")
    stage.ask("/_simulator/say", body={"from": ANA, "text": "somebody is in my account"})
    picture = {"type": "image", "base64": b64encode(JPEG).decode(), "caption": "look"}
    stage.ask("/_simulator/say", body={"from": ANA, "media": picture})
    until(lambda: len(rows("SELECT 1 FROM tocsin_inboundmessage")) == 2)
    texts = [
        queries.inbound_body(message) or {}
        for (message,) in rows("SELECT id FROM tocsin_inboundmessage ORDER BY at, id")
    ]
    assert {each["text"] for each in texts} == {"somebody is in my account", "look"}
    assert queries.window_open(CHANNEL, ANA)
    until(lambda: rows("SELECT path <> '' FROM tocsin_inboundmedia") == [(True,)])
    ((file,),) = rows("SELECT id FROM tocsin_inboundmedia")
    assert b"".join(queries.media_pieces(file)) == JPEG

    stage.ask("/_simulator/prefer", body={"from": ANA, "value": "stop"})
    stage.ask("/_simulator/move", body={"from": ANA, "to": MOVED})
    moved = "SELECT 1 FROM tocsin_personobjection WHERE address = %s AND purpose = 'marketing' AND lifted_at IS NULL"
    until(lambda: bool(rows(moved, [MOVED])))
    until(lambda: queries.window_open(CHANNEL, MOVED))
    assert not queries.window_open(CHANNEL, ANA)

    value = {"event": "ACCOUNT_RESTRICTION", "restriction_info": [HOLDS]}
    stage.ask("/_simulator/emit", body={"field": "account_update", "value": value})
    stage.ask("/_simulator/emit", body={"field": "brand_new", "value": {"a": 1}})
    until(lambda: "RESTRICTED" in queries.channel(CHANNEL).held_reason)
    until(lambda: [each.reason for each in queries.intake_aside()] == ["field:brand_new"])
    assert (worker.end(), receiver.end()) == (0, 0)
