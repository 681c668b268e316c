"""What comes in is limited, what goes out is marked, and every refusal has a page of ours."""

from __future__ import annotations

import io
import random
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.datastructures import Headers
from werkzeug.test import TestResponse

from tests.conftest import path_in, sign
from tests.support.sink import Sink
from tracker.campaigns import services as campaigns
from tracker.campaigns.models import Campaign, Outcome
from tracker.confirmations.models import Pending
from tracker.core import tokens
from tracker.core.http import MAX_BODY
from tracker.extensions import db, writing
from tracker.side_lock import DatabaseBusy

FORM = "application/x-www-form-urlencoded"
GOOD = b"name=Sara&email=sara@example.org&country=DE"
NO_TOKEN = tokens.to_text(bytes(32))


def in_our_design(answer: TestResponse, lang: str) -> bool:
    """Say whether a page has our frame, speaks ``lang`` and shows a way out."""
    text = answer.text
    return (
        answer.mimetype == "text/html"
        and re.search(rf'<html lang="{lang}" dir="{"rtl" if lang == "ar" else "ltr"}">', text)
        is not None
        and '<link rel="stylesheet" href="/static/' in text
        and '<main id="content"' in text
        and "<h1>" in text
        and f'href="/{lang}/"' in text
    )


def post(client: FlaskClient, body: bytes, kind: str = FORM, lang: str = "es") -> TestResponse:
    return client.post(f"/{lang}/campaigns/amar-fayaz/sign", data=body, content_type=kind)


def multipart(*parts: bytes) -> bytes:
    head = b"--x\r\nContent-Disposition: form-data; name="
    return b"".join(head + part + b"\r\n" for part in parts) + b"--x--\r\n"


MULTIPART = "multipart/form-data; boundary=x"

BODIES = {
    "larger than 64 KiB": (GOOD + b"&comment=" + b"x" * MAX_BODY, FORM, 413),
    "10,000 fields": (b"&".join(b"f%d=" % n for n in range(10_000)), FORM, 413),
    "10,000 parts": (multipart(*(b'"f%d"\r\n\r\n' % n for n in range(10_000))), MULTIPART, 413),
    "101 parts": (multipart(*(b'"f%d"\r\n\r\n' % n for n in range(101))), MULTIPART, 413),
    "NUL, quoted": (GOOD + b"&town=a%00b", FORM, 400),
    "NUL, bare": (GOOD + b"&town=a\x00b", FORM, 400),
    "NUL in a name": (GOOD + b"&to%00wn=a", FORM, 400),
    "invalid UTF-8, quoted": (GOOD + b"&town=%ff%fe", FORM, 400),
    "invalid UTF-8, bare": (GOOD + b"&town=\xff\xfe", FORM, 400),
    "half a surrogate": (GOOD + b"&town=%ed%a0%80", FORM, 400),
    "overlong UTF-8": (GOOD + b"&town=%c0%80", FORM, 400),
    "invalid UTF-8 in a part": (multipart(b'"name"\r\n\r\n\xff'), MULTIPART, 400),
    "duplicate keys": (GOOD + b"&email=other@example.org", FORM, 400),
    "duplicate parts": (multipart(b'"name"\r\n\r\na', b'"name"\r\n\r\nb'), MULTIPART, 400),
    "a file": (multipart(b'"name"; filename="a.png"\r\n\r\nx'), MULTIPART, 400),
    "JSON": (b'{"name": "Sara"}', "application/json", 422),
    "text": (GOOD, "text/plain", 422),
    "no content type": (GOOD, "", 422),
    "a broken boundary": (b"--y\r\n\r\n", MULTIPART, 422),
    "no boundary": (multipart(b'"name"\r\n\r\na'), "multipart/form-data", 422),
    "nothing": (b"", FORM, 422),
}


@pytest.mark.parametrize(("body", "kind", "status"), BODIES.values(), ids=BODIES)
def test_a_bad_body_is_refused_with_a_page_and_nothing_is_kept(
    app: Flask, client: FlaskClient, campaign: Campaign, body: bytes, kind: str, status: int
) -> None:
    answer = post(client, body, kind)
    assert answer.status_code == status
    assert in_our_design(answer, "es")
    with app.app_context():
        assert db.session.query(Pending).count() == 0


