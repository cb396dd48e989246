"""Secrets of other systems, sealed: a fresh data key each, itself sealed by a key of this installation.

Both layers are AES-256-GCM (NIST SP 800-38D) with fresh 96-bit nonces; what a secret is about is bound into both as
associated data, so that a sealed secret put into another row does not open. The installation's keys are files
(tocsin.staff.keyring, docs/explanation/secrets.md).

A sealed secret is ``TCSEAL1`` | 8 bytes naming the installation's key | nonce | sealed data key | nonce | sealed text.
Of many values sealed together (``Sealing``: ``TCSEAL2``, the same form) the data key is one and bound to their purpose,
each text to the purpose and its row.

When the installation's key is rotated, only data keys are sealed anew. The text stays as it is, bound to the key of its
birth, whose name then follows the data key: ``TCSEAL3`` (of one), ``TCSEAL4`` (of many) | 8 bytes naming the key |
nonce | sealed data key | 8 bytes naming the first key | nonce | sealed text.
"""

import os
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from typing import NamedTuple, TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tocsin.kernel.language import gettext as _
from tocsin.staff import keyring
from tocsin.staff.errors import KeyChanged, SealBroken, SealedByAnotherKey, SealKeyMissing

MAGIC = b"TCSEAL1"
MAGIC_OF_MANY = b"TCSEAL2"
_MOVED = {MAGIC: b"TCSEAL3", MAGIC_OF_MANY: b"TCSEAL4"}
_BORN = {moved: born for born, moved in _MOVED.items()}
_NAME_BYTES, _NONCE_BYTES, _KEY_BYTES, _TAG_BYTES = keyring.NAME_BYTES, 12, 32, 16
_WRAPPED_BYTES = _NONCE_BYTES + _KEY_BYTES + _TAG_BYTES
_HEAD_BYTES = len(MAGIC) + _NAME_BYTES
_PREFIX_BYTES = _HEAD_BYTES + _WRAPPED_BYTES
BEGINNING_BYTES_MAX = _PREFIX_BYTES + _NAME_BYTES  # of a sealed value: all that is not its text
_VALUES_A_KEY_MAX = 1 << 20  # far below the 2^32 that random nonces allow one key (NIST SP 800-38D, section 8.3)
_UNSEALED_KEYS_MAX = 4096
_TRIES_MAX = 3
_LOOKED_SECONDS = 1.0  # a new key seals everywhere after so long at most
T = TypeVar("T")


def seal(plain: bytes, *, about: str) -> bytes:
    """Seal a secret; it opens only with this installation's key and for the same ``about``."""
    sealing = keyring.current()
    data_key = AESGCM.generate_key(bit_length=8 * _KEY_BYTES)
    head = MAGIC + keyring.name_of(sealing)
    return head + _encrypted(sealing, data_key, bound=head, about=about) + _encrypted(
        data_key, plain, bound=head, about=about
    )  # fmt: skip


def unseal(sealed: bytes, *, about: str) -> bytes:
    """Open a sealed secret.

    Raises SealKeyMissing when the key that sealed it is not there, SealBroken when what was sealed was changed or is
    about something else.
    """
    head, born, body = _parts(sealed, of=MAGIC)
    if len(body) < _NONCE_BYTES + _TAG_BYTES:
        raise _broken(about)
    sealing = keyring.opening(key_name(head))
    try:
        data_key = _decrypted(sealing, sealed[_HEAD_BYTES:_PREFIX_BYTES], bound=head, about=about)
        return _decrypted(data_key, body, bound=born, about=about)
    except InvalidTag as error:
        raise _broken(about) from error


def seals_now(names: Collection[bytes]) -> bool:
    """Tell whether values sealed by the keys of these names are all sealed by the one that seals at this moment."""
    return set(names) == {keyring.name_of(keyring.current())}


def opens_any(names: Collection[bytes]) -> bool:
    """Tell whether one of the keys of these names is there. Raises SealKeyMissing when the one that seals is not."""
    for name in names:
        with suppress(SealedByAnotherKey):
            keyring.opening(name)
            return True
    return False


