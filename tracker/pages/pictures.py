"""Portraits, in the formats and sizes that browsers ask for."""

from __future__ import annotations

from flask import Blueprint, Response, abort, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from tracker.campaigns import portraits
from tracker.campaigns.models import Portrait
from tracker.campaigns.portraits import SIZES, PortraitShown
from tracker.core import http, images

bp = Blueprint("pictures", __name__)

ROW = "int(max=9223372036854775807)"


@bp.get(f"/portraits/<{ROW}:portrait_id>/<int(max=9999):width>.<any(avif,webp,jpeg):form>")
@http.cacheable(300)
def portrait(portrait_id: int, width: int, form: str) -> ResponseReturnValue:
    """Give one picture. Minutes only: a campaign paused for safety takes its faces with it."""
    data = portraits.file(portrait_id, form=form, width=width)
    if data is None:
        abort(404)
    return Response(data, mimetype=f"image/{form}")


def shown(found: Portrait, *, name: str) -> PortraitShown:
    """Give what a page needs to show a portrait without anything moving."""
    width, height = SIZES[0]
    sources = [(f"image/{form}", _srcset(found, form)) for form in images.LIGHT]
    return PortraitShown(
        src=url_for("pictures.portrait", portrait_id=found.id, width=width, form="jpeg"),
        sources=sources,
        width=width,
        height=height,
        alt=_("Portrait of %(name)s", name=name),
        credit=found.credit,
    )


def _srcset(found: Portrait, form: str) -> str:
    return ", ".join(
        f"{url_for('pictures.portrait', portrait_id=found.id, width=width, form=form)} {scale}x"
        for scale, (width, _height) in enumerate(SIZES, start=1)
    )
