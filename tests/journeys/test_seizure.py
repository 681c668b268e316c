"""What a raid takes: the database, its log, a backup, the web's secret – and nobody's name."""

from __future__ import annotations

import base64
import hashlib
import itertools
import logging
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, SealedBox
from nacl.secret import SecretBox

from tests.conftest import Person, confirm, path_in
from tests.support import factories
from tests.support.sink import Sink
from tracker.campaigns.models import Campaign
from tracker.confirmations import codes
from tracker.core import tokens
from tracker.extensions import db, writing
from tracker.sealing import envelopes

Work = Callable[[], None]

STATES = (
    "pending",
    "waiting",
    "subscribed",
    "shown",
    "hidden",
    "withdrawn",
    "endorsing",
    "left",
)


def person(state: str) -> Person:
    return Person(f"canary-{state}@secret-{state}.example", f"Canary {state.title()} Öztürk")


def network(state: str) -> str:
    return f"198.51.{100 + STATES.index(state)}.77"


class Log(logging.Handler):
    """Everything that anybody wrote into a log, with its tracebacks."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        if record.name != "mail.log":  # the mail server of the tests
            self.text += f"{record.name}: {self.format(record)}\n"


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[Log]:
    """Listen to all loggers, before anything is removed from what they say."""
    handler = Log()
    listening = [logging.getLogger(), logging.getLogger("tracker")]
    with ExitStack() as stack:
        for logger in listening:
            stack.enter_context(caplog.at_level(logging.DEBUG, logger.name))
            logger.addHandler(handler)
            stack.callback(logger.removeHandler, handler)
        yield handler


@pytest.fixture
def after_it_all(
    app: Flask,
    client: FlaskClient,
    campaign: Campaign,
    work: Work,
    sink: Sink,
    log: Log,
) -> None:
    """Somebody in every state, an alert sent to them, and another on its way."""
    journey = Journey(app, client, campaign.slug, work, sink)
    for state in STATES:
        if state != "waiting":
            journey.sign(state)
    confirm(client, journey.link("shown"), person("shown"), shows_name="yes")
    for state in ("hidden", "withdrawn", "left"):
        confirm(client, journey.link(state), person(state))
    journey.subscribe("subscribed")
    journey.endorse("endorsing")
    client.post(f"{journey.link('withdrawn', '/my/')}/delete")
    _announce(app, campaign)
    work()
    client.post(journey.link("left", "/unsubscribe/"), data={"List-Unsubscribe": "One-Click"})
    _announce(app, campaign)
    sink.refuse_rcpt[person("hidden").email] = "450 later"
    sink.refuse_rcpt[person("subscribed").email] = "550 never"
    work()
    sink.refuse_rcpt[person("pending").email] = "550 never"
    journey.sign("pending")
    journey.sign("waiting", is_worked=False)
    client.get("/en/campaigns/none", environ_overrides={"REMOTE_ADDR": network("pending")})


class Journey:
    """The ways people go, each from a network of their own."""

    def __init__(
        self, app: Flask, client: FlaskClient, slug: str, work: Work, sink: Sink
    ) -> None:
        self.app, self.client, self.slug, self.work, self.sink = app, client, slug, work, sink

    def post(self, state: str, page: str, data: dict[str, str], *, is_worked: bool) -> None:
        answer = self.client.post(
            f"/en/campaigns/{self.slug}/{page}",
            data={**data, "email": person(state).email},
            environ_overrides={"REMOTE_ADDR": network(state)},
            headers={"X-Forwarded-For": network(state)},
        )
        assert answer.status_code == 200
        if is_worked:
            self.work()

    def sign(self, state: str, *, is_worked: bool = True) -> None:
        data = {"name": person(state).name, "country": "DE", "town": f"Town-{state}-hausen"}
        data |= {"organisation": f"Org-{state}-bund", "comment": f"Comment {state} wörtlich"}
        self.post(state, "sign", data, is_worked=is_worked)

    def subscribe(self, state: str) -> None:
        self.post(state, "subscribe", {"scope": "every-update"}, is_worked=True)
        link = self.link(state, "/confirm/subscription/")
        assert self.client.post(link, data={"scope": "every-update"}).status_code == 303

    def endorse(self, state: str) -> None:
        data = {"organisation": "Public Union", "level": "city", "country": "DE", "members": ""}
        data |= {"statement": "With him", "contact": person(state).name}
        self.post(state, "endorse", data, is_worked=True)
        link = self.link(state, "/confirm/endorsement/")
        assert self.client.post(link, data={**data, "alerts": "yes"}).status_code == 303

    def link(self, state: str, part: str = "/confirm/signature/") -> str:
        mails = self.sink.to(person(state).email)
        return path_in(next(mail.text for mail in reversed(mails) if part in mail.text), part)


def _announce(app: Flask, campaign: Campaign) -> None:
    with app.app_context(), writing():
        found = db.session.get_one(Campaign, campaign.id)
        factories.an_alert(factories.an_update(found, alerts=True))


# --- looking for people -----------------------------------------------------------------------


def secrets_of(state: str) -> list[str]:
    """Give what must not be found of somebody."""
    one = person(state)
    local, _, domain = one.email.partition("@")
    told = [
        one.email,
        local,
        domain,
        f"Town-{state}-hausen",
        f"Org-{state}-bund",
        network(state),
    ]
    if state != "shown":
        told += [one.name, one.name.upper(), f"Comment {state} wörtlich"]
    return [*told, network(state).rpartition(".")[0]]


def written(text: str) -> Iterable[bytes]:
    """Give the ways in which a text could stand in a file."""
    for encoding in ("utf-8", "utf-16-le", "utf-16-be", "latin-1"):
        raw = text.encode(encoding, "ignore")
        yield raw
        yield raw.hex().encode()
        yield raw.hex().upper().encode()
        # Base64 depends on where a text begins: the middle of each of the three.
        for shift in range(3):
            coded = base64.b64encode(b"\0" * shift + raw)
            yield coded[4 if shift else 0 : -4]
            yield coded[4 if shift else 0 : -4].translate(bytes.maketrans(b"+/", b"-_"))
    yield quote(text, safe="").encode()
    yield quote(text).encode()
    yield text.encode("unicode_escape")
    yield text[::-1].encode()


def found_in(content: bytes, needles: Iterable[str]) -> list[str]:
    """Say what is found, in whatever case it is written."""
    lowered = content.lower()
    return [
        f"{needle}: {form[:40]!r}"
        for needle in needles
        for form in {form.lower() for form in written(needle)}
        if len(form) >= 7 and form in lowered
    ]


def files_of(app: Flask) -> dict[str, bytes]:
    """Give every file a raid finds, or the whole database as text and bytes."""
    settings = app.config["TRACKER"]
    folder: Path = settings.data
    taken = {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and settings.keystore not in file.parents
    }
    if not is_sqlite(app):
        with app.app_context():
            taken["rows"] = b"\n".join(_row_bytes(value) for _, _, value in values_of(app))
    return taken


def _row_bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def values_of(app: Flask) -> Iterator[tuple[str, Any, Any]]:
    """Give every value in the database: table and column, primary key, value."""
    with app.app_context(), db.engine.connect() as connection:
        for table in db.metadata.sorted_tables:
            for row in connection.execute(sa.select(table)).mappings():
                for name, value in row.items():
                    yield f"{table.name}.{name}", row.get("id"), value


def test_the_search_finds_what_is_there() -> None:
    needle = "canary-pending@secret-pending.example"
    for form in (
        needle.encode(),
        needle.encode("utf-16-le"),
        base64.b64encode(b"{'to': '" + needle.encode() + b"', 'x': 1}"),
        base64.b64encode(b"12" + needle.encode() + b"34"),
        needle.encode().hex().encode(),
        quote(needle).encode(),
        needle.upper().encode(),
    ):
        assert found_in(b"xx" + form + b"xx", [needle])


@pytest.mark.usefixtures("after_it_all")
def test_no_file_and_no_backup_tells_who_signed_from_where(app: Flask, tmp_path: Path) -> None:
    taken = files_of(app)
    assert any(b"Canary Shown" in content for content in taken.values()), "chosen to be shown"
    if is_sqlite(app):
        assert {"tracker.db", "tracker.db-wal"} <= set(taken), "the log is searched, too"
        taken["backup"] = backup(app, tmp_path / "backup.db")
    secrets = [secret for state in STATES for secret in secrets_of(state)]
    for name, content in taken.items():
        assert found_in(content, secrets) == [], name


def is_sqlite(app: Flask) -> bool:
    return app.config["TRACKER"].database_url.startswith("sqlite")


def backup(app: Flask, file: Path) -> bytes:
    path = app.config["TRACKER"].database_url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(file)) as target:
        source.backup(target)
    return file.read_bytes()


def test_no_log_tells_who_signed_from_where(
    capfd: pytest.CaptureFixture[str], after_it_all: None, log: Log
) -> None:
    out, err = capfd.readouterr()
    assert "tracker.mail.tasks: delivery" in log.text, "refusals are logged, by number"
    for state in STATES:
        assert found_in((out + err + log.text).encode(), secrets_of(state)) == []


@pytest.mark.usefixtures("after_it_all")
def test_no_link_from_a_mail_stands_in_any_file_or_log(
    app: Flask, sink: Sink, log: Log
) -> None:
    links = set(re.findall(r"/([\w-]{43})\b", " ".join(mail.text for mail in sink.mails)))
    assert len(links) > 15
    for content in (*files_of(app).values(), log.text.encode()):
        for link in links:
            token = tokens.from_text(link)
            assert token is not None
            for form in (link.encode(), token, token.hex().encode(), base64.b64encode(token)):
                assert form not in content


@pytest.mark.usefixtures("after_it_all")
def test_the_database_and_the_webs_secret_together_open_nothing(app: Flask) -> None:
    secret = app.config["TRACKER"].secret.encode()
    values = list(values_of(app))
    blobs = [
        (where, row, v) for where, row, v in values if isinstance(v, bytes) and len(v) > 60
    ]
    kinds = {where for where, _, _ in blobs}
    assert kinds >= {
        "deliveries.envelope",
        "endorsements.contact",
        "pendings.code_locked",
        "pendings.links",
        "pendings.payload",
        "signatures.identity",
        "subscriptions.contact",
    }
    keys = {secret[:32], hashlib.sha256(secret).digest(), bytes(32)}
    keys |= {v for _, _, v in values if isinstance(v, bytes) and len(v) == 32}
    ids = {v for where, _, v in values if where.endswith("id") and isinstance(v, int)}
    campaigns = {v for where, _, v in values if where == "campaigns.id"}
    opened = [where for where, row, blob in blobs for key in keys if _opens(key, blob)]
    for (where, row, blob), key in itertools.product(blobs, keys):
        for campaign, kind in itertools.product(
            campaigns, ("pending", "links", "identity", "code")
        ):
            context = envelopes.context(kind, campaign, row)
            opened += [where] if _unlocks(key, blob, context) else []
    assert opened == []
    assert ids


@pytest.mark.usefixtures("after_it_all")
def test_even_with_the_code_from_the_mail_the_database_opens_nothing(
    app: Flask, sink: Sink
) -> None:
    """The key of the page that the form was answered with is nowhere but in that page."""
    mails = sink.to(person("pending").email)
    [code] = re.findall(r"^(\d{6})\s*$", mails[0].text, re.M)
    values = list(values_of(app))
    locked = [(row, v) for where, row, v in values if where == "pendings.code_locked" and v]
    assert len(locked) >= 3
    keys = {v for _, _, v in values if isinstance(v, bytes) and len(v) == 32}
    keys |= {b"", bytes(32), app.config["TRACKER"].secret.encode()}
    [campaign] = {v for where, _, v in values if where == "campaigns.id"}
    for (row, blob), key in itertools.product(locked, keys):
        opened = codes.unlock_token(blob, page_key=key, code=code, row=(campaign, row))
        assert opened is None


def _opens(key: bytes, blob: bytes) -> bool:
    for box in (SealedBox(PrivateKey(key)), SecretBox(key)):
        for content in (blob, blob[1:]):
            try:
                box.decrypt(content)
            except (CryptoError, ValueError):
                continue
            return True
    return False


def _unlocks(key: bytes, blob: bytes, context: str) -> bool:
    try:
        envelopes.unlock(key, blob, context=context)
    except envelopes.CannotOpen:
        return False
    return True


@pytest.mark.usefixtures("after_it_all")
def test_nobody_can_test_with_a_guess_who_signed(app: Flask) -> None:
    """Without the keystore, no hash of a known address is found anywhere."""
    secret = app.config["TRACKER"].secret.encode()
    taken = b"".join(files_of(app).values())
    for state in STATES:
        address = person(state).email.encode()
        for guess in (address, b"tag\0" + address, address + secret, secret + address):
            for name in ("sha256", "sha1", "md5", "sha512", "blake2b"):
                digest = hashlib.new(name, guess).digest()
                assert digest not in taken
                assert digest.hex().encode() not in taken


@pytest.mark.usefixtures("after_it_all")
def test_envelopes_of_one_kind_are_equally_long_and_who_left_has_none(app: Flask) -> None:
    found: dict[str, list[int]] = {}
    for where, _, value in values_of(app):
        if isinstance(value, bytes) and len(value) > 60:
            found.setdefault(where, []).append(len(value))
    # The mail of an update is the same for all, and as long as its text.
    found.pop("alert_variants.frozen")
    assert {where for where, lengths in found.items() if len(set(lengths)) > 1} == set()
    # shown, hidden, subscribed, endorsing; "withdrawn" and "left" are gone.
    assert len(found["subscriptions.contact"]) == 4
    assert len(found["signatures.identity"]) == 3
