"""One mailbox, one spelling; and mail always goes to the address as it was typed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.core.addresses import BadAddress, canonical, deliverable


@pytest.mark.parametrize(
    ("typed", "written_to"),
    [
        ("sara@example.org", "sara@example.org"),
        ("  sara@example.org\t", "sara@example.org"),
        ("Sara.K+petition@Example.ORG", "Sara.K+petition@example.org"),
        ("sara@münchen.example.org", "sara@xn--mnchen-3ya.example.org"),
        ("sara@xn--mnchen-3ya.example.org", "sara@xn--mnchen-3ya.example.org"),
        ("o'brien@example.org", "o'brien@example.org"),
        (f"{'a' * 64}@example.org", f"{'a' * 64}@example.org"),
    ],
)
def test_mail_goes_to_the_address_as_typed(typed: str, written_to: str) -> None:
    assert deliverable(typed) == written_to


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "sara",
        "@example.org",
        "sara@",
        "sara@@example.org",
        "sara@example",
        "sara example@example.org",
        "sara@example.org, other@example.org",
        "Sara <sara@example.org>",
        '"a b"@example.org',
        "sara@[127.0.0.1]",
        "sara@example.org\r\nBcc: other@example.org",
        "sara\x00@example.org",
        "sara\u2028@example.org",
        "sára@example.org",
        f"a@{'b' * 60}.{'c' * 60}.{'d' * 60}.{'e' * 60}.example.org",
        "sara@exa_mple.org",
        "sara@-example.org",
    ],
)
def test_what_is_no_single_address_is_refused(typed: str) -> None:
    with pytest.raises(BadAddress):
        deliverable(typed)


@given(st.text(max_size=80))
def test_whatever_is_typed_gives_a_plain_ascii_address_or_a_refusal(typed: str) -> None:
    for text in (typed, f"{typed}@example.org", f"a@{typed}.org"):
        try:
            address = deliverable(text)
        except BadAddress:
            continue
        assert address.isascii()
        assert address.count("@") == 1
        assert not set(address) & set('\r\n\0 <>,;"')
        assert deliverable(address) == address


@pytest.mark.parametrize(
    ("one", "same"),
    [
        ("A@EX.org", "a@ex.org"),
        (" a@ex.org ", "a@ex.org"),
        ("a.b+news@gmail.com", "ab@googlemail.com"),
        ("a+x@outlook.com", "a@outlook.com"),
        ("a@pm.me", "a@proton.me"),
        ("cafe\u0301@example.org", "caf\u00e9@example.org"),
    ],
)
def test_two_ways_to_write_one_mailbox_are_one_person(one: str, same: str) -> None:
    assert canonical(one) == canonical(same)


@pytest.mark.parametrize(
    ("one", "another"),
    [
        ("a+x@example.org", "a@example.org"),
        ("a.b@example.org", "ab@example.org"),
        ("a.b@outlook.com", "ab@outlook.com"),
        ("m\u0131ke@example.org", "mike@example.org"),
        ("M\u0130KE@example.org", "mike@example.org"),
        ("\u017fara@example.org", "sara@example.org"),
        ("stra\u00dfe@example.org", "strasse@example.org"),
        ("a@ex\u0131mple.org", "a@eximple.org"),
    ],
)
def test_mailboxes_of_different_people_stay_different(one: str, another: str) -> None:
    assert canonical(one) != canonical(another)


@given(st.emails())
def test_the_one_spelling_stays_what_it_is(address: str) -> None:
    assert canonical(canonical(address)) == canonical(address)
