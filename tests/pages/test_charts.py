"""The drawings show what happened, in any language, and never tell who is behind a number."""

from __future__ import annotations

import datetime as dt
import gzip
import itertools
import re
from collections.abc import Callable
from typing import Any

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given as for_all
from hypothesis import strategies as st

from tests.support import factories
from tracker.campaigns import services as campaigns
from tracker.campaigns.models import Campaign, Outcome
from tracker.campaigns.status import Status
from tracker.extensions import db, writing
from tracker.pages import growth
from tracker.pages.countries import LEAST, fold_small
from tracker.signatures import queries as signatures
from tracker.signatures.models import CountChange, CountryTotal, DayTotal
from tracker.signatures.tasks import fold_counts

OPENED = dt.date(2026, 11, 8)
TODAY = "2026-12-20T12:00Z"


def day(number: int) -> dt.date:
    return OPENED + dt.timedelta(days=number)


# --- the line ------------------------------------------------------------------------------


def points_of(path: str) -> list[tuple[int, int]]:
    """Give the points of the line, walking along the path as a browser does."""
    x = y = 0
    found = []
    for command, numbers in re.findall(r"([a-zA-Z])([-\d ]*)", path):
        values = [int(one) for one in re.findall(r"-?\d+", numbers)]
        if command == "M":
            x, y = values
        elif command == "v":
            y += values[0]
        elif command == "h":
            x += values[0]
        elif command == "l":
            x, y = x + values[0], y + values[1]
        elif command == "V":
            y = values[0]
        found.append((x, y))
    return found[2:-3]


def drawn(days: dict[int, int], last: int, **more: Any) -> growth.Curve:
    heights = growth.totals({day(n): v for n, v in days.items()}, start=OPENED, end=day(last))
    return growth.curve(heights, **{"marks": [], **more})


def test_the_line_rises_from_nothing_to_all_of_them() -> None:
    points = points_of(drawn({0: 5, 3: 5}, 3).path)
    assert points == [(0, 200), (150, 100), (450, 100), (600, 0)]


def test_days_without_signatures_are_level_and_cost_nothing() -> None:
    assert points_of(drawn({0: 10, 999: 10}, 999).path)[1:] == [(1, 100), (595, 100), (600, 0)]


def test_in_arabic_time_runs_from_the_right() -> None:
    there = points_of(drawn({0: 5, 3: 5}, 3).path)
    back = points_of(drawn({0: 5, 3: 5}, 3, is_mirrored=True).path)
    assert back == [(600 - x, y) for x, y in there]


