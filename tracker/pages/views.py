"""Public pages that join features: the list, a campaign, one's own page, privacy."""

from __future__ import annotations

from flask import Blueprint, Response, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from tracker.campaigns import queries as campaigns
from tracker.campaigns.models import State
from tracker.campaigns.translations import texts_of
from tracker.confirmations import intake
from tracker.core import guard, http, languages
from tracker.extensions import writing
from tracker.pages import own as owned
from tracker.pages import sharing
from tracker.pages.charts import charts_of
from tracker.pages.forms import LinkForm, MailsForm, ShownForm
from tracker.pages.showing import campaign_shown, cards
from tracker.signatures import services as signatures
from tracker.signatures.forms import SignForm
from tracker.subscriptions import services as subscriptions
from tracker.subscriptions.models import Scope

bp = Blueprint("pages", __name__)


@bp.get("/")
def root() -> ResponseReturnValue:
    """Lead to the list in the visitor's language."""
    response = redirect(url_for(".home", lang=languages.preferred()))
    response.headers["Vary"] = "Accept-Language"
    return response


@bp.get("/<lang:lang>/")
@http.cacheable(30)
def home() -> ResponseReturnValue:
    """Show all campaigns: open, won, closed."""
    return render_template("pages/home.html", **cards())


@bp.get("/<lang:lang>/campaigns/<slug>")
@http.cacheable(30)
def campaign(slug: str) -> ResponseReturnValue:
    """Show one campaign with its form."""
    found = campaigns.by_slug(slug)
    if found is not None and found.state is State.PAUSED:
        return render_template("pages/paused.html"), 503
    if found is None or not found.is_public:
        abort(404)
    shown = campaign_shown(found)
    return render_template(
        "pages/campaign.html",
        c=shown,
        charts=charts_of(found, shown),
        share=sharing.links_of(found, str(shown.title)),
        preview=sharing.preview_of(shown, is_open=shown.is_open),
        form=SignForm(formdata=None, partner=request.args.get("partner", "")),
    )


@bp.get("/<lang:lang>/privacy")
@http.cacheable(300)
def privacy() -> ResponseReturnValue:
    """Say what is kept, for how long, and what is not protected."""
    return render_template("pages/privacy.html")


@bp.get("/robots.txt")
@http.cacheable(24 * 3600)
def robots() -> ResponseReturnValue:
    """Ask search engines to leave alone what is for one person, or for organisers."""
    closed = ("confirm", "my", "unsubscribe", "organise", "organisers", "embed")
    rules = "".join(f"Disallow: /*/{name}/\n" for name in closed)
    return Response(f"User-agent: *\n{rules}", mimetype="text/plain")


@bp.get("/healthz")
def healthz() -> ResponseReturnValue:
    """Answer monitoring: the web process runs and reads its database."""
    campaigns.by_slug("-")
    return {"ok": True}


# --- one's own page ------------------------------------------------------------------------


@bp.get("/<lang:lang>/my/<token>")
def my_page(token: str) -> ResponseReturnValue:
    """Show what is kept under the link, and what can be changed."""
    found = owned.behind(token)
    return _my_page(found, token), 200


def _my_page(
    found: owned.Own, token: str, shown: ShownForm | None = None, mails: MailsForm | None = None
) -> str:
    return render_template(
        "pages/my_page.html",
        own=found,
        title=texts_of(found.campaign, languages.current()).text("title", found.campaign.title),
        token=token,
        shown=shown or _shown_form(found),
        mails=mails or _mails_form(found),
        done=request.args.get("done", ""),
        language_names=languages.LANGUAGES,
    )


def _shown_form(found: owned.Own) -> ShownForm | None:
    signature = found.signature
    if signature is None:
        return None
    return ShownForm(
        formdata=None,
        shows_name="yes" if signature.shows_name else "no",
        name=signature.public_name or "",
        hands_over="yes" if signature.hands_over else "no",
    )


def _mails_form(found: owned.Own) -> MailsForm | None:
    subscription = found.subscription
    if subscription is None:
        return None
    return MailsForm(
        formdata=None, scope=subscription.scope.value, language=subscription.language
    )


def _back(token: str, done: str) -> ResponseReturnValue:
    return redirect(url_for(".my_page", token=token, done=done), 303)


@bp.post("/<lang:lang>/my/<token>/shown")
@guard.public_guarded
def change_shown(token: str) -> ResponseReturnValue:
    """Change what is shown and handed over."""
    form = ShownForm()
    if not form.validate_on_submit():
        return _my_page(owned.behind(token), token, shown=form), 422
    with writing():
        signature = owned.behind(token, lock=True).signature or abort(410)
        if form.shows_name.is_yes:
            signatures.show_name(signature, str(form.name.data))
        else:
            signatures.hide_name(signature)
        signatures.hand_over(signature, agrees=form.hands_over.is_yes)
    return _back(token, "saved")


@bp.post("/<lang:lang>/my/<token>/mails")
@guard.public_guarded
def change_mails(token: str) -> ResponseReturnValue:
    """Change what is written about, and in which language."""
    form = MailsForm()
    if not form.validate_on_submit():
        return _my_page(owned.behind(token), token, mails=form), 422
    with writing():
        subscription = owned.behind(token, lock=True).subscription or abort(410)
        subscriptions.change(
            subscription, scope=Scope(form.scope.data), language=str(form.language.data)
        )
    return _back(token, "saved")


@bp.post("/<lang:lang>/my/<token>/stop")
@guard.public_guarded
def stop_mails(token: str) -> ResponseReturnValue:
    """End the mails; the signature stays."""
    with writing():
        is_left = owned.stop_mails(owned.behind(token, lock=True))
    return _back(token, "stopped") if is_left else redirect(url_for(".gone"), 303)


@bp.post("/<lang:lang>/my/<token>/withdraw")
@guard.public_guarded
def withdraw(token: str) -> ResponseReturnValue:
    """Take the signature back."""
    with writing():
        is_left = owned.withdraw(owned.behind(token, lock=True))
    return _back(token, "withdrawn") if is_left else redirect(url_for(".gone"), 303)


@bp.post("/<lang:lang>/my/<token>/delete")
@guard.public_guarded
def delete_everything(token: str) -> ResponseReturnValue:
    """Delete everything this mailbox has under the campaign."""
    with writing():
        owned.delete_everything(owned.behind(token, lock=True))
    return redirect(url_for(".gone"), 303)


@bp.get("/<lang:lang>/deleted")
def gone() -> ResponseReturnValue:
    """Say that nothing is left."""
    return render_template("pages/gone.html")


@bp.route("/<lang:lang>/campaigns/<slug>/my-link", methods=["GET", "POST"])
@guard.public_guarded
def request_link(slug: str) -> ResponseReturnValue:
    """Mail the link to one's own page; the same answer for every address."""
    return intake.take_wish_for_link(slug, LinkForm(), template="pages/request_link.html")
