"""The demo mailbox as a web page: every mail that was really sent, opened and clicked."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager, closing
from dataclasses import asdict
from email.message import EmailMessage
from pathlib import Path

from flask import Flask, Response, abort, current_app, render_template, request
from flask.typing import ResponseReturnValue
from markupsafe import Markup, escape

from tracker.core.pagination import Page
from tracker.demo.folder import PARTNER, PARTNERS_CAMPAIGN
from tracker.demo.letterbox import Letterbox, Mail, parsed

PAGE_SIZE = 50
MOST_AT_ONCE = 1000
"""Most mails in one JSON answer."""
SHOWN_HEADERS = (
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "List-Id",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
)
FRAME = "allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation"
"""What a mail's HTML may do: have its links opened, nothing else."""

_LINK = re.compile(r"https?://[^\s<>\"]*[^\s<>\".,;:!?)\]]")
_FOLDER = Path(__file__).with_name("mailbox_pages")


def create_mailbox(path: Path, *, site: str) -> Flask:
    """Give the pages of the mailbox kept in ``path``, and a partner of ``site``."""
    app = Flask("mailbox", template_folder=str(_FOLDER), static_folder=str(_FOLDER / "static"))
    app.config["LETTERBOX"], app.config["SITE"] = path, site
    app.after_request(_headers)
    for rule, view in (
        ("/", index),
        ("/messages/<int:number>", message),
        ("/messages/<int:number>/html", message_html),
        ("/messages/<int:number>/raw", message_raw),
        ("/partner", partner),
        ("/api/messages", api_messages),
        ("/healthz", healthz),
    ):
        app.add_url_rule(rule, view_func=view)
    return app


def index() -> ResponseReturnValue:
    """List the mails, newest first; search by recipient."""
    to = request.args.get("to", "").strip().lower()[:254]
    number = max(1, min(request.args.get("page", 1, type=int), 10**6))
    with _letterbox() as letterbox:
        total = letterbox.count(to)
        mails = letterbox.newest(to, limit=PAGE_SIZE, offset=(number - 1) * PAGE_SIZE)
    page = Page(mails, number, PAGE_SIZE, total)
    return render_template("index.html", page=page, to=to)


def message(number: int) -> ResponseReturnValue:
    """Show one mail: headers, HTML in a sandbox, text with its links."""
    mail, raw = _found(number)
    whole = parsed(raw)
    headers = [(name, str(whole[name])) for name in SHOWN_HEADERS if whole[name]]
    return render_template(
        "message.html",
        mail=mail,
        headers=headers,
        has_html=whole.get_body(("html",)) is not None,
        text=_linked(_part(whole, "plain")),
        frame=FRAME,
    )


def message_html(number: int) -> ResponseReturnValue:
    """Give the HTML part alone, for the sandboxed frame; its links open in a new tab."""
    html = _part(parsed(_found(number)[1]), "html")
    response = Response(f'<base target="_blank">{html}', mimetype="text/html")
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; "
        f"sandbox {FRAME}"
    )
    return response


def message_raw(number: int) -> ResponseReturnValue:
    """Give one mail as it came over SMTP."""
    return Response(_found(number)[1], mimetype="text/plain")


def partner() -> ResponseReturnValue:
    """Show a partner's site: a page of another origin, with the frames of a campaign on it."""
    site: str = current_app.config["SITE"]
    page = render_template(
        "partner.html",
        site=site,
        frames=f"{site}/{{}}/embed/{PARTNERS_CAMPAIGN}/{{}}?partner={PARTNER}",
        lang="ar" if request.args.get("lang") == "ar" else "en",
    )
    response = Response(page, mimetype="text/html")
    response.headers["Content-Security-Policy"] = (
        f"default-src 'none'; style-src 'self'; script-src {site}; "
        f"frame-src {site}; base-uri 'none'; frame-ancestors 'none'"
    )
    return response


def api_messages() -> ResponseReturnValue:
    """Give the mails that came ``after`` a number, oldest first, for programs."""
    last = request.args.get("after", 0, type=int)
    to = request.args.get("to", "")
    limit = max(1, min(request.args.get("limit", MOST_AT_ONCE, type=int), MOST_AT_ONCE))
    with _letterbox() as letterbox:
        newest, found = letterbox.last(), letterbox.after(last, limit=limit, to=to)
    messages = [{**asdict(mail), "raw": raw.decode("latin-1")} for mail, raw in found]
    last = found[-1][0].id if found else last
    return {"messages": messages, "last": last, "newest": newest}


def healthz() -> ResponseReturnValue:
    """Say that the mailbox answers."""
    return {"ok": True}


def _letterbox() -> AbstractContextManager[Letterbox]:
    return closing(Letterbox(current_app.config["LETTERBOX"]))


def _found(number: int) -> tuple[Mail, bytes]:
    with _letterbox() as letterbox:
        mail, raw = letterbox.mail(number), letterbox.raw(number)
    return (mail, raw) if mail is not None and raw is not None else abort(404)


def _part(whole: EmailMessage, subtype: str) -> str:
    part = whole.get_body((subtype,))
    return str(part.get_content()) if part is not None else ""


def _linked(text: str) -> Markup:
    """Give a text with its addresses as links and everything else escaped."""
    shown, end = Markup(), 0
    for link in _LINK.finditer(text):
        shown += escape(text[end : link.start()])
        shown += Markup('<a href="{0}" target="_blank" rel="noopener">{0}</a>').format(link[0])
        end = link.end()
    return shown + escape(text[end:])


def _headers(response: Response) -> Response:
    response.headers.setdefault(
        "Content-Security-Policy",
        "default-src 'none'; style-src 'self'; frame-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'",
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-store"
    return response
