"""Security headers, caching, limits on what comes in, and pages for everything refused."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import unquote_to_bytes

from flask import Flask, Response, current_app, g, has_request_context, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm.exc import StaleDataError
from werkzeug.exceptions import (
    BadRequest,
    HTTPException,
    InternalServerError,
    RequestEntityTooLarge,
)
from werkzeug.sansio.utils import host_is_trusted

from tracker.core import languages
from tracker.core.errors import Refused, TooMany
from tracker.extensions import SAFE_METHODS, db
from tracker.side_lock import DatabaseBusy

MAX_BODY = 64 * 1024
"""Largest request body in bytes; more is answered with 413."""

MAX_FIELDS = 100
"""Most fields in one form; more is answered with 413."""

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "connect-src 'self'",  # Lighthouse reads robots.txt from inside the page
        "style-src 'self'",
        "img-src 'self'",
        "font-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)

FRAMABLE_POLICY = CONTENT_SECURITY_POLICY.replace("frame-ancestors 'none'", "frame-ancestors *")

View = TypeVar("View", bound=Callable[..., Any])


def cacheable(seconds: int) -> Callable[[View], View]:
    """Declare that a view's 200 answers are the same for everybody for so many seconds."""

    def declare(view: View) -> View:
        view.cache_seconds = seconds  # type: ignore[attr-defined]  # read by _cache
        return view

    return declare


def framable(view: View) -> View:
    """Declare that pages of other sites may show a view's answers in a frame."""
    view.is_framable = True  # type: ignore[attr-defined]  # read by _headers
    return view


def open_to_sites(view: View) -> View:
    """Declare that scripts and pages of other sites may read a view's answers."""
    view.is_open = True  # type: ignore[attr-defined]  # read by _headers
    return view


def takes_files(max_body: int) -> Callable[[View], View]:
    """Declare that a view takes files, in a body of at most so many bytes."""

    def declare(view: View) -> View:
        view.max_body = max_body  # type: ignore[attr-defined]  # read by _allow_files
        return view

    return declare


def _declared(name: str) -> Any:
    view = current_app.view_functions.get(request.endpoint or "")
    return getattr(view, name, None)


def _is_framed() -> bool:
    """Say whether what is being made may stand in a frame on another site."""
    return has_request_context() and bool(_declared("is_framable"))


def init_app(app: Flask) -> None:
    """Put limits on what comes in, headers on what goes out, and a page on every refusal."""
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.config["MAX_FORM_MEMORY_SIZE"] = MAX_BODY
    app.config["MAX_FORM_PARTS"] = MAX_FIELDS
    app.context_processor(lambda: {"is_framed": _is_framed()})
    app.url_value_preprocessor(_allow_files)
    app.before_request(_refuse_nonsense)
    app.after_request(lambda response: _headers(app, response))
    app.register_error_handler(HTTPException, _http_page)
    app.register_error_handler(Refused, _refused_page)
    app.register_error_handler(DatabaseBusy, _busy_page)
    app.register_error_handler(StaleDataError, _busy_page)
    app.register_error_handler(IntegrityError, _busy_page)
    app.register_error_handler(OperationalError, _database_page)
    app.register_error_handler(Exception, lambda error: _unexpected_page(app, error))


# --- what comes in -------------------------------------------------------------------------


def _allow_files(_endpoint: str | None, _values: dict[str, Any] | None) -> None:
    """Raise the limit on the body where the view takes files, before anybody reads it."""
    request.max_content_length = _declared("max_body") or MAX_BODY


def _refuse_nonsense() -> None:
    """Refuse foreign hosts, NUL bytes, invalid UTF-8, repeated and too many fields."""
    # Not Flask's TRUSTED_HOSTS: it leaves no way to build the links of the page that says so.
    hosts = current_app.config["TRACKER"].allowed_hosts
    if not host_is_trusted(request.environ.get("HTTP_HOST"), hosts):
        raise BadRequest
    _refuse_bytes(request.query_string)
    if "\x00" in request.path or "\ufffd" in request.path:
        raise BadRequest
    if request.method in {"POST", "PUT", "PATCH"}:
        _refuse_bad_form()


def _refuse_bytes(quoted: bytes) -> None:
    """Refuse percent-encoded text that holds a NUL or is not UTF-8; Werkzeug lets both pass."""
    try:
        text = unquote_to_bytes(quoted).decode()
    except UnicodeDecodeError:
        raise BadRequest from None
    if "\x00" in text:
        raise BadRequest


def _refuse_bad_form() -> None:
    takes_files = _declared("max_body") is not None
    if (request.content_length or 0) > (_declared("max_body") or MAX_BODY):
        raise RequestEntityTooLarge
    if request.mimetype == "application/x-www-form-urlencoded":
        body = request.get_data(cache=True, as_text=False, parse_form_data=False)
        # A body of unknown length is cut off at the limit without a word.
        is_cut = request.content_length is None and len(body) >= MAX_BODY
        if is_cut or body.count(b"&") >= MAX_FIELDS:
            raise RequestEntityTooLarge
        _refuse_bytes(body)
    for name, values in request.form.lists():
        texts = [name, *values]
        if any("\x00" in text or "\ufffd" in text for text in texts):
            raise BadRequest
        if len(values) > 1 and not name.endswith("[]"):
            raise BadRequest
    if request.files and not takes_files:
        raise BadRequest


