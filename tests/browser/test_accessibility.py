"""axe finds nothing by the rules of WCAG 2.2 A and AA, on every page and error state."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser.conftest import Site, follow, sign_in
from tests.support import factories
from tracker.alerts.models import AlertChunk, AlertState, PauseReason
from tracker.campaigns import queries as campaigns
from tracker.campaigns.models import Campaign
from tracker.campaigns.status import Status
from tracker.core import clock
from tracker.extensions import db, writing
from tracker.mail import relays
from tracker.mail.models import Bounce, Suppression, SuppressionReason
from tracker.updates import services as updates

Opener = Callable[..., Page]
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
LOOKS = [(360, "light", "en"), (1280, "dark", "en"), (360, "dark", "ar"), (1280, "light", "ar")]
PUBLIC = [
    "/",
    "/campaigns/amar-fayaz",
    "/campaigns/amar-fayaz/sign",
    "/campaigns/amar-fayaz/subscribe",
    "/campaigns/amar-fayaz/endorse",
    "/campaigns/amar-fayaz/check-inbox",
    "/campaigns/amar-fayaz/act",
    "/campaigns/amar-fayaz/my-link",
    "/campaigns/amar-fayaz/share",
    "/campaigns/amar-fayaz/share?instance=x",
    "/campaigns/amar-fayaz/sheet",
    "/privacy",
    "/not-me",
    "/deleted",
    "/campaigns/none",
    "/unsubscribe/any",
    "/organisers/sign-in",
]


def findings(page: Page) -> list[str]:
    options = {"runOnly": {"type": "tag", "values": TAGS}}
    found = Axe().run(page, options=options).response["violations"]
    return [f"{page.url} {one['id']}: {one['nodes'][0]['html'][:150]}" for one in found]


@pytest.mark.parametrize(("width", "scheme", "lang"), LOOKS)
def test_axe_finds_nothing_on_public_pages(
    site: Site, open_page: Opener, width: int, scheme: str, lang: str
) -> None:
    page = open_page(width=width, scheme=scheme)
    found = []
    for path in PUBLIC:
        page.goto(f"{site.url}/{lang}{path}")
        found += findings(page)
    for path in ("sign", "subscribe", "endorse"):
        page.goto(f"{site.url}/{lang}/campaigns/amar-fayaz/{path}")
        follow(page, "form.slip button[type=submit]")
        found += findings(page)
    assert found == []


@pytest.mark.parametrize(("width", "scheme", "lang"), LOOKS)
def test_axe_finds_nothing_behind_the_links_of_a_mail(
    site: Site, open_page: Opener, width: int, scheme: str, lang: str
) -> None:
    page = open_page(width=width, scheme=scheme)
    page.goto(f"{site.url}/{lang}/campaigns/amar-fayaz")
    page.fill("#name", "Sara")
    page.fill("#email", "sara@exampl.con")
    page.select_option("#country", "DE")
    follow(page, "form.slip button[type=submit]")
    question = findings(page)
    page.fill("#email", "sara@example.org")
    follow(page, "form.slip button[value=typed]")
    found = question + findings(page)
    mail = site.mail_to("sara@example.org")
    page.fill("#code", "x")
    follow(page, "form.slip button[type=submit]")
    found += findings(page)
    page.goto(site.link(mail, "/my/"))
    found += findings(page)
    page.goto(site.link(mail, "/confirm/"))
    found += findings(page)
    follow(page, "form.slip button[type=submit]")
    found += findings(page)
    for question in ("alerts", "shows_name", "hands_over"):
        page.check(f"input[name={question}][value=yes]")
    follow(page, "form.slip button[type=submit]")
    found += findings(page)
    assert found == []


@pytest.mark.parametrize(("width", "scheme", "lang"), LOOKS)
def test_axe_finds_nothing_in_the_organisers_room(
    site: Site, open_page: Opener, width: int, scheme: str, lang: str
) -> None:
    page = open_page(width=width, scheme=scheme)
    sign_in(page, site, lang)
    seen, todo, found = set(), [page.url], []
    while todo:
        address = todo.pop()
        page.goto(address)
        found += findings(page)
        seen.add(address)
        links = page.eval_on_selector_all(
            "a[href*='/organise/']", "all => all.map(a => a.href)"
        )
        todo += [
            link.split("#")[0]
            for link in dict.fromkeys(links)
            if link.split("#")[0] not in seen
            and link.split("#")[0] not in todo
            and f"/{lang}/organise" in link
        ]
    assert len(seen) > 5
    assert found == []


@pytest.fixture
def alerts(site: Site) -> list[str]:
    """An alert in each state that an organiser may meet; gives the pages of their updates."""
    moment = clock.now()
    with site.app.app_context(), writing():
        campaign = campaigns.by_slug("amar-fayaz")
        assert campaign is not None
        why = {AlertState.PAUSED: PauseReason.BOUNCES}
        pages = [
            _alert(campaign, one.value, state=one, paused_for=why.get(one))
            for one in AlertState
        ]
        # What is held is older than what holds it; no worker may take either meanwhile.
        before = moment - dt.timedelta(minutes=1)
        pages.append(_alert(campaign, "Held", to=Status.MISSING, approved_at=before))
        pages.append(_alert(campaign, "Newer", to=Status.DETAINED))
        relay = site.app.config["TRACKER"].relays[0]
        relays.report(relay, accepted=12345, slowed=2, trouble="RCPT 421")
        db.session.add(Bounce(source=b"1", fingerprint=b"1", day=clock.today()))
        reason = SuppressionReason.BOUNCE
        db.session.add(Suppression(fingerprint=b"1", reason=reason, since=clock.today()))
        draft = updates.write(
            campaign,
            author_id=None,
            changes=[],
            headline="A rally",
            text="At noon.",
            happened_on=clock.today(),
            alerts=True,
        )
        db.session.flush()
        return [f"/organise/campaigns/amar-fayaz/updates/{one}" for one in [*pages, draft.id]]


def _alert(campaign: Campaign, headline: str, **values: Any) -> int:
    """Store an alert as it stands somewhere on its way; its chunk is another worker's."""
    to = values.pop("to", None)
    told = factories.an_update(campaign, alerts=True, headline=headline, to=to)
    alert = factories.an_alert(told, window=600)
    moment = clock.now()
    if to is None:
        figures = {
            "slots": 41_500,
            "queued": 41_230,
            "sent": 12_000,
            "skipped": 41,
            "failed": 7,
        }
        figures |= {"bounced": 3, "complained": 1}
        values = {"active_at": moment, **figures, **values}
        later = moment + dt.timedelta(hours=1)
        db.session.add(
            AlertChunk(
                alert_id=alert.id, number=0, done=b"", lease_owner="other", lease_until=later
            )
        )
    for name, value in values.items():
        setattr(alert, name, value)
    return told.id


