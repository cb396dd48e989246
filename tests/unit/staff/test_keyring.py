"""The files of the keys that seal: rotated in steps of which each leaves the folder whole."""

import errno
import os
import stat
import threading
from pathlib import Path

import pytest

from tocsin.kernel import home
from tocsin.staff import keyring, secrets
from tocsin.staff.errors import KeyUnusable, SealedByAnotherKey, SealKeyMissing
from tocsin.staff.values import KeyUse

ABOUT = "connected system 1"
FOR_ROOT_ALONE = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to others")


def uses() -> list[KeyUse]:
    return [key.use for key in keyring.held()]


def test_the_first_key_is_made_when_something_is_sealed():
    assert keyring.held() == ()
    secrets.seal(b"x", about=ABOUT)
    (key,) = keyring.held()
    assert (key.use, key.is_private, key.path) == (KeyUse.SEALS, True, home.data_home() / "keys" / "secrets")


def test_a_key_is_named_without_being_told():
    key = keyring.current()
    assert keyring.name_of(key) not in key
    assert len(keyring.held()[0].name) == 16


def test_after_a_switch_the_new_key_seals_and_both_open():
    before = secrets.seal(b"before", about=ABOUT)
    following = keyring.prepare()
    assert uses() == [KeyUse.SEALS, KeyUse.NEXT]
    assert keyring.switch().name == following.name
    assert uses() == [KeyUse.SEALS, KeyUse.OPENS]
    since = secrets.seal(b"since", about=ABOUT)
    assert secrets.key_name(since).hex() == following.name != secrets.key_name(before).hex()
    assert [secrets.unseal(each, about=ABOUT) for each in (before, since)] == [b"before", b"since"]
    assert all(each.is_private for each in keyring.held())


def test_the_next_key_opens_before_it_seals_so_that_machines_can_switch_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    keyring.current()
    keyring.prepare()
    ours = home.home_path()
    theirs = tmp_path / "other machine"
    (theirs / "keys").mkdir(parents=True)
    for path in (ours / "keys").iterdir():
        (theirs / "keys" / path.name).write_bytes(path.read_bytes())
    monkeypatch.setenv("TOCSIN_HOME", str(theirs))
    keyring.switch()
    sealed = secrets.seal(b"by the next key", about=ABOUT)
    monkeypatch.setenv("TOCSIN_HOME", str(ours))
    assert secrets.unseal(sealed, about=ABOUT) == b"by the next key"


def test_many_values_are_sealed_by_the_new_key_within_a_second_and_in_a_block_at_once(monkeypatch: pytest.MonkeyPatch):
    sealing = secrets.Sealing("message body")
    before = sealing.seal(b"hola", about="0")
    keyring.prepare()
    keyring.switch()
    with secrets.unchanged_key():
        at_once = sealing.seal(b"hola", about="0")
    assert secrets.key_name(at_once) != secrets.key_name(before)
    keyring.prepare()
    keyring.switch()
    monkeypatch.setattr(secrets.time, "monotonic", lambda: 1e12)
    assert secrets.key_name(sealing.seal(b"hola", about="0")).hex() == keyring.held()[0].name
    assert sealing.unseal(before, about="0") == b"hola"


def test_what_is_moved_opens_for_the_same_row_and_purpose_alone():
    sealing = secrets.Sealing("message body")
    one, many = secrets.seal(b"horse", about=ABOUT), sealing.seal(b"hola", about="0")
    keyring.prepare()
    keyring.switch()
    (older,) = (key.name for key in keyring.held() if key.use is KeyUse.OPENS)
    moved = []
    for sealed, about in ((one, ABOUT), (many, "message body")):
        before, fresh = secrets.moved(sealed[: secrets.BEGINNING_BYTES_MAX], about=about)
        assert sealed.startswith(before)
        moved.append(fresh + sealed[len(before) :])
    with pytest.raises(secrets.SealBroken):
        secrets.moved(many[: secrets.BEGINNING_BYTES_MAX], about="another purpose")
    keyring.remove(older)
    assert secrets.unseal(moved[0], about=ABOUT) == b"horse"
    assert sealing.unseal(moved[1], about="0") == b"hola"
    for place in range(len(moved[0])):
        changed = bytearray(moved[0])
        changed[place] ^= 1
        with pytest.raises((secrets.SealBroken, SealKeyMissing)):
            secrets.unseal(bytes(changed), about=ABOUT)
    with pytest.raises(secrets.SealBroken):
        secrets.unseal(moved[0], about="another")
    with pytest.raises(secrets.SealBroken):
        sealing.unseal(moved[1], about="1")


def test_no_key_is_made_over_the_loss_of_one():
    sealed = secrets.seal(b"x", about=ABOUT)
    (keyring.folder() / "secrets").unlink()
    sealing = secrets.Sealing("message body")
    for seal in (lambda: secrets.seal(b"y", about=ABOUT), lambda: sealing.seal(b"y", about="0")):
        with pytest.raises(SealKeyMissing) as raised:
            seal()
        assert "--lost" in raised.value.mend
    assert not (keyring.folder() / "secrets").exists()
    keyring.begin()
    secrets.seal(b"y", about=ABOUT)
    with pytest.raises(SealedByAnotherKey):
        secrets.unseal(sealed, about=ABOUT)


