"""What every template may use: dates, numbers and countries in the reader's language."""

from __future__ import annotations

import datetime as dt
import functools
from typing import Any

import nh3
from flask import Flask, current_app, request, url_for
from flask_babel import format_date, format_decimal
from jinja2 import StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup

from tracker.core import forms, languages

_MARKDOWN = MarkdownIt("commonmark", {"html": False, "linkify": False}).disable(
    ["image", "html_block", "html_inline"]
)
_TAGS = {"p", "br", "em", "strong", "ul", "ol", "li", "blockquote", "a", "h3", "h4", "hr"}


def number(value: int) -> str:
    """Give a whole number as the reader's language writes it."""
    return str(format_decimal(value))


def day(value: dt.date | None) -> str:
    """Give a date in the reader's language, without a weekday; empty for none."""
    return str(format_date(value, "long")) if value else ""


def country(code: str) -> str:
    """Give a country's name in the reader's language."""
    return forms.country_names().get(code, code)


@functools.lru_cache(maxsize=2048)
def markdown(text: str) -> Markup:
    """Give HTML from our Markdown subset: no images, no raw HTML, links marked as foreign.

    Rendered by markdown-it (CommonMark), then passed through an allow-list, so that an
    error in one of the two is not yet a hole.
    """
    html = _MARKDOWN.render(text).replace("<h1", "<h3").replace("<h2", "<h3")
    html = html.replace("</h1", "</h3").replace("</h2", "</h3")
    return Markup(  # noqa: S704 - cleaned by nh3 on this very line
        nh3.clean(
            html,
            tags=_TAGS,
            attributes={"a": {"href"}},
            url_schemes={"http", "https", "mailto"},
            link_rel="nofollow ugc noopener noreferrer",
        )
    )


def external_url(endpoint: str, **values: Any) -> str:
    """Give an address under the configured base URL, whatever the request said its host was."""
    base: str = current_app.config["TRACKER"].base_url
    return base + url_for(endpoint, _external=False, **values)


def alternates() -> dict[str, str]:
    """Give the absolute address of the present page by language.

    Empty where nobody is to find it: only pages declared cacheable are the same for everybody.
    """
    view = current_app.view_functions.get(request.endpoint or "")
    if not getattr(view, "cache_seconds", None):
        return {}
    base: str = current_app.config["TRACKER"].base_url
    return {link.code: base + link.url.partition("?")[0] for link in languages.switch()}


def init_app(app: Flask) -> None:
    """Make the filters and globals known and undefined names an error."""
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters.update(number=number, day=day, country=country, markdown=markdown)
    app.jinja_env.globals.update(external_url=external_url, alternates=alternates)

    @app.context_processor
    def shared() -> dict[str, Any]:
        code = languages.current()
        settings = app.config["TRACKER"]
        return {
            "lang": code,
            "dir": languages.direction(code),
            "site_name": settings.site_name,
            "is_demo": settings.demo,
        }
