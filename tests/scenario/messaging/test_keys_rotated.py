"""The keys are rotated, once by a process that is killed, while senders send, webhooks come in and workers take them."""

from tests.scenario.messaging import disasters
from tests.scenario.messaging.stage import Stage, until

from tocsin.containment import commands as containment
from tocsin.messaging import commands as messaging
from tocsin.staff import queries

PIECES, PIECE, KILLED = 3, 100, 1


def test_keys_are_rotated_while_all_goes_on_and_every_message_arrives_once(stage: Stage) -> None:
    stage.simulate()
    stage.connect()
    running = [stage.receive(), stage.tocsin("work"), stage.tocsin("send")]
    (first,) = [key.name for key in queries.seal_keys()]
    for piece in range(PIECES):
        stage.queue(PIECE, first=piece * PIECE)
        failpoints = "in_resealing@2" if piece == KILLED else ""
        rotating = stage.tocsin("keys", "rotate", "--as", "ada", name=f"rotate-{piece}", failpoints=failpoints)
        assert rotating.running.wait(120) == (-9 if piece == KILLED else 0), rotating.said()
    until(stage.is_told, seconds=120, told=stage.standing)
    states = disasters.check_accounts(stage, messages=PIECES * PIECE)
    assert set(states) <= {"delivered", "read"}
    (last,) = [key.name for key in queries.seal_keys()]
    assert last != first
    sealed_by = {key for place in (*containment.sealed_places(), *messaging.sealed_places()) for key in place.counts()}
    assert sealed_by == {bytes.fromhex(last)}
    assert all(process.running.poll() is None for process in running)
    assert not any("Error" in process.said() or "Seal" in process.said() for process in running)
