"""Lighthouse gives 100 and the Nu HTML checker finds nothing."""

from __future__ import annotations

import re

import pytest
from flask import Flask

from tests.browser.conftest import Site
from tests.conftest import confirm, path_in, sign
from tests.support import pagetools, requirements

BLOCKING = ("accessibility", "best-practices", "seo")

PATHS = [
    "/",
    "/campaigns/",
    "/campaigns/amar-fayaz",
    "/campaigns/karachi-nine",
    "/campaigns/florenzi-workers",
    "/campaigns/karachi-nine/sign",
    "/campaigns/karachi-nine/subscribe",
    "/campaigns/karachi-nine/endorse",
    "/campaigns/karachi-nine/check-inbox",
    "/campaigns/karachi-nine/my-link",
    "/campaigns/karachi-nine/act",
    "/campaigns/karachi-nine/share",
    "/campaigns/karachi-nine/sheet",
    "/embed/karachi-nine/form",
    "/embed/karachi-nine/counter",
    "/privacy",
    "/not-me",
    "/deleted",
    "/campaigns/none",
    "/unsubscribe/any",
    "/organisers/sign-in",
]
FORMS = ["sign", "subscribe", "endorse", "my-link"]


@pytest.fixture(autouse=True)
def tools() -> None:
    requirements.need("pagetools")


def read(app: Flask, path: str) -> str:
    answer = app.test_client().get(path)
    assert answer.mimetype == "text/html", (path, answer.status)
    return answer.text


@pytest.mark.parametrize("lang", ["en", "ar", "ur"])
def test_the_html_checker_finds_nothing_on_any_page_or_error_state(
    demo_site: Site, lang: str
) -> None:
    pages = {path: read(demo_site.app, f"/{lang}{path}") for path in PATHS}
    for name in FORMS:
        path = f"/{lang}/campaigns/karachi-nine/{name}"
        pages[f"{name} refused"] = demo_site.app.test_client().post(path).text
    assert pagetools.check_html(pages) == []


def test_the_html_checker_finds_nothing_behind_the_links_of_a_mail(site: Site) -> None:
    client = site.app.test_client()
    pages = {"check inbox": sign(client, "amar-fayaz").text}
    mail = site.mail_to("sara@example.org").text
    path = re.sub(r"^.*?(/en/)", r"\1", next(w for w in mail.split() if "/confirm/" in w))
    pages["confirm"] = client.get(path).text
    pages["confirm refused"] = client.post(path).text
    pages["next"] = client.get(confirm(client, path, shows_name="yes").location).text
    own = re.sub(r"^.*?(/en/)", r"\1", next(w for w in mail.split() if "/my/" in w))
    pages["own"] = client.get(own).text
    pages["campaign"] = client.get("/en/campaigns/amar-fayaz").text
    assert pagetools.check_html(pages) == []


@pytest.mark.parametrize(
    "path", ["/en/", "/en/campaigns/karachi-nine", "/ar/campaigns/amar-fayaz"]
)
def test_lighthouse_gives_a_hundred_on_public_pages(demo_site: Site, path: str) -> None:
    report = pagetools.lighthouse(f"{demo_site.url}{path}", categories=BLOCKING)
    assert pagetools.failed_audits(report) == []
    assert {one["score"] for one in report["categories"].values()} == {1}


@pytest.mark.parametrize("part", ["/confirm/", "/my/"])
def test_lighthouse_gives_a_hundred_behind_the_links_of_a_mail(site: Site, part: str) -> None:
    client = site.app.test_client()
    sign(client, "amar-fayaz")
    mail = site.mail_to("sara@example.org")
    if part == "/my/":
        confirm(
            client, path_in(mail.text.replace(site.url, "http://127.0.0.1:8000"), "/confirm/")
        )
    # These pages are for one person: search engines are told to keep away, and that is the one
    # thing which Lighthouse holds against them.
    report = pagetools.lighthouse(
        site.link(mail, part), categories=BLOCKING, skip=["is-crawlable"]
    )
    assert pagetools.failed_audits(report) == []
    assert {one["score"] for one in report["categories"].values()} == {1}
