"""Envelopes and locks: shut for everybody else, tied to their row, one length per kind."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.public import PublicKey, SealedBox

from tracker.sealing import envelopes

PAIR = envelopes.new_pair()
SECRET = bytes(range(32))
HERE = envelopes.context("contact", 1, 2)

contents = st.dictionaries(
    st.sampled_from(["to", "name", "token"]), st.text(st.characters(codec="utf-8"), max_size=40)
)


def sealed(content: dict[str, object], context: str = HERE, size: int = 1024) -> bytes:
    return envelopes.seal(PAIR.public, content, context=context, size=size)


def locked(content: dict[str, object], context: str = HERE, size: int = 1024) -> bytes:
    return envelopes.lock(SECRET, content, context=context, size=size)


def opened(envelope: bytes, context: str = HERE) -> dict[str, object]:
    return envelopes.open_sealed(PAIR.private, envelope, context=context)


def unlocked(envelope: bytes, context: str = HERE, secret: bytes = SECRET) -> dict[str, object]:
    return envelopes.unlock(secret, envelope, context=context)


@given(contents)
@settings(max_examples=50, deadline=None)
def test_what_went_in_comes_out(content: dict[str, object]) -> None:
    assert opened(sealed(content)) == content
    assert unlocked(locked(content)) == content


@pytest.mark.parametrize("size", [envelopes.CONTACT_SIZE, envelopes.IDENTITY_SIZE])
def test_a_length_tells_nothing_about_the_content(size: int) -> None:
    longest = size - len(f'{{"c":"{HERE}","d":{{"to":""}}}}')
    addresses = ["", "a@b.co", "é" * 100, "x" * longest]
    for close in (sealed, locked):
        assert len({len(close({"to": one}, size=size)) for one in addresses}) == 1


def test_what_does_not_fit_is_refused_and_not_cut() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        sealed({"to": "x" * 500}, size=envelopes.CONTACT_SIZE)
    with pytest.raises(ValueError, match="do not fit"):
        locked({"to": "ع" * 250}, size=envelopes.CONTACT_SIZE)


def test_two_envelopes_of_the_same_content_differ() -> None:
    assert sealed({"to": "a@example.org"}) != sealed({"to": "a@example.org"})
    assert locked({"to": "a@example.org"}) != locked({"to": "a@example.org"})


@pytest.mark.parametrize(
    "elsewhere",
    [
        envelopes.context("contact", 1, 3),
        envelopes.context("contact", 2, 2),
        envelopes.context("identity", 1, 2),
        envelopes.context("contact", 12),
        "",
    ],
)
def test_an_envelope_moved_to_another_row_stays_shut(elsewhere: str) -> None:
    with pytest.raises(envelopes.CannotOpen):
        opened(sealed({"to": "a@example.org"}), elsewhere)
    with pytest.raises(envelopes.CannotOpen):
        unlocked(locked({"to": "a@example.org"}), elsewhere)


def test_every_altered_byte_is_noticed() -> None:
    for close, reopen in ((sealed, opened), (locked, unlocked)):
        envelope = close({"to": "a@example.org"}, size=64)
        for position in range(len(envelope)):
            altered = bytearray(envelope)
            altered[position] ^= 1
            with pytest.raises(envelopes.CannotOpen):
                reopen(bytes(altered))


@given(st.integers(min_value=0, max_value=1024))
@settings(max_examples=30, deadline=None)
def test_an_envelope_cut_short_stays_shut(length: int) -> None:
    for close, reopen in ((sealed, opened), (locked, unlocked)):
        with pytest.raises(envelopes.CannotOpen):
            reopen(close({})[:length])


def test_another_version_is_refused() -> None:
    envelope = sealed({})
    assert envelope[:1] == envelopes.VERSION
    with pytest.raises(envelopes.CannotOpen, match="version"):
        opened(b"\x02" + envelope[1:])
    with pytest.raises(envelopes.CannotOpen, match="version"):
        unlocked(b"\x00" + locked({})[1:])


def test_another_key_opens_nothing() -> None:
    stranger = envelopes.new_pair()
    with pytest.raises(envelopes.CannotOpen):
        envelopes.open_sealed(stranger.private, sealed({}), context=HERE)
    with pytest.raises(envelopes.CannotOpen):
        unlocked(locked({}), secret=bytes(32))


def test_the_public_key_and_the_token_itself_do_not_open() -> None:
    with pytest.raises(envelopes.CannotOpen):
        envelopes.open_sealed(PAIR.public, sealed({}), context=HERE)
    with pytest.raises(envelopes.CannotOpen):
        envelopes.open_sealed(SECRET, locked({}), context=HERE)


@pytest.mark.parametrize(
    "inside",
    [
        b"",
        b"null",
        b"[]",
        b'{"c":"contact:1:2"}',
        b'{"c":"contact:1:2","d":[]}',
        b'{"c":"contact:1:2","d":{}}x',
        b'{"c":"contact:1:2","d":{}}{}',
        b' {"c":"contact:1:2","d":{}}',
        b'{"c":["contact:1:2"],"d":{}}',
        b'{"c":"\\ud800","d":{}}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_an_envelope_sealed_by_a_stranger_with_nonsense_inside_is_refused(
    inside: bytes,
) -> None:
    box = SealedBox(PublicKey(PAIR.public))
    with pytest.raises(envelopes.CannotOpen):
        opened(envelopes.VERSION + box.encrypt(inside))


def test_two_keys_that_are_no_pair_are_noticed_before_anything_is_refused() -> None:
    stranger = envelopes.new_pair()
    with pytest.raises(ValueError, match="pair"):
        envelopes.opener(envelopes.KeyPair(PAIR.private, stranger.public))
    assert envelopes.opener(PAIR)(sealed({"to": "x"}), context=HERE) == {"to": "x"}
