"""Partners: who shows a campaign on a site of their own, and how many signed there."""

from __future__ import annotations

from flask import abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from tracker.campaigns import partners as registered
from tracker.campaigns.models import Campaign, Partner
from tracker.campaigns.partner_forms import PartnerForm
from tracker.campaigns.translations import texts_of
from tracker.core import guard, languages
from tracker.core.errors import Refused
from tracker.dashboard import access
from tracker.dashboard.blueprint import ROW, bp
from tracker.extensions import writing


@bp.route("/campaigns/<slug>/partners", methods=["GET", "POST"])
@guard.csrf_guarded
def partners(slug: str) -> ResponseReturnValue:
    """Show a campaign's partners with their figures, and add one."""
    campaign = access.campaign_or_404(slug)
    form = PartnerForm()
    if form.validate_on_submit() and (added := _register(slug, form)):
        return redirect(url_for(".partner", slug=slug, partner_id=added), 303)
    page = render_template(
        "dashboard/partners/partners.html",
        campaign=access.campaign_or_404(slug),
        partners=registered.of_campaign(campaign.id),
        form=form,
    )
    return page, 422 if form.errors else 200


def _register(slug: str, form: PartnerForm) -> int | None:
    try:
        with writing():
            campaign = access.campaign_or_404(slug, lock=True)
            added = registered.register(
                campaign, slug=str(form.slug.data), name=str(form.name.data)
            ).id
    except Refused as refused:
        form.form_errors.append(languages.told(refused))
        return None
    flash(_("Added. These lines go to the organisation."), "good")
    return added


@bp.get(f"/campaigns/<slug>/partners/<{ROW}:partner_id>")
def partner(slug: str, partner_id: int) -> ResponseReturnValue:
    """Show the lines a partner pastes into its site, in the language of its readers."""
    campaign = access.campaign_or_404(slug)
    language = request.args.get("language", "")
    if language not in languages.LANGUAGES:
        language = languages.known(campaign.language)
    return render_template(
        "dashboard/partners/partner.html",
        campaign=campaign,
        partner=_found(campaign, partner_id),
        language=language,
        languages_offered=languages.LANGUAGES,
        title=str(texts_of(campaign, language).text("title", campaign.title)),
        heights=registered.FRAME_HEIGHTS,
    )


@bp.post(f"/campaigns/<slug>/partners/<{ROW}:partner_id>/remove")
@guard.csrf_guarded
def remove_partner(slug: str, partner_id: int) -> ResponseReturnValue:
    """Take a partner off the list; what was signed there stays signed."""
    with access.acting(_("Removed. The signatures stay.")):
        campaign = access.campaign_or_404(slug, lock=True)
        registered.remove(_found(campaign, partner_id))
    return redirect(url_for(".partners", slug=slug), 303)


def _found(campaign: Campaign, partner_id: int) -> Partner:
    return registered.by_id(campaign.id, partner_id) or abort(404)
