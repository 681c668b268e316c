"""What the replay's organiser does in the organisers' room, over HTTP like anybody else."""

from __future__ import annotations

import re
from typing import Any

from tracker.demo.content import Story, happened
from tracker.demo.visitor import Answer, UnexpectedPage, Visitor

ROOM = "/en/organise"
_DONE = re.compile(r"Done: ([\d,]+) sent")


class Organiser:
    """Somebody signed in to the organisers' room, at work on one campaign."""

    def __init__(self, site: str, slug: str, *, subjects: dict[str, int]) -> None:
        """Take the site, the campaign, and the row ids of its subjects by their keys."""
        self.browser = Visitor(site)
        self.home = f"{ROOM}/campaigns/{slug}"
        self.subjects = subjects

    def sign_in(self, address: str, password: str) -> None:
        """Sign in with address and password."""
        form = self.browser.get("/en/organisers/sign-in").expect().form(having="password")
        page = self.browser.submit(form, {"email": address, "password": password}).expect()
        if "/organise" not in page.url:
            raise UnexpectedPage(f"signing in led to {page.url}")

    def publish_campaign(self) -> None:
        """Show the campaign to everybody."""
        self._press(f"{self.home}/publish")

    def post(self, story: Story, fact: dict[str, Any]) -> str:
        """Write one update of the timeline, translate it, look at it, publish it.

        Gives the update's own page.
        """
        form = self.browser.get(f"{self.home}/updates/new").expect().form(having="headline")
        page = self.browser.submit(form, self._update_values(fact)).expect()
        found = re.search(r"/updates/(\d+)$", page.url)
        if found is None:
            raise UnexpectedPage("writing an update did not lead to its preview")
        for language, told in story.facts["translations"].items():
            self._translate(f"u{int(found[1]):x}", language, told["updates"][fact["key"]])
        preview = self.browser.get(page.url).expect()
        self.browser.submit(preview.form(action=f"/updates/{found[1]}/publish")).expect()
        return page.url

    def send_now(self) -> None:
        """Let the alert go that waits in its cancel window."""
        self._press("/send-now")

    def sent(self, update: str) -> int | None:
        """Give how many an alert reached, as its page says; ``None`` while it is on its way."""
        found = _DONE.search(self.browser.get(update).expect().text)
        return int(found[1].replace(",", "")) if found else None

    def approve_all(self) -> int:
        """Approve the endorsements that wait, one by one, and give how many."""
        approved = 0
        while True:
            page = self.browser.get(f"{ROOM}/endorsements").expect()
            try:
                form = page.form(action="/approve")
            except UnexpectedPage:
                return approved
            self.browser.submit(form).expect()
            approved += 1

    def close_campaign(self, outcome: str) -> None:
        """End the campaign; its page stays as a record."""
        form = self.browser.get(f"{self.home}/close").expect().form(having="outcome")
        self.browser.submit(form, {"outcome": outcome}).expect()

    def _press(self, action: str) -> Answer:
        page = self.browser.get(self.home).expect()
        return self.browser.submit(page.form(action=action)).expect()

    def _translate(self, section: str, language: str, texts: dict[str, str]) -> None:
        page = self.browser.get(f"{self.home}/translations/{language}").expect()
        names = {f"{section}-text_0": texts["headline"], f"{section}-text_1": texts["text"]}
        form = page.form(having=f"{section}-text_0")
        self.browser.submit(form, names).expect()

    def _update_values(self, fact: dict[str, Any]) -> dict[str, str]:
        when = happened(fact)
        time = when["happened_time"]
        values = {
            "headline": fact["headline"],
            "text": fact["text"],
            "happened_on": when["happened_on"].isoformat(),
            "happened_time": time.isoformat("minutes") if time else "",
            "precision": when["precision"].value,
            "alerts": "yes" if fact["alerts"] else "no",
        }
        if when["is_approximate"]:
            values["is_approximate"] = "y"
        for change in fact["changes"]:
            subject = f"{self.subjects[change['subject']]:x}"
            values[f"status_{subject}"] = change["to"]
            values[f"certainty_{subject}"] = change["certainty"]
        return values
