"""Sealed envelopes and locks: libsodium through PyNaCl, nothing of our own.

An *envelope* is sealed to a public key (``crypto_box_seal``): who seals cannot open. A *lock*
is closed with a secret that stands in a link (``crypto_secretbox``). Both are versioned, padded
to a fixed size per kind, so that a length tells nothing, and bound to a context (what it is and
which row it belongs to), because neither construction has associated data of its own.
"""

from __future__ import annotations

import functools
import hmac
import json
from collections.abc import Callable
from typing import Any, NamedTuple

from nacl.bindings import crypto_box_seal_open
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox
from nacl.secret import SecretBox

VERSION = b"\x01"

CONTACT_SIZE = 512
"""Padded bytes of an address and a name to write to."""
IDENTITY_SIZE = 1024
"""Padded bytes of name, town and organisation."""
ORIGIN_SIZE = 128
"""Padded bytes of which partner's site a signature came through."""
COMMENT_SIZE = 2048
"""Padded bytes of a comment that is not public."""
PENDING_SIZE = 8192
"""Padded bytes of everything typed into a form and not yet confirmed."""
LINKS_SIZE = 320
"""Padded bytes of the two link tokens a confirmation gives away."""


_PARSER = json.JSONDecoder()


class CannotOpen(Exception):
    """Wrong key, altered, cut short, or moved from another row."""


class KeyPair(NamedTuple):
    """A private key and the public key that belongs to it, 32 bytes each."""

    private: bytes
    public: bytes


def new_pair() -> KeyPair:
    """Give a fresh X25519 pair."""
    private = PrivateKey.generate()
    return KeyPair(bytes(private), bytes(private.public_key))


def seal(public_key: bytes, content: dict[str, Any], *, context: str, size: int) -> bytes:
    """Seal ``content`` so that only the private key opens it.

    Raises ``ValueError`` where it does not fit into ``size`` bytes.
    """
    box = SealedBox(PublicKey(public_key))
    return VERSION + bytes(box.encrypt(_pack(content, context=context, size=size)))


def open_sealed(private_key: bytes, envelope: bytes, *, context: str) -> dict[str, Any]:
    """Give what was sealed for ``context``. Raises :class:`CannotOpen`."""
    public = bytes(PrivateKey(private_key).public_key)
    return _opened(KeyPair(private_key, public), envelope, context=context)


def opener(pair: KeyPair) -> Callable[..., dict[str, Any]]:
    """Give :func:`open_sealed` for one pair: a third faster, the public key is known.

    Raises ``ValueError`` where the two keys are no pair: they would open nothing.
    """
    if bytes(PrivateKey(pair.private).public_key) != pair.public:
        raise ValueError("the keys are no pair")
    return functools.partial(_opened, pair)


def _opened(pair: KeyPair, envelope: bytes, *, context: str) -> dict[str, Any]:
    try:
        packed = crypto_box_seal_open(_body(envelope), pair.public, pair.private)
        return _unpack(packed, context=context)
    except (CryptoError, ValueError, RecursionError) as error:
        raise CannotOpen("the envelope cannot be opened") from error


def lock(secret: bytes, content: dict[str, Any], *, context: str, size: int) -> bytes:
    """Lock ``content`` with a secret of 32 random bytes."""
    box = SecretBox(_derive(secret, context))
    return VERSION + bytes(box.encrypt(_pack(content, context=context, size=size)))


def unlock(secret: bytes, locked: bytes, *, context: str) -> dict[str, Any]:
    """Give what was locked for ``context``. Raises :class:`CannotOpen`."""
    box = SecretBox(_derive(secret, context))
    try:
        return _unpack(box.decrypt(_body(locked)), context=context)
    except (CryptoError, ValueError, RecursionError) as error:
        raise CannotOpen("the lock cannot be opened") from error


def context(kind: str, *rows: int) -> str:
    """Name what an envelope is and the rows it belongs to."""
    return ":".join((kind, *map(str, rows)))


def _derive(secret: bytes, purpose: str) -> bytes:
    return hmac.digest(secret, b"tracker lock v1\0" + purpose.encode(), "sha256")


def _pack(content: dict[str, Any], *, context: str, size: int) -> bytes:
    packed = json.dumps(
        {"c": context, "d": content}, ensure_ascii=False, separators=(",", ":")
    ).encode("utf-8")
    if len(packed) > size:
        raise ValueError(f"{len(packed)} bytes do not fit into {size}")
    return packed + b" " * (size - len(packed))


def _unpack(packed: bytes, *, context: str) -> dict[str, Any]:
    # Without the padding, over which the parser is slow.
    text = packed.rstrip(b" ").decode("utf-8")
    read, end = _PARSER.raw_decode(text)
    # No secret, so that the time it takes to compare may tell where they differ.
    if end != len(text) or not isinstance(read, dict) or read.get("c") != context:
        raise CannotOpen("the envelope belongs to something else")
    content = read.get("d")
    if not isinstance(content, dict):
        raise CannotOpen("the envelope holds something else")
    return content


def _body(envelope: bytes) -> bytes:
    if envelope[:1] != VERSION:
        raise CannotOpen("unknown version")
    return envelope[1:]
