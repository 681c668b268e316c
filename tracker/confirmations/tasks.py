"""The worker opens the outbox and decides what the person behind an address gets.

Please confirm, or: you have signed already, or nothing. The page could not ask any of this,
and never learns the answer (DESIGN §4.1). What the web process wrote is taken as hostile.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from tracker.campaigns.models import Campaign
from tracker.campaigns.translations import texts_of
from tracker.confirmations import codes, queries
from tracker.confirmations.models import Kind, Pending
from tracker.confirmations.services import FOLDERS
from tracker.core import clock, tokens
from tracker.extensions import db
from tracker.mail import queries as mail_queries
from tracker.mail import services as mail
from tracker.mail.models import Delivery
from tracker.mail.rendering import Letter
from tracker.sealing import envelopes, tags
from tracker.sealing.keystore import CampaignKeys, KeyMissing, Keystore

log = logging.getLogger(__name__)

MAX_PER_CAMPAIGN_AND_DAY = 3
"""Single mails one address gets about one campaign in a day."""
MAX_PER_DAY = 5
"""Single mails one address gets in a day, over all campaigns."""

FindExisting = Callable[[int, bytes], int | None]
"""Gives the id of what a mailbox (campaign id, tag) has confirmed before."""


class Held(Exception):
    """The campaign is paused for somebody's safety: its mails wait, its title stays unsaid."""


class Person(NamedTuple):
    """Whom a sealed letter is for, once it is opened."""

    address: str
    campaign: Campaign
    keys: CampaignKeys
    tag: bytes


class Confirmations:
    """Writes the letters of the outbox; made by the worker, which holds the keys."""

    def __init__(
        self,
        keystore: Keystore,
        existing: Mapping[Kind, FindExisting],
        pages: Sequence[FindExisting],
        subscribed: FindExisting,
    ) -> None:
        """Take the keys and how to find what a mailbox has: by kind, its page, its mails."""
        self.keystore, self.existing = keystore, existing
        self.pages, self.subscribed = pages, subscribed

    def letters(self, rows: Sequence[Delivery]) -> dict[int, Letter | None]:
        """Give the letters that ask to confirm; what has to wait is left out."""
        return self._each(rows, self._confirmation)

    def link_letters(self, rows: Sequence[Delivery]) -> dict[int, Letter | None]:
        """Give the letters that bring people the link to their own page."""
        return self._each(rows, self._link)

    def _each(
        self,
        rows: Sequence[Delivery],
        write: Callable[[Delivery, dict[str, Any]], Letter | None],
    ) -> dict[int, Letter | None]:
        found: dict[int, Letter | None] = {}
        for row in rows:
            try:
                found[row.id] = write(row, self._open(row))
            except (KeyMissing, Held):
                continue
            except (envelopes.CannotOpen, KeyError, TypeError, ValueError) as error:
                # Not written by a page of ours, or damaged: told, and dropped.
                log.error("delivery %s is refused: %s", row.id, type(error).__name__)
                found[row.id] = None
        return found

    def _open(self, row: Delivery) -> dict[str, Any]:
        private = self.keystore.outbox_private(row.outbox_key_id or "")
        context = envelopes.context(row.kind, row.id)
        return envelopes.open_sealed(private, row.envelope or b"", context=context)

    def _person(self, content: dict[str, Any]) -> Person | None:
        campaign = db.session.get(Campaign, int(content["campaign"]))
        if campaign is None or campaign.key_id is None:
            return None
        if not campaign.is_public:
            raise Held
        keys = self.keystore.campaign(campaign.key_id)
        address = str(content["to"])
        return Person(address, campaign, keys, tags.tag(keys.tag_key, address))

    def _may_write(self, row: Delivery, person: Person) -> bool:
        """Apply suppression and the daily limits, counted once per delivery."""
        today = clock.today()
        fingerprint = tags.tag(self.keystore.site_key(), person.address)
        if mail_queries.is_suppressed(fingerprint, on=today):
            return False
        if row.verdict is not None:
            return True
        key = self.keystore.day_key(today)
        scope = f"campaign {person.campaign.id}"
        row.verdict = "counted"
        return mail.count_mail(
            {
                tags.capped(key, person.address, scope=scope): MAX_PER_CAMPAIGN_AND_DAY,
                tags.capped(key, person.address, scope="all"): MAX_PER_DAY,
            }
        )

    def _confirmation(self, row: Delivery, content: dict[str, Any]) -> Letter | None:
        pending = db.session.get(Pending, int(content["pending"]))
        token = bytes.fromhex(content["token"])
        # Six digits or nothing: whatever else stands there must not get into a mail.
        code = content.get("code") if codes.is_code(content.get("code")) else None
        if pending is None or pending.token_hash != tokens.digest(token):
            return None
        person = self._person(content)
        if person is None or pending.campaign_id != person.campaign.id:
            return None
        if pending.confirmed_on or pending.refused_on or not self._may_write(row, person):
            return None
        if queries.was_refused(person.campaign.id, person.tag):
            return None
        # The row looks the same whether the address is known or not: whoever reads the
        # database later cannot tell. Only the mail differs.
        self._equip(pending, person, token)
        known = self.existing[pending.kind](person.campaign.id, person.tag)
        letter = "confirm" if known is None else "already"
        return self._letter(
            row,
            person,
            f"{FOLDERS[pending.kind]}/{letter}",
            language=pending.language,
            page=pending.id if known is None else known,
            stop=pending.id,
            token=tokens.to_text(token) if known is None else None,
            code=code if known is None else None,
        )

    def _equip(self, pending: Pending, person: Person, token: bytes) -> None:
        """Write down the tag, the hashes of the two links, and the links for the token."""
        manage, unsubscribe = _links(person, pending.id)
        pending.tag = person.tag
        pending.manage_hash = tokens.digest(manage)
        pending.unsubscribe_hash = tokens.digest(unsubscribe)
        pending.links = envelopes.lock(
            token,
            {"manage": manage.hex(), "unsubscribe": unsubscribe.hex()},
            context=envelopes.context("links", person.campaign.id, pending.id),
            size=envelopes.LINKS_SIZE,
        )

    def _link(self, row: Delivery, content: dict[str, Any]) -> Letter | None:
        person = self._person(content)
        if person is None or not self._may_write(row, person):
            return None
        for find in self.pages:
            known = find(person.campaign.id, person.tag)
            if known is not None:
                return self._letter(
                    row,
                    person,
                    "pages/link",
                    language=str(content["language"])[:12],
                    page=known,
                    stop=self.subscribed(person.campaign.id, person.tag) or known,
                )
        return None

    def _letter(
        self,
        row: Delivery,
        person: Person,
        template: str,
        *,
        language: str,
        page: int,
        stop: int,
        token: str | None = None,
        code: str | None = None,
    ) -> Letter:
        manage, _ = _links(person, page)
        _, unsubscribe = _links(person, stop)
        title = texts_of(person.campaign, language).text("title", person.campaign.title)
        return Letter(
            to=person.address,
            language=language,
            template=template,
            message_id=f"{row.id:x}",
            list_name=person.campaign.slug,
            unsubscribe=tokens.to_text(unsubscribe),
            values={
                "title": title.value,
                "slug": person.campaign.slug,
                "token": token,
                "code": code,
                "manage": tokens.to_text(manage),
            },
        )


def _links(person: Person, row: int) -> tuple[bytes, bytes]:
    key = person.keys.link_key
    return (
        tags.link(key, purpose="manage", row=row),
        tags.link(key, purpose="unsubscribe", row=row),
    )
