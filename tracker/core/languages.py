"""The languages of the interface: which there are, and which one a page is in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlencode

from babel import Locale
from flask import Flask, current_app, g, has_request_context, request, url_for
from flask_babel import force_locale, gettext
from werkzeug.routing import BaseConverter

from tracker.core.errors import Refused

LANGUAGES = {
    "en": "English",
    "es": "Español",
    "fr": "Français",
    "pt": "Português",
    "de": "Deutsch",
    "tr": "Türkçe",
    "ar": "العربية",
    "ur": "اردو",
}
"""Code (BCP 47) and own name of every language the interface is complete in."""

DEFAULT = "en"

_LOCALES = {"en": "en_GB"}
"""Locales for dates and numbers; bare English would write the month first."""

CONTENT_LANGUAGES = tuple(LANGUAGES)
"""Languages a campaign may be written in."""


class LanguageConverter(BaseConverter):
    """The first part of every address: one of our languages, nothing else."""

    regex = "|".join(LANGUAGES)


class LanguageLink(NamedTuple):
    """One choice of the language switch."""

    code: str
    name: str
    url: str
    current: bool


def current() -> str:
    """Give the language of what is being made: of the address, else what was forced."""
    return getattr(g, "lang", None) or DEFAULT


def locale() -> str:
    """Give the locale for dates, numbers and strings of what is being made."""
    return _LOCALES.get(current(), current())


def preferred() -> str:
    """Give the visitor's best language by ``Accept-Language``."""
    for wanted, quality in request.accept_languages:
        # Werkzeug's own match prefers "en" to "es-419"; a reader of the latter does not.
        code = wanted.partition("-")[0].lower()
        if quality and code in LANGUAGES:
            return code
    return DEFAULT


def known(code: str | None) -> str:
    """Give ``code`` where we speak it, else the default."""
    return code if code in LANGUAGES else DEFAULT


def direction(code: str) -> str:
    """Give ``rtl`` or ``ltr``."""
    return str(Locale.parse(code).text_direction)


@contextmanager
def speaking(code: str) -> Iterator[None]:
    """Make pages and mails inside in the language ``code``, links included."""
    before = getattr(g, "lang", None)
    g.lang = known(code)
    try:
        with force_locale(locale()):
            yield
    finally:
        g.lang = before


def told(refused: Refused) -> str:
    """Give a refusal's message in the language being spoken.

    Pure modules mark their messages without translating them; it happens here.
    """
    message = refused.message
    return str(gettext(message)) if isinstance(message, str) else str(message)


def switch() -> list[LanguageLink]:
    """Give the same page in every language, with the same question in its address."""
    here = request.endpoint if has_request_context() else None
    is_here = here is not None and _is_translated(here) and _has_get()
    endpoint = here if here is not None and is_here else "pages.home"
    values = dict(request.view_args or {}) if is_here else {}
    # Never as arguments of url_for, which listens to _scheme, _anchor and others.
    query = urlencode(list(request.args.items(multi=True))) if is_here else ""
    return [
        LanguageLink(
            code,
            name,
            url_for(endpoint, **{**values, "lang": code}) + ("?" + query if query else ""),
            code == current(),
        )
        for code, name in LANGUAGES.items()
    ]


def _of_path() -> str | None:
    first = request.path.lstrip("/").partition("/")[0]
    return first if first in LANGUAGES else None


def _is_translated(endpoint: str) -> bool:
    return current_app.url_map.is_endpoint_expecting(endpoint, "lang")


def _has_get() -> bool:
    return bool(request.url_rule and "GET" in (request.url_rule.methods or ()))


def init_app(app: Flask) -> None:
    """Take the language out of addresses and put it into links."""
    app.url_map.converters["lang"] = LanguageConverter

    @app.url_value_preprocessor
    def pull(_endpoint: str | None, values: dict[str, Any] | None) -> None:
        # An address that leads nowhere still says which language its reader speaks.
        g.lang = (values or {}).pop("lang", None) or _of_path() or preferred()

    @app.url_defaults
    def push(endpoint: str, values: dict[str, Any]) -> None:
        if "lang" not in values and app.url_map.is_endpoint_expecting(endpoint, "lang"):
            values["lang"] = current()
