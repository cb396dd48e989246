"""Sealed secrets open here, for what they are about, and nowhere else."""

import secrets as random
from pathlib import Path

import pytest

from tocsin.kernel import home
from tocsin.staff import secrets
from tocsin.staff.errors import SealBroken, SealKeyMissing

ABOUT = "connected system 1"


def test_a_sealed_secret_opens_for_what_it_is_about():
    assert secrets.unseal(secrets.seal(b"correct horse", about=ABOUT), about=ABOUT) == b"correct horse"


def test_an_empty_secret_and_a_long_one_come_back_as_they_were():
    for plain in (b"", random.token_bytes(100_000)):
        assert secrets.unseal(secrets.seal(plain, about=ABOUT), about=ABOUT) == plain


def test_a_sealed_secret_shows_nothing_and_never_repeats():
    first, second = (secrets.seal(b"correct horse", about=ABOUT) for _again in range(2))
    assert b"correct" not in first
    assert first[15:] != second[15:]


def test_a_sealed_secret_put_into_another_row_does_not_open():
    sealed = secrets.seal(b"correct horse", about=ABOUT)
    with pytest.raises(SealBroken) as raised:
        secrets.unseal(sealed, about="connected system 2")
    assert raised.value.mend
    assert "horse" not in str(raised.value)


def test_every_single_flipped_byte_is_noticed():
    sealed = secrets.seal(b"correct horse", about=ABOUT)
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises((SealBroken, SealKeyMissing)):
            secrets.unseal(bytes(changed), about=ABOUT)


def test_a_secret_cut_short_is_noticed():
    sealed = secrets.seal(b"correct horse", about=ABOUT)
    for length in range(len(sealed)):
        with pytest.raises((SealBroken, SealKeyMissing)):
            secrets.unseal(sealed[:length], about=ABOUT)


def test_a_lost_key_is_said_and_no_new_one_is_made():
    sealed = secrets.seal(b"correct horse", about=ABOUT)
    key = home.data_home() / "keys" / "secrets"
    kept = key.read_bytes()
    key.unlink()
    with pytest.raises(SealKeyMissing) as raised:
        secrets.unseal(sealed, about=ABOUT)
    assert "backup" in raised.value.mend and raised.value.where == str(key)
    assert not key.exists()
    key.write_bytes(kept)
    assert secrets.unseal(sealed, about=ABOUT) == b"correct horse"


def test_another_installation_s_key_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    sealed = secrets.seal(b"correct horse", about=ABOUT)
    monkeypatch.setenv("TOCSIN_HOME", str(tmp_path / "other"))
    secrets.seal(b"their own", about=ABOUT)
    with pytest.raises(SealKeyMissing, match="another key"):
        secrets.unseal(sealed, about=ABOUT)


def test_the_key_can_be_read_by_its_owner_only():
    secrets.seal(b"correct horse", about=ABOUT)
    assert (home.data_home() / "keys" / "secrets").stat().st_mode & 0o777 == 0o600


def test_many_values_are_sealed_with_one_data_key_and_each_opens_only_for_its_row():
    sealing = secrets.Sealing("message body")
    first, second = (sealing.seal(b"hola", about=str(n)) for n in range(2))
    assert first[:75] == second[:75]
    assert first[75:] != second[75:]
    assert b"hola" not in first
    assert secrets.Sealing("message body").unseal(first, about="0") == b"hola"
    for purpose, about in (("message body", "1"), ("intake", "0")):
        with pytest.raises(SealBroken):
            secrets.Sealing(purpose).unseal(first, about=about)


def test_a_flipped_byte_of_one_of_many_is_noticed():
    sealing = secrets.Sealing("message body")
    sealed = sealing.seal(b"hola", about="0")
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises((SealBroken, SealKeyMissing)):
            sealing.unseal(bytes(changed), about="0")


def test_another_installation_gets_a_data_key_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    sealing = secrets.Sealing("message body")
    first = sealing.seal(b"hola", about="0")
    monkeypatch.setenv("TOCSIN_HOME", str(tmp_path / "other"))
    second = sealing.seal(b"hola", about="0")
    assert first[7:15] != second[7:15]
    with pytest.raises(SealKeyMissing):
        sealing.unseal(first, about="0")


def test_the_data_key_changes_before_it_has_sealed_too_much(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(secrets, "_VALUES_A_KEY_MAX", 3)
    sealing = secrets.Sealing("message body")
    sealed = [sealing.seal(b"hola", about="0") for _time in range(8)]
    assert len({each[:75] for each in sealed}) > 1
    assert {sealing.unseal(each, about="0") for each in sealed} == {b"hola"}
