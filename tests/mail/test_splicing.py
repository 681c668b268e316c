"""A frozen alert: read back as it was rendered, and nothing but an alert can be loaded."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.architecture.test_mails import VALUES
from tests.conftest import environment
from tracker.app import create_app
from tracker.core.templating import markdown
from tracker.mail import transfer
from tracker.mail.rendering import Content, put_into_words, unsubscribe_link
from tracker.mail.splicing import Frozen, NotFrozen, Slots, freeze, thaw
from tracker.mail.verp import stop_extension
from tracker.settings import load

SLOTS = Slots(
    to="sara@example.org",
    message_id="c12-5f",
    date="Sun, 08 Nov 2026 23:30:00 GMT",
    stop="S" * 42 + "c",
    stop_by_mail="a" * 52,
)
LONG_SITE = "https://solidarity-with-everybody.campaigns.federation-of-unions.example.org"
ANYTHING = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
AWKWARD = [
    "Plain words",
    ".\n..\n.hidden\n\n.",
    "From here\nFrom there\n>From nowhere",
    "=3D = =\n=20=\n",
    "one\r\ntwo\rthree\nfour\r\r\nfive",
    "blanks at the end   \ntabs\t\n   ",
    "x" * 5000,
    "é" * 3000,
    "أطلقوا سراح عمار فياض " * 50,
    "عمار فیاض کو رہا کرو " * 50,
    "İşçilere özgürlük, ığdır " * 50,
    "🕊️✊🏿👩‍👩‍👧‍👦" * 200,
    "\u2028\u2029\x0b\x0c\x85\x1c\x7f\x01",
    "%s %b %% {slot} \ue003 \ue005",
    "--=_0123456789abcdef0123456789abcdef--",
    "A" * 43 + " " + SLOTS.stop,
    "</style><img src=x> <!-- & -->",
    "words and more words " * 5000,
]


def application(folder: Path, **variables: str) -> Flask:
    return create_app(load(environment(folder, **variables)))


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    folder = tmp_path_factory.mktemp("splicing")
    return application(folder, TRACKER_RETURN_ADDRESS="back@example.org")


def alert(headline: str = "Free at last", text: str = "He is home.", **facts: Any) -> Content:
    """Content of an alert; ``text`` as Markdown in the HTML, as it is in the plain part."""
    entry = VALUES["entry"]
    entry = dataclasses.replace(
        entry,
        headline=dataclasses.replace(entry.headline, value=headline),
        text=dataclasses.replace(entry.text, value=markdown(text)),
        plain=dataclasses.replace(entry.plain, value=text),
    )
    values = {**VALUES, "entry": entry}
    return Content(
        **{"language": "en", "template": "alerts/update", "list_name": "amar", **facts},
        values=values,
    )


def frozen(app: Flask, content: Content | None = None) -> Frozen:
    with app.app_context():
        return freeze(content or alert())


def as_read(spliced: bytes) -> EmailMessage:
    """What a mail server makes of it (RFC 5321 §4.5.2), as a mail program reads it."""
    assert spliced.endswith(b"\r\n")
    lines = spliced.split(b"\r\n")
    assert not any(b"\r" in line or b"\n" in line for line in lines)
    assert b"." not in lines
    bare = b"\r\n".join(line[1:] if line.startswith(b".") else line for line in lines)
    return message_from_bytes(bare, policy=policy.default)


def texts(message: EmailMessage) -> list[str]:
    parts = [part.get_payload(decode=True) for part in message.iter_parts()]
    return [part.decode().replace("\r\n", "\n") for part in parts]


def rendered(app: Flask, content: Content, token: str) -> tuple[str, list[str]]:
    with app.app_context():
        link = unsubscribe_link(content.language, token=token)
        words = put_into_words(content, unsubscribe_url=link)
    bodies = [re.sub("\r\n|\r", "\n", text) for text in (words.text, words.html)]
    return words.subject, bodies


def check_reads_as_rendered(app: Flask, content: Content) -> None:
    spliced = frozen(app, content).splice(SLOTS)
    assert max(spliced) < 128
    head, _, body = spliced.partition(b"\r\n\r\n")
    # A stuffed dot is no part of the line.
    assert max(len(re.sub(rb"^\.\.", b".", line)) for line in body.split(b"\r\n")) <= 76
    message = as_read(spliced)
    assert (str(message["Subject"]), texts(message)) == rendered(app, content, SLOTS.stop)
    assert not message.defects
    assert len(list(message)) == 14
    assert b"\r\nTo: sara@example.org\r\n" in head


@given(headline=ANYTHING, text=ANYTHING)
@settings(max_examples=120, deadline=None)
def test_whatever_organisers_write_is_read_as_it_was_rendered(
    app: Flask, headline: str, text: str
) -> None:
    check_reads_as_rendered(app, alert(headline, text))


@pytest.mark.parametrize("language", ["en", "tr", "ar", "ur"])
@pytest.mark.parametrize("text", AWKWARD, ids=lambda text: ascii(text[:12]))
def test_awkward_texts_are_read_as_they_were_rendered(
    app: Flask, text: str, language: str
) -> None:
    check_reads_as_rendered(app, alert(text[:600], text, language=language))


def test_texts_of_a_hundred_thousand_characters_arrive(app: Flask) -> None:
    for text in ("Freedom for all of them. " * 4000, "الحرية لهم جميعا " * 6000):
        check_reads_as_rendered(app, alert("Long", text))


@pytest.mark.parametrize("encoding", ["7bit", "quoted-printable", "base64"])
@pytest.mark.parametrize("before", range(4))
@pytest.mark.parametrize("after", ["", "\n", " ", ".", "\n.\nFrom x\n"])
def test_a_link_may_stand_anywhere_in_any_encoding(
    encoding: str, before: int, after: str
) -> None:
    text = "." + "b" * before + "<MARK>" + after + " then <MARK>" + after
    pieces = transfer.encoded(text, marker="<MARK>", encoding=encoding)
    literals, gaps = transfer.without_lone_dots(["\r\n", *pieces, "\r\n"])
    made = Frozen("Subject", "en", tuple(literals), tuple(gaps)).splice(SLOTS)
    head = f"Content-Transfer-Encoding: {encoding}\r\n".encode()
    payload = as_read(head + made).get_payload(decode=True)
    wanted = text.replace("<MARK>", SLOTS.stop).replace("\n", "\r\n")
    # Here the last line end is not a boundary's; base64 has no use for it.
    assert payload.decode() == wanted + ("" if encoding == "base64" else "\r\n")


def test_two_links_without_room_between_cannot_be_frozen_in_base64() -> None:
    with pytest.raises(NotFrozen):
        transfer.encoded("<MARK><MARK>", marker="<MARK>", encoding="base64")


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Short lines\n-- \nof ASCII\n", True),
        ("x" * 77, False),
        ("é", False),
        ("From here", False),
        ("a blank at the end \nis lost", False),
        ("\x0b", False),
    ],
)
def test_only_short_lines_of_plain_ascii_travel_as_they_are(text: str, *, plain: bool) -> None:
    assert transfer.is_plain(text) is plain


def test_recipients_get_the_same_but_for_what_is_theirs(app: Flask) -> None:
    mail = frozen(app, alert("Özgür", "Freedom – الحرية " * 30))
    people = [
        Slots(
            f"{name}@people.example",
            f"id-{name}",
            SLOTS.date,
            name[0].upper() * 43,
            name[0] * 52,
        )
        for name in ("ana", "bo", "chidi")
    ]

    def without_theirs(slots: Slots) -> str:
        message = as_read(mail.splice(slots))
        whole = "\n".join([f"{k}: {v}" for k, v in message.items()] + texts(message))
        for own, name in zip(slots, Slots._fields, strict=True):
            assert own in whole or name == "date"
            whole = whole.replace(own, name)
        return whole

    assert len({without_theirs(person) for person in people}) == 1
    assert len({mail.splice(person) for person in people}) == 3


def test_the_link_to_stop_stands_in_header_text_and_html(app: Flask) -> None:
    message = as_read(frozen(app).splice(SLOTS))
    link = f"http://127.0.0.1:8000/en/unsubscribe/{SLOTS.stop}"
    text, html = texts(message)
    assert message["List-Unsubscribe"].startswith(f"<{link}>")
    assert f" {link}\n" in text
    assert f'href="{link}"' in html


def test_both_ways_to_stop_stand_on_one_line_however_long(tmp_path: Path) -> None:
    site = {"TRACKER_BASE_URL": LONG_SITE, "TRACKER_ALLOWED_HOSTS": LONG_SITE[8:]}
    app = application(tmp_path, TRACKER_RETURN_ADDRESS="back@bounces.example.org", **site)
    lines = frozen(app).splice(SLOTS).decode().split("\r\n")
    way = f"<mailto:back+s{'a' * 52}@bounces.example.org?subject=unsubscribe>"
    assert f"List-Unsubscribe: <{LONG_SITE}/en/unsubscribe/{SLOTS.stop}>, {way}" in lines
    assert "List-Unsubscribe-Post: List-Unsubscribe=One-Click" in lines


def test_without_a_return_address_there_is_no_way_to_stop_by_mail(tmp_path: Path) -> None:
    mail = frozen(application(tmp_path))
    message = as_read(mail.splice(SLOTS._replace(stop_by_mail="")))
    assert "mailto" not in message["List-Unsubscribe"]
    assert mail.splice(SLOTS) == mail.splice(SLOTS._replace(stop_by_mail=""))


def test_a_token_in_an_address_is_short_enough_and_survives_lower_case() -> None:
    assert re.fullmatch("[a-z2-7]{52}", stop_extension(bytes(range(32))))


@pytest.mark.parametrize("name", ['The "Tracker"', "Solidarität: für alle", "تضامن", "a@b.org"])
def test_the_sender_is_one_address_whatever_the_site_is_called(
    tmp_path: Path, name: str
) -> None:
    app = application(tmp_path, TRACKER_SITE_NAME=name)
    [sender] = as_read(frozen(app).splice(SLOTS))["From"].addresses
    assert (sender.display_name, sender.addr_spec) == (name, "alerts@example.org")


@pytest.mark.parametrize("content", [alert("a\0b"), alert(text="a\0b"), alert("\ud800")])
def test_what_no_mail_can_say_cannot_be_frozen(app: Flask, content: Content) -> None:
    with pytest.raises(NotFrozen):
        frozen(app, content)


def test_a_header_that_would_break_cannot_be_frozen(app: Flask) -> None:
    for name in ("amar\r\nBcc: all@example.org", "é", "x" * 990, "\ue000", "a b"):
        with pytest.raises(NotFrozen):
            frozen(app, alert(list_name=name))


def test_a_mail_too_large_to_store_cannot_be_frozen(app: Flask) -> None:
    with pytest.raises(NotFrozen):
        frozen(app, alert(text="word " * 150_000))


def test_without_a_sender_nothing_can_be_frozen(tmp_path: Path) -> None:
    app = application(tmp_path, TRACKER_MAIL_FROM="")
    with pytest.raises(NotFrozen, match="sender"):
        frozen(app)


SCRIPT = """
import pathlib, sys
from tests.mail.test_splicing import alert, application, frozen
app = application(pathlib.Path(sys.argv[1]), TRACKER_RETURN_ADDRESS="back@example.org")
print(frozen(app, alert("Özgürlük ✊", "الحرية", language="tr")).digest())
"""


def test_two_processes_freeze_the_same_bytes(tmp_path: Path, app: Flask) -> None:
    def digest(seed: str) -> str:
        command = [sys.executable, "-c", SCRIPT, str(tmp_path)]
        environ = {**os.environ, "PYTHONHASHSEED": seed}
        return subprocess.check_output(command, env=environ, text=True, timeout=120).strip()

    here = frozen(app, alert("Özgürlük ✊", "الحرية", language="tr"))
    assert {digest("1"), digest("2")} == {here.digest()}


def read(stored: bytes, **changes: str | None) -> Frozen:
    expected: dict[str, Any] = {
        "sender": "alerts@example.org",
        "domain": "example.org",
        "base_url": "http://127.0.0.1:8000",
        "return_address": "back@example.org",
    }
    return Frozen.load(stored, **{**expected, **changes})


def test_what_was_stored_is_what_was_frozen(app: Flask) -> None:
    for content in (alert(), alert("تضامن", "الحرية " * 40, language="ar")):
        mail = frozen(app, content)
        loaded = read(mail.dump())
        assert loaded == mail
        assert loaded.digest() == mail.digest()
        assert loaded.splice(SLOTS) == mail.splice(SLOTS)
        assert mail.dump().isascii()


def test_the_preview_is_what_is_sent_addressed_to_nobody(app: Flask) -> None:
    mail = frozen(app)
    shown, sent = mail.preview(), as_read(mail.splice(SLOTS))
    assert str(shown["To"]) == "name@example.org"
    assert str(shown["Subject"]) == str(sent["Subject"]) == mail.subject
    token = re.search(r"unsubscribe/(\S{43})", texts(shown)[0])
    assert token is not None
    assert [text.replace(token[1], SLOTS.stop) for text in texts(shown)] == texts(sent)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("to", ["", "sara", "a@b\r\nBcc: x@y", "a@b, c@d", "S <a@b>", "a b@c", "ü@b", "a@b\n"]),
        ("to", ["a..b@c", ".a@b", "a@-b", "a@b..c", "a" * 250 + "@b.org", "a@b (c)", "<a@b>"]),
        ("message_id", ["", "a b", "a@b", "a>", "é", "a\r\n", "\n", "x" * 65]),
        ("date", ["", "today", "Sun, 08 Nov 2026 23:30:00 GMT\r\nBcc: x@y", "Sun\n"]),
        ("stop", ["", "S" * 42, "S" * 44, "S" * 42 + "=", "S" * 42 + "é", "S" * 42 + "\n"]),
        ("stop_by_mail", ["", "a" * 51, "A" * 52, "1" * 52, "a" * 52 + "\n"]),
    ],
)
def test_a_slot_that_is_more_than_it_says_is_refused(
    app: Flask, name: str, values: list[str]
) -> None:
    mail = frozen(app)
    for value in values:
        with pytest.raises(ValueError, match="slot"):
            mail.splice(SLOTS._replace(**{name: value}))


@pytest.mark.parametrize(
    "to",
    [
        f"{'a' * 64}@{'b' * 60}.{'c' * 60}.{'d' * 55}.org",
        "o'brien+x=y@example.org",
        "%s#!$&*/?^`{|}~@xn--bcher-kva.example.org",
        "1@2.example",
    ],
)
def test_every_deliverable_address_can_be_written_to(app: Flask, to: str) -> None:
    message = as_read(frozen(app).splice(SLOTS._replace(to=to)))
    assert message["To"].addresses[0].addr_spec == to


# What an intruder who can write the database might store instead.

Change = Callable[[dict[str, Any]], None]


def swapped(old: str, new: str) -> Change:
    """One piece of text for another, in whichever literal it stands."""

    def change(stored: dict[str, Any]) -> None:
        literals = stored["literals"]
        number = next(n for n, literal in enumerate(literals) if old in literal)
        literals[number] = literals[number].replace(old, new, 1)

    return change


def gaps(**kinds: str) -> Change:
    """One kind of gap for another."""

    def change(stored: dict[str, Any]) -> None:
        for old, new in kinds.items():
            gap = next(gap for gap in stored["gaps"] if gap[0] == old)
            gap[0] = new

    return change


def field(name: str, value: Any) -> Change:
    return lambda stored: stored.update({name: value})


def added_gap(after: str, kind: str, literal: str = "") -> Change:
    """A further gap right behind some text."""

    def change(stored: dict[str, Any]) -> None:
        literals = stored["literals"]
        number = next(n for n, text in enumerate(literals) if after in text)
        before, _, rest = literals[number].partition(after)
        literals[number : number + 1] = [before + after, literal + rest]
        stored["gaps"].insert(number, [kind, "", ""])

    return change


IMAGE = '<img src=3D"https://evil.example/x">'
HOSTILE: dict[str, Change] = {
    "bare line feed": swapped("He is home.", "He is\nhome."),
    "bare carriage return": swapped("He is home.", "He is\rhome."),
    "end of mail": swapped("He is home.\r\n", "He.\r\n.\r\nMAIL FROM:<x@y.example>\r\n"),
    "line with one dot": swapped("He is home.", "He\r\n.is home."),
    "line end across a gap": swapped("\r\nDate: ", "\r\nDate: \r"),
    "NUL": swapped("He is home.", "He is\0home."),
    "eight bits": swapped("He is home.", "He is höme."),
    "marks": swapped("He is home.", "He is \ue003."),
    "escape": swapped("He is home.", "He is \x1b[2J."),
    "long line": swapped("He is home.", "x" * 999),
    "header block ended early": swapped("\r\nDate: ", "\r\n\r\nDate: "),
    "blind copy": swapped("MIME-Version", "Bcc: x@y.example\r\nMIME-Version"),
    "second To": swapped("MIME-Version", "To: x@y.example\r\nMIME-Version"),
    "more in To": swapped("\r\nSubject", ", x@y.example\r\nSubject"),
    "folded into To": swapped("\r\nSubject", ",\r\n x@y.example\r\nSubject"),
    "Sender": swapped("MIME-Version", "Sender: x@y.example\r\nMIME-Version"),
    "Resent-To": swapped("MIME-Version", "Resent-To: x@y.example\r\nMIME-Version"),
    "Reply-To": swapped("MIME-Version", "Reply-To: x@y.example\r\nMIME-Version"),
    "no List-Unsubscribe-Post": swapped(
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n", ""
    ),
    "another sender": swapped("alerts@example.org>", "x@y.example>"),
    "second sender": swapped("alerts@example.org>", "alerts@example.org>, x@y.example"),
    "sender as a name": swapped("<alerts@example.org>", "alerts@example.org <x@y.example>"),
    "sender in a comment": swapped("<alerts@", "(x) x@y.example <alerts@"),
    "another subject": swapped("Subject: ", "Subject: Buy! "),
    "another domain": swapped("@example.org>\r\nList-Id", "@y.example>\r\nList-Id"),
    "link elsewhere": swapped(
        "Unsubscribe: <http://127.0.0.1:8000", "Unsubscribe: <http://evil"
    ),
    "text link elsewhere": swapped(
        "mails: http://127.0.0.1:8000", "mails: http://evil.example"
    ),
    "text link inside another": swapped("mails: http", "mails: http://evil.example/?http"),
    "mailto inside another": swapped("<mailto:", "<mailto:x@y.example?cc="),
    "mailto to another": swapped("<mailto:back+", "<mailto:evil+"),
    "mailto elsewhere": swapped("@example.org?subject", "@y.example?subject"),
    "picture": swapped("<p ", IMAGE + "<p "),
    "style that fetches": swapped("<style>", "<style>p{background:url(//evil.example)}"),
    "hidden style that fetches": swapped(
        "margin: 0 auto", "background:u&#114;l(//evil.example)"
    ),
    "hidden attribute that fetches": swapped(
        'margin: 0 auto;"', 'background:u&#114;l(//evil.example);"'
    ),
    "link to stop that is none": swapped(
        'href=3D"http://127.0.0.1:8000/en/unsub', 'class=3D"http://127.0.0.1:8000/en/unsub'
    ),
    "background": swapped("<p ", '<p background=3D"https://evil.example" '),
    "what happens on a click": swapped("<p ", '<p onclick=3D"evil" '),
    "no Unicode": swapped("He is home.", "He is h=FFme."),
    "script": swapped("<p ", "<script>1</script><p "),
    "comment": swapped("<p ", "<!--[if mso]><p "),
    "broken tag": swapped("<p ", "<a href=3D'x'><p "),
    "link to a script": swapped('href=3D"http', 'href=3D"java&#9;script:1//http'),
    "address in the text": added_gap("He is ", "to"),
    "address token in the text": added_gap("He is ", "stop_by_mail"),
    "token in the text": added_gap("He is ", "stop"),
    "token in the sender's name": added_gap("From: ", "stop"),
    "token in the subject": added_gap("Subject: ", "stop"),
    "token behind the end": added_gap("--\r\n", "stop", "\r\n"),
    "address for Message-ID": gaps(message_id="to"),
    "token for address": gaps(to="stop"),
    "unknown gap": gaps(to="bcc"),
    "encoded otherwise": gaps(date="stop in base64"),
    "too many gaps": lambda stored: stored.update(
        gaps=stored["gaps"] + [["stop", "", ""]] * 40, literals=stored["literals"] + ["x"] * 40
    ),
    "one literal less": lambda stored: stored["literals"].pop(),
    "long neighbours": lambda stored: stored["gaps"][0].__setitem__(1, "616161"),
    "no hexadecimal": lambda stored: stored["gaps"][0].__setitem__(1, "zz"),
    "attachment": swapped('text/html; charset="utf-8"', "application/x-msdownload"),
    "third part": swapped("He is home.\r\n", "He is home.\r\n\r\n--BOUNDARY\r\n"),
    "another version": field("version", 2),
    "a version that is true": field("version", True),
    "another field": field("bcc", "x@y.example"),
    "another language": field("language", "xx"),
    "no subject": field("subject", ""),
    "subject of lines": field("subject", "a\r\nBcc: x@y.example"),
    "half a character": field("subject", "\ud800"),
    "gaps as text": field("gaps", "to"),
    "gaps as numbers": field("gaps", [1, 2]),
    "literals as object": field("literals", {"a": "b"}),
    "literals as numbers": field("literals", [1] * 8),
    "nothing": lambda stored: stored.clear(),
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_freezing_does_not_make_is_not_loaded(app: Flask, change: Change) -> None:
    stored = json.loads(frozen(app).dump())
    boundary = re.search(r"=_[0-9a-f]{32}", "".join(stored["literals"]))
    assert boundary is not None
    before = json.dumps(stored)
    change(stored)
    after = json.dumps(stored, separators=(",", ":")).replace("BOUNDARY", boundary[0])
    assert after != before.replace(", ", ",").replace(": ", ":")
    with pytest.raises(NotFrozen) as refused:
        read(after.encode())
    assert not re.search("evil|y.example|home", str(refused.value))


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"NaN",
        b'{"version":1}',
        b"[" * 200_000,
        b'{"a":' * 100_000,
        b"1" * 100_000,
        b" " * 1_000_001,
        '{"version":1}'.encode("utf-16"),
    ],
    ids=lambda stored: ascii(stored[:12]),
)
def test_what_is_no_stored_mail_is_not_loaded(stored: bytes) -> None:
    with pytest.raises(NotFrozen):
        read(stored)


def test_the_same_in_another_spelling_is_not_loaded(app: Flask) -> None:
    stored = frozen(app).dump()
    read(stored)
    for other in (stored + b" ", stored.replace(b'"version":1', b'"version":1,"version":1')):
        with pytest.raises(NotFrozen):
            read(other)


def test_a_mail_of_another_installation_is_not_loaded(app: Flask) -> None:
    stored = frozen(app).dump()
    for change in (
        {"sender": "other@example.org"},
        {"sender": "alerts@exampleXorg"},
        {"domain": "example.com"},
        {"base_url": "http://127.0.0.1:80"},
        {"base_url": "https://127.0.0.1:8000"},
        {"return_address": "other@example.org"},
        {"return_address": ""},
    ):
        with pytest.raises(NotFrozen):
            read(stored, **change)
    assert read(stored, base_url=None, return_address=None)


def test_the_worker_loads_what_its_own_settings_could_have_frozen(
    app: Flask, tmp_path: Path
) -> None:
    stored = frozen(app).dump()
    assert thaw(stored, settings=app.config["TRACKER"]).dump() == stored
    other = application(tmp_path).config["TRACKER"]
    with pytest.raises(NotFrozen):
        thaw(stored, settings=other)
    nameless = dataclasses.replace(app.config["TRACKER"], mail_from=None)
    with pytest.raises(NotFrozen, match="sender"):
        thaw(stored, settings=nameless)


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_however_a_stored_mail_is_altered_it_stays_one_mail(
    app: Flask, data: st.DataObject
) -> None:
    stored = json.loads(frozen(app).dump())
    number = data.draw(st.integers(0, len(stored["literals"]) - 1))
    literal = stored["literals"][number]
    at = data.draw(st.integers(0, len(literal)))
    piece = data.draw(
        st.sampled_from(
            ["\r", "\n", "\r\n", ".", "\r\n.", "\r\n.\r\n", "\r\n\r\n", "a", "=", "<"]
        )
    )
    stored["literals"][number] = literal[:at] + piece + literal[at:]
    try:
        mail = read(json.dumps(stored, separators=(",", ":")).encode())
    except NotFrozen:
        return
    message = as_read(mail.splice(SLOTS))
    assert message.keys() == as_read(frozen(app).splice(SLOTS)).keys()
    assert len(texts(message)) == 2