def key_name(sealed: bytes) -> bytes:
    """Return the name of the key that sealed a value."""
    return sealed[len(MAGIC) : _HEAD_BYTES]


def moved(beginning: bytes, *, about: str) -> tuple[bytes, bytes]:
    """Return how a sealed value begins now, and how it begins once its data key is sealed by the key that seals.

    ``beginning`` is its first ``BEGINNING_BYTES_MAX`` bytes, ``about`` what the data key is bound to: of many values
    their purpose. The text after the beginning stays as it is. Raises as ``unseal`` does.
    """
    magic = beginning[: len(MAGIC)]
    born = _BORN.get(magic, magic)
    if born not in _MOVED or len(beginning) < BEGINNING_BYTES_MAX:
        raise _broken(about)
    before = beginning[: _PREFIX_BYTES if magic == born else BEGINNING_BYTES_MAX]
    return before, _moved(keyring.place(), keyring.stamp(), before, about)


@contextmanager
def unchanged_key() -> Iterator[None]:
    """Raise KeyChanged at the end of a block when another key began to seal since its beginning.

    What a block seals and writes must be written (not committed) when it ends. Whoever waits after a rotation for all
    who were writing then has so seen everything that is sealed by the key before: it may be removed.
    """
    try:
        before = _look().again(keyring.place())  # what is sealed from here on knows at least this
    except SealKeyMissing:
        keyring.current()  # made in an installation that never had one
        before = _look().again(keyring.place())
    yield
    if keyring.stamp() != before:
        raise KeyChanged(
            _("The key that seals was changed at this moment, and nothing was written."), mend=_("Do it again.")
        )


def again_with_new_key(write: Callable[[], T]) -> T:
    """Do what seals and writes all or nothing; again when the key changed meanwhile, and return what it returns."""
    for _try in range(_TRIES_MAX - 1):
        try:
            return write()
        except KeyChanged:
            continue
    return write()


class Sealing:
    """Seals and opens many values of one purpose, thousands a second: one data key serves many of them.

    Safe to be shared by threads; ``about`` is what a value belongs to, the id of its row.
    """

    def __init__(self, purpose: str) -> None:
        self.purpose = purpose
        self._key: _DataKey | None = None

    def seal(self, plain: bytes, *, about: str) -> bytes:
        """Seal one value; it opens only for the same purpose and ``about``.

        Raises SealKeyMissing when the installation's key is gone, so that nothing is sealed that nobody can open.
        """
        key, place = self._key, keyring.place()
        if key is None or key.place != place or key.stamp != _look().now(place) or next(key.used) >= _VALUES_A_KEY_MAX:
            self._key = key = _fresh_key(place, purpose=self.purpose)
        nonce = os.urandom(_NONCE_BYTES)
        return key.prefix + nonce + key.cipher.encrypt(nonce, plain, key.bound + about.encode())

    def unseal(self, sealed: bytes, *, about: str) -> bytes:
        """Open one value. Raises SealKeyMissing and SealBroken as ``unseal`` does."""
        _head, born, body = _parts(sealed, of=MAGIC_OF_MANY)
        if len(body) < _NONCE_BYTES + _TAG_BYTES:
            raise _broken(f"{self.purpose} {about}")
        try:
            data_key = _unsealed_key(keyring.place(), sealed[:_PREFIX_BYTES], self.purpose)
            bound = _bound(born, purpose=self.purpose) + about.encode()
            return data_key.decrypt(body[:_NONCE_BYTES], body[_NONCE_BYTES:], bound)
        except InvalidTag as error:
            raise _broken(f"{self.purpose} {about}") from error


class _DataKey(NamedTuple):
    """A data key in use, for one installation and its key of that moment; never changed, so that threads share it."""

    place: str
    stamp: tuple[int, int]
    prefix: bytes
    bound: bytes
    cipher: AESGCM
    used: Iterator[int]


