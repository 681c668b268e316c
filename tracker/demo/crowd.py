"""What a replay's supporters do in their browsers, each from an address of their own."""

from __future__ import annotations

from tracker.demo.cast import Supporter
from tracker.demo.ledger import Ledger
from tracker.demo.postman import Letter
from tracker.demo.visitor import Answer, UnexpectedPage, Visitor


class Crowd:
    """The supporters' acts on one campaign, written into the ledger as they succeed."""

    def __init__(self, site: str, slug: str, ledger: Ledger) -> None:
        """Take where it happens and the books."""
        self.site, self.slug, self.ledger = site, slug, ledger
        self.letters: dict[str, Letter] = {}
        """The last mail of each supporter."""

    def sign(self, who: Supporter) -> None:
        """Fill in the form on the campaign's page."""
        person = who.person
        with self._visit(who) as browser:
            page = browser.get(self._page(who)).expect()
            values = {"name": person.name, "email": who.address, "country": person.country}
            if person.number % 10 == 0:
                values |= {"town": "Sampletown", "organisation": "Generated branch"}
            if person.number % 25 == 0:
                values["comment"] = "Generated comment."
            form = page.form(having="email", action="/sign")
            _inbox(browser.submit(form, values))
        self.ledger.signed.setdefault(who.address, person.country)

    def sign_again(self, who: Supporter) -> None:
        """Sign with an address that has signed."""
        self.sign(who)
        self.ledger.repeated.add(who.address)

    def confirm(self, who: Supporter, url: str) -> None:
        """Open the mailed link, answer the three questions, press the button."""
        person = who.person
        answers = {
            "alerts": person.wants_alerts,
            "shows_name": person.shows_name,
            "hands_over": person.hands_over,
        }
        with self._visit(who) as browser:
            form = browser.get(url).expect().form(having="alerts")
            mine = browser.submit(form, {name: _yes_no(text) for name, text in answers.items()})
        if person.wants_alerts:
            self.ledger.subscribe(who.address)
        self.ledger.confirmed[who.address] = _own_page(mine)

    def subscribe(self, who: Supporter) -> None:
        """Ask for the news without signing."""
        scope = "status-changes" if who.only_changes else "every-update"
        with self._visit(who) as browser:
            form = browser.get(f"{self._page(who)}/subscribe").expect().form(having="scope")
            _inbox(browser.submit(form, {"email": who.address, "scope": scope}))
        self.ledger.followed.add(who.address)

    def confirm_subscription(self, who: Supporter, url: str) -> None:
        """Open the mailed link and press the button."""
        with self._visit(who) as browser:
            form = browser.get(url).expect().form(having="scope")
            _own_page(browser.submit(form))
        self.ledger.subscribe(who.address, only_changes=who.only_changes)
        self.ledger.subscribed.add(who.address)

    def endorse(self, who: Supporter) -> None:
        """Offer the backing of an organisation."""
        with self._visit(who) as browser:
            form = (
                browser.get(f"{self._page(who)}/endorse").expect().form(having="organisation")
            )
            values = {"contact": who.person.name, "email": who.address, **who.organisation}
            _inbox(browser.submit(form, values))
        self.ledger.offered.add(who.address)

    def confirm_endorsement(self, who: Supporter, url: str) -> None:
        """Open the mailed link, answer whether to be told, press the button."""
        with self._visit(who) as browser:
            form = browser.get(url).expect().form(having="alerts")
            _own_page(browser.submit(form, {"alerts": _yes_no(who.person.wants_alerts)}))
        if who.person.wants_alerts:
            self.ledger.subscribe(who.address)
        self.ledger.endorsed.add(who.address)

    def unsubscribe(self, who: Supporter) -> None:
        """Leave by the one-click address in the last mail, as a mail program does."""
        url = self.letters[who.address].unsubscribe_url
        with self._visit(who) as browser:
            browser.post(url, {"List-Unsubscribe": "One-Click"}).expect()
        self.ledger.leave(who.address)

    def withdraw(self, who: Supporter) -> None:
        """Take the signature back on one's own page; the alerts go on."""
        with self._visit(who) as browser:
            page = browser.get(self.ledger.confirmed[who.address]).expect()
            browser.submit(page.form(action="/withdraw")).expect()
        self.ledger.withdrawn.add(who.address)

    def delete_everything(self, who: Supporter) -> None:
        """Have everything deleted: signature, address, alerts."""
        with self._visit(who) as browser:
            page = browser.get(self.ledger.confirmed[who.address]).expect()
            browser.submit(page.form(action="/delete")).expect()
        self.ledger.withdrawn.add(who.address)
        self.ledger.leave(who.address)

    def _visit(self, who: Supporter) -> Visitor:
        return Visitor(self.site, who.source, who.person.language)

    def _page(self, who: Supporter) -> str:
        return f"/{who.person.language}/campaigns/{self.slug}"


def _yes_no(answer: bool) -> str:
    return "yes" if answer else "no"


def _inbox(page: Answer) -> None:
    """Make sure that a form led to the page that says: look into your inbox."""
    page.expect().form(having="page_key", action="/check-inbox")


def _own_page(page: Answer) -> str:
    """Give the address of one's own page, where confirming leads."""
    if "/my/" not in page.expect().url:
        raise UnexpectedPage("confirming did not lead to one's own page")
    return page.url.partition("?")[0].removesuffix("/next")
