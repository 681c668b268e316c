"""What one signature costs the web process: requests through the real application, in process.

Prints forms and confirmations per second and the ratio to a page that only reads.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from flask import Flask
from flask.testing import FlaskClient

from tests.conftest import Person, confirm, path_in, sign
from tests.support.sink import Sink
from tracker.campaigns.models import Campaign

NUMBER = 200


def rate(act: Callable[[int], object]) -> float:
    """Give how often a second ``act`` runs."""
    begun = time.perf_counter()
    for number in range(NUMBER):
        act(number)
    return NUMBER / (time.perf_counter() - begun)


def test_signing(
    app: Flask, client: FlaskClient, campaign: Campaign, work: Callable[[], None], sink: Sink
) -> None:
    def form(number: int) -> None:
        # A network of its own for each, so that the limit stays on and is not reached.
        client.environ_base["REMOTE_ADDR"] = f"127.{number // 250}.{number % 250}.1"
        answer = sign(client, campaign.slug, Person(email=f"bench{number}@example.org"))
        assert answer.status_code == 200

    read = rate(lambda _: client.get(f"/en/campaigns/{campaign.slug}"))
    forms = rate(form)
    begun = time.perf_counter()
    work()
    mails = NUMBER / (time.perf_counter() - begun)
    links = [path_in(mail.text, "/confirm/signature/") for mail in sink.mails]
    confirmed = rate(lambda number: confirm(client, links[number]))
    name = app.config["TRACKER"].database_url.split(":")[0]
    print(f"\n{name}: page {read:.0f}/s, form {forms:.0f}/s, confirmation mail {mails:.0f}/s,")
    print(f"  confirmation {confirmed:.0f}/s; form to page {forms / read:.2f}")