def _parts(sealed: bytes, *, of: bytes) -> tuple[bytes, bytes, bytes]:
    """Return the head of what was sealed as ``of``, the head it was born with, and its text; no text if it was not."""
    head = sealed[:_HEAD_BYTES]
    if head.startswith(of):
        return head, head, sealed[_PREFIX_BYTES:]
    if head.startswith(_MOVED[of]):
        return head, of + sealed[_PREFIX_BYTES:BEGINNING_BYTES_MAX], sealed[BEGINNING_BYTES_MAX:]
    return head, head, b""


@dataclass(slots=True)
class _Looked:
    """Which key seals, as it was seen last: looking costs more than sealing."""

    place: str = ""
    until: float = 0.0  # monotonic seconds
    stamp: tuple[int, int] = (0, 0)

    def now(self, place: str) -> tuple[int, int]:
        """Return what changes when another key seals, at most ``_LOOKED_SECONDS`` old. Raises SealKeyMissing."""
        if self.place != place or time.monotonic() > self.until:
            self.again(place)
        return self.stamp

    def again(self, place: str) -> tuple[int, int]:
        """Return it as it is at this moment."""
        stamp = keyring.stamp()
        self.place, self.stamp, self.until = place, stamp, time.monotonic() + _LOOKED_SECONDS
        return stamp


_looked = threading.local()


def _look() -> _Looked:
    """Return what this thread saw last."""
    found: _Looked | None = getattr(_looked, "at", None)
    if found is None:
        found = _looked.at = _Looked()
    return found


def _fresh_key(place: str, *, purpose: str) -> _DataKey:
    keyring.current()
    at = _look().again(place)  # before the key is read: one that changes in between is noticed with the next value
    sealing = keyring.current()
    fresh = AESGCM.generate_key(bit_length=8 * _KEY_BYTES)
    head = MAGIC_OF_MANY + keyring.name_of(sealing)
    prefix = head + _encrypted(sealing, fresh, bound=head, about=purpose)
    return _DataKey(place, at, prefix, _bound(head, purpose=purpose), AESGCM(fresh), count())


def _bound(head: bytes, *, purpose: str) -> bytes:
    return head + purpose.encode() + b"\0"


@lru_cache(maxsize=_UNSEALED_KEYS_MAX)
def _unsealed_key(_place: str, prefix: bytes, purpose: str) -> AESGCM:
    """Return the data key of many values; kept, because thousands of values share it."""
    head, wrapped = prefix[:_HEAD_BYTES], prefix[_HEAD_BYTES:]
    sealing = keyring.opening(head[len(MAGIC_OF_MANY) :])
    return AESGCM(_decrypted(sealing, wrapped, bound=head, about=purpose))


@lru_cache(maxsize=_UNSEALED_KEYS_MAX)
def _moved(_place: str, _stamp: tuple[int, int], before: bytes, about: str) -> bytes:
    """Kept, so that the many values of one data key go on sharing one."""
    head, wrapped = before[:_HEAD_BYTES], before[_HEAD_BYTES:_PREFIX_BYTES]
    first_name = before[_PREFIX_BYTES:] or key_name(head)
    try:
        data_key = _decrypted(keyring.opening(key_name(head)), wrapped, bound=head, about=about)
    except InvalidTag as error:
        raise _broken(about) from error
    sealing, magic = keyring.current(), head[: len(MAGIC)]
    fresh = _MOVED.get(magic, magic) + keyring.name_of(sealing)
    return fresh + _encrypted(sealing, data_key, bound=fresh, about=about) + first_name


def _encrypted(key: bytes, plain: bytes, *, bound: bytes, about: str) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, bound + about.encode())


def _decrypted(key: bytes, sealed: bytes, *, bound: bytes, about: str) -> bytes:
    return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], bound + about.encode())


def _broken(about: str) -> SealBroken:
    return SealBroken(
        _("A sealed secret was changed, or belongs to something else."),
        where=about,
        mend=_("Give the secret again with `tocsin connector add NAME --replace`, and find out who changed the row."),
    )