def test_a_process_that_runs_seals_nothing_once_its_key_is_lost(monkeypatch: pytest.MonkeyPatch):
    sealing = secrets.Sealing("message body")
    sealing.seal(b"hola", about="0")
    (keyring.folder() / "secrets").unlink()
    monkeypatch.setattr(secrets.time, "monotonic", lambda: 1e12)
    with pytest.raises(SealKeyMissing):
        sealing.seal(b"hola", about="0")


def test_a_key_that_is_brought_back_opens_under_whatever_name(tmp_path: Path):
    sealed = secrets.seal(b"x", about=ABOUT)
    path = keyring.folder() / "secrets"
    path.rename(keyring.folder() / "secrets.from the backup of May")
    keyring.begin()
    assert secrets.unseal(sealed, about=ABOUT) == b"x"


def test_keys_kept_elsewhere_are_never_made_there_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TOCSIN_SECRETS_KEYS", str(tmp_path / "credentials"))
    with pytest.raises(SealKeyMissing):
        secrets.seal(b"x", about=ABOUT)
    (tmp_path / "credentials").mkdir()
    with pytest.raises(SealKeyMissing):  # not mounted yet, perhaps
        secrets.seal(b"x", about=ABOUT)
    (tmp_path / "credentials" / "secrets").write_bytes(bytes(32))
    assert secrets.unseal(secrets.seal(b"x", about=ABOUT), about=ABOUT) == b"x"
    assert not (home.home_path() / "keys" / "secrets").exists()


def test_keys_that_systemd_loads_as_a_folder_of_credentials_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    before = secrets.seal(b"before", about=ABOUT)
    keyring.prepare()
    keyring.switch()
    keyring.prepare()
    since = secrets.seal(b"since", about=ABOUT)
    for path in keyring.folder().iterdir():  # LoadCredential=keys:FOLDER names them so
        (tmp_path / f"keys_{path.name}").write_bytes(path.read_bytes())
        (tmp_path / f"keys_{path.name}").chmod(0o440)
    (tmp_path / "keys_journal").write_bytes(bytes(32))
    found = [(key.name, key.use) for key in keyring.held()]
    monkeypatch.setenv("TOCSIN_SECRETS_KEYS", f"{tmp_path}/keys_")
    assert [(key.name, key.use) for key in keyring.held()] == found
    assert all(key.is_private for key in keyring.held())
    assert [secrets.unseal(each, about=ABOUT) for each in (before, since)] == [b"before", b"since"]
    assert secrets.key_name(secrets.seal(b"x", about=ABOUT)).hex() == found[0][0]


def test_a_rehearsal_has_keys_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TOCSIN_SECRETS_KEYS", str(tmp_path))
    with home.elsewhere(tmp_path / "rehearsal"):
        assert keyring.folder() == tmp_path / "rehearsal" / "keys"
        assert keyring.place() == f"{tmp_path}/rehearsal/keys/secrets"
    assert keyring.place() == f"{tmp_path}/secrets"


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("TOCSIN_SECRETS_KEYS", str(tmp_path / "file" / "keys"))
    with pytest.raises((KeyUnusable, SealKeyMissing)) as raised:
        keyring.prepare()
    assert raised.value.mend


def test_a_disk_that_is_full_leaves_the_keys_as_they_were(monkeypatch: pytest.MonkeyPatch):
    sealed = secrets.seal(b"x", about=ABOUT)
    before = sorted(path.name for path in keyring.folder().iterdir())

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(KeyUnusable, match="No space left"):
        keyring.prepare()
    assert sorted(path.name for path in keyring.folder().iterdir()) == before
    assert secrets.unseal(sealed, about=ABOUT) == b"x"


def test_a_damaged_key_is_said_and_not_replaced():
    keyring.current()
    path = keyring.folder() / "secrets"
    path.write_bytes(b"short")
    with pytest.raises(SealKeyMissing, match="damaged"):
        secrets.seal(b"x", about=ABOUT)
    assert (keyring.unusable(), path.read_bytes()) == ((path,), b"short")


def test_a_key_others_may_read_is_noticed():
    keyring.current()
    (keyring.folder() / "secrets").chmod(0o640)
    assert not keyring.held()[0].is_private


@FOR_ROOT_ALONE
def test_a_key_root_makes_belongs_to_whom_the_one_before_belongs():
    keyring.current()
    os.chown(keyring.folder() / "secrets", 12345, 23456)
    keyring.prepare()
    found = (keyring.folder() / "secrets.next").stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (12345, 23456, 0o600)


def test_whoever_opens_while_keys_are_switched_finds_its_key():
    sealed = secrets.seal(b"x", about=ABOUT)
    stop, faults = threading.Event(), []

    def look() -> None:
        while not stop.is_set():
            try:
                secrets.unseal(sealed, about=ABOUT)
            except (OSError, SealKeyMissing) as error:
                faults.append(error)

    threads = [threading.Thread(target=look) for _each in range(2)]
    for thread in threads:
        thread.start()
    for _time in range(8):
        keyring.prepare()
        keyring.switch()
    stop.set()
    for thread in threads:
        thread.join()
    assert faults == []


def test_only_a_key_that_does_not_seal_is_removed():
    first = keyring.held() or (keyring.current() and keyring.held())
    keyring.remove(first[0].name)
    assert uses() == [KeyUse.SEALS]
    keyring.prepare()
    keyring.switch()
    keyring.remove(first[0].name)
    assert uses() == [KeyUse.SEALS]
