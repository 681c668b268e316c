"""The web application: binds extensions, registers features, reaches no private key."""

from __future__ import annotations

import hashlib
from pathlib import Path

from flask import Flask, Response, request
from flask_compress import Compress
from werkzeug.middleware.proxy_fix import ProxyFix

from tracker import paths
from tracker.campaigns import index
from tracker.confirmations import views as confirmations
from tracker.core import guard, http, languages, logs, templating, wakeups
from tracker.dashboard import register as dashboard
from tracker.database import check_durability, engine_options, prepare_engine
from tracker.endorsements import views as endorsements
from tracker.extensions import babel, db, migrate
from tracker.mail.connection import mail
from tracker.organisers import views as organisers
from tracker.pages import (
    acting,
    archive,
    embeds,
    feeds,
    pictures,
    sharing,
    sheets,
    showcase,
)
from tracker.pages import views as pages
from tracker.settings import Settings, load
from tracker.signatures import views as signatures
from tracker.subscriptions import views as subscriptions

FEATURES = (
    pages,
    archive,
    acting,
    sharing,
    sheets,
    embeds,
    feeds,
    pictures,
    showcase,
    confirmations,
    signatures,
    subscriptions,
    endorsements,
    organisers,
    dashboard,
)


def create_app(settings: Settings | None = None) -> Flask:
    """Give the application, ready to answer.

    Raises :class:`~tracker.settings.SettingsError` or :class:`~tracker.database.NotDurable`
    where it would not be safe to start.
    """
    settings = settings or load()
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    digest = _digest(paths.STATIC)
    app = Flask(
        "tracker",
        template_folder=str(paths.TEMPLATES),
        static_folder=str(paths.STATIC),
        static_url_path=f"/static/{digest}",
        instance_path=str(settings.data),
    )
    app.logger.handlers[:] = [logs.handler()]
    app.logger.propagate = False
    _configure(app, settings)
    _bind(app)
    for feature in FEATURES:
        app.register_blueprint(feature.bp)
    if settings.proxies:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]  # the documented way
            app.wsgi_app, x_for=settings.proxies, x_proto=settings.proxies
        )
    return app


def _configure(app: Flask, settings: Settings) -> None:
    app.config.update(
        TRACKER=settings,
        SECRET_KEY=settings.secret,
        SERVER_NAME=settings.host,
        PREFERRED_URL_SCHEME=settings.base_url.split(":", 1)[0],
        SQLALCHEMY_DATABASE_URI=settings.database_url,
        SQLALCHEMY_ENGINE_OPTIONS=engine_options(settings.database_url),
        SESSION_COOKIE_NAME="__Host-form" if settings.is_https else "form",
        SESSION_COOKIE_SECURE=settings.is_https,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        WTF_CSRF_CHECK_DEFAULT=False,
        WTF_CSRF_TIME_LIMIT=12 * 3600,
        BABEL_TRANSLATION_DIRECTORIES=str(paths.TRANSLATIONS),
        BABEL_DEFAULT_LOCALE=languages.DEFAULT,
        SEND_FILE_MAX_AGE_DEFAULT=365 * 24 * 3600,
        MAIL_SERVER=settings.relays[0].host,
        MAIL_PORT=settings.relays[0].port,
        MAIL_DEFAULT_SENDER=settings.mail_from,
        COMPRESS_REGISTER=False,
        TRAP_HTTP_EXCEPTIONS=False,
    )


def _bind(app: Flask) -> None:
    db.init_app(app)
    migrate.init_app(app, db, directory=str(paths.MIGRATIONS), render_as_batch=True)
    babel.init_app(app, locale_selector=languages.locale)
    mail.init_app(app)
    languages.init_app(app)
    index.init_app(app)
    templating.init_app(app)
    guard.init_app(app)
    wakeups.init_app(app)
    _compress(app)
    http.init_app(app)  # last, so that its headers are there when others look at an answer
    app.context_processor(lambda: {"languages": languages.switch()})
    with app.app_context():
        prepare_engine(db.engine)
        check_durability(db.engine)


def _compress(app: Flask) -> None:
    """Compress what is the same for everybody; never a page with a secret (BREACH)."""
    compress = Compress()
    compress.init_app(app)

    @app.after_request
    def after(response: Response) -> Response:
        is_public = response.headers.get("Cache-Control", "").startswith("public")
        if request.endpoint == "static" and response.status_code == 200:
            # A file that is streamed compressed would stay open; ours are small.
            response.direct_passthrough = False
            response.get_data()
        if is_public or request.endpoint == "static":
            return compress.after_request(response)
        return response


def _digest(folder: Path) -> str:
    """Give a name for the present static files, so that browsers may keep them for ever."""
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            found.update(path.name.encode() + path.read_bytes())
    return found.hexdigest()[:12]
