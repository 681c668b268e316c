"""Keyed hashes: the same mailbox is recognised, and nothing else is told."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies

from tracker.mail import verp
from tracker.sealing import tags

KEY, OTHER = bytes(32), bytes([1]) * 32


@pytest.mark.parametrize(
    ("one", "same"),
    [
        ("sara@example.org", "SARA@Example.ORG"),
        ("sara@example.org", " sara@example.org "),
        ("sara@gmail.com", "s.a.r.a+petition@googlemail.com"),
    ],
)
def test_one_mailbox_has_one_tag_however_it_is_written(one: str, same: str) -> None:
    assert tags.tag(KEY, one) == tags.tag(KEY, same)


def test_two_mailboxes_never_share_a_tag() -> None:
    mailboxes = [
        "sara@example.org",
        "sarah@example.org",
        "sara@example.com",
        "s.ara@example.org",
    ]
    assert len({tags.tag(KEY, one) for one in mailboxes}) == len(mailboxes)


def test_the_same_mailbox_has_nothing_in_common_under_two_campaigns() -> None:
    assert tags.tag(KEY, "sara@example.org") != tags.tag(OTHER, "sara@example.org")


def test_a_tag_a_cap_and_a_link_under_one_key_never_meet() -> None:
    address = "sara@example.org"
    made = {
        tags.tag(KEY, address),
        tags.capped(KEY, address, scope="all"),
        tags.capped(KEY, address, scope="campaign 1"),
        tags.link(KEY, purpose="manage", row=1),
        tags.link(KEY, purpose="unsubscribe", row=1),
        tags.link(KEY, purpose="manage", row=11),
    }
    assert len(made) == 6
    assert {len(one) for one in made} == {32}


def test_a_prepared_key_makes_the_same_as_the_key_itself() -> None:
    prepared, address = tags.prepared(KEY), "sara@example.org"
    for _ in range(2):  # and is not used up
        assert tags.tag(prepared, address) == tags.tag(KEY, address)
        assert tags.link(prepared, purpose="manage", row=1) == tags.link(
            KEY, purpose="manage", row=1
        )
        assert tags.mail(prepared, alert=1, row=2) == tags.mail(KEY, alert=1, row=2)
        veiled = tags.veil(prepared, 7, mac=bytes(12))
        assert tags.unveil(KEY, veiled, mac=bytes(12)) == 7


def test_a_link_that_unsubscribes_cannot_be_turned_into_one_that_shows_the_page() -> None:
    leaving = tags.link(KEY, purpose="unsubscribe", row=1)
    assert leaving != tags.link(KEY, purpose="manage", row=1)
    assert tags.link(KEY, purpose="a", row=11) != tags.link(KEY, purpose="a\x001", row=1)


@given(strategies.integers(0, 2**63 - 1), strategies.integers(0, 2**63 - 1))
def test_a_returned_mail_tells_whose_it_was_to_the_holder_of_the_key_alone(
    alert: int, row: int
) -> None:
    mac = tags.mail(KEY, alert=alert, row=row)[:12]
    veiled = tags.veil(KEY, row, mac=mac)
    assert len(veiled) == tags.ROW_BYTES
    assert tags.unveil(KEY, veiled, mac=mac) == row
    assert tags.unveil(OTHER, veiled, mac=mac) != row


def test_one_person_has_nothing_in_common_under_two_alerts() -> None:
    first, second = (
        tags.veil(KEY, 5, mac=tags.mail(KEY, alert=alert, row=5)[:12]) for alert in (1, 2)
    )
    assert first != second
    assert (5).to_bytes(8, "big") not in {first, second}


@pytest.mark.parametrize("row", [-1, -5, 2**64])
def test_what_is_no_id_is_refused(row: int) -> None:
    with pytest.raises(ValueError, match="8 bytes"):
        tags.veil(KEY, row, mac=bytes(12))


def test_a_veiled_id_has_its_place_in_a_return_address() -> None:
    assert tags.ROW_BYTES == verp.VEILED_BYTES


def test_a_bounces_name_is_not_what_mail_servers_see() -> None:
    seen = tags.mail(KEY, alert=1, row=5)
    assert tags.bounce(KEY, alert=1, row=5)[:12] not in seen
    assert tags.bounce(KEY, alert=1, row=5) != tags.bounce(KEY, alert=2, row=5)


@pytest.mark.parametrize("veiled", [b"", bytes(3), bytes(8), b"\xff" * 30])
def test_what_nobody_veiled_is_some_number(veiled: bytes) -> None:
    assert 0 <= tags.unveil(KEY, veiled, mac=b"") < 2**64
