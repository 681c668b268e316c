"""An alert frozen once per language, spliced for each recipient.

Building a mail takes milliseconds, filling the gaps of a built one microseconds. What an
organiser previews, what goes out as a test and what everybody gets are the same bytes.
"""

from __future__ import annotations

import binascii
import functools
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import format_datetime
from operator import itemgetter
from typing import NamedTuple, Self

from flask import current_app

from tracker.core import clock, languages, tokens
from tracker.mail import composing
from tracker.mail.inspection import inspect
from tracker.mail.rendering import Content, Words
from tracker.mail.transfer import BASE64_STOP, TOKEN_LENGTH, Gap, NotFrozen
from tracker.mail.verp import stop_extension
from tracker.settings import Settings

__all__ = ["Frozen", "NotFrozen", "Slots", "freeze", "thaw"]

VERSION = 1
MAX_SIZE = 1_000_000
"""Most bytes of a stored mail."""
PLACEHOLDER = "name@example.org"
"""Whom the preview is addressed to."""

_LONGEST_SUBJECT = 968
# Half characters, controls, and what would turn the rest of a line around.
_FORBIDDEN = re.compile("[\ud800-\udfff\x00-\x1f\x7f-\x9f\u202a-\u202e]")
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_SLOTS = (
    # A server must refuse a longer local part, and what it refuses is suppressed (RFC 5321).
    rf"(?=.{{1,254}}\n)(?=[^@\n]{{1,64}}@){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*\n"
    r"[A-Za-z0-9._-]{1,64}\n"
    r"[A-Z][a-z]{2}, [0-9]{1,2} [A-Z][a-z]{2} [0-9]{4} [0-9:]{8} (?:GMT|[+-][0-9]{4})\n"
    rf"[A-Za-z0-9_-]{{{TOKEN_LENGTH}}}\n"
)
_BY_MAIL = "[a-z2-7]{52}"
_WITH_MAIL = re.compile(_SLOTS + _BY_MAIL)
_WITHOUT_MAIL = re.compile(_SLOTS + f"(?:{_BY_MAIL})?")


class Slots(NamedTuple):
    """What differs from recipient to recipient, ASCII.

    ``to`` is one plain address of at most 254 characters, ``message_id`` what stands before
    the domain, ``date`` as RFC 5322 §3.3 has it, ``stop`` the token of the link to
    unsubscribe (43 characters of base64url). ``stop_by_mail`` is the same token for an
    address (52 characters of base32 in lower case); empty where no return address is set.
    """

    to: str
    message_id: str
    date: str
    stop: str
    stop_by_mail: str = ""


@dataclass(frozen=True)
class Frozen:
    """A mail in one language with gaps for what differs; what :func:`freeze` gives."""

    subject: str
    language: str
    literals: tuple[str, ...]
    gaps: tuple[Gap, ...]

    def dump(self) -> bytes:
        """Give what is stored: compact JSON, ASCII, the same for the same mail."""
        return json.dumps(
            {
                "version": VERSION,
                "language": self.language,
                "subject": self.subject,
                "literals": self.literals,
                "gaps": [(gap.kind, gap.head.hex(), gap.tail.hex()) for gap in self.gaps],
            },
            separators=(",", ":"),
        ).encode("ascii")

    def digest(self) -> str:
        """Give the SHA-256 of what is stored, in hexadecimal."""
        return hashlib.sha256(self.dump()).hexdigest()

    @classmethod
    def load(
        cls,
        stored: bytes,
        *,
        sender: str,
        domain: str,
        base_url: str | None = None,
        return_address: str | None = None,
    ) -> Self:
        """Give the mail that was stored. Raises :class:`NotFrozen`, telling no contents.

        What is stored may come from an intruder: it must be from ``sender`` and have
        Message-IDs of ``domain``. Where they are given, links to stop must lead to
        ``base_url``, and mails to stop to ``return_address``; empty means that there are none.
        """
        frozen = cls._read(stored)
        if frozen.dump() != stored:
            raise NotFrozen("it was not stored by us")
        inspect(
            frozen.literals,
            frozen.gaps,
            subject=frozen.subject,
            sender=sender,
            domain=domain,
            base_url=base_url,
            return_address=return_address,
        )
        return frozen

    @classmethod
    def _read(cls, stored: bytes) -> Self:
        if len(stored) > MAX_SIZE:
            raise NotFrozen("it is too large")
        try:
            read = json.loads(stored.decode("ascii"))
        except (ValueError, RecursionError) as error:
            raise NotFrozen("it is no JSON") from error
        match read:
            case {
                "version": int(version),
                "language": str(language),
                "subject": str(subject),
                "literals": [*literals],
                "gaps": [*gaps],
            } if version == VERSION and language in languages.LANGUAGES:
                if all(isinstance(literal, str) for literal in literals) and _is_subject(
                    subject
                ):
                    return cls(subject, language, tuple(literals), tuple(map(_gap, gaps)))
        raise NotFrozen("it is of another version or shape")

    def splice(self, slots: Slots) -> bytes:
        """Give what goes after DATA, dot-stuffed, up to and without the final dot.

        Raises ``ValueError`` for a slot that could be more than it says.
        """
        return self.fill(slots)()

    def fill(self, slots: Slots) -> Callable[[], bytes]:
        """Give :meth:`splice` for later: ``slots`` are checked now, the mail is written then.

        A window of mails written beforehand would push everything else out of the
        processor's cache, and be read from memory again when it leaves.
        """
        template, order, groups, allowed = self._mould
        joined = "\n".join(slots)
        if allowed.fullmatch(joined) is None:
            raise ValueError("a slot is not as it should be")
        values = joined.encode("ascii").split(b"\n")
        stop = values[3]
        for head, tail in groups:
            values.append(binascii.b2a_base64(head + stop + tail, newline=False))
        return functools.partial(template.__mod__, order(values))

    @functools.cached_property
    def _mould(self) -> _Mould:
        groups = [(gap.head, gap.tail) for gap in self.gaps if gap.kind == BASE64_STOP]
        numbers = iter(range(len(Slots._fields), len(Slots._fields) + len(groups)))
        order = [
            next(numbers) if gap.kind == BASE64_STOP else Slots._fields.index(gap.kind)
            for gap in self.gaps
        ]
        template = "%b".join(literal.replace("%", "%%") for literal in self.literals)
        has_mail = any(gap.kind == "stop_by_mail" for gap in self.gaps)
        allowed = _WITH_MAIL if has_mail else _WITHOUT_MAIL
        return template.encode("ascii"), itemgetter(*order), groups, allowed

    def preview(self) -> EmailMessage:
        """Give the mail as a recipient's program reads it, addressed to nobody."""
        return _read_back(self.splice(_placeholders(b"\0")))


