"""Newer news about the same person take the place of older ones that have not left."""

from __future__ import annotations

import time_machine

from tests.alerts.conftest import House, announce, people
from tests.support import factories
from tracker.alerts import queries
from tracker.alerts.models import AlertState
from tracker.campaigns import services as campaigns
from tracker.campaigns.models import Campaign
from tracker.campaigns.status import Certainty, Status
from tracker.core import clock
from tracker.extensions import db, writing
from tracker.updates import services as updates


def headlines(house: House) -> list[str]:
    return sorted({mail.subject.partition(" – ")[0] for mail in house.sink.mails})


def test_a_newer_status_holds_the_older_at_once_and_ends_it_when_it_leaves(
    house: House, travel: time_machine.Traveller
) -> None:
    house.subscribe(*people(3))
    older = house.tell(headline="Taken", to=Status.MISSING)
    newer = house.tell(headline="Free", to=Status.RELEASED, window=600)
    house.work()
    assert not house.told()
    with house.app.app_context():
        assert queries.held_alerts([house.campaign.id]) == {older}
    travel.shift(601)
    house.work()
    assert headlines(house) == ["Free"]
    assert house.told() == dict.fromkeys(people(3), 1)
    assert house.alert(older).state is AlertState.SUPERSEDED
    assert house.alert(newer).state is AlertState.DONE


def test_in_the_middle_those_told_hear_again_and_the_others_the_newer_only(
    house: House,
) -> None:
    house.subscribe(*people(40))
    house.patch.setattr("tracker.alerts.windows.WINDOW", 5)
    house.patch.setattr("tracker.alerts.sending.TURN_SECONDS", 0.0001)
    older = house.tell(headline="Taken", to=Status.MISSING)
    house.work_until(lambda: len(house.sink.mails) >= 5)
    newer = house.tell(headline="Free", to=Status.RELEASED)
    # In so short a turn a busy machine may find nothing to do, and the worker would rest.
    house.work_until(lambda: house.alert(newer).state is AlertState.DONE)
    house.work()
    assert len([one for one in house.sink.mails if one.subject.startswith("Free –")]) == 40
    alert = house.alert(older)
    assert alert.state is AlertState.SUPERSEDED
    told = [one for one in house.sink.mails if one.subject.startswith("Taken –")]
    assert alert.sent == len(told) < 40, "what was inside when it ended counts"
    assert house.has_forgotten()


def test_stopped_inside_its_window_the_newer_lets_the_older_go_on(house: House) -> None:
    house.subscribe(*people(2))
    older = house.tell(headline="Taken", to=Status.MISSING)
    newer = house.tell(headline="Free", to=Status.RELEASED, window=600)
    house.work()
    house.stop(newer)
    house.work()
    assert headlines(house) == ["Taken"]
    assert house.alert(older).state is AlertState.DONE


def test_of_three_the_first_stays_held_by_the_second_when_the_third_is_stopped(
    house: House,
) -> None:
    house.subscribe(*people(2))
    first = house.tell(headline="Taken", to=Status.MISSING)
    second = house.tell(headline="Charged", to=Status.CHARGED, window=600)
    third = house.tell(headline="Free", to=Status.RELEASED, window=600)
    house.work()
    with house.app.app_context():
        assert queries.held_alerts([house.campaign.id]) == {first, second}
    house.stop(third)
    house.work()
    assert not house.told()
    with house.app.app_context():
        assert queries.held_alerts([house.campaign.id]) == {first}


def test_an_update_without_a_new_status_and_one_about_another_person_hold_nothing(
    house: House,
) -> None:
    with house.app.app_context(), writing():
        campaign = db.session.get_one(Campaign, house.campaign.id)
        campaigns.set_subjects(
            campaign, [("Amar Fayaz", "A student."), ("Bano Khan", "A teacher.")]
        )
    house.subscribe(*people(2))
    older = house.tell(headline="Taken", to=Status.MISSING)
    house.tell(headline="A rally", window=600)
    _tell_of_the_second(house)
    house.work()
    assert headlines(house) == ["Taken"]
    assert house.alert(older).state is AlertState.DONE


def _tell_of_the_second(house: House) -> None:
    with house.app.app_context(), writing():
        campaign = db.session.get_one(Campaign, house.campaign.id)
        [second] = [one for one in campaign.subjects if one.name == "Bano Khan"]
        change = updates.PlannedChange(second, Status.RELEASED, Certainty.CONFIRMED)
        update = updates.write(
            campaign,
            author_id=None,
            changes=[change],
            headline="She is free",
            text="At last.",
            happened_on=campaign.local_date(clock.now()),
            alerts=True,
        )
        updates.publish(update, by_id=None)
        announce(update, window=600)


def test_a_clock_that_was_set_back_does_not_make_old_news_the_newer(
    house: House, travel: time_machine.Traveller
) -> None:
    house.subscribe(*people(3))
    house.tell(headline="Taken", to=Status.MISSING)
    travel.shift(-120)
    house.tell(headline="Free", to=Status.RELEASED)
    travel.shift(121)
    house.work()
    assert headlines(house) == ["Free"]


def test_organisers_hear_of_somebody_whose_news_was_overtaken_with_anothers(
    house: House,
) -> None:
    house.subscribe(*people(2))
    with house.app.app_context(), writing():
        factories.an_organiser()
        campaign = db.session.get_one(Campaign, house.campaign.id)
        campaigns.set_subjects(campaign, [(one, "A student.") for one in ("Amar", "Bano")])
        db.session.flush()
        both = [
            updates.PlannedChange(subject, Status.MISSING, Certainty.CONFIRMED)
            for subject in campaign.subjects
        ]
        told = [
            ("Both taken", both),
            ("Amar is free", [both[0]._replace(new_status=Status.RELEASED)]),
        ]
        for headline, changes in told:
            update = updates.write(
                campaign,
                author_id=None,
                changes=changes,
                headline=headline,
                text="News.",
                happened_on=campaign.local_date(clock.now()),
                alerts=True,
            )
            updates.publish(update, by_id=None)
            announce(update)
    house.work()
    assert headlines(house) == ["Alert ended early, please look: Both taken", "Amar is free"]
    [notice] = house.sink.to("organiser@example.org")
    assert "somebody whom the newer alert does not mention" in notice.text