def test_a_body_of_exactly_64_kib_is_read_and_one_byte_more_is_not(
    client: FlaskClient, campaign: Campaign
) -> None:
    fill = GOOD + b"&comment="
    assert post(client, fill + b"x" * (MAX_BODY - len(fill))).status_code == 422
    assert post(client, fill + b"x" * (MAX_BODY - len(fill) + 1)).status_code == 413


def test_a_body_that_does_not_say_its_length_is_cut_off_too(
    client: FlaskClient, campaign: Campaign
) -> None:
    answer = client.post(
        "/ar/campaigns/amar-fayaz/sign",
        input_stream=io.BytesIO(GOOD + b"&comment=" + b"x" * 10 * MAX_BODY),
        content_type=FORM,
        environ_overrides={"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"},
    )
    assert answer.status_code == 413
    assert in_our_design(answer, "ar")


@pytest.mark.parametrize("length", ["abc", "-1", "9" * 30, "1e3"])
def test_a_length_that_is_no_number_does_no_harm(
    client: FlaskClient, campaign: Campaign, length: str
) -> None:
    answer = client.post(
        "/en/campaigns/amar-fayaz/sign",
        data=GOOD,
        content_type=FORM,
        environ_overrides={"CONTENT_LENGTH": length},
    )
    assert 300 <= answer.status_code < 500


def test_the_worst_of_many_random_bodies_is_a_refusal(
    client: FlaskClient, campaign: Campaign
) -> None:
    draw = random.Random(1)
    for _ in range(150):
        body = bytearray(draw.choice([GOOD, multipart(b'"name"\r\n\r\na')]))
        for _ in range(draw.randint(1, 6)):
            body[draw.randrange(len(body))] = draw.randrange(256)
        assert post(client, bytes(body), draw.choice([FORM, MULTIPART])).status_code < 500


@pytest.mark.parametrize("path", ["/ar/%00", "/ar/campaigns/%ff", "/ar/campaigns/a%c0%80/sign"])
def test_an_address_that_is_no_text_is_refused_in_its_language(
    client: FlaskClient, path: str
) -> None:
    answer = client.get(path)
    assert answer.status_code == 400
    assert in_our_design(answer, "ar")


@pytest.mark.parametrize("query", ["a=%00", "a=%ff", "%ff=a", "a=%ed%a0%80", "%00"])
def test_a_query_that_is_no_text_is_refused(client: FlaskClient, query: str) -> None:
    for path in ("/es/", "/es/organisers/sign-in"):
        answer = client.get(f"{path}?{query}")
        assert answer.status_code == 400
        assert in_our_design(answer, "es")


@pytest.mark.parametrize("query", ["a=1&a=2", "%", "%zz", "&&&", "=" * 500, "a=" + "x" * 9000])
def test_an_odd_query_does_no_harm(client: FlaskClient, query: str) -> None:
    assert client.get(f"/es/?{query}").status_code == 200


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Cookie", "organiser=" + "x" * 60_000),
        ("Cookie", "form=" + "." * 9000),
        ("Cookie", "\xff=\xff; organiser=\xe9"),
        ("Accept-Language", "es;q=," * 5000),
        ("Referer", "http://" + "x" * 60_000),
        ("If-None-Match", '"' + "x" * 9000),
        ("If-Modified-Since", "yesterday"),
        ("Range", "bytes=5-1"),
        ("X-Forwarded-For", "1" * 9000),
        ("Accept-Encoding", "gzip;q=x, br;;;"),
        ("Sec-Fetch-Site", "x" * 9000),
    ],
)
def test_an_absurd_header_does_no_harm(
    client: FlaskClient, campaign: Campaign, name: str, value: str
) -> None:
    for path in ("/es/campaigns/amar-fayaz", "/es/organisers/sign-in", "/es/organise/"):
        assert client.get(path, headers={name: value}).status_code < 400
    assert client.post("/es/campaigns/amar-fayaz/sign", headers={name: value}).status_code < 500


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "evil.example:8000", "x y", "", "127.0.0.1:0"],
)
def test_a_host_that_is_not_ours_is_refused_and_named_nowhere(
    client: FlaskClient, campaign: Campaign, host: str
) -> None:
    for path in ("/", "/es/", "/es/campaigns/amar-fayaz", "/healthz"):
        answer = client.get(path, headers={"Host": host})
        assert answer.status_code == 400
        assert "evil" not in answer.text + str(answer.headers)
    assert in_our_design(client.get("/es/", headers={"Host": host}), "es")
    form = client.post("/es/campaigns/amar-fayaz/sign", data=GOOD, headers={"Host": host})
    assert form.status_code == 400


