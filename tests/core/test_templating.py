"""Text that organisers write is shown as meant and cannot become anything else."""

from __future__ import annotations

import datetime as dt
import re
from html.parser import HTMLParser

import pytest
from flask import Flask, render_template_string
from jinja2 import UndefinedError

from tracker.core import languages
from tracker.core.templating import country, day, external_url, markdown, number


def test_the_markdown_that_is_promised_works() -> None:
    text = "# Now\n\nHe was **abducted** in *Jamshoro*.\n\n- one\n- two\n\n> they said"
    html = markdown(text)
    for part in ("<h3>Now</h3>", "<strong>abducted</strong>", "<li>two</li>", "<blockquote>"):
        assert part in html


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt&#58;alert(1))",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "[x](vbscript:x)",
        "![x](https://evil.example/pixel.png)",
        "<a href='https://x' onclick='x()'>x</a>",
        "<svg/onload=alert(1)>",
        "[x](https://x 'a\" onmouseover=alert(1) \"')",
        "<javascript:alert(1)>",
        "<style>*{display:none}</style>",
        "<iframe src=https://evil.example>",
    ],
)
def test_nothing_in_a_text_runs_or_fetches(text: str) -> None:
    read = Elements()
    read.feed(markdown(text))
    assert read.names <= {"p", "a", "em", "blockquote"}
    assert read.attributes <= {"href", "rel", "title"}
    assert all(re.match(r"(https?|mailto):", one) for one in read.addresses)


class Elements(HTMLParser):
    """What a browser would make of a piece of HTML."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.addresses += [value or "" for name, value in attrs if name in {"href", "src"}]


def test_a_link_is_marked_as_foreign() -> None:
    html = markdown("[report](https://example.org/a?b=1&c=2)")
    assert 'href="https://example.org/a?b=1&amp;c=2"' in html
    assert 'rel="nofollow ugc noopener noreferrer"' in html


@pytest.mark.parametrize(
    "nasty", [">" * 20000, "[" * 20000, "*" * 20000, "`" * 20000, "- " * 9000]
)
def test_deeply_nested_text_is_rendered_in_time(nasty: str) -> None:
    assert markdown(nasty) is not None


def test_dates_and_numbers_are_written_as_the_reader_writes_them(app: Flask) -> None:
    told = {}
    for code in languages.LANGUAGES:
        with app.test_request_context(), languages.speaking(code):
            told[code] = (number(12282), day(dt.date(2021, 1, 3)), country("PK"))
    assert told["en"] == ("12,282", "3 January 2021", "Pakistan")
    assert told["es"] == ("12.282", "3 de enero de 2021", "Pakistán")
    assert told["ar"][2] == "باكستان"
    with app.test_request_context():
        assert day(None) == ""


def test_a_name_that_a_template_does_not_know_is_an_error_and_no_gap(app: Flask) -> None:
    with app.test_request_context(), pytest.raises(UndefinedError):
        render_template_string("{{ nobody_gave_this }}")


def test_what_visitors_typed_is_escaped(app: Flask) -> None:
    with app.test_request_context():
        page = render_template_string("{{ name }}", name="<b>&\"'")
    assert page == "&lt;b&gt;&amp;&#34;&#39;"


def test_links_in_mails_carry_the_configured_address_whatever_the_request_said(
    app: Flask,
) -> None:
    with app.test_request_context(base_url="http://evil.example", path="/en/"):
        assert external_url("pages.home", lang="es") == "http://127.0.0.1:8000/es/"
