"""Numbers on paper: read in any hand, and a slip of the pen is found."""

from __future__ import annotations

from itertools import combinations

import pytest

from tracker.campaigns.batches import ALPHABET, is_batch, new_batch, normal


def test_no_two_numbers_are_the_same_and_all_are_ours() -> None:
    drawn = {new_batch() for _ in range(2000)}
    assert len(drawn) == 2000
    assert all(is_batch(one) and normal(one) == one for one in drawn)


def test_a_number_is_read_however_it_is_typed() -> None:
    one = next(one for one in iter(new_batch, "") if "0" in one and "1" in one)
    plain = one.replace("-", "")
    for typed in (
        one.lower(),
        plain,
        f"  {plain} ",
        " ".join(plain),
        one.replace("0", "O").replace("1", "l"),
        one.replace("0", "o").replace("1", "I"),
        one.replace("-", "–"),
    ):
        assert normal(typed) == one, typed


def test_one_wrong_character_is_always_found() -> None:
    for _ in range(20):
        plain = new_batch().replace("-", "")
        for at in range(len(plain)):
            for other in set(ALPHABET) - {plain[at]}:
                assert not is_batch(plain[:at] + other + plain[at + 1 :])


def test_two_characters_that_changed_places_are_always_found() -> None:
    for _ in range(50):
        plain = new_batch().replace("-", "")
        for one, other in combinations(range(len(plain)), 2):
            if plain[one] != plain[other]:
                letters = list(plain)
                letters[one], letters[other] = letters[other], letters[one]
                assert not is_batch("".join(letters))


@pytest.mark.parametrize(
    "text", ["", "-", "A" * 12, "U" * 12, "7KQ2-M9XA", "٠" * 12, "1" * 100_000, "ß" * 6, "\x00"]
)
def test_anything_else_is_none(text: str) -> None:
    assert not is_batch(text)
