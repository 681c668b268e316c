"""How fast pages are on a phone: Lighthouse's performance, the median of five runs each.

``python3 dev.py bench tests/benchmarks/bench_pages.py`` prints the figures. They depend on the
machine and its load, so that no test asserts them; what does not is asserted in
``tests/browser/test_first_visit.py`` and ``test_page_tools.py``.
"""

from __future__ import annotations

import statistics

from tests.browser.conftest import Site
from tests.conftest import confirm, sign
from tests.support import pagetools, requirements

pytest_plugins = ["tests.browser.conftest"]

RUNS = 5


def median(url: str) -> str:
    found = [
        pagetools.lighthouse(url, categories=["performance"])["categories"]["performance"]
        for _ in range(RUNS)
    ]
    scores = sorted(round(100 * one["score"]) for one in found)
    return f"{statistics.median(scores):>4} of 100 (runs: {', '.join(map(str, scores))})"


def test_performance_of_list_campaign_confirm_and_own_page(demo_site: Site, site: Site) -> None:
    requirements.need("pagetools")
    client = site.app.test_client()
    sign(client, "amar-fayaz")
    mail = site.mail_to("sara@example.org")
    print("\nLighthouse performance, mobile, median of", RUNS)
    print("  list     ", median(f"{demo_site.url}/en/"))
    print("  campaign ", median(f"{demo_site.url}/en/campaigns/karachi-nine"))
    print("  confirm  ", median(site.link(mail, "/confirm/")))
    confirm(client, site.link(mail, "/confirm/").removeprefix(site.url))
    print("  own page ", median(site.link(mail, "/my/")))
