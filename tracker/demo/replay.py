"""Eight weeks of a campaign in fast motion, against the running demo, with the books kept.

Nothing is taken for granted: supporters fill in the public form from many loopback addresses,
confirm with the links out of their mails, and what they see is compared with what they are
owed. No limit of the site is switched off.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tracker.demo.cast import Cast, Supporter
from tracker.demo.content import Story
from tracker.demo.copying import Copy
from tracker.demo.crew import Crew, Trouble
from tracker.demo.crowd import Crowd
from tracker.demo.folder import Demo
from tracker.demo.ledger import Ledger, Told
from tracker.demo.organiser import Organiser
from tracker.demo.postman import Letter, Postman
from tracker.demo.progress import Step
from tracker.demo.visitor import UnexpectedPage, Visitor

THREADS = 8
SETTLE_SECONDS = 2.0
"""How long to listen at the end for mails that nobody expects."""

_COUNT = re.compile(r'<progress value="(\d+)"|<strong>([\d,]+)</strong> ha(?:s|ve) signed')
_COUNTRIES = re.compile(r"from ([\d,]+) countr(?:y|ies)")


@dataclass
class Clock:
    """How long the parts of a replay took."""

    begun: float = field(default_factory=time.monotonic)
    signing: float = 0.0
    telling: float = 0.0

    @property
    def whole(self) -> float:
        """Give the seconds since the beginning."""
        return time.monotonic() - self.begun


class Replay:
    """One run, from the first signature to the last alert."""

    def __init__(self, demo: Demo, story: Story, copy: Copy, *, signatures: int) -> None:
        """Take the running demo, the story, its fresh copy and how many are to sign."""
        self.demo, self.story, self.copy = demo, story, copy
        self.ledger, self.clock = Ledger(), Clock()
        self.crowd = Crowd(demo.site, copy.slug, self.ledger)
        self.organiser = Organiser(demo.site, copy.slug, subjects=copy.subjects)
        self.cast = Cast(story, copy.number, signatures)
        self.headlines = _headlines(story)
        self.told: dict[str, Told] = {}
        self.crew = Crew(THREADS)
        self.postman = Postman(demo.mailbox, list_name=copy.slug, take=self._take)

    def run(self) -> None:
        """Play the whole story. Raises :class:`Trouble` where it cannot go on."""
        try:
            self._play()
        except (UnexpectedPage, OSError) as error:
            raise Trouble(f"{type(error).__name__}: {error}") from error
        finally:
            self.crew.stop()
            self.postman.stop()
            self.organiser.browser.close()
        if self.postman.trouble is not None:
            raise Trouble(f"the mailbox: {self.postman.trouble}")

    def _play(self) -> None:
        self.organiser.sign_in(self.copy.organiser, self.copy.password)
        self.organiser.publish_campaign()
        for fact, arriving in self.cast.weeks():
            if arriving:
                self._sign(fact["posted"], arriving)
            if arriving and fact["alerts"]:
                self._stir()
            self._post(fact)
        self._approve()
        time.sleep(SETTLE_SECONDS)
        self._look()
        if self.story.closed is not None:
            self.organiser.close_campaign(self.story.facts["outcome"])

    def rates(self) -> str:
        """Say how long it took, and how fast it went."""
        clock, ledger = self.clock, self.ledger
        alerts = sum(sum(one.delivered.values()) for one in ledger.told)
        return (
            f"{clock.whole:.0f} seconds. {len(ledger.confirmed):,} signatures confirmed in "
            f"{clock.signing:.0f} s ({len(ledger.confirmed) / max(0.1, clock.signing):.0f}/s), "
            f"{alerts:,} alerts delivered in {clock.telling:.0f} s "
            f"({alerts / max(0.1, clock.telling):.0f}/s)."
        )

    # --- supporters --------------------------------------------------------------------------

    def _sign(self, until: str, arriving: list[Supporter]) -> None:
        """Let supporters sign, subscribe or endorse, and confirm as their mails come in."""
        begun = time.monotonic()
        expected = {one.address for one in arriving if one.confirms}
        silent = {one.address for one in arriving if not one.confirms}
        for one in arriving:
            self.crew.do(_doing(self._arrival(one), one))
        with Step(f"{until}  signing and confirming", total=len(arriving)) as step:

            def measure() -> int:
                done = len(expected & self._done()) + len(silent & set(self.ledger.asked))
                step.reach(done, f"{done / max(0.1, step.seconds):.0f}/s")
                return done

            self._wait(lambda: measure() == len(arriving), measure)
            step.note = f"{len(arriving):,}"
        self.clock.signing += time.monotonic() - begun

    def _arrival(self, one: Supporter) -> Callable[[Supporter], None]:
        if one.organisation:
            return self.crowd.endorse
        return self.crowd.subscribe if one.only_subscribes else self.crowd.sign

    def _done(self) -> set[str]:
        ledger = self.ledger
        return {*ledger.confirmed, *ledger.endorsed, *ledger.subscribed}

    def _stir(self) -> None:
        """Let a few sign again, leave with one click, withdraw, have everything deleted."""
        again, leaving, withdrawing, deleting = self.cast.restless(self.ledger)
        acts = (
            (self.crowd.sign_again, again),
            (self.crowd.unsubscribe, leaving),
            (self.crowd.withdraw, withdrawing),
            (self.crowd.delete_everything, deleting),
        )
        for act, those in acts:
            for one in those:
                self.crew.do(_doing(act, one))
        ledger = self.ledger

        def is_done() -> bool:
            return self.crew.is_idle and sum(ledger.already.values()) >= len(ledger.repeated)

        self._wait(is_done, lambda: sum(ledger.already.values()))

    # --- the organiser -----------------------------------------------------------------------

    def _post(self, fact: dict[str, Any]) -> None:
        """Post one update of the timeline; where it alerts, wait until everybody has it."""
        self._approve()
        headline = str(fact["headline"])
        if not fact["alerts"]:
            with Step(f"{fact['posted']}  posted: {headline}"):
                self.organiser.post(self.story, fact)
            return
        begun = time.monotonic()
        told = self.ledger.tell(headline, is_status_change=bool(fact["changes"]))
        self.told[headline] = told
        with Step(f"{fact['posted']}  told: {headline}", total=len(told.owed)) as step:
            update = self.organiser.post(self.story, fact)
            self.organiser.send_now()

            def measure() -> int:
                done = len(told.delivered)
                step.reach(done, f"{done / max(0.1, step.seconds):.0f}/s")
                return done

            def is_done() -> bool:
                # Only once it is done may somebody else subscribe: who comes earlier is told.
                told.sent = self.organiser.sent(update) if measure() >= len(told.owed) else None
                return told.sent is not None

            self._wait(is_done, measure)
            step.note = f"{len(told.owed):,} alerts"
        self.clock.telling += time.monotonic() - begun

    def _approve(self) -> None:
        if len(self.ledger.endorsed) > self.ledger.approved:
            self.ledger.approved += self.organiser.approve_all()

    def _look(self) -> None:
        """Read the figures from the campaign's page, as everybody sees them."""
        with Visitor(self.demo.site) as browser:
            page = browser.get(f"/en/campaigns/{self.copy.slug}").expect().text
        offered = {one.organisation["organisation"] for one in self.cast.endorsers}
        self.ledger.shown = {
            "count": _figure(_COUNT, page),
            "countries": _figure(_COUNTRIES, page, default=1),
            "endorsements": sum(f"<bdi>{name}</bdi>" in page for name in offered),
        }

    # --- mails -------------------------------------------------------------------------------

    def _take(self, letter: Letter) -> None:
        """Write down one mail, and do what its reader does with it."""
        who = self.cast.known.get(letter.to)
        if who is None:
            self.ledger.unexplained += 1
            return
        if letter.to in self.ledger.left:
            self.ledger.after_leaving += 1
            return
        self.crowd.letters[letter.to] = letter
        if letter.is_bulk:
            self._take_alert(letter, who)
        elif letter.confirm_url is not None:
            self._take_question(letter.confirm_url, who)
        elif letter.to in self.ledger.confirmed:
            self.ledger.already[letter.to] += 1
        else:
            self.ledger.unexplained += 1

    def _take_alert(self, letter: Letter, who: Supporter) -> None:
        # The subject is the headline and, behind a dash, the campaign.
        subject = letter.subject.rpartition(" – ")[0]
        headline, language = self.headlines.get(subject, ("", ""))
        told = self.told.get(headline)
        if told is None:
            self.ledger.unexplained += 1
            return
        told.delivered[letter.to] += 1
        if {language, letter.language} != {who.person.language}:
            self.ledger.foreign += 1

    def _take_question(self, url: str, who: Supporter) -> None:
        acts = {
            "signature": self.crowd.confirm,
            "subscription": self.crowd.confirm_subscription,
            "endorsement": self.crowd.confirm_endorsement,
        }
        kind = url.split("/confirm/", 1)[1].split("/", 1)[0]
        if kind == "signature":
            self.ledger.asked[who.address] += 1
        if who.confirms:
            self.crew.do(lambda: acts[kind](who, url), first=True)

    def _wait(self, is_done: Callable[[], bool], measure: Callable[[], int]) -> None:
        def is_over() -> bool:
            if self.postman.trouble is not None:
                raise Trouble(f"the mailbox: {self.postman.trouble}")
            return is_done()

        self.crew.wait(is_over, measure)


def _doing(act: Callable[[Supporter], None], who: Supporter) -> Callable[[], None]:
    return lambda: act(who)


def _headlines(story: Story) -> dict[str, tuple[str, str]]:
    """Give every headline an alert can have: to the original and the language it is in."""
    found: dict[str, tuple[str, str]] = {}
    for fact in story.updates:
        found[fact["headline"]] = fact["headline"], story.facts["language"]
        for language, told in story.facts["translations"].items():
            found[told["updates"][fact["key"]]["headline"]] = fact["headline"], language
    return found


def _figure(pattern: re.Pattern[str], page: str, *, default: int = 0) -> int:
    found = pattern.search(page)
    if found is None:
        return default
    return int(next(filter(None, found.groups())).replace(",", ""))