# --- what goes out -------------------------------------------------------------------------


def _headers(app: Flask, response: Response) -> Response:
    settings = app.config["TRACKER"]
    headers = response.headers
    headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    headers["X-Content-Type-Options"] = "nosniff"
    headers["X-Frame-Options"] = "DENY"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    if _declared("is_framable"):
        headers["Content-Security-Policy"] = FRAMABLE_POLICY
        del headers["X-Frame-Options"]
        headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    if _declared("is_open"):
        headers["Access-Control-Allow-Origin"] = "*"
        headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    # Not no-referrer: Flask-WTF's check over TLS wants one from our own pages, and
    # nothing leaves the site either way.
    headers["Referrer-Policy"] = "same-origin"
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    headers["Cross-Origin-Embedder-Policy"] = "require-corp"
    headers["Permissions-Policy"] = (
        "interest-cohort=(), camera=(), microphone=(), geolocation=()"
    )
    if settings.is_https:
        headers["Strict-Transport-Security"] = "max-age=63072000; includeSubDomains"
    if request.endpoint != "static":
        _cache(app, response)
    return response


def _cache(app: Flask, response: Response) -> None:
    seconds = getattr(app.view_functions.get(request.endpoint or ""), "cache_seconds", None)
    is_read = request.method in SAFE_METHODS and response.status_code in {200, 302}
    if seconds is None or not is_read or g.get("is_private"):
        response.headers["Cache-Control"] = "no-store"
        return
    response.headers["Cache-Control"] = f"public, max-age={seconds}"
    if response.status_code == 200:
        response.add_etag()
        response.make_conditional(request)


# --- pages for what was refused ------------------------------------------------------------


def _page(status: int, title: str, text: str) -> tuple[str, int]:
    page = render_template("errors/error.html", status=status, title=title, text=text)
    return page, status


def _words(status: int) -> tuple[str, str]:
    """Give title and explanation for a status."""
    if status == 404:
        return _("This page does not exist"), _(
            "The address may be mistyped, or the page may have been taken down."
        )
    if status == 405:
        return _("This cannot be done here"), _(
            "The page exists, but it cannot be used in this way. Go back and use its buttons."
        )
    if status == 410:
        return _("This link is no longer valid"), _(
            "It was used already, or its time is over. You can start again from the campaign."
        )
    if status == 413:
        return _("That was too much at once"), _(
            "What was sent is larger than this site takes. Please shorten it and try again."
        )
    if status == 429:
        return _("Please wait a moment"), _(
            "Too many attempts from your network. Please wait a little and try again."
        )
    if status == 403:
        return _("This is not allowed"), _(
            "The request came from another site, or you do not have the right to do this."
        )
    if status == 503:
        return _("Just a moment"), _(
            "The site is busy and could not save this. Nothing was changed; please try again."
        )
    if status >= 500:
        return _("Something went wrong on our side"), _(
            "Nothing was changed. Please try again in a few minutes."
        )
    return _("This request could not be understood"), _(
        "Something in what was sent is not valid. Go back, check it and try again."
    )


def _http_page(error: HTTPException) -> ResponseReturnValue:
    if error.response is not None or (error.code or 500) < 400:
        return error
    status = error.code or 500
    response = Response(_page(status, *_words(status))[0], status, mimetype="text/html")
    if isinstance(error, CSRFError):
        text = _("The page was open for too long. Go back, reload it and send it again.")
        response.set_data(_page(status, _words(400)[0], text)[0])
    for name, value in error.get_headers():
        if name.lower() in {"allow", "retry-after"}:
            response.headers[name] = value
    return response


def _refused_page(error: Refused) -> ResponseReturnValue:
    own_words = {410, 429, 503}
    title = (
        _words(error.status)[0] if error.status in own_words else _("This cannot be done now")
    )
    page, status = _page(error.status, title, languages.told(error))
    response = Response(page, status, mimetype="text/html")
    if isinstance(error, TooMany):
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def _busy_page(error: Exception) -> ResponseReturnValue:
    db.session.rollback()
    response = Response(*_page(503, *_words(503)), mimetype="text/html")
    response.headers["Retry-After"] = "5"
    return response


def _database_page(error: OperationalError) -> ResponseReturnValue:
    # A lock that did not come, a full disk, a server that restarts: nothing was saved, and
    # trying again is the right advice. Anything else is a fault of ours.
    original = error.orig
    text = str(original).lower()
    is_passing = not isinstance(original, sqlite3.Error) or any(
        sign in text for sign in ("locked", "busy", "full", "i/o")
    )
    if is_passing:
        return _busy_page(error)
    raise error


def _unexpected_page(app: Flask, error: Exception) -> ResponseReturnValue:
    if app.testing and app.config.get("PROPAGATE_EXCEPTIONS"):
        raise error
    app.logger.error(
        "unexpected %s at %s", type(error).__name__, request.endpoint, exc_info=error
    )
    db.session.rollback()
    return _http_page(InternalServerError())
