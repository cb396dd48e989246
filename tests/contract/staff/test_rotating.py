"""The keys that seal are rotated beside everything that runs, and no value is ever left without its key."""

import os
import signal
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, transaction
from tests.contract.messaging.conftest import MONA
from tests.contract.staff.conftest import COLUMNS, PICTURE, drafts, names, places

from tocsin.journal.values import MACHINE
from tocsin.kernel import clock, failpoints, home
from tocsin.kernel.loading import lazily
from tocsin.messaging import bodies, commands as messaging, media_fetching, queries
from tocsin.staff import commands, keyring, resealing, secrets
from tocsin.staff.errors import KeyChanged, KeyNeeded, RotationUnderWay, SealedByAnotherKey

models = lazily("tocsin.messaging.models")
PLACES = ("key_prepared", "key_kept_for_opening", "key_switched", "in_resealing", "in_resealing_file",
          "before_key_removed")  # fmt: skip


def in_thread(work: Callable[[], Any]) -> threading.Thread:
    """Begin some work with a connection of its own."""

    def done() -> None:
        try:
            work()
        finally:
            connection.close()

    thread = threading.Thread(target=done)
    thread.start()
    return thread


def killed_at(place: str, work: Callable[[], Any]) -> bool:
    """Do some work in a process of its own that kills itself at a failpoint; tell whether it came there."""
    connection.close()  # each process has a connection of its own
    child = os.fork()
    if not child:
        failpoints._PLAN = failpoints._read(f"{place}@1")
        try:
            work()
        finally:
            os._exit(0)
    _child, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL


def test_after_a_rotation_everything_opens_and_the_older_key_is_gone(sealed: Any) -> None:
    (before,) = names()
    opened = sealed.opened()
    key = sealed.rotate()
    assert names() == [key, before]
    assert sealed.opened() == opened
    done = sealed.reseal()
    assert done.removed == (before,) and names() == [key]
    assert {each.what for each in done.places if each.moved} == {place.what for place in places()}
    assert sealed.sealed_by().keys() == {key}
    secrets._unsealed_key.cache_clear()
    assert sealed.opened() == opened


def test_no_column_of_sealed_values_is_forgotten(rows: None) -> None:
    tables = {
        model._meta.db_table for model in apps.get_models() if "sealed" in {field.name for field in model._meta.fields}
    }
    assert {place.table for place in places() if isinstance(place, resealing.SealedColumn)} == tables == set(COLUMNS)


def test_only_data_keys_are_sealed_anew_and_texts_stay_as_they_are(sealed: Any) -> None:
    before = {table: sealed.raw(table) for table in COLUMNS}
    file = sealed.file.read_bytes()
    for _time in range(2):  # what was moved once is moved again
        sealed.rotate()
        sealed.reseal()
    for table in COLUMNS:
        for old, new in zip(before[table], sealed.raw(table), strict=True):
            assert new[83:] == old[75:] and new[:83] != old[:83] and new[75:83] == old[7:15]
    assert file[-1000:] == sealed.file.read_bytes()[-1000:]


def test_values_that_shared_a_data_key_go_on_sharing_it(sealed: Any) -> None:
    sealed.rotate()
    sealed.reseal()
    assert len({each[:75] for each in sealed.raw("tocsin_messagebody")}) == 1


def test_the_journal_tells_of_every_key(sealed: Any) -> None:
    (before,) = names()
    sealed.rotate(reason="a laptop was stolen")
    sealed.reseal()
    (rotated, facts), (resealed, moved), (removed, lost) = sealed.journal()
    assert (rotated, facts) == ("staff.key_rotated", {"before": before})
    assert resealed == "staff.secrets_resealed" and moved["moved"]["texts of messages"] == 5 and moved["left"] == {}
    assert (removed, lost) == ("staff.key_removed", {"lost": {}})


def test_a_key_can_be_prepared_and_copied_before_it_seals(sealed: Any) -> None:
    following = commands.prepare_key(by=MONA)
    assert following.name == commands.prepare_key(by=MONA).name
    (now,) = set(sealed.sealed_by())
    sealed.queue(1, text="still the one before")
    assert set(sealed.sealed_by()) == {now}
    assert sealed.rotate() == following.name


def test_older_keys_can_be_kept_for_other_machines(sealed: Any) -> None:
    (before,) = names()
    sealed.rotate()
    assert sealed.reseal(keep=True).removed == ()
    assert before in names()
    assert sealed.rotate() == ""  # the rotation is to be ended first
    assert sealed.reseal().removed == (before,)


