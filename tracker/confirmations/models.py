"""What was typed into a form and is not yet proved by mail."""

from __future__ import annotations

import datetime as dt
import enum

from sqlalchemy import ForeignKey, Index, LargeBinary, SmallInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from tracker.database import UNORDERED, Model, Words, random_id


class Kind(enum.Enum):
    """What a confirmation makes."""

    SIGNATURE = "signature"
    SUBSCRIPTION = "subscription"
    ENDORSEMENT = "endorsement"


class Pending(Model):
    """A signature, subscription or endorsement that waits for its confirmation.

    ``payload`` is locked with a key derived from the token in the mailed link; only the
    token's hash is stored here. The worker adds the tag and the hashes of the two other links
    when it sends the mail. What comes of it keeps this row's random id.

    ``code_locked`` is that token, locked with the key of the page and the code in the mail. A
    row whose owner left stays as an empty shell until its week is over, so that the page of
    whoever typed the address cannot tell.
    """

    __tablename__ = "pendings"
    __table_args__ = (Index("ix_pendings_campaign_id_tag", "campaign_id", "tag"), UNORDERED)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=random_id)
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id", ondelete="CASCADE"))
    kind: Mapped[Kind] = mapped_column(Words(Kind))
    language: Mapped[str] = mapped_column(String(12))
    token_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    payload: Mapped[bytes | None] = mapped_column(LargeBinary)
    tag: Mapped[bytes | None] = mapped_column(LargeBinary)
    manage_hash: Mapped[bytes | None] = mapped_column(LargeBinary, unique=True)
    unsubscribe_hash: Mapped[bytes | None] = mapped_column(LargeBinary, unique=True)
    links: Mapped[bytes | None] = mapped_column(LargeBinary)
    code_locked: Mapped[bytes | None] = mapped_column(LargeBinary)
    code_tries: Mapped[int] = mapped_column(SmallInteger, default=0)
    created_on: Mapped[dt.date]
    expires_on: Mapped[dt.date] = mapped_column(index=True)
    confirmed_on: Mapped[dt.date | None]
    refused_on: Mapped[dt.date | None]