def test_a_proxys_word_on_the_host_is_not_taken(client: FlaskClient) -> None:
    headers = {"X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}
    answer = client.get("/", headers=headers)
    assert answer.status_code == 302
    assert "evil" not in answer.location + client.get("/es/", headers=headers).text


# --- a page for every refusal ---------------------------------------------------------------


@pytest.fixture
def refusals(
    app: Flask, client: FlaskClient, campaign: Campaign, monkeypatch: pytest.MonkeyPatch
) -> dict[int, Callable[[str], TestResponse]]:
    """Each refusal there is, for a language."""
    page = "campaigns/amar-fayaz"

    def closed(lang: str) -> TestResponse:
        with app.app_context(), writing():
            found = db.session.get_one(Campaign, campaign.id)
            found.state = type(found.state).LIVE
            campaigns.close(found, Outcome.WON)
        return sign(client, campaign.slug, lang=lang)

    def broken(lang: str, error: Exception) -> TestResponse:
        def fail() -> dict[str, Any]:
            raise error

        with monkeypatch.context() as patched:
            patched.setattr("tracker.pages.views.cards", fail)
            return client.get(f"/{lang}/")

    def too_often(lang: str) -> TestResponse:
        return [sign(client, campaign.slug, lang=lang) for _ in range(61)][-1]

    foreign = {"Sec-Fetch-Site": "cross-site"}
    return {
        400: lambda lang: client.get(f"/{lang}/?x=%ff"),
        403: lambda lang: client.post(f"/{lang}/{page}/sign", headers=foreign),
        404: lambda lang: client.get(f"/{lang}/campaigns/no-such"),
        405: lambda lang: client.put(f"/{lang}/{page}"),
        409: closed,
        410: lambda lang: client.get(f"/{lang}/my/{NO_TOKEN}"),
        413: lambda lang: post(client, b"x" * (MAX_BODY + 1), lang=lang),
        429: too_often,
        500: lambda lang: broken(lang, RuntimeError("sara@example.org")),
        503: lambda lang: broken(lang, DatabaseBusy()),
    }


STATUSES = [400, 403, 404, 405, 409, 410, 413, 429, 500, 503]


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("lang", ["es", "ar"])
def test_every_refusal_has_our_design_in_the_language_of_the_address(
    refusals: dict[int, Callable[[str], TestResponse]], status: int, lang: str
) -> None:
    answer = refusals[status](lang)
    assert answer.status_code == status
    assert in_our_design(answer, lang)
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in answer.headers


def test_a_method_that_is_not_offered_is_told_which_are(client: FlaskClient) -> None:
    assert "GET" in client.put("/es/privacy").headers["Allow"]


def test_a_fault_of_ours_tells_the_visitor_nothing(
    refusals: dict[int, Callable[[str], TestResponse]],
) -> None:
    text = refusals[500]("en").text
    assert "Something went wrong on our side" in text
    for inner in ("RuntimeError", "sara@example.org", "Traceback", "cards"):
        assert inner not in text


def test_who_comes_while_the_database_is_busy_is_asked_to_come_back(
    refusals: dict[int, Callable[[str], TestResponse]],
) -> None:
    answer = refusals[503]("en")
    assert int(answer.headers["Retry-After"]) > 0
    assert "Nothing was changed" in answer.text


# --- headers ---------------------------------------------------------------------------------

CSP = {
    "default-src 'none'",
    "script-src 'self'",
    "connect-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "font-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
}


def test_every_answer_carries_the_security_headers(
    client: FlaskClient,
    campaign: Campaign,
    refusals: dict[int, Callable[[str], TestResponse]],
) -> None:
    page = client.get("/en/campaigns/amar-fayaz")
    style = re.search(r'href="(/static/[^"]+)"', page.text)
    assert style is not None
    answers = [
        page,
        client.get(style[1]),
        client.get("/static/none/none.css"),
        client.get("/"),
        client.get("/en"),
        client.get("/healthz"),
        client.options("/en/"),
        client.get("/en/", headers={"Host": "evil.example"}),
        client.get("/en/campaigns/amar-fayaz", headers={"If-None-Match": page.headers["ETag"]}),
        sign(client, campaign.slug),
        *(refuse("en") for refuse in refusals.values()),
    ]
    for answer in answers:
        headers: Headers = answer.headers
        assert set(headers["Content-Security-Policy"].split("; ")) == CSP
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "same-origin"
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "camera=()" in headers["Permissions-Policy"]
        assert "Server" not in headers
        answer.close()


PUBLIC = [
    "/en/",
    "/en/campaigns/amar-fayaz",
    "/ar/privacy",
    "/es/campaigns/amar-fayaz/check-inbox",
]


@pytest.mark.parametrize("path", PUBLIC)
def test_a_public_page_sets_no_cookie_and_may_be_kept_by_everybody(
    client: FlaskClient, campaign: Campaign, path: str
) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert "Set-Cookie" not in answer.headers
    assert "Cookie" not in answer.headers.get("Vary", "")
    found = re.fullmatch(r"public, max-age=(\d+)", answer.headers["Cache-Control"])
    assert found is not None
    assert 0 < int(found[1]) <= 300


def undated(answer: TestResponse) -> list[tuple[str, str]]:
    """The headers but for the second in which they were sent."""
    return [header for header in answer.headers.to_wsgi_list() if header[0] != "Date"]


@pytest.mark.parametrize("path", PUBLIC)
def test_a_public_page_is_the_same_for_somebody_who_is_signed_in(
    signed_in: FlaskClient, campaign: Campaign, path: str
) -> None:
    stranger = signed_in.application.test_client()
    own, others = signed_in.get(path), stranger.get(path)
    assert own.data == others.data
    assert undated(own) == undated(others)


@pytest.mark.parametrize("path", PUBLIC)
def test_head_gives_the_headers_of_get_and_no_body(
    client: FlaskClient, campaign: Campaign, path: str
) -> None:
    head, get = client.head(path), client.get(path)
    assert head.status_code == 200
    assert head.data == b""
    assert undated(head) == undated(get)


@pytest.mark.parametrize("encoding", ["", "gzip", "br, gzip"])
def test_a_page_that_did_not_change_is_not_sent_again(
    client: FlaskClient, campaign: Campaign, encoding: str
) -> None:
    headers = {"Accept-Encoding": encoding}
    first = client.get("/en/campaigns/amar-fayaz", headers=headers)
    assert bool(encoding) == bool(first.headers.get("Content-Encoding"))
    headers["If-None-Match"] = first.headers["ETag"]
    again = client.get("/en/campaigns/amar-fayaz", headers=headers)
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["Cache-Control"] == first.headers["Cache-Control"]
    other = client.get("/es/campaigns/amar-fayaz", headers=headers)
    assert other.status_code == 200


def test_what_carries_a_secret_is_never_compressed(
    signed_in: FlaskClient, campaign: Campaign
) -> None:
    headers = {"Accept-Encoding": "gzip, br"}
    for path in ("/en/organise/", "/en/organisers/password", f"/en/unsubscribe/{NO_TOKEN}"):
        answer = signed_in.get(path, headers=headers)
        assert "Content-Encoding" not in answer.headers


def test_pages_behind_a_link_from_a_mail_are_kept_by_nobody(
    client: FlaskClient, campaign: Campaign, work: Callable[[], None], sink: Sink
) -> None:
    sign(client, campaign.slug)
    work()
    text = sink.mails[0].text
    for part in ("/confirm/signature/", "/my/", "/unsubscribe/"):
        answer = client.get(path_in(text, part))
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Set-Cookie" not in answer.headers
        assert '<meta name="robots" content="noindex">' in answer.text


def test_organisers_pages_are_kept_by_nobody(signed_in: FlaskClient) -> None:
    for path in ("/en/organise/", "/en/organisers/sign-in", "/en/organisers/password"):
        assert signed_in.get(path).headers["Cache-Control"] == "no-store"


def test_the_style_sheet_may_be_kept_for_ever_because_its_name_changes(
    client: FlaskClient,
) -> None:
    style = re.search(r'href="(/static/[0-9a-f]{12}/site\.css)"', client.get("/en/").text)
    assert style is not None
    answer = client.get(style[1])
    assert answer.mimetype == "text/css"
    assert "max-age=31536000" in answer.headers["Cache-Control"]
    answer.close()


def test_monitoring_gets_its_answer(client: FlaskClient) -> None:
    answer = client.get("/healthz")
    assert answer.json == {"ok": True}
    assert answer.headers["Cache-Control"] == "no-store"
