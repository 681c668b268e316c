"""Every mail there is: three files, why it came, how to stop, and nothing from elsewhere."""

from __future__ import annotations

import datetime as dt
import re
from email import message_from_bytes, policy
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, get_template_attribute
from markupsafe import Markup

from tests.conftest import BASE_URL, environment
from tracker import paths
from tracker.alerts.models import PauseReason
from tracker.app import create_app
from tracker.campaigns.translations import Text
from tracker.core.languages import LANGUAGES
from tracker.mail.rendering import Letter, render
from tracker.settings import load
from tracker.updates.entries import ChangeEntry, Entry

FOLDER = paths.TEMPLATES / "mail"
TO_ORGANISERS = {"alerts/paused"}
"""Words to organisers about their own work: no list, so nothing to leave."""
TOKEN, MANAGE, LEAVE = "T" * 43, "M" * 43, "L" * 43


def folders() -> list[str]:
    files = [file for file in FOLDER.rglob("*") if file.is_file() and file.parent != FOLDER]
    return sorted({str(file.parent.relative_to(FOLDER)) for file in files})


def text(value: Any) -> Text:
    return Text(value, "en", "ltr", is_fallback=True)


# What any mail may be given; a template that wants more fails here: add it then.
VALUES: dict[str, Any] = {
    "title": "Free Amar Fayaz",
    "slug": "amar-fayaz",
    "token": TOKEN,
    "code": "012345",
    "manage": MANAGE,
    "headline": "Taken at night",
    "update_id": 1,
    "reason": "bounces",
    "shows": "paused",
    "entry": Entry(
        anchor="u1",
        when_label="8 November 2026",
        iso="2026-11-08",
        happened_on=dt.date(2026, 11, 8),
        headline=text("Taken at night"),
        text=text(Markup("<p>Men took him away.</p>")),
        plain=text("Men took him away."),
        changes=[
            ChangeEntry(
                name=text("Amar Fayaz"),
                label="Missing",
                tone="grave",
                certainty_label="confirmed",
            )
        ],
        sources=["a newspaper"],
        posted_label="9 November 2026",
    ),
}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    return create_app(load(environment(tmp_path_factory.mktemp("mails"))))


class Read(HTMLParser):
    """The addresses a mail's HTML names, and its visible words."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.words: list[str] = []
        self.html_attributes: dict[str, str | None] = {}
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [
            value or "" for name, value in attrs if name in {"href", "src", "action"}
        ]
        if tag == "html":
            self.html_attributes = dict(attrs)

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.words.append(data.strip())


def parts(app: Flask, template: str, language: str, **values: Any) -> tuple[str, str, str]:
    """Give subject, text and HTML of a mail."""
    letter = Letter(
        to="sara@example.org",
        language=language,
        template=template,
        message_id="1",
        list_name="amar-fayaz",
        unsubscribe=None if template in TO_ORGANISERS else LEAVE,
        values={**VALUES, **values},
    )
    with app.app_context():
        message: Any = message_from_bytes(render(letter), policy=policy.default)
    plain, html = message.get_body(("plain",)), message.get_body(("html",))
    bare = plain.get_content().replace("\r\n", "\n")
    return str(message["Subject"]), bare, html.get_content()


def test_there_are_mails() -> None:
    assert {"signatures/confirm", "signatures/already", "alerts/update"} <= set(folders())


@pytest.mark.parametrize("template", folders())
def test_a_mail_is_three_files(template: str) -> None:
    files = {file.name for file in (FOLDER / template).iterdir()}
    assert files == {"subject.txt", "body.txt", "body.html"}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("template", folders())
def test_a_mail_says_why_it_came_and_how_to_stop(
    app: Flask, template: str, language: str
) -> None:
    subject, plain, html = parts(app, template, language)
    leave = f"{BASE_URL}/{language}/unsubscribe/{LEAVE}"
    assert subject.strip()
    assert "\n" not in subject
    above, _, foot = plain.partition("\n-- \n")
    assert len(above.split()) > 5
    read = Read(html)
    if template in TO_ORGANISERS:
        assert "unsubscribe" not in plain + html, "an organiser's own work is no list"
        why = foot.partition("\n")[0].strip()
    else:
        why = foot[: foot.index(leave)].rpartition("\n")[0].strip()
        assert leave in read.links
    assert len(why.split()) > 5
    assert read.html_attributes["lang"] == language
    assert read.html_attributes["dir"] == ("rtl" if language in {"ar", "ur"} else "ltr")
    assert why.split("http")[0].strip() in " ".join(read.words)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("template", folders())
def test_a_mail_fetches_nothing_and_leads_nowhere_but_to_us(
    app: Flask, template: str, language: str
) -> None:
    subject, plain, html = parts(app, template, language)
    read = Read(html)
    assert not read.tags & {"img", "link", "script", "iframe", "form", "object", "video", "svg"}
    assert all(link.startswith(f"{BASE_URL}/{language}/") for link in read.links)
    assert not re.search(r"url\(|@import|@font-face|background=", html)
    for found in re.findall(r"\w+://[^\s<>\"']+", subject + plain):
        assert found.startswith(f"{BASE_URL}/{language}/")


@pytest.mark.parametrize(
    "reason", [*(one.value for one in PauseReason), "superseded", "expired", "done"]
)
def test_a_mail_to_organisers_says_why_an_alert_rests_and_what_to_do(
    app: Flask, reason: str
) -> None:
    subject, plain, html = parts(
        app,
        "alerts/paused",
        "en",
        reason=reason,
        shows=reason if reason in {"superseded", "expired", "done"} else "paused",
    )
    with app.test_request_context():
        words = why_paused(reason)
    assert words
    assert words in plain
    assert words in html
    assert "Taken at night" in subject
    assert f"{BASE_URL}/en/organise/campaigns/amar-fayaz/updates/1" in plain
    assert "\n\n\n" not in plain.partition("\n-- \n")[0].rstrip()


def why_paused(reason: str) -> str:
    return str(get_template_attribute("dashboard/reasons.html", "why_paused")(reason))


@pytest.mark.parametrize("template", folders())
def test_text_and_html_of_a_mail_lead_to_the_same_pages(app: Flask, template: str) -> None:
    _, plain, html = parts(app, template, "en")
    assert set(re.findall(r"http://[^\s<>\"']+", plain)) == set(Read(html).links)


@pytest.mark.parametrize("template", folders())
def test_a_mail_to_many_carries_no_link_that_shows_what_somebody_signed(
    app: Flask, template: str
) -> None:
    if template.startswith("alerts/"):
        _, plain, html = parts(app, template, "en")
        assert MANAGE not in plain + html, "alerts get forwarded"
        assert TOKEN not in plain + html


def test_every_mail_that_the_code_names_has_its_templates() -> None:
    named: set[str] = set()
    for file in Path(paths.PACKAGE).rglob("*.py"):
        pattern = r'\b(?:template|TEMPLATE) ?= ?"([a-z_]+/[a-z_]+)"'
        named |= set(re.findall(pattern, file.read_text("utf-8")))
    assert {"alerts/update", "alerts/paused"} <= named
    assert named <= set(folders())