@pytest.mark.parametrize("last", [1, 2, 59, 119, 120, 121, 364, 5 * 365, 40 * 365])
def test_a_long_time_is_thinned_without_losing_the_end(last: int) -> None:
    curve = drawn({n: 1 + n % 7 for n in range(last + 1)}, last, marks=[0, last // 2, last])
    points = points_of(curve.path)
    assert points[-1] == (600, 0)
    assert len(points) <= 200
    assert len(curve.path) < 1500
    assert all(a[0] <= b[0] and a[1] >= b[1] for a, b in itertools.pairwise(points))
    assert all(0 <= dot.x <= 100 and 14 <= dot.y <= 100 for dot in curve.dots)


@pytest.mark.parametrize("most", [1, 2, 3, 9, 10, 11, 99, 250, 12_282, 1_000_000, 7_654_321])
def test_heights_are_named_in_round_numbers(most: int) -> None:
    found = growth.round_numbers(most)
    assert 1 <= len(found) <= 5
    assert found[-1] <= most < found[-1] + found[0]
    assert re.fullmatch("[125]0*", str(found[0]))


def test_the_goal_is_drawn_only_where_it_is_near() -> None:
    near = drawn({0: 900}, 1, goal=1000)
    assert near.goal == growth.Line(1000, 14)
    assert max(line.value for line in near.lines) < 1000
    assert drawn({0: 700}, 1, goal=1000).goal is None
    assert drawn({0: 1000}, 1, goal=1000).goal is None


def test_numbers_of_changes_that_lie_close_together_are_told_as_one() -> None:
    curve = drawn({0: 9}, 99, marks=[0, 1, 2, 50, 98, 99, 60, 61])
    numbers = [(label.first, label.last) for label in curve.labels]
    assert numbers == [(1, 3), (4, 4), (5, 6), (7, 8)]
    assert len(curve.dots) == 8
    spread = drawn({0: 9}, 99, marks=list(range(0, 100, 12)))
    assert [label.first for label in spread.labels] == [label.last for label in spread.labels]
    gaps = [b.x - a.x for a, b in itertools.pairwise(spread.labels)]
    assert min(gaps) >= growth.APART


def test_a_mark_stands_on_the_line() -> None:
    curve = drawn({0: 10, 1: 10}, 1, marks=[0, 1])
    # Half way up on the first of two days: a quarter of all, above the foot of the drawing.
    assert [(dot.x, dot.y) for dot in curve.dots] == [(25.0, round(14 + 86 * 0.75)), (75.0, 36)]


@pytest.mark.parametrize(
    ("last", "unit", "rows"),
    [(0, "day", 1), (59, "day", 60), (60, "week", 10), (400, "week", 59), (900, "month", 30)],
)
def test_the_table_is_by_the_finest_period_that_keeps_it_short(
    last: int, unit: str, rows: int
) -> None:
    days = {day(n): 2 for n in range(last + 1)}
    found, periods = growth.periods(days)
    assert (found, len(periods)) == (unit, rows)
    assert sum(one.new for one in periods) == periods[-1].total == 2 * (last + 1)


def test_a_hundred_years_still_fit_into_the_table() -> None:
    unit, periods = growth.periods({dt.date(1930 + n, 5, 1): 3 for n in range(100)})
    assert (unit, len(periods)) == ("year", growth.MOST_ROWS)
    assert (periods[0].total, periods[-1].total) == (3 * 41, 300)


# --- countries -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "named"),
    [
        ({}, ""),
        ({"DE": 200}, "DE"),
        ({"DE": 200, "FR": 100}, "DE FR"),
        ({"DE": 200, "FR": 100, "IT": 4, "IS": 1}, "DE FR"),
        # One alone would be what is missing from the total: the next one goes with it.
        ({"DE": 200, "FR": 100, "IS": 1}, "DE"),
        # Equal ones go together, so that nothing but their number decides.
        ({"DE": 200, "FR": 9, "IT": 9, "IS": 1}, "DE"),
        # Two of one each are no crowd to hide in.
        ({"DE": 200, "FR": 9, "IT": 8, "IS": 1, "MT": 1}, "DE FR"),
        ({"DE": 200, "IS": 4}, ""),
        ({"DE": 4, "FR": 3, "IS": 3}, ""),
        ({"DE": 5, "FR": 5, "IS": 5}, "DE FR IS"),
    ],
)
def test_small_countries_are_folded(counts: dict[str, int], named: str) -> None:
    assert " ".join(fold_small(counts)[0]) == named


@for_all(st.dictionaries(st.sampled_from([chr(65 + n) for n in range(12)]), st.integers(1, 12)))
def test_what_is_folded_cannot_be_told_from_the_total(counts: dict[str, int]) -> None:
    named, folded = fold_small(counts)
    assert {**named, **folded} == counts
    assert all(number >= LEAST for number in named.values())
    if named and folded:
        assert len(folded) > 1
        assert sum(folded.values()) >= LEAST
        # Numbers alone decide, never names: whoever swaps countries swaps the answer.
        assert max(folded.values()) < min(named.values())


# --- on the page ---------------------------------------------------------------------------


@pytest.fixture
def support(app: Flask, campaign: Campaign) -> Callable[..., None]:
    """Write the counters as confirming does: day from the opening, country, number."""

    def run(*rows: tuple[int, str, int]) -> None:
        with app.app_context(), writing():
            for number, country, many in rows:
                for _ in range(many):
                    db.session.add(
                        CountChange(
                            campaign_id=campaign.id, day=day(number), country=country, delta=1
                        )
                    )

    return run


def page_of(
    client: FlaskClient, lang: str = "en", slug: str = "amar-fayaz", at: str = TODAY
) -> str:
    with time_machine.travel(at, tick=False):
        answer = client.get(f"/{lang}/campaigns/{slug}")
    assert answer.status_code == 200
    return str(answer.text)


def section(page: str) -> str:
    found = re.search(r'<section aria-labelledby="support">.*?</section>', page, re.S)
    return found[0] if found else ""


def rows_of(table: str) -> list[list[str]]:
    return [
        [re.sub(r"<[^>]+>", "", cell).strip() for cell in re.findall(r"<t[hd].*?</t[hd]>", row)]
        for row in re.findall(r"<tr>.*?</tr>", table, re.S)
    ]


def test_a_few_signatures_or_a_single_day_are_not_drawn(
    client: FlaskClient, support: Callable[..., None]
) -> None:
    assert section(page_of(client)) == ""
    support((0, "DE", 6), (1, "PK", 3))
    assert section(page_of(client)) == ""
    support((0, "DE", 1))
    assert "From 8 November 2026 to 9 November 2026: 10 signatures." in page_of(client)


def test_the_first_day_is_not_drawn_before_it_is_over(
    client: FlaskClient, support: Callable[..., None]
) -> None:
    support((0, "DE", 20), (0, "PK", 10))
    found = section(page_of(client, at=OPENED.isoformat()))
    assert "Signatures over time" not in found
    assert rows_of(found)[0][:2] == ["Germany", "20"]


def test_the_curve_is_told_in_words_and_as_a_table(
    client: FlaskClient, support: Callable[..., None]
) -> None:
    support((0, "DE", 7), (2, "DE", 9), (30, "PK", 5))
    found = section(page_of(client))
    assert (
        "From 8 November 2026 to 20 December 2026: 21 signatures. "
        "Most on one day: 9, on 10 November 2026." in found
    )
    assert 'role="img" aria-labelledby="growth-name growth-words"' in found
    assert rows_of(found.split("<tbody>")[1].split("</tbody>")[0]) == [
        ["8 November 2026", "7", "7"],
        ["10 November 2026", "9", "16"],
        ["8 December 2026", "5", "21"],
    ]


def test_the_curve_ends_where_nothing_happens_for_longer_than_it_rose(
    client: FlaskClient, support: Callable[..., None]
) -> None:
    support((0, "DE", 9), (2, "DE", 9))
    assert "From 8 November 2026 to 10 November 2026" in section(page_of(client))


def test_the_curve_ends_with_the_campaign(
    app: Flask, client: FlaskClient, campaign: Campaign, support: Callable[..., None]
) -> None:
    support((0, "DE", 9), (2, "DE", 9))
    with app.app_context(), writing():
        one = db.session.get_one(Campaign, campaign.id)
        campaigns.close(one, Outcome.WON, on=day(20))
    assert "From 8 November 2026 to 28 November 2026" in section(page_of(client))


def test_status_changes_are_marked_and_named_below(
    app: Flask, client: FlaskClient, campaign: Campaign, support: Callable[..., None]
) -> None:
    support((0, "DE", 9), (20, "DE", 9))
    moves = [(-40, Status.MISSING), (-3, Status.DETAINED), (20, Status.RELEASED)]
    with app.app_context(), writing(), time_machine.travel(TODAY, tick=False):
        one = db.session.get_one(Campaign, campaign.id)
        for number, status in moves:
            factories.an_update(one, to=status, happened_on=day(number))
        factories.an_update(one, headline="No change", happened_on=day(10))
    found = section(page_of(client))
    marks = re.findall(r"<li>.*?</li>", found.split('class="marks"')[1], re.S)
    told = [" ".join(re.sub(r"<[^>]+>", " ", mark).split()) for mark in marks]
    # Of what happened before, only what held when the campaign began.
    assert told == ["5 November 2026 detained", "28 November 2026 released"]
    assert found.count("<circle") == 2
    anchors = re.findall(r'href="#(\w+)"', found)
    page = page_of(client)
    assert all(f'id="{anchor}"' in page for anchor in anchors)


def test_several_people_are_named_or_counted(
    app: Flask, client: FlaskClient, given: Callable[..., Any], publish: Callable[[int], None]
) -> None:
    people = [(f"Person {n}", "") for n in range(5)]
    made = given(factories.a_campaign, slug="five", subjects=people)
    publish(made.id)
    with app.app_context(), writing():
        one = db.session.get_one(Campaign, made.id)
        for n in range(12):
            values = {"campaign_id": made.id, "day": day(n), "country": "DE", "delta": 1}
            db.session.add(CountChange(**values))
        with time_machine.travel(TODAY, tick=False):
            for subject in list(one.subjects):
                one.subjects.sort(key=lambda other, first=subject: other is not first)
                factories.an_update(one, to=Status.DETAINED, happened_on=OPENED)
            one.subjects.sort(key=lambda other: other.position)
            factories.an_update(one, to=Status.RELEASED, happened_on=day(9))
    found = section(page_of(client, slug="five"))
    told = [
        " ".join(re.sub(r"<[^>]+>", " ", mark).split())
        for mark in re.findall(r"<li>.*?</li>", found, re.S)
    ]
    assert told == ["8 November 2026 detained (5)", "17 November 2026 released Person 0"]


def test_countries_are_named_in_the_readers_language_and_never_below_five(
    client: FlaskClient, support: Callable[..., None]
) -> None:
    support((0, "DE", 30), (1, "PK", 9), (1, "IT", 9), (2, "IS", 4), (2, "MT", 2), (2, "FR", 1))
    found = section(page_of(client))
    bars = rows_of(found.split('class="bars"')[1])
    assert [row[:2] for row in bars] == [
        ["Germany", "30"],
        ["Italy", "9"],
        ["Pakistan", "9"],
        ["Elsewhere", "7"],
    ]
    for hidden in ("Iceland", "Malta", "France"):
        assert hidden not in found
    arabic = section(page_of(client, "ar"))
    assert "ألمانيا" in arabic
    # Bars grow from the right, where the names are.
    assert re.findall(r'<rect x="(\d+)%" width="(\d+)%"', arabic)[0] == ("0", "100")
    assert re.findall(r'<rect x="(\d+)%" width="(\d+)%"', arabic)[1] == ("70", "30")


def test_many_countries_are_summed_up_and_listed_in_full_below(
    client: FlaskClient, support: Callable[..., None]
) -> None:
    codes = ["DE", "PK", "IT", "FR", "ES", "PT", "TR", "GB", "IE", "US", "CA", "BR", "MX", "AR"]
    support(*((n, code, 20 - n) for n, code in enumerate(codes)))
    found = section(page_of(client))
    assert rows_of(found.split('class="bars"')[1].split("</table>")[0])[-1][:2] == [
        "2 more countries",
        "15",
    ]
    table = rows_of(found.split("All countries")[1].split("<tbody>")[1])
    assert len(table) == 14
    assert table[-1] == ["Argentina", "7"]


def test_no_country_is_drawn_where_there_is_nothing_to_compare(
    client: FlaskClient, support: Callable[..., None]
) -> None:
    support((0, "DE", 20), (3, "IS", 1))
    found = section(page_of(client))
    assert "Signatures over time" in found
    assert "Germany" not in found
    assert 'class="bars"' not in found


def test_drawings_are_new_as_soon_as_somebody_signs_and_the_same_once_folded(
    app: Flask, client: FlaskClient, campaign: Campaign, support: Callable[..., None]
) -> None:
    support((0, "DE", 9), (2, "PK", 9))
    before = section(page_of(client))
    assert "18 signatures" in before
    support((2, "PK", 1))
    after = section(page_of(client))
    assert "19 signatures" in after
    with app.app_context():
        days = signatures.by_day(campaign.id)
        assert fold_counts() == 19
        assert signatures.by_day(campaign.id) == days == {day(0): 9, day(2): 10}
    assert section(page_of(client)) == after


def test_a_withdrawn_signature_leaves_no_day_behind(
    app: Flask, campaign: Campaign, support: Callable[..., None]
) -> None:
    support((0, "DE", 1), (4, "DE", 1))
    with app.app_context():
        fold_counts()
        with writing():
            gone = CountChange(campaign_id=campaign.id, day=day(4), country="DE", delta=-1)
            db.session.add(gone)
        assert signatures.by_day(campaign.id) == {day(0): 1}


def test_five_years_and_millions_stay_small(
    app: Flask, client: FlaskClient, campaign: Campaign
) -> None:
    codes = [f"{a}{b}" for a in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" for b in "DEGIMNRTZ"][:120]
    with app.app_context(), writing():
        one = db.session.get_one(Campaign, campaign.id)
        one.opened_on = day(-1800)
        for n in range(1800):
            many = 1000 + (n * 7919) % 900
            row = DayTotal(campaign_id=campaign.id, day=day(-n), total=many)
            db.session.add(row)
        for n, code in enumerate(codes):
            row2 = CountryTotal(campaign_id=campaign.id, country=code, total=40_000 - 331 * n)
            db.session.add(row2)
        moves = itertools.cycle([Status.MISSING, Status.DETAINED])
        for n in range(0, 1600, 200):
            factories.an_update(one, to=next(moves), happened_on=day(-1800 + n))
    page = page_of(client)
    found = section(page)
    assert found.count("<circle") == 8
    without = page.replace(found, "")
    cost = len(gzip.compress(page.encode())) - len(gzip.compress(without.encode()))
    assert cost <= 4_000
    assert "style=" not in found


def test_the_drawings_of_an_ordinary_campaign_cost_at_most_three_kilobytes(
    client: FlaskClient, support: Callable[..., None]
) -> None:
    codes = ["DE", "PK", "IT", "FR", "ES", "PT", "TR", "GB", "IE", "US", "CA", "BR", "MX", "AR"]
    support(*((n % 40, codes[n * n % 14], 5 + n * 13 % 11) for n in range(80)))
    page = page_of(client)
    without = page.replace(section(page), "")
    cost = len(gzip.compress(page.encode())) - len(gzip.compress(without.encode()))
    assert 500 < cost <= 3_000
