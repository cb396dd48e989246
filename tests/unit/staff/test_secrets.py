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
