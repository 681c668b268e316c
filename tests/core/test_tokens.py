"""Tokens: random, stored as a hash, one spelling each."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.core import tokens

keys = st.binary(min_size=32, max_size=32)


@given(keys)
def test_a_token_survives_the_link(token: bytes) -> None:
    text = tokens.to_text(token)
    assert len(text) == 43
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    assert tokens.from_text(text) == token


@given(keys, st.integers(0, 42), st.characters(codec="ascii"))
def test_a_token_with_one_character_altered_is_another_or_none(
    token: bytes, position: int, character: str
) -> None:
    text = tokens.to_text(token)
    altered = text[:position] + character + text[position + 1 :]
    if altered != text:
        assert tokens.from_text(altered) != token


@given(st.text(max_size=60))
def test_whatever_stands_in_a_link_is_a_token_or_nothing(text: str) -> None:
    token = tokens.from_text(text)
    assert token is None or tokens.to_text(token) == text


@pytest.mark.parametrize("text", ["", "A" * 42, "A" * 44, "+" * 43, "é" * 43, "A" * 42 + "="])
def test_what_is_no_token_is_none(text: str) -> None:
    assert tokens.from_text(text) is None


def test_two_tokens_are_never_the_same_and_256_bits_long() -> None:
    made = {tokens.new_token() for _ in range(1000)}
    assert len(made) == 1000
    assert {len(one) for one in made} == {32}


def test_a_stored_hash_does_not_contain_the_token() -> None:
    token = tokens.new_token()
    assert tokens.digest(token) == hashlib.sha256(token).digest()
    assert token not in tokens.digest(token)