@pytest.mark.parametrize(("width", "scheme", "lang"), LOOKS)
def test_axe_finds_nothing_about_alerts_and_the_pages_fit_the_screen(
    site: Site, alerts: list[str], open_page: Opener, width: int, scheme: str, lang: str
) -> None:
    page = open_page(width=width, scheme=scheme)
    sign_in(page, site, lang)
    campaign = "/organise/campaigns/amar-fayaz"
    found, wide = [], []
    for path in ["/organise/mail", campaign, f"{campaign}/pause", *alerts]:
        page.goto(f"{site.url}/{lang}{path}")
        for question in page.locator("details.ask summary").all():
            question.click()
        found += findings(page)
        if page.evaluate("document.documentElement.scrollWidth") > width:
            wide.append(path)
    assert found == []
    assert wide == []


def test_an_alert_on_its_way_is_stopped_by_keyboard_without_script_after_a_question(
    site: Site, alerts: list[str], open_page: Opener
) -> None:
    sending = list(AlertState).index(AlertState.SENDING)
    page = open_page(script=False)
    sign_in(page, site)
    page.goto(f"{site.url}/en{alerts[sending]}")
    assert not page.get_by_role("button", name="Stop for good").is_visible()
    page.locator("details.ask summary").focus()
    page.keyboard.press("Enter")
    with page.expect_navigation():
        page.get_by_role("button", name="Stop for good").press("Enter")
    page.goto(f"{site.url}/en{alerts[sending]}")
    assert "Stopped: 12,000 people had been told" in page.inner_text("main")
