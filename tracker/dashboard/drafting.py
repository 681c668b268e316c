"""Write a new campaign, or change one."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy.exc import IntegrityError

from tracker.campaigns import queries, services
from tracker.campaigns.forms import CampaignForm, campaign_form, is_reserved
from tracker.campaigns.models import Campaign
from tracker.core import guard, languages
from tracker.core.errors import Refused
from tracker.core.languages import told
from tracker.dashboard import access
from tracker.dashboard.blueprint import bp
from tracker.extensions import writing
from tracker.organisers import services as organisers
from tracker.organisers import session
from tracker.organisers.models import Role

FIRST_SUBJECTS, FIRST_TARGETS = 3, 2
MORE_SUBJECTS, MORE_TARGETS = 5, 2
"""Rows of an empty form, and how many one press of the button adds."""


@bp.route("/campaigns/new", methods=["GET", "POST"])
@guard.csrf_guarded
def new_campaign() -> ResponseReturnValue:
    """Begin a campaign; who begins it owns it."""
    form = _form(None)
    if _is_ready(form) and (slug := _save(None, form)):
        flash(_("The draft is saved. Nobody sees it before you publish it."), "good")
        return redirect(url_for(".campaign", slug=slug), 303)
    return _page(None, form)


@bp.route("/campaigns/<slug>/edit", methods=["GET", "POST"])
@guard.csrf_guarded
def edit_campaign(slug: str) -> ResponseReturnValue:
    """Change a campaign's texts and facts."""
    campaign = access.campaign_or_404(slug)
    form = _form(campaign)
    if _is_ready(form) and (new_slug := _save(campaign, form)):
        flash(_("Saved."), "good")
        return redirect(url_for(".campaign", slug=new_slug), 303)
    return _page(access.campaign_or_404(slug), form)


def _page(campaign: Campaign | None, form: CampaignForm) -> ResponseReturnValue:
    page = render_template(
        "dashboard/campaigns/edit_campaign.html", campaign=campaign, form=form
    )
    return page, 422 if form.errors else 200


def _is_ready(form: CampaignForm) -> bool:
    """Say whether to save: not where only more rows were asked for."""
    if request.method == "POST" and "more" in request.form:
        return False
    return bool(form.validate_on_submit())


def _form(campaign: Campaign | None) -> CampaignForm:
    """Give the form with what was typed, else with what is stored."""
    if request.method == "POST":
        form = campaign_form(
            subjects=_rows("subjects", more=MORE_SUBJECTS),
            targets=_rows("targets", more=MORE_TARGETS),
        )()
    elif campaign is None:
        form = campaign_form(subjects=FIRST_SUBJECTS, targets=FIRST_TARGETS)(
            data={"language": languages.current()}
        )
    else:
        form = campaign_form(
            subjects=len(campaign.subjects) + 1, targets=len(campaign.targets) + 1
        )(data=_stored(campaign))
    if campaign is not None and campaign.published_at is not None:
        form.freeze()
    return form


def _rows(what: str, *, more: int) -> int:
    shown = request.form.get(f"{what}_shown", default=1, type=int)
    return shown + (more if request.form.get("more") == what else 0)


def _stored(campaign: Campaign) -> dict[str, Any]:
    found = {name: getattr(campaign, name) for name in services.EDITABLE}
    found["kind"] = campaign.kind.value
    found["subject_ids"] = " ".join(f"{subject.id:x}" for subject in campaign.subjects)
    for n, subject in enumerate(campaign.subjects, 1):
        found |= {f"subject_{n}_name": subject.name, f"subject_{n}_about": subject.about}
    for n, target in enumerate(campaign.targets, 1):
        for part in ("office", "country", "name", "email", "post_address"):
            found[f"target_{n}_{part}"] = getattr(target, part) or ""
    return found


def _save(campaign: Campaign | None, form: CampaignForm) -> str | None:
    """Store everything at once and give the address, or ``None`` with the form's errors."""
    slug = campaign.slug if campaign is not None else None
    values = form.values
    if form.slug:
        values["slug"] = form.slug.data or services.slug_of(form.title.data).rstrip("-")
        if not values["slug"] or is_reserved(values["slug"]):
            message = _("No address can be made from this title. Enter one.")
            form.slug.errors = [message]
            return None
    try:
        with writing():
            if form.slug and _is_taken(values["slug"], by_other_than=slug):
                raise _Taken
            stored = access.campaign_or_404(slug, lock=True) if slug else None
            return _store(stored, form, values)
    except (_Taken, IntegrityError):
        if not form.slug:
            raise
        form.slug.errors = [
            _(
                "Another campaign has the address “%(slug)s”. Enter a different one.",
                slug=values["slug"],
            )
        ]
    except Refused as refused:
        form.form_errors.append(told(refused))
    return None


class _Taken(Exception):
    """Another campaign has the address."""


def _is_taken(slug: str, *, by_other_than: str | None) -> bool:
    return slug != by_other_than and queries.by_slug(slug) is not None


def _store(campaign: Campaign | None, form: CampaignForm, values: dict[str, Any]) -> str:
    if campaign is None:
        campaign = services.draft(**values)
        organisers.assign(session.current(), campaign.id, Role.OWNER)
    else:
        services.edit(campaign, **values)
    typed = [row.name.data for row in form.subject_rows]
    services.rename_subjects(campaign, dict(zip(form.known_subjects, typed, strict=False)))
    services.set_subjects(campaign, form.subjects)
    services.set_targets(campaign, form.targets)
    return campaign.slug
