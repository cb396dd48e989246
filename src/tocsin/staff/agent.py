"""Signing with a key that ssh-agent holds (draft-miller-ssh-agent, sections 4.4 and 4.5; RFC 8709 for ssh-ed25519)."""

import os
import socket
import struct

from tocsin.kernel.language import gettext as _
from tocsin.staff.errors import AgentUnusable

_REQUEST_IDENTITIES, _IDENTITIES_ANSWER = 11, 12
_SIGN_REQUEST, _SIGN_RESPONSE = 13, 14
_ALGORITHM = b"ssh-ed25519"
ANSWER_BYTES_MAX = 256 * 1024
ANSWER_SECONDS_MAX = 60  # the person may have to touch a token or confirm in a window


def held_keys() -> list[bytes]:
    """Return the Ed25519 public keys the agent holds, 32 bytes each."""
    answer = _ask(bytes([_REQUEST_IDENTITIES]), expected=_IDENTITIES_ANSWER)
    (count,), rest = struct.unpack(">I", answer[:4]), answer[4:]
    keys = []
    for _number in range(count):
        blob, rest = _string(rest)
        _comment, rest = _string(rest)
        algorithm, key = _string(blob)
        if algorithm == _ALGORITHM:
            keys.append(_string(key)[0])
    return keys


def sign(data: bytes, *, public_key: bytes) -> bytes:
    """Return the agent's 64-byte Ed25519 signature over ``data``."""
    blob = _packed(_ALGORITHM) + _packed(public_key)
    request = bytes([_SIGN_REQUEST]) + _packed(blob) + _packed(data) + struct.pack(">I", 0)
    signature, _rest = _string(_ask(request, expected=_SIGN_RESPONSE))
    algorithm, raw = _string(signature)
    if algorithm != _ALGORITHM:
        raise _unusable(_("it signed with another kind of key"))
    return _string(raw)[0]


def _ask(message: bytes, *, expected: int) -> bytes:
    path = os.environ.get("SSH_AUTH_SOCK", "")
    if not path:
        raise _unusable(_("SSH_AUTH_SOCK is not set"))
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
            channel.settimeout(ANSWER_SECONDS_MAX)
            channel.connect(path)
            channel.sendall(_packed(message))
            (length,) = struct.unpack(">I", _exactly(channel, 4))
            if not 0 < length <= ANSWER_BYTES_MAX:
                raise _unusable(_("its answer has an impossible length"))
            answer = _exactly(channel, length)
    except OSError as error:
        raise _unusable(str(error)) from error
    if answer[0] != expected:
        raise _unusable(_("it does not hold the key, or it was not allowed"))
    return answer[1:]


def _exactly(channel: socket.socket, count: int) -> bytes:
    received = b""
    while len(received) < count:
        piece = channel.recv(count - len(received))
        if not piece:
            raise _unusable(_("it hung up"))
        received += piece
    return received


def _packed(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _string(data: bytes) -> tuple[bytes, bytes]:
    """Split the first string (RFC 4251, section 5) from what follows it."""
    if len(data) < 4:
        raise _unusable(_("its answer is cut off"))
    (length,) = struct.unpack(">I", data[:4])
    if len(data) < 4 + length:
        raise _unusable(_("its answer is cut off"))
    return data[4 : 4 + length], data[4 + length :]


def _unusable(reason: str) -> AgentUnusable:
    return AgentUnusable(
        _("The ssh-agent could not be used: {reason}.").format(reason=reason),
        where="SSH_AUTH_SOCK",
        mend=_("Start one with `eval $(ssh-agent)` and add an Ed25519 key with `ssh-add`."),
    )
