"""The page that says: look into your inbox; with a field for the code where it has one."""

from __future__ import annotations

from flask import current_app, render_template, request, url_for

from tracker.campaigns.models import Campaign
from tracker.campaigns.translations import texts_of
from tracker.confirmations.codes import Ticket
from tracker.confirmations.forms import CodeForm
from tracker.confirmations.models import Kind
from tracker.confirmations.services import FOLDERS
from tracker.core import languages, tokens

_LETTERS = {
    Kind.SIGNATURE: ("confirm", "already"),
    Kind.SUBSCRIPTION: ("confirm", "already"),
    Kind.ENDORSEMENT: ("confirm",),
}


def page(
    campaign: Campaign, form: CodeForm | None = None, *, is_code_over: bool = False
) -> str:
    """Give the page that knows nothing of what was sent, but perhaps a code that was wrong."""
    again = url_for("pages.campaign", slug=campaign.slug)
    return _page(campaign, again=again, form=form, is_code_over=is_code_over)


def answer(
    campaign: Campaign, kind: Kind | None, *, address: str, ticket: Ticket | None
) -> str:
    """Give the answer to a form. It repeats the address, so that its sender sees a slip.

    Nothing else in it depends on the address.
    """
    form = None
    if ticket is not None:
        key = tokens.to_text(ticket.page_key)
        form = CodeForm(formdata=None, pending=f"{ticket.row:016x}", page_key=key)
    # Each form is answered where it stands alone, in frames too.
    again = request.full_path.rstrip("?")
    return _page(
        campaign, again=again, form=form, address=address, subjects=_subjects(campaign, kind)
    )


def _subjects(campaign: Campaign, kind: Kind | None) -> list[str]:
    """Give the subjects that the mail may have, as the worker writes them."""
    folders = ["pages/link"]
    if kind is not None:
        folders = [f"{FOLDERS[kind]}/{letter}" for letter in _LETTERS[kind]]
    title = texts_of(campaign, languages.current()).text("title", campaign.title).value
    written = [render_template(f"mail/{folder}/subject.txt", title=title) for folder in folders]
    return [" ".join(subject.split()) for subject in written]


def _page(
    campaign: Campaign,
    *,
    again: str,
    form: CodeForm | None = None,
    address: str | None = None,
    subjects: list[str] | None = None,
    is_code_over: bool = False,
) -> str:
    return render_template(
        "confirmations/check_inbox.html",
        campaign=campaign,
        title=texts_of(campaign, languages.current()).text("title", campaign.title),
        sender=current_app.config["TRACKER"].mail_from,
        again=again,
        form=form,
        address=address,
        subjects=subjects or [],
        is_code_over=is_code_over,
    )
