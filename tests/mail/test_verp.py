"""A return address says which mail came back, in one spelling, and survives being retyped."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies

from tracker.mail.verp import (
    ReturnToken,
    addressed,
    bounce_address,
    bounce_token,
    stop_extension,
    stop_token,
)

OURS = "bounces@tracker.example.org"
MAC = bytes(range(12))
ROW = bytes(range(8))
ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"


def extension(address: str) -> str:
    return address.partition("@")[0].partition("+")[2]


@given(
    strategies.integers(0, 2**63 - 1),
    strategies.binary(min_size=8, max_size=8),
    strategies.binary(min_size=12, max_size=12),
)
def test_each_mail_is_found_again_by_its_return_address(
    alert_id: int, veiled: bytes, mac: bytes
) -> None:
    address = bounce_address(OURS, alert_id=alert_id, veiled=veiled, mac=mac)
    assert addressed(address, OURS) == ReturnToken(alert_id, veiled, mac)


@given(strategies.binary(min_size=32, max_size=32))
def test_each_unsubscribe_token_is_found_again_by_its_address(token: bytes) -> None:
    text = stop_extension(token)
    assert len(text) == 52
    assert set(text) <= set(ALPHABET)
    assert addressed(f"bounces+s{text}@tracker.example.org", OURS) == token


def test_the_longest_return_address_still_fits_a_local_part() -> None:
    address = bounce_address(f"{'x' * 11}@example.org", alert_id=1, veiled=ROW, mac=MAC)
    assert len(address.partition("@")[0]) <= 64


def test_a_mail_servers_change_of_case_loses_nothing() -> None:
    address = bounce_address(OURS, alert_id=77, veiled=ROW, mac=MAC)
    assert addressed(address.upper(), OURS) == ReturnToken(77, ROW, MAC)
    assert addressed(address, OURS.upper()) == ReturnToken(77, ROW, MAC)
    stop = f"Bounces+S{stop_extension(bytes(32)).upper()}@Tracker.Example.ORG"
    assert addressed(stop, OURS) == bytes(32)


def test_angle_brackets_and_blanks_around_an_address_do_not_hide_it() -> None:
    address = bounce_address(OURS, alert_id=77, veiled=ROW, mac=MAC)
    assert addressed(f"  <{address}>\r\n", OURS) == ReturnToken(77, ROW, MAC)


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a.replace("bounces+", "bounce+"),
        lambda a: a.replace("bounces+", "bounces-"),
        lambda a: a.replace("bounces+", "bounces++"),
        lambda a: a.replace("bounces+", "x+bounces+"),
        lambda a: a.replace("+b", "+c"),
        lambda a: a.replace("+b", "+"),
        lambda a: a.replace("@", "a@"),
        lambda a: a.replace("@", "=@"),
        lambda a: a.replace("@", "+x@"),
        lambda a: a.replace("@", "@@"),
        lambda a: a.replace("@", "@evil.example@"),
        lambda a: a.replace("tracker.", ""),
        lambda a: a + ".evil.example",
        lambda a: a.partition("@")[0],
        lambda a: f"Tracker <{a}>",
        lambda a: f"<<{a}>>",
        lambda a: f"{a},{a}",
        lambda a: a.replace("k", "\u212a"),  # the Kelvin sign, whose lower case is k
        lambda a: "",
        lambda a: "@",
        lambda a: "bounces+b@tracker.example.org",
        lambda a: "bounces+s@tracker.example.org",
        lambda a: OURS,
        lambda a: "x" * 1_000_000,
    ],
)
def test_any_other_address_is_not_one_of_ours(change: object) -> None:
    address = bounce_address(OURS, alert_id=77, veiled=ROW, mac=MAC)
    assert callable(change)
    assert addressed(change(address), OURS) is None


def test_no_return_address_has_no_addresses() -> None:
    assert addressed("+b" + "a" * 45, "") is None


def test_a_token_has_one_spelling_only() -> None:
    text = extension(bounce_address(OURS, alert_id=77, veiled=ROW, mac=MAC))[1:]
    spare = [text[:-1] + last for last in ALPHABET if last != text[-1]]
    accepted = [other for other in spare if bounce_token(other) is not None]
    assert len(accepted) == 15, "the last character carries four bits"
    assert all(bounce_token(other) != bounce_token(text) for other in accepted)
    for other in (text.upper(), text + "=", text[:-1], text + "a", f" {text}", "1" + text[1:]):
        assert bounce_token(other) is None
    assert stop_token(stop_extension(bytes(32)).upper()) is None
    assert stop_token("a" * 51 + "b") is None


@given(strategies.text(max_size=60))
def test_no_text_makes_the_reader_stumble(text: str) -> None:
    assert bounce_token(text) is None or len(text) == 45
    assert stop_token(text) is None or len(text) == 52
    addressed(text, OURS)


@pytest.mark.parametrize(
    ("alert_id", "veiled", "mac"),
    [
        (-1, ROW, MAC),
        (2**64, ROW, MAC),
        (0, b"", MAC),
        (0, ROW + b"x", MAC),
        (0, ROW, b"x"),
        (0, ROW, MAC * 2),
    ],
)
def test_what_does_not_fit_is_refused_and_never_cut_short(
    alert_id: int, veiled: bytes, mac: bytes
) -> None:
    with pytest.raises(ValueError, match="bytes"):
        bounce_address(OURS, alert_id=alert_id, veiled=veiled, mac=mac)


def test_an_unsubscribe_token_of_another_size_is_refused() -> None:
    for token in (b"", bytes(31), bytes(33)):
        with pytest.raises(ValueError, match="32 bytes"):
            stop_extension(token)


def test_a_number_that_no_database_holds_is_no_token() -> None:
    largest = bounce_address(OURS, alert_id=2**63 - 1, veiled=b"\xff" * 8, mac=bytes(12))
    beyond = bounce_address(OURS, alert_id=2**63, veiled=bytes(8), mac=bytes(12))
    assert addressed(largest, OURS) is not None
    assert addressed(beyond, OURS) is None
