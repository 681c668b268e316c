"""Whose matter an answer is, the mail's, the mailbox's or the relay's; and what is one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracker.mail.verdicts import (
    Garbled,
    Phase,
    Replies,
    Verdict,
    enhanced_of,
    judge,
    judge_report,
)


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize(
    ("code", "enhanced"),
    [(421, ""), (421, "4.2.1"), (454, ""), (454, "4.7.0"), (451, "4.7.1"), (452, "4.3.1")],
)
def test_a_relay_that_asks_for_less_never_fails_a_mail(
    phase: Phase, code: int, enhanced: str
) -> None:
    assert judge(phase, code, enhanced) is Verdict.SLOW_DOWN


@pytest.mark.parametrize("phase", [Phase.RCPT, Phase.DATA, Phase.BODY])
@pytest.mark.parametrize(("code", "enhanced"), [(450, ""), (451, "4.2.0"), (452, "4.2.2")])
def test_any_other_temporary_answer_is_about_this_mail(
    phase: Phase, code: int, enhanced: str
) -> None:
    assert judge(phase, code, enhanced) is Verdict.LATER


@pytest.mark.parametrize("phase", [Phase.CONNECT, Phase.MAIL])
def test_before_anybody_is_named_nobody_but_the_relay_is_at_fault(phase: Phase) -> None:
    assert judge(phase, 450, "") is Verdict.SLOW_DOWN
    assert judge(phase, 550, "5.1.1") is Verdict.RELAY
    assert judge(phase, 554, "") is Verdict.RELAY


@pytest.mark.parametrize(
    ("code", "enhanced", "verdict"),
    [
        (550, "5.1.1", Verdict.BAD_ADDRESS),
        (550, "5.1.2", Verdict.BAD_ADDRESS),
        (550, "5.1.6", Verdict.BAD_ADDRESS),
        (556, "5.1.10", Verdict.BAD_ADDRESS),
        (550, "5.2.1", Verdict.BAD_ADDRESS),
        (501, "5.1.3", Verdict.BOUNCED),
        (552, "5.2.2", Verdict.BOUNCED),
        (550, "5.1.11", Verdict.BOUNCED),
        (550, "", Verdict.BOUNCED),
        (551, "", Verdict.BOUNCED),
        (553, "", Verdict.BOUNCED),
        (550, "4.1.1", Verdict.BOUNCED),
        (554, "5.7.1", Verdict.REFUSED),
        (550, "5.7.515", Verdict.REFUSED),
        (554, "5.6.0", Verdict.REFUSED),
        (530, "5.7.0", Verdict.RELAY),
        (535, "", Verdict.RELAY),
        (503, "5.5.1", Verdict.RELAY),
    ],
)
def test_a_final_no_to_a_mailbox_is_told_apart(
    code: int, enhanced: str, verdict: Verdict
) -> None:
    assert judge(Phase.RCPT, code, enhanced) is verdict


@pytest.mark.parametrize("phase", [Phase.DATA, Phase.BODY])
@pytest.mark.parametrize("enhanced", ["", "5.1.1", "5.7.1"])
def test_a_final_no_to_the_mail_itself_suppresses_nobody(phase: Phase, enhanced: str) -> None:
    assert judge(phase, 554, enhanced) is Verdict.REFUSED
    assert judge(phase, 530, "5.7.0") is Verdict.RELAY


def test_only_a_yes_to_the_final_dot_means_sent() -> None:
    assert judge(Phase.BODY, 250, "2.0.0") is Verdict.SENT
    assert judge(Phase.BODY, 0, "") is Verdict.UNANSWERED
    assert judge(Phase.RCPT, 250, "") is not Verdict.SENT
    assert judge(Phase.BODY, 354, "") is not Verdict.SENT


@given(st.sampled_from(Phase), st.integers(-10, 1000), st.text(max_size=10))
def test_no_answer_at_all_upsets_the_judge_or_counts_as_sent_by_accident(
    phase: Phase, code: int, enhanced: str
) -> None:
    verdict = judge(phase, code, enhanced)
    assert (verdict is Verdict.SENT) == (phase is Phase.BODY and 200 <= code <= 299)
    if verdict in (Verdict.BAD_ADDRESS, Verdict.BOUNCED):
        assert phase is Phase.RCPT
        assert 500 <= code <= 599


@pytest.mark.parametrize(
    ("text", "code", "enhanced"),
    [
        (b"5.1.1 <sara@example.org> unknown", 550, "5.1.1"),
        ("5.7.515 policy", 550, "5.7.515"),
        (b" 4.7.0 later", 451, "4.7.0"),
        (b"5.1.1", None, "5.1.1"),
        (b"5.1.1\r", 550, "5.1.1"),
        (b"4.1.1 other class", 550, ""),
        (b"5.1.1234 too long", 550, ""),
        (b"5.01.1 leading zero", 550, ""),
        (b"3.1.1 no such class", None, ""),
        (b"5.1.1.1 host", 550, ""),
        (b"user 5.1.1", 550, ""),
        (b"\xd9\xa5.1.1", 550, ""),
        ("٥.1.1", 550, ""),
        (b"", 550, ""),
    ],
)
def test_an_enhanced_code_is_read_at_the_beginning_or_not_at_all(
    text: bytes | str, code: int | None, enhanced: str
) -> None:
    assert enhanced_of(text, code=code) == enhanced


@pytest.mark.parametrize(
    ("action", "status", "verdict"),
    [
        ("failed", "5.1.1", Verdict.BAD_ADDRESS),
        ("Failed", " 5.1.1", Verdict.BAD_ADDRESS),
        ("failed", "5.1.1 (no such user)", Verdict.BAD_ADDRESS),
        ("failed", "5.2.2", Verdict.BOUNCED),
        ("failed", "5.0.0", Verdict.BOUNCED),
        ("failed", "", Verdict.BOUNCED),
        ("failed", "what", Verdict.BOUNCED),
        ("failed", "5.7.1", Verdict.REFUSED),
        ("failed", "4.4.7", Verdict.LATER),
        ("failed", "2.0.0", None),
        ("delayed", "4.4.1", None),
        ("delayed", "5.1.1", None),
        ("delivered", "2.0.0", None),
        ("relayed", "5.1.1", None),
        ("expanded", "", None),
        ("", "5.1.1", None),
    ],
)
def test_a_report_is_believed_when_it_says_failed(
    action: str, status: str, verdict: Verdict | None
) -> None:
    assert judge_report(action, status) is verdict


# --- what is an answer -----------------------------------------------------------------------


def read(replies: Replies, data: bytes) -> list[tuple[int, bytes]]:
    return [(code, text.rstrip(b"\r")) for code, text in replies.feed(data)]


def test_lines_that_belong_together_are_one_answer() -> None:
    data = b"250-first\r\n250-second\r\n250 third\r\n354\r\n550-5.1.1 a\n550 5.1.1 b\n"
    assert read(Replies(), data) == [(250, b"first"), (354, b""), (550, b"5.1.1 a")]


ANSWERS = st.lists(
    st.builds(
        lambda code, texts: (code, [text.replace(b"\n", b"") for text in texts]),
        st.integers(200, 599),
        st.lists(st.binary(max_size=30), min_size=1, max_size=3),
    ),
    max_size=6,
)


@given(ANSWERS, st.lists(st.integers(1, 40), max_size=30))
def test_answers_are_the_same_however_the_network_cuts_them(
    answers: list[tuple[int, list[bytes]]], cuts: list[int]
) -> None:
    data = b"".join(
        b"%d%b%b\r\n" % (code, b" " if number == len(texts) else b"-", text)
        for code, texts in answers
        for number, text in enumerate(texts, 1)
    )
    replies, seen, rest = Replies(), [], data
    for cut in [*cuts, len(data) + 1]:
        seen += list(replies.feed(rest[:cut]))
        rest = rest[cut:]
    assert [(code, text.removesuffix(b"\r")) for code, text in seen] == [
        (code, texts[0]) for code, texts in answers
    ]
    assert not replies.is_within


@settings(max_examples=300)
@given(st.lists(st.binary(max_size=60), max_size=20))
def test_whatever_bytes_come_there_are_answers_or_garbage_and_never_more(
    pieces: list[bytes],
) -> None:
    replies = Replies()
    try:
        for piece in pieces:
            for code, _ in replies.feed(piece):
                assert 200 <= code <= 599
    except Garbled:
        pass


@pytest.mark.parametrize(
    "data",
    [
        b"banana\r\n",
        b"ban",
        b"25 ok\r\n",
        b"+25 ok\r\n",
        b"2_5 ok\r\n",
        b"199 ok\r\n",
        b"600 ok\r\n",
        b"2500 ok\r\n",
        b"250_ok\r\n",
        b"\r\n",
        b"250-one\r\n251 other\r\n",
        b"250 " + b"x" * 5_000,
        b"250 " + b"x" * 5_000 + b"\r\n",
        b"250-" + b"\r\n250-".join([b"x" * 4_000] * 20) + b"\r\n",
        b"HTTP/1.1 400 Bad Request\r\n",
    ],
)
def test_what_is_no_answer_is_garbage_and_what_came_before_it_still_counts(
    data: bytes,
) -> None:
    seen: list[int] = []
    with pytest.raises(Garbled):
        seen.extend(code for code, _ in Replies().feed(b"250 ok\r\n" + data))
    assert seen == [250]


def test_an_answer_without_end_is_not_kept_for_ever() -> None:
    replies = Replies()
    for _ in range(65):
        assert list(replies.feed(b"250-" + b"x" * 1_000 + b"\r\n")) == []
    with pytest.raises(Garbled):
        list(replies.feed(b"250-" + b"x" * 1_000 + b"\r\n"))