@pytest.mark.parametrize("place", PLACES)
def test_a_rotation_killed_anywhere_loses_nothing_and_goes_on(sealed: Any, place: str) -> None:
    opened = sealed.opened()
    (before,) = names()
    assert killed_at(place, lambda: (sealed.rotate(), sealed.reseal()))
    secrets._unsealed_key.cache_clear()
    assert sealed.opened() == opened
    if before in names() and names()[0] == before:
        assert sealed.rotate()
    sealed.reseal()
    assert len(names()) == 1 and names() != [before]
    secrets._unsealed_key.cache_clear()
    assert sealed.opened() == opened
    assert [path.name for path in home.data_home().glob("keys/.*")] == []
    assert not list(media_fetching.folder().glob(".fetching-*")) or place == "in_resealing_file"


def test_what_runs_meanwhile_takes_up_the_new_key_and_nothing_is_lost(
    sealed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    queued: list[Any] = []
    stop = threading.Event()

    def queue() -> None:
        while not stop.is_set():
            queued.extend(sealed.queue(20, text="meanwhile"))

    monkeypatch.setattr(resealing, "PAUSE_SECONDS", 0.01)
    thread = in_thread(queue)
    for _time in range(2):
        sealed.rotate()
        while not sealed.reseal().removed:
            pass
    stop.set()
    thread.join()
    sealed.rotate()
    sealed.reseal()
    assert sealed.sealed_by().keys() == {names()[0]}
    secrets._unsealed_key.cache_clear()
    assert len(queued) >= 40 and all(queries.body_of(each) for each in queued)


def test_a_key_is_not_removed_while_somebody_may_still_commit_what_it_sealed(
    sealed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (before,) = names()
    monkeypatch.setattr(resealing, "WRITERS_SECONDS_MAX", 0.3)
    written, commit = threading.Event(), threading.Event()

    def slow() -> None:
        with transaction.atomic():
            messaging.queue_messages(drafts(1, text="slow"), by=MACHINE)
            written.set()
            commit.wait(60)

    thread = in_thread(slow)
    assert written.wait(60)
    sealed.rotate()
    assert sealed.reseal().removed == ()
    commit.set()
    thread.join()
    assert before in sealed.sealed_by()
    assert sealed.reseal().removed == (before,)


def test_what_was_sealed_before_a_rotation_and_is_written_after_it_is_sealed_again(sealed: Any) -> None:
    with pytest.raises(KeyChanged), transaction.atomic(), secrets.unchanged_key():
        sealed.rotate()
    sealing = bodies.SEALING
    taken = iter([True])
    seal = sealing.seal

    def slowly(plain: bytes, *, about: str) -> bytes:
        value = seal(plain, about=about)
        if next(taken, False):
            keyring.prepare()
            keyring.switch()
        return value

    sealing.seal = slowly  # type: ignore[method-assign]
    try:
        (queued,) = sealed.queue(1, text="twice")
    finally:
        del sealing.seal  # type: ignore[method-assign]
    row = models.MessageBody.objects.get(id=queued)
    assert secrets.key_name(bytes(row.sealed)).hex() == names()[0]


def test_a_file_sealed_with_the_key_before_is_fetched_again(sealed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seal = media_fetching._sealed

    def slowly(plain: Path, id: Any) -> Any:
        got = seal(plain, id)
        sealed.rotate()
        return got

    monkeypatch.setattr(media_fetching, "_sealed", slowly)
    late = models.InboundMedia.objects.get(id=sealed.keep_file(b"late"))
    assert (late.path, late.reason) == ("", "the key changed") and late.next_try_at


def test_rows_and_files_that_somebody_holds_or_erases_are_left_to_them(sealed: Any) -> None:
    opened = sealed.opened()
    held, free = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            list(models.MessageBody.objects.select_for_update().all())
            list(models.InboundMedia.objects.select_for_update().all())
            models.WebhookIntake.objects.update(sealed=None)
            held.set()
            free.wait(60)

    thread = in_thread(hold)
    assert held.wait(60)
    sealed.rotate()
    threading.Timer(0.5, free.set).start()
    assert sealed.reseal().removed
    thread.join()
    assert models.WebhookIntake.objects.get().sealed is None
    assert sealed.opened_but("webhook") == {name: each for name, each in opened.items() if name != "webhook"}


@pytest.mark.parametrize("is_freed", [True, False])
def test_rows_that_somebody_only_reads_and_holds_are_waited_for_and_not_for_ever(
    sealed: Any, monkeypatch: pytest.MonkeyPatch, is_freed: bool
) -> None:
    """As a worker holds the webhooks it takes in, before it writes anything."""
    (before,) = names()
    held, free = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            list(models.WebhookIntake.objects.select_for_update().all())
            held.set()
            free.wait(60)

    def paused() -> None:
        if is_freed:
            free.set()
            thread.join()

    thread = in_thread(hold)
    assert held.wait(60)
    sealed.rotate()
    monkeypatch.setattr(resealing, "HELD_SECONDS_MAX", 60.0 if is_freed else 0.0)
    monkeypatch.setattr(resealing, "_pause", paused)
    done = sealed.reseal()
    left = {each.what: each.left for each in done.places if each.left}
    assert (left, done.removed) == (({}, (before,)) if is_freed else ({"bodies of webhooks": 1}, ()))
    free.set()
    thread.join()


def test_a_value_that_was_changed_is_left_and_its_key_kept(sealed: Any) -> None:
    (before,) = names()
    first, *others = sealed.messages
    row = models.MessageBody.objects.get(id=first)
    changed = bytearray(row.sealed)
    changed[30] ^= 1
    models.MessageBody.objects.filter(id=first).update(sealed=bytes(changed))
    sealed.rotate()
    done = sealed.reseal()
    texts = next(each for each in done.places if each.what == "texts of messages")
    assert (texts.moved, texts.broken, texts.left, done.removed) == (4, 1, 1, ())
    assert bytes(models.MessageBody.objects.get(id=first).sealed) == bytes(changed)
    assert all(queries.body_of(each) for each in others)
    lost = commands.give_up_key(before, places=places(), reason="the row was changed", by=MONA)
    assert lost == {"texts of messages": 1}
    assert sealed.journal()[-1] == ("staff.key_removed", {"lost": {"texts of messages": 1}})


def test_a_file_that_was_cut_off_is_left_as_it_is(sealed: Any) -> None:
    whole = sealed.file.read_bytes()
    sealed.file.write_bytes(whole[: len(whole) // 2])
    sealed.rotate()
    assert sealed.reseal().removed == ()
    assert sealed.file.read_bytes() == whole[: len(whole) // 2]
    sealed.file.write_bytes(whole)
    assert sealed.reseal().removed
    assert sealed.opened()["file"] == PICTURE


def test_what_a_key_sealed_that_is_not_there_is_counted_and_opens_when_it_is_back(sealed: Any) -> None:
    (lost,) = names()
    path = keyring.folder() / "secrets"
    content = path.read_bytes()
    path.unlink()
    commands.begin_keys(by=MONA)
    secrets._unsealed_key.cache_clear()
    assert sealed.sealed_by()[lost] == 11
    with pytest.raises(SealedByAnotherKey):
        sealed.opened()
    assert sealed.reseal().removed == ()
    (path.with_name("secrets.back")).write_bytes(content)
    assert sealed.opened()["file"] == PICTURE
    assert sealed.reseal().removed == (lost,)
    assert sealed.opened()["file"] == PICTURE


def test_two_do_not_rotate_at_once(sealed: Any) -> None:
    begun, free = threading.Event(), threading.Event()

    def other() -> None:
        with resealing.alone():
            begun.set()
            free.wait(60)

    thread = in_thread(other)
    assert begun.wait(60)
    with pytest.raises(RotationUnderWay):
        sealed.rotate()
    free.set()
    thread.join()
    assert sealed.rotate()


def test_the_key_that_seals_can_be_neither_given_up_nor_lost_while_it_is_there(sealed: Any) -> None:
    with pytest.raises(KeyNeeded):
        commands.give_up_key(names()[0], places=places(), reason="no", by=MONA)
    with pytest.raises(KeyNeeded):
        commands.begin_keys(by=MONA)


def test_webhooks_wait_for_a_key_that_is_not_there_as_long_as_a_week_and_never_fail_of_it(sealed: Any) -> None:
    path = keyring.folder() / "secrets"
    content = path.read_bytes()
    path.unlink()
    commands.begin_keys(by=MONA)
    secrets._unsealed_key.cache_clear()
    now = clock.now()
    for hours in range(12):
        with clock.fixed(now + timedelta(hours=hours, seconds=1)):
            assert messaging.take_intake(lambda *_given: ()) == 1
    assert models.WebhookIntake.objects.get().state == "waiting"
    path.with_name("secrets.back").write_bytes(content)
    with clock.fixed(now + timedelta(hours=13)):
        messaging.take_intake(lambda *_given: ())
    assert models.WebhookIntake.objects.get().state == "done"
