"""A mail as it leaves: headers that survive, lines short enough, nothing smuggled in."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
import time_machine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import environment
from tracker.app import create_app
from tracker.mail.rendering import Letter, render
from tracker.settings import load

TOKEN = "U" * 43
VALUES = {
    "title": "Free Amar Fayaz",
    "slug": "amar-fayaz",
    "token": TOKEN,
    "manage": TOKEN,
    "code": "123456",
}
LONG_SITE = "https://solidarity-with-everybody.campaigns.federation-of-unions.example.org"

Rendered = Callable[..., bytes]


@pytest.fixture
def rendered(tmp_path: Path) -> Rendered:
    """Render one mail; capitals set the environment, the rest the letter."""

    def run(**changes: Any) -> bytes:
        variables = {name: changes.pop(name) for name in list(changes) if name.isupper()}
        app = create_app(load(environment(tmp_path, **variables)))
        values = {**VALUES, **changes.pop("values", {})}
        facts = {
            "to": "sara@example.org",
            "language": "en",
            "template": "signatures/confirm",
            "message_id": "1f",
            "list_name": "amar-fayaz",
            "unsubscribe": TOKEN,
        }
        with app.app_context():
            return render(Letter(**{**facts, **changes}, values=values))

    return run


def parsed(raw: bytes) -> EmailMessage:
    message = message_from_bytes(raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def head(raw: bytes) -> list[str]:
    """Give the header lines as they travel, not unfolded."""
    return raw.split(b"\r\n\r\n")[0].decode("ascii").split("\r\n")


def test_a_long_unsubscribe_link_stays_on_one_line_and_readable(rendered: Rendered) -> None:
    raw = rendered(TRACKER_BASE_URL=LONG_SITE, TRACKER_ALLOWED_HOSTS=LONG_SITE[8:])
    assert f"List-Unsubscribe: <{LONG_SITE}/en/unsubscribe/{TOKEN}>" in head(raw)
    assert "List-Unsubscribe-Post: List-Unsubscribe=One-Click" in head(raw)
    assert b"=?" not in raw.split(b"\r\n\r\n")[0]


def test_a_long_campaign_name_stays_on_one_line_too(rendered: Rendered) -> None:
    lines = head(rendered(list_name="a-campaign-" * 7 + "x"))
    assert f"List-Id: <{'a-campaign-' * 7}x.example.org>" in lines


def test_every_header_stands_once_and_is_one_we_know(rendered: Rendered) -> None:
    message = parsed(rendered())
    assert [name.lower() for name in message] == [
        "from",
        "to",
        "subject",
        "date",
        "message-id",
        "list-id",
        "list-unsubscribe",
        "list-unsubscribe-post",
        "auto-submitted",
        "x-auto-response-suppress",
        "mime-version",
        "content-type",
    ]
    assert message["Message-ID"] == "<1f@example.org>"
    assert message["List-Id"] == "<amar-fayaz.example.org>"
    assert message["Auto-Submitted"] == "auto-generated"


def test_only_a_mail_to_many_says_bulk(rendered: Rendered) -> None:
    assert parsed(rendered())["Precedence"] is None
    assert parsed(rendered(is_bulk=True))["Precedence"] == "bulk"


def test_the_date_is_universal_time_and_tells_no_time_zone(rendered: Rendered) -> None:
    with time_machine.travel(dt.datetime(2026, 11, 8, 23, 30, tzinfo=dt.UTC), tick=False):
        line = next(line for line in head(rendered()) if line.startswith("Date: "))
    assert re.fullmatch(r"Date: Sun, 08 Nov 2026 23:30:00 (\+0000|GMT)", line)
    assert parsedate_to_datetime(line[6:]).utcoffset() == dt.timedelta(0)


@pytest.mark.parametrize("language", ["en", "es", "ar"])
@pytest.mark.parametrize(
    "title",
    ["Free Amar Fayaz", "أطلقوا سراح عمار فياض " * 4, "🕊️✊🏿 " * 20, "x" * 120, "é" * 120],
)
def test_lines_are_short_and_plain_whatever_the_script(
    rendered: Rendered, title: str, language: str
) -> None:
    raw = rendered(values={"title": title}, language=language)
    assert max(raw) < 128, "seven bits only"
    assert not set(raw.replace(b"\r\n", b"")) & set(b"\r\n")
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998
    body = raw.split(b"\r\n\r\n", 1)[1]
    assert max(len(line) for line in body.split(b"\r\n")) <= 78
    message = parsed(raw)
    assert " ".join(title.split()) in " ".join(message["Subject"].split())
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert title.split(maxsplit=1)[0] in plain.get_content()
    assert title.split(maxsplit=1)[0] in html.get_content()


@given(st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=120))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_subject_arrives_as_it_was_written(rendered: Rendered, title: str) -> None:
    subject = str(parsed(rendered(values={"title": title}))["Subject"])
    wanted = " ".join(f"Please confirm your signature: {title}".split())
    assert " ".join(subject.split()) == wanted


BREAKS = ["\r\n", "\n", "\r", "\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x00"]


@pytest.mark.parametrize("end", BREAKS, ids=ascii)
def test_a_line_end_in_a_title_makes_no_header(rendered: Rendered, end: str) -> None:
    try:
        raw = rendered(values={"title": f"Free{end}Bcc: all@example.org{end}{end}<b>x</b>"})
    except ValueError:
        return
    message = parsed(raw)
    assert message["Bcc"] is None
    assert len(list(message)) == 12
    assert "\n" not in message["Subject"]
    assert not any(line.startswith("Bcc") for line in head(raw))


@pytest.mark.parametrize("end", BREAKS, ids=ascii)
@pytest.mark.parametrize("field", ["to", "message_id", "list_name", "unsubscribe"])
def test_a_line_end_anywhere_else_is_refused_or_harmless(
    rendered: Rendered, field: str, end: str
) -> None:
    try:
        raw = rendered(**{field: f"sara@example.org{end}Bcc: all@example.org"})
    except ValueError:
        return
    assert parsed(raw)["Bcc"] is None
    assert not any(line.startswith("Bcc") for line in head(raw))


@pytest.mark.parametrize(
    "to",
    [
        "",
        "sara",
        "a@example.org, b@example.org",
        "a@example.org b@example.org",
        "Sara <a@example.org>",
        "ü@example.org",
        "a@ex\u00e4mple.org",
        "a@example.org (all)",
    ],
)
def test_a_mail_goes_to_exactly_one_plain_address(rendered: Rendered, to: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - several kinds, none may be rendered
        rendered(to=to)


@pytest.mark.parametrize(
    "to",
    [
        f"{'a' * 64}@{'b' * 60}.{'c' * 60}.{'d' * 55}.org",
        "o'brien+x=y@example.org",
        "a.very-long_address.of-somebody+campaigns@mail.department.university.example.org",
        "%s#!$&*/?^`{|}~@example.org",
    ],
)
def test_the_longest_address_is_not_torn_apart(rendered: Rendered, to: str) -> None:
    raw = rendered(to=to)
    assert parsed(raw)["To"].addresses[0].addr_spec == to
    assert f"To: {to}" in head(raw)


@pytest.mark.parametrize(
    "name",
    ["Free them, now", 'The "Tracker"', "Solidarität: für alle", "تضامن", "a@b.org", "x" * 60],
)
def test_the_sender_is_one_address_whatever_the_site_is_called(
    rendered: Rendered, name: str
) -> None:
    raw = rendered(TRACKER_SITE_NAME=name)
    [sender] = parsed(raw)["From"].addresses
    assert (sender.display_name, sender.addr_spec) == (name, "alerts@example.org")


def test_text_comes_first_and_nothing_is_wrapped_around_the_two(rendered: Rendered) -> None:
    message = parsed(rendered())
    assert message.get_content_type() == "multipart/alternative"
    parts = [part.get_content_type() for part in message.iter_parts()]
    assert parts == ["text/plain", "text/html"]


def test_what_organisers_write_is_escaped_in_the_html_and_bare_in_the_text(
    rendered: Rendered,
) -> None:
    message = parsed(rendered(values={"title": "<b>Free</b> & 'safe'"}))
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert "<b>Free</b> & 'safe'" in plain.get_content()
    assert "<b>" not in html.get_content()


def test_two_mails_of_one_delivery_carry_the_same_id(rendered: Rendered) -> None:
    assert parsed(rendered())["Message-ID"] == parsed(rendered(language="ar"))["Message-ID"]


def test_links_carry_the_readers_language(rendered: Rendered) -> None:
    for language in ("en", "es", "ar"):
        text = rendered(language=language).decode()
        links = re.findall(r"http://127\.0\.0\.1:8000/(\w+)/", text.replace("=\r\n", ""))
        assert set(links) <= {language}
        assert parsed(rendered(language=language))["List-Unsubscribe"].startswith(
            f"<http://127.0.0.1:8000/{language}/unsubscribe/"
        )
