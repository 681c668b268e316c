"""Campaigns are found by their words in every language, and only while they are public."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, update

from tests.support import factories
from tracker.campaigns import folding, index, services
from tracker.campaigns.commands import reindex
from tracker.campaigns.models import Campaign, CampaignWords, Outcome, State, Subject
from tracker.campaigns.search import Standing, facets, search
from tracker.campaigns.status import Kind, Status
from tracker.campaigns.translations import translate
from tracker.extensions import db, writing
from tracker.worker import Worker

Given = Callable[..., Any]


def public(**values: Any) -> Campaign:
    """A campaign that everybody sees; the state is set by hand, keys do not matter here."""
    state = values.pop("state", State.LIVE)
    outcome, closed_on = values.pop("outcome", None), values.pop("closed_on", None)
    blocks = values.pop("translations", {})
    status = values.pop("status", None)
    made = factories.a_campaign(**values)
    made.state, made.outcome, made.closed_on = state, outcome, closed_on
    db.session.flush()
    for subject in made.subjects:
        subject.status = status
    for language, texts in blocks.items():
        translate(made, language, {name: (name, text) for name, text in texts.items()})
    return made


def found(app: Flask, words: str = "", **filters: Any) -> list[str]:
    """Give the addresses of what is found, in order."""
    with app.app_context():
        page = search(words, **filters)
        return [db.session.get_one(Campaign, one).slug for one in page.items]


def changed(app: Flask, slug: str, change: Callable[[Campaign], object]) -> None:
    with app.app_context(), writing():
        change(db.session.query(Campaign).filter_by(slug=slug).one())


# --- folding -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ISTANBUL İSTANBUL", "istanbul ıstanbul"),
        ("Straße", "STRASSE"),
        ("Éducation, libertés", "education libertes"),
        ("São Paulo", "sao paulo"),
        ("Łódź Ørsted", "lodz orsted"),
        ("أحمد إلى آمنة", "احمد الي امنه"),
        ("الـحـريـة", "الحرية"),
        ("مُحَمَّد", "محمد"),
        ("عمار فیاض", "عمار فياض"),
        ("کراچی", "كراچي"),
        ("رہائی", "رهائى"),
        ("١٢٣ ۴۵۶", "123 456"),
        ("ﷲ", "الله"),
        ("می\u200cخواهم", "میخواهم"),
        ("Free\u202e Amar", "free amar"),
        ("O'Neil", "o neil"),
        ("Sanaʿa", "sanaa"),
    ],
)
def test_spellings_of_one_word_fold_into_one(one: str, other: str) -> None:
    assert folding.words(one) == folding.words(other) != []


def test_vowels_of_indian_scripts_are_no_accents() -> None:
    assert folding.words("कि") != folding.words("का")


def test_every_character_folds_into_what_stays_folded_and_holds_no_sign() -> None:
    for number in range(0x110000):
        for word in folding.words(chr(number)):
            assert folding.words(word) == [word], hex(number)
            assert all(char.isalnum() for char in word if char.isascii()), hex(number)


# --- what is found -------------------------------------------------------------------------


def test_all_words_must_be_there_and_the_last_may_be_begun(app: Flask, given: Given) -> None:
    given(public)
    for words in ("amar", "Free Amar", "fayaz free", "abduc", "AMAR fay", "disclosure", "pak"):
        assert found(app, words) == ["amar-fayaz"], words
    for words in ("fay amar", "amar karachi", "amarfayaz", "mar", "dear sir", "prime"):
        assert found(app, words) == [], words


def test_a_campaign_is_found_in_every_language_and_spelling(app: Flask, given: Given) -> None:
    given(
        public,
        translations={
            "ar": {"title": "الحرّية لعمّار فيّاز", "summary": "اختُطف ليلًا", "place": "جامشورو"},
            "ur": {"title": "عمار فیاض کو رہا کرو"},
            "tr": {"title": "Ammar’a özgürlük", "demands": "Derhâl serbest bırakılsın"},
            "es": {"letter": "Estimado", "appeal": "Fue **secuestrado** de noche"},
        },
    )
    for words in ("الحرية", "لعمار فياز", "جامش", "كو رها", "OZGURLUK", "birakilsin", "secues"):
        assert found(app, words) == ["amar-fayaz"], words
    for country in ("Pakistan", "باكستان", "پاکستان", "PAQUISTÃO", "Pakistán"):
        assert found(app, country) == ["amar-fayaz"], country
    assert found(app, "estimado") == []


def test_names_of_those_concerned_are_found_also_translated(app: Flask, given: Given) -> None:
    made = given(public, subjects=[("Zubair Example", "a baker"), ("Noor", "")])
    with app.app_context(), writing():
        noor = db.session.query(Subject).filter_by(name="Noor").one()
        block = f"subject.{noor.id}.name"
        translate(db.session.get_one(Campaign, made.id), "ur", {block: ("Noor", "نور")})
    assert found(app, "zubair noor") == found(app, "نور") == ["amar-fayaz"]
    assert found(app, "baker") == []


HOSTILE = [
    '"',
    "'",
    "*",
    "amar*",
    '"amar',
    "amar AND",
    "amar NOT free",
    "NEAR(amar fayaz)",
    "heading : amar",
    "-amar",
    "^amar",
    "{heading} : amar",
    "amar:*",
    "amar & ! free",
    "amar | x",
    "'amar'::tsquery",
    "amar\\",
    "\\'",
    "%",
    "_",
    "?",
    "!!! ... ,,,",
    "👍🏽",
    "amar\x00fayaz",
    "\x00",
    "\u202e\u2066",
    "a" * 10_000,
    "amar " * 2_000,
    "' OR 1=1 --",
    "; DROP TABLE campaigns",
    "\ufdfa" * 300,
    "\U0001e900\U00016a40\u3131香港",
    "\ud800",
]


@pytest.mark.parametrize("words", HOSTILE)
def test_nothing_that_can_be_typed_is_an_error(app: Flask, given: Given, words: str) -> None:
    given(public)
    assert found(app, words) in ([], ["amar-fayaz"])
    assert found(app, "amar") == ["amar-fayaz"]


def test_signs_around_words_do_not_matter_and_signs_alone_find_nothing(
    app: Flask, given: Given
) -> None:
    given(public)
    for words in ('"Amar" (Fayaz)*', "amar\x00fayaz", "AMAR-FAYAZ", " amar:* ", "free, AMAR"):
        assert found(app, words) == ["amar-fayaz"], words
    for words in ("!!!", "👍🏽", "*", '""'):
        assert found(app, words) == [], words
    assert found(app, "  \t ") == ["amar-fayaz"]


def test_every_script_is_found_again(app: Flask, given: Given) -> None:
    words = [
        "香港",
        "свобода",
        "ελευθερία",
        "자유",
        "स्वतंत्रता",
        "ልጅ",
        "𞤀𞤣𞤤𞤢𞤥",
        "1e5",
        "007",
        "12mix",
    ]
    given(public, title=" ".join(words))
    for word in words:
        assert found(app, word) == found(app, word[:1]) == ["amar-fayaz"], word


def test_only_public_campaigns_are_found_and_paused_ones_vanish_at_once(
    app: Flask, given: Given
) -> None:
    given(public, state=State.DRAFT)
    for state in State:
        changed(app, "amar-fayaz", lambda one, state=state: setattr(one, "state", state))
        is_seen = state in {State.LIVE, State.CLOSED, State.ARCHIVED}
        assert found(app, "amar") == found(app) == (["amar-fayaz"] if is_seen else []), state
        # Also where nothing tells the index that the state has changed.
        with app.app_context(), writing():
            db.session.execute(update(Campaign).values(state=State.PAUSED))
        assert found(app, "amar") == found(app) == []
        with app.app_context():
            assert facets() == (set(), set())


# --- filters, order, pages -----------------------------------------------------------------


@pytest.fixture
def several(given: Given) -> None:
    day = dt.date(2026, 1, 1)
    given(public, slug="a", country="PK", status=Status.MISSING, opened_on=day)
    given(
        public,
        slug="b",
        country="IT",
        kind=Kind.DISPUTE,
        title="Workers of Amar",
        status=Status.LOCKED_OUT,
        opened_on=day.replace(month=2),
    )
    for number, (slug, outcome) in enumerate(
        [("won", Outcome.WON), ("partly", Outcome.PARTLY_WON), ("lost", Outcome.LOST)]
    ):
        given(
            public,
            slug=slug,
            title="Over",
            appeal="Amar was here",
            subjects=[("Somebody", "")],
            state=State.ARCHIVED if slug == "won" else State.CLOSED,
            outcome=outcome,
            opened_on=day.replace(month=3 + number),
            closed_on=day.replace(month=12 - number),
            status=Status.RELEASED,
        )


def test_filters_narrow_what_is_found(app: Flask, several: None) -> None:
    assert found(app) == ["lost", "partly", "won", "b", "a"]
    assert found(app, country="IT") == ["b"]
    assert found(app, kind=Kind.DISPUTE) == ["b"]
    assert found(app, status=Status.MISSING) == ["a"]
    assert found(app, standing=Standing.OPEN) == ["b", "a"]
    assert found(app, standing=Standing.OVER) == ["won", "partly", "lost"]
    assert found(app, standing=Standing.WON) == ["won", "partly"]
    assert found(app, standing=Standing.LOST) == ["lost"]
    assert found(app, "amar", country="PK", standing=Standing.OPEN) == ["a"]
    assert found(app, "amar", country="IT", kind=Kind.PERSON) == []
    with app.app_context():
        assert facets() == (
            {"PK", "IT"},
            {Status.MISSING, Status.LOCKED_OUT, Status.RELEASED},
        )


def test_titles_names_and_places_come_before_the_rest(app: Flask, several: None) -> None:
    assert found(app, "amar") == ["b", "a", "lost", "partly", "won"]


def test_pages_hold_every_campaign_once_and_none_lies_behind_the_last(
    app: Flask, several: None
) -> None:
    with app.app_context():
        pages = [search("amar", page=number, size=2) for number in (1, 2, 3)]
        assert [len(page.items) for page in pages] == [2, 2, 1]
        assert len({one for page in pages for one in page.items}) == 5
        assert {(page.total, page.last) for page in pages} == {(5, 3)}
        for number in (-1, 0, 4, 10**30):
            assert search("amar", page=number, size=2).number == (1 if number < 1 else 3)
        assert search("nothing", page=7).number == 1


def test_a_search_costs_two_queries_however_much_there_is(app: Flask, several: None) -> None:
    with app.app_context():
        run: list[str] = []

        def note(_c: Any, _cursor: Any, statement: str, *_more: Any) -> None:
            run.append(statement)

        event.listen(db.engine, "before_cursor_execute", note)
        try:
            search("amar", country="PK", standing=Standing.OPEN)
        finally:
            event.remove(db.engine, "before_cursor_execute", note)
        assert len([one for one in run if one.lstrip().startswith("SELECT")]) == 2


# --- the index follows ---------------------------------------------------------------------


def words_of(app: Flask) -> dict[int, tuple[str, str]]:
    with app.app_context():
        return {
            row.campaign_id: (row.heading, row.body) for row in db.session.query(CampaignWords)
        }


def test_what_is_edited_is_found_in_its_new_words_only(app: Flask, given: Given) -> None:
    given(public)
    edits: list[Callable[[Campaign], object]] = [
        lambda one: services.edit(one, title="Libertad"),
        lambda one: services.edit(one, summary="Libertad"),
        lambda one: services.edit(one, appeal="Libertad"),
        lambda one: services.edit(one, demands="Libertad"),
        lambda one: services.edit(one, place="Libertad"),
        lambda one: services.set_subjects(one, [("Libertad", "")]),
        lambda one: services.rename_subjects(one, {one.subjects[0].id: "Libertad"}),
        lambda one: translate(one, "es", {"title": ("x", "Libertad")}),
    ]
    for edit in edits:
        assert found(app, "libertad") == []
        changed(app, "amar-fayaz", edit)
        assert found(app, "libertad") == ["amar-fayaz"]
        changed(app, "amar-fayaz", put_back)
        assert found(app, "libertad") == []
    changed(app, "amar-fayaz", lambda one: services.edit(one, country="IT"))
    assert (found(app, "italia"), found(app, "pakistan")) == (["amar-fayaz"], [])


def put_back(campaign: Campaign) -> None:
    services.edit(
        campaign, title="Free", summary="Taken", appeal="Taken", demands="Free", place="There"
    )
    services.set_subjects(campaign, [("Amar Fayaz", "")])
    translate(campaign, "es", {"title": ("x", "")})


def test_what_is_rolled_back_is_not_found(app: Flask, given: Given) -> None:
    given(public)
    before = words_of(app)
    with app.app_context():
        with writing():
            services.edit(db.session.query(Campaign).one(), title="Never said")
            db.session.flush()
            db.session.rollback()
        with writing():
            db.session.query(Campaign).one().goal = 5
    assert found(app, "never said") == []
    assert words_of(app) == before


def test_the_worker_writes_words_that_are_missing_or_made_by_other_rules(
    app: Flask, given: Given, worker: Worker
) -> None:
    one, other = given(public, slug="a"), given(public, slug="b")
    before = words_of(app)
    with app.app_context(), writing():
        db.session.delete(db.session.get_one(CampaignWords, one.id))
        old = db.session.get_one(CampaignWords, other.id)
        old.heading, old.body, old.edition = "x", "x", "0"
    with app.app_context():
        assert worker.turn()
        assert index.renew() == 0
    assert words_of(app) == before
    assert sorted(found(app, "amar")) == ["a", "b"]


def test_the_command_writes_all_words_anew(app: Flask, given: Given) -> None:
    given(public, slug="a")
    given(public, slug="b")
    with app.app_context(), writing():
        db.session.execute(update(CampaignWords).values(heading="x", body="x"))
    answer = app.test_cli_runner().invoke(reindex)
    assert answer.output == "2 campaigns indexed\n"
    assert sorted(found(app, "amar")) == ["a", "b"]


def test_a_campaign_that_is_deleted_takes_its_words_along(app: Flask, given: Given) -> None:
    given(public)
    changed(app, "amar-fayaz", db.session.delete)
    assert words_of(app) == {}
    assert found(app, "amar") == []


def test_a_name_taken_off_for_safety_is_overwritten_in_the_file(
    app: Flask, given: Given
) -> None:
    if app.config["TRACKER"].database_url.startswith("postgresql"):
        pytest.skip("PostgreSQL keeps old rows until it vacuums, in all its tables alike")
    made = given(public, subjects=[("Xylofanta Brunhilda", "")])

    def rename(campaign: Campaign) -> None:
        services.rename_subjects(campaign, {campaign.subjects[0].id: "A student"})

    changed(app, made.slug, rename)
    with app.app_context():
        index.tidy()
        db.session.connection().exec_driver_sql("SELECT 1")
        db.session.rollback()
        with db.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    stored = (app.config["TRACKER"].data / "tracker.db").read_bytes()
    assert b"student" in stored
    assert b"xylofanta" not in stored.lower()
