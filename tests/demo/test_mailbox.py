from __future__ import annotations

import re
import smtplib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from tracker.campaigns.models import Partner
from tracker.demo import folder as folders
from tracker.demo.letterbox import Letterbox
from tracker.demo.mailbox import create_mailbox
from tracker.demo.processes import answer
from tracker.extensions import db

SITE = "http://127.0.0.1:8000"

MAIL = """From: Tracker <alerts@example.org>\r
To: {to}\r
Subject: =?utf-8?b?2KfZhNit2LHZitip?= {to}\r
Message-ID: <1@example.org>\r
MIME-Version: 1.0\r
Content-Type: multipart/alternative; boundary=b\r
\r
--b\r
Content-Type: text/plain; charset=utf-8\r
\r
Open <b>this</b>: http://127.0.0.1:8000/en/confirm/signature/abc.\r
--b\r
Content-Type: text/html; charset=utf-8\r
\r
<p><a href="http://127.0.0.1:8000/en/">Site</a><script>alert(1)</script></p>\r
--b--\r
"""


def mail(to: str) -> bytes:
    return MAIL.format(to=to).encode()


@pytest.fixture
def letterbox(tmp_path: Path) -> Iterator[Letterbox]:
    opened = Letterbox(tmp_path / "mailbox.db")
    yield opened
    opened.close()


@pytest.fixture
def client(tmp_path: Path, letterbox: Letterbox) -> FlaskClient:
    return create_mailbox(tmp_path / "mailbox.db", site=SITE).test_client()


def test_the_list_shows_the_newest_first_and_finds_recipients(
    client: FlaskClient, letterbox: Letterbox
) -> None:
    assert "No mail yet" in client.get("/").text
    letterbox.put([(f"p{n:03}@example.org", mail(f"p{n:03}")) for n in range(120)])
    first = client.get("/").text
    assert "120 mails" in first
    assert first.index("p119@") < first.index("p118@")
    assert "p060@" not in first
    assert "p060@" in client.get("/?page=2").text
    found = client.get("/?to=P060").text
    assert "1 mail<" in found
    assert "الحرية p060" in found
    assert 'http-equiv="refresh"' in first


def test_a_mail_is_shown_with_its_links_and_without_its_scripts(
    client: FlaskClient, letterbox: Letterbox
) -> None:
    letterbox.put([("a@example.org", mail("a"))])
    page = client.get("/messages/1").text
    assert 'href="http://127.0.0.1:8000/en/confirm/signature/abc"' in page
    assert "&lt;b&gt;this&lt;/b&gt;" in page
    assert "allow-top-navigation-by-user-activation" in page
    assert 'http-equiv="refresh"' not in page
    frame = client.get("/messages/1/html")
    policy = frame.headers["Content-Security-Policy"]
    assert "allow-scripts" not in policy
    assert "sandbox allow-popups" in policy
    assert client.get("/messages/1/raw").data == mail("a")
    assert client.get("/messages/2").status_code == 404


def test_programs_read_what_came_after(client: FlaskClient, letterbox: Letterbox) -> None:
    letterbox.put([(f"p{n}@example.org", mail(f"p{n}")) for n in range(5)])
    found = client.get("/api/messages?after=3").json
    assert found is not None
    assert [one["recipient"] for one in found["messages"]] == [
        "p3@example.org",
        "p4@example.org",
    ]
    assert (found["last"], found["newest"]) == (5, 5)
    assert found["messages"][0]["raw"].encode() == mail("p3")
    nothing = client.get("/api/messages?after=5").json
    assert nothing == {"messages": [], "last": 5, "newest": 5}
    one = client.get("/api/messages?to=p1@example.org").json
    assert one is not None
    assert len(one["messages"]) == 1


def test_a_partners_site_shows_the_frames_of_the_partner_that_is_registered(
    client: FlaskClient, loaded: Flask
) -> None:
    assert 'href="/partner"' in client.get("/").text
    for language in ("en", "ar"):
        answer = client.get(f"/partner?lang={language}")
        sources = re.findall(r'<iframe src="([^"]*)"', answer.text)
        assert len(sources) == 2
        assert "no such organisation exists" in answer.text
        assert f"frame-src {SITE};" in answer.headers["Content-Security-Policy"]
        for source in sources:
            path = source.removeprefix(SITE)
            assert path.startswith(f"/{language}/embed/karachi-nine/")
            assert path.endswith("?partner=a-partner")
            assert loaded.test_client().get(path).status_code == 200
    with loaded.app_context():
        found = db.session.scalars(select(Partner)).one()
        assert found.slug == "a-partner"
        assert found.name == "A partner’s site"


def test_what_came_over_smtp_is_there_once_it_is_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "mailbox.db"
    smtp_port = folders.free_port("127.0.0.1", 28025, taken=set())
    page_port = folders.free_port("127.0.0.1", 28026, taken={smtp_port})
    command = [sys.executable, "-m", "tracker.demo.catcher", str(path), "127.0.0.1"]
    command += [str(smtp_port), str(page_port), SITE]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        try:
            until = time.monotonic() + 20
            while answer(f"http://127.0.0.1:{page_port}/healthz") != 200:
                assert time.monotonic() < until
                time.sleep(0.05)
            with smtplib.SMTP("127.0.0.1", smtp_port, local_hostname="test") as server:
                for number in range(20):
                    to = f"p{number}@example.org"
                    server.sendmail("alerts@example.org", [to], mail(f"p{number}"))
                    letterbox = Letterbox(path)
                    assert letterbox.count(to) == 1
                    letterbox.close()
        finally:
            process.terminate()
            said = process.stderr.read() if process.stderr else b""
        assert process.wait(10) == 0
    assert b"example.org" not in said
