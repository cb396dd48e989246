"""Whatever dies, no message is lost and none is sent twice, as the other side counts: senders, worker, receiver, the
database, the provider; and clocks that are set, and disks that are full.

Small runs; ``TOCSIN_FAULTS=50`` makes each fifty moments in a run of 100,000 messages, and all of it at once.
"""

import pytest
from tests.scenario.messaging import disasters
from tests.scenario.messaging.disasters import ALONE, FAULTS, HOUR, IS_LONG, TIMES, Crowd, SmallDisk, play
from tests.scenario.messaging.stage import Stage

from tocsin.project.database_place import Place

MESSAGES = 2_000 * TIMES if IS_LONG else 1_200
FEW, FEW_TIMES = (MESSAGES, TIMES) if IS_LONG else (400, 2)
SECONDS_MAX = 60 + MESSAGES / 25
BY_ITSELF = MESSAGES * 0.03  # of whom the faults leave no word
long_only = pytest.mark.skipif(not IS_LONG, reason="for `make faults`: its parts are in the small runs")
pytestmark = pytest.mark.timeout(300 + 2 * SECONDS_MAX)


def begin(stage: Stage, *, messages: int) -> None:
    """Queue messages on a stage that stands, with the faulty provider."""
    stage.connect(timeout_seconds=10.0)
    stage.simulate(faults=FAULTS)
    stage.receive()
    stage.queue(messages)


def test_killed_at_seeded_moments_no_message_is_lost_and_none_is_sent_twice(stage: Stage) -> None:
    begin(stage, messages=MESSAGES)
    crowd = Crowd(stage, seed=TIMES, kills=TIMES)
    strikes = [disasters.receiver_killed]
    play(stage, crowd, messages=MESSAGES, strikes=strikes, times=1 + TIMES // 10, seconds=SECONDS_MAX)
    states = disasters.check_accounts(stage, messages=MESSAGES)
    assert crowd.deaths >= TIMES
    assert states["unknown"] <= BY_ITSELF + 30 * crowd.deaths
    crowd.end()


def test_with_the_database_and_the_provider_killed_meanwhile_all_is_accounted_for(
    fragile_stage: Stage, server: Place
) -> None:
    stage = fragile_stage
    begin(stage, messages=FEW)
    crowd = Crowd(stage, seed=TIMES)
    # A short run has both in one; a long one has the provider's part for itself.
    strikes = [disasters.database_killed(server)] + ([] if IS_LONG else [disasters.provider_killed])
    play(stage, crowd, messages=FEW, strikes=strikes, times=FEW_TIMES, seconds=SECONDS_MAX)
    states = disasters.check_accounts(stage, messages=FEW)
    assert crowd.deaths == 0
    assert states["unknown"] <= BY_ITSELF + (0 if IS_LONG else ALONE)
    crowd.end()


@long_only
def test_with_the_provider_killed_meanwhile_all_is_accounted_for(stage: Stage) -> None:
    begin(stage, messages=FEW)
    crowd = Crowd(stage, seed=TIMES)
    strikes = [disasters.provider_killed]
    play(stage, crowd, messages=FEW, strikes=strikes, times=FEW_TIMES, seconds=SECONDS_MAX)
    states = disasters.check_accounts(stage, messages=FEW)
    assert crowd.deaths == 0
    assert states["unknown"] <= BY_ITSELF + ALONE * FEW_TIMES
    crowd.end()


def test_with_clocks_set_and_no_room_for_notes_meanwhile_all_is_accounted_for(
    stage: Stage,
) -> None:
    stage.step_clock(HOUR)
    begin(stage, messages=FEW)
    crowd = Crowd(stage, seed=TIMES, failpoints=f"full:spool_begin:{FEW_TIMES / FEW},seed={TIMES}")
    strikes = [disasters.clock_stepped]
    play(stage, crowd, messages=FEW, strikes=strikes, times=FEW_TIMES, seconds=SECONDS_MAX)
    states = disasters.check_accounts(stage, messages=FEW)
    assert crowd.deaths == 0
    assert states["unknown"] <= BY_ITSELF
    assert any("No space left on device" in sender.said() for sender in crowd.senders)
    crowd.end()


def test_with_the_disk_full_meanwhile_all_is_accounted_for(
    small_disk_stage: tuple[Stage, SmallDisk, Place],
) -> None:
    stage, disk, place = small_disk_stage
    begin(stage, messages=FEW)
    crowd = Crowd(stage, seed=TIMES)
    strikes = [disasters.disk_full(disk, place)]
    play(stage, crowd, messages=FEW, strikes=strikes, times=FEW_TIMES, seconds=SECONDS_MAX)
    states = disasters.check_accounts(stage, messages=FEW)
    assert crowd.deaths == 0
    assert states["unknown"] <= BY_ITSELF
    crowd.end()


@long_only
def test_with_all_of_it_at_once_no_message_is_lost_and_none_is_sent_twice(fragile_stage: Stage, server: Place) -> None:
    stage = fragile_stage
    stage.step_clock(HOUR)
    begin(stage, messages=MESSAGES)
    crowd = Crowd(stage, seed=TIMES, kills=TIMES, failpoints=f"full:spool_begin:0.0005,seed={TIMES}")
    strikes = [
        disasters.database_killed(server), disasters.provider_killed, disasters.clock_stepped, disasters.receiver_killed
    ]  # fmt: skip
    play(stage, crowd, messages=MESSAGES, strikes=strikes, times=TIMES, seconds=2 * SECONDS_MAX)
    states = disasters.check_accounts(stage, messages=MESSAGES)
    assert crowd.deaths >= TIMES
    assert states["unknown"] <= BY_ITSELF + 30 * crowd.deaths + ALONE * TIMES
    crowd.end()
