"""Six digits: drawn, typed in any script, and a lock that needs the page's key as well."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.confirmations import codes
from tracker.core import tokens

TOKEN, KEY, ROW = bytes(range(32)), bytes(range(32, 64)), (7, 11)


def test_codes_are_six_digits_and_begin_with_a_nought_too() -> None:
    drawn = [codes.new_code() for _ in range(2000)]
    assert all(codes.is_code(code) for code in drawn)
    assert len({code[0] for code in drawn}) == 10
    assert len(set(drawn)) > 1900


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("012345", "012345"),
        (" 012 345\t", "012345"),
        ("012-345", "012345"),
        ("012\u2013345", "012345"),
        ("\u200f012\u00a0345\u202c", "012345"),
        ("٠١٢٣٤٥", "012345"),
        ("۰۱۲ ۳۴۵", "012345"),
        ("０１２３４５", "012345"),
        ("०१२३४५", "012345"),
        ("01234", None),
        ("0123456", None),
        ("01234a", None),
        ("01234²", None),
        ("①②③④⑤⑥", None),
        ("012.345", None),
        ("", None),
    ],
)
def test_digits_of_any_script_are_taken_and_blanks_ignored(
    typed: str, code: str | None
) -> None:
    assert codes.spelled(typed) == code


@given(st.text(max_size=60))
def test_whatever_is_typed_is_a_code_or_nothing(typed: str) -> None:
    found = codes.spelled(typed)
    assert found is None or codes.is_code(found)


def test_only_key_code_and_row_together_open_the_token() -> None:
    locked = codes.lock_token(TOKEN, page_key=KEY, code="012345", row=ROW)
    assert len(locked) > codes.CODE_SIZE
    unlock = codes.unlock_token
    assert unlock(locked, page_key=KEY, code="012345", row=ROW) == tokens.to_text(TOKEN)
    assert unlock(locked, page_key=KEY, code="012346", row=ROW) is None
    assert unlock(locked, page_key=bytes(32), code="012345", row=ROW) is None
    assert unlock(locked, page_key=b"", code="012345", row=ROW) is None
    assert unlock(locked, page_key=KEY, code="012345", row=(7, 12)) is None
    assert unlock(None, page_key=KEY, code="012345", row=ROW) is None
    assert unlock(locked[:-1], page_key=KEY, code="012345", row=ROW) is None


@pytest.mark.parametrize(
    "content", [None, 123456, "12345", "1234567", "٠١٢٣٤٥", "12345\n", "<b>123", ["1"] * 6]
)
def test_nothing_but_six_plain_digits_gets_into_a_mail(content: object) -> None:
    assert not codes.is_code(content)
