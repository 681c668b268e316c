"""The faces of those a campaign is about: show, replace, take off."""

from __future__ import annotations

from flask import abort, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from tracker.campaigns import portraits
from tracker.campaigns.models import Campaign, Subject
from tracker.campaigns.portrait_forms import PortraitForm
from tracker.core import guard, http, images, languages
from tracker.dashboard import access
from tracker.dashboard.blueprint import ROW, bp
from tracker.extensions import end_reading, writing

MAX_BODY = images.MAX_BYTES + 64 * 1024
"""The file and the fields around it."""


@bp.route(f"/campaigns/<slug>/portraits/<{ROW}:subject_id>", methods=["GET", "POST"])
@guard.csrf_guarded
@http.takes_files(MAX_BODY)
def portrait(slug: str, subject_id: int) -> ResponseReturnValue:
    """Show one subject's portrait, and take a new one."""
    form = PortraitForm()
    _subject(access.campaign_or_404(slug), subject_id)
    if form.validate_on_submit():
        end_reading()
        try:
            made = images.crops(form.file, portraits.SIZES)
            with writing():
                subject = _subject(access.campaign_or_404(slug, lock=True), subject_id)
                portraits.replace(subject, made, credit=form.credit.data or "")
            flash(_("The portrait is shown now."), "good")
            return redirect(url_for(".portrait", slug=slug, subject_id=subject_id), 303)
        except images.PictureRefused as refused:
            form.picture.errors = [languages.told(refused)]
    campaign = access.campaign_or_404(slug)
    subject = _subject(campaign, subject_id)
    found = portraits.of([subject.id]).get(subject.id)
    page = render_template(
        "dashboard/portraits/portrait.html",
        campaign=campaign,
        subject=subject,
        found=found,
        form=form,
        sizes=portraits.SIZES,
    )
    return page, 422 if form.errors else 200


@bp.post(f"/campaigns/<slug>/portraits/<{ROW}:subject_id>/remove")
@guard.csrf_guarded
def remove_portrait(slug: str, subject_id: int) -> ResponseReturnValue:
    """Take a portrait off the page."""
    with access.acting(_("The portrait is deleted.")):
        portraits.remove(_subject(access.campaign_or_404(slug, lock=True), subject_id))
    return redirect(url_for(".portrait", slug=slug, subject_id=subject_id), 303)


def _subject(campaign: Campaign, subject_id: int) -> Subject:
    found = [subject for subject in campaign.subjects if subject.id == subject_id]
    return found[0] if found else abort(404)