_Mould = tuple[
    bytes,
    Callable[[list[bytes]], tuple[bytes, ...]],
    list[tuple[bytes, bytes]],
    re.Pattern[str],
]


def freeze(content: Content) -> Frozen:
    """Render ``content`` once and give it with gaps. Needs an application context.

    The same content gives the same bytes, whenever and wherever. Raises :class:`NotFrozen`
    for what cannot be a mail: a NUL, no subject, more than a megabyte, no sender configured.
    """
    settings: Settings = current_app.config["TRACKER"]
    if not settings.mail_from:
        raise NotFrozen("no sender address is configured")
    slots = _placeholders(b"\1")
    try:
        words = composing.words_of(content, token=slots.stop)
        if any("\0" in text for text in words) or not _is_subject(words.subject):
            raise NotFrozen("the subject is empty or too long, or there is a NUL")
        literals, gaps = composing.compose(content, words)
    except ValueError as error:
        raise NotFrozen("a header or a text cannot be written") from error
    language = languages.known(content.language)
    made = Frozen(words.subject, language, tuple(literals), tuple(gaps))
    # What the worker will refuse is refused now, while somebody looks at it.
    frozen = thaw(made.dump(), settings=settings)
    _verify(frozen, words, slots)
    return frozen


def thaw(stored: bytes, *, settings: Settings) -> Frozen:
    """Give the stored mail if it is one that ``settings`` allow, else :class:`NotFrozen`."""
    if not settings.mail_from:
        raise NotFrozen("no sender address is configured")
    return Frozen.load(
        stored,
        sender=settings.mail_from,
        domain=settings.mail_domain,
        base_url=settings.base_url,
        return_address=settings.return_address or "",
    )


def _is_subject(subject: str) -> bool:
    """Say whether it is words with single blanks between, as rendering gives."""
    is_whole = 0 < len(subject) <= _LONGEST_SUBJECT and subject == " ".join(subject.split())
    return is_whole and _FORBIDDEN.search(subject) is None


def _gap(read: object) -> Gap:
    match read:
        case [str(kind), str(head), str(tail)]:
            try:
                return Gap(kind, bytes.fromhex(head), bytes.fromhex(tail))
            except ValueError:
                pass
    raise NotFrozen("a gap is of no known kind")


def _placeholders(seed: bytes) -> Slots:
    token = hashlib.sha256(b"placeholder" + seed).digest()
    return Slots(
        to=PLACEHOLDER,
        message_id="preview",
        date=format_datetime(clock.now(), usegmt=True),
        stop=tokens.to_text(token),
        stop_by_mail=stop_extension(token),
    )


def _verify(frozen: Frozen, words: Words, slots: Slots) -> None:
    """Read a spliced mail back and raise unless it says what was rendered, and no more."""
    settings: Settings = current_app.config["TRACKER"]
    message = _read_back(frozen.splice(slots))
    [sender] = message["From"].addresses
    read = (sender.display_name, str(message["To"]), str(message["Subject"]))
    if read != (settings.site_name, slots.to, words.subject):
        raise NotFrozen("a header does not read as it was written")
    parts = [part.get_payload(decode=True) for part in message.iter_parts()]
    if parts != [text.replace("\n", "\r\n").encode() for text in (words.text, words.html)]:
        raise NotFrozen("a text does not read as it was written")


def _read_back(spliced: bytes) -> EmailMessage:
    return message_from_bytes(spliced.replace(b"\r\n..", b"\r\n."), policy=policy.default)
