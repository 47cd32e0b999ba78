"""What is too long for one transaction is done by a job, part by part: in view, pressed twice, broken off, stopped."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlmodel import select

import competencies
from lms_plugin import db, outbox
from lms_plugin.db import pk, transaction
from lms_plugin.errors import Forbidden
from lms_plugin.flow import attendance, award, award_views, training_hours, trainings
from lms_plugin.outbox import Job, JobState
from lms_plugin.people import Role, RoleKind, Tenant
from lms_plugin.worker import Worker
from tests import people as cast
from tests.conftest import NOW
from tests.factories import World, grant, world_in
from tests.flow.test_award import decided
from tests.flow.test_trainings import entries, planned
from tests.rosters import put_on_roster
from tests.serving import settings_of

AFTER = NOW + timedelta(hours=3)


@dataclass
class House:
    """A committed district and its worker, whose time is `AFTER`."""

    world: World
    worker: Worker

    def run(self, kind: str, most: int = 99) -> int:
        """Runs the open job of that kind until it asks for no more, at most so many times; gives how many it took."""
        for turn in range(most):
            with self.worker.sessions() as session:
                job = session.exec(select(Job.id).where(Job.kind == kind, Job.state == JobState.READY)).first()
            if job is None:
                return turn
            self.worker.run_job(job)
        return most

    def look(self) -> World:
        """The district with nothing remembered."""
        self.world.session.rollback()
        self.world.session.expire_all()
        return self.world


@pytest.fixture
def house(own_district_url: str, tmp_path: Path) -> Iterator[House]:
    engine = db.engine(own_district_url)
    worker = Worker(settings_of(tmp_path, own_district_url), lambda: AFTER)
    with db.session_factory(engine)() as session:
        yield House(world_in(session, NOW), worker)
    worker.close()
    engine.dispose()


def closed(house: House, uuid: str, who: cast.Cast = cast.LEAD) -> training_hours.Booked:
    actor = house.world.actor(who)
    house.world.session.rollback()
    with transaction(house.worker.sessions) as session:
        return training_hours.close(session, actor, uuid, AFTER)


def test_a_large_training_is_booked_part_by_part(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_hours, "AT_ONCE", 1)
    monkeypatch.setattr(training_hours, "PARTS_A_RUN", 1)
    world, here = house.world, (cast.CHEN, cast.WANG, cast.LEAD, cast.LI)
    training = planned(world)
    for who in here:
        row = put_on_roster(world, who).uuid
        attendance.tick(world.session, world.actor(cast.OFFICER), training.uuid, [row], [row], NOW)
    uuid = training.uuid
    world.session.commit()

    def stands() -> tuple[int, bool]:
        view = trainings.view(house.look().session, world.actor(cast.LEAD), uuid, AFTER)
        return view.unbooked, view.is_booking

    first = closed(house, uuid)
    assert (first.people, first.goes_on, first.own) == (1, True, True)  # the lead was there too
    assert stands() == (3, True)
    assert closed(house, uuid).people == 1  # a second click goes on as well
    assert house.run(outbox.TRAINING, 1) == 1  # and here the worker was stopped
    assert stands() == (2, True)
    with transaction(house.worker.sessions) as session:
        job = session.exec(select(Job).where(Job.kind == outbox.TRAINING)).one()
        job.last_error = "job.broken"
    assert stands() == (2, False)  # the button is there again
    house.run(outbox.TRAINING)
    assert stands() == (1, False)
    assert {row.person_id for row in entries(world)} == {
        pk(world.person(who)) for who in (cast.CHEN, cast.WANG, cast.LI)
    }
    assert closed(house, uuid, cast.OFFICER).people == 1
    assert stands() == (0, False)
    assert len(entries(world)) == len(here)


def test_a_district_that_has_left_books_nothing_more(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_hours, "AT_ONCE", 1)
    world, training = house.world, planned(house.world)
    rows = [put_on_roster(world, who).uuid for who in (cast.CHEN, cast.WANG)]
    attendance.tick(world.session, world.actor(cast.LEAD), training.uuid, rows, rows, NOW)
    uuid = training.uuid
    world.session.commit()
    closed(house, uuid)
    with transaction(house.worker.sessions) as session:
        db.get(session, Tenant, pk(world.tenant)).frozen_on = NOW.date()
    assert house.run(outbox.TRAINING) == 1
    assert len(entries(house.look())) == 1


def release_all(house: House, who: cast.Cast = cast.OFFICER, shown_at: Any = NOW) -> None:
    actor = house.world.actor(who)
    house.world.session.rollback()
    with transaction(house.worker.sessions) as session:
        programme = db.get(session, competencies.Programme, pk(house.world.programme))
        award.release_all(session, actor, programme, shown_at, AFTER)


def test_everything_is_released_part_by_part_and_can_be_stopped(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(award, "PART", 1)
    monkeypatch.setattr(award, "PARTS_A_RUN", 1)
    world = house.world
    for who in (cast.CHEN, cast.WANG, cast.LI):
        decided(world, who, "A3")
    world.session.commit()
    with pytest.raises(Forbidden):
        release_all(house, cast.CHEN)
    release_all(house)
    release_all(house)  # a second click

    def under() -> award.UnderWay | None:
        here = house.look()
        page = award_views.release_page(here.session, here.actor(cast.OFFICER), here.programme, 1, AFTER)
        return page if isinstance(page, award.UnderWay) else None

    assert under() == award.UnderWay(3, 3)
    assert house.run(outbox.RELEASE, 1) == 1
    assert under() == award.UnderWay(2, 3)
    with transaction(house.worker.sessions) as session:
        award.stop(session, world.actor(cast.OFFICER), world.programme, AFTER)
    assert under() is None
    assert house.run(outbox.RELEASE) == 0
    assert len(award.decided(house.look().session, world.programme)) == 2
    release_all(house, shown_at=NOW - timedelta(days=1))  # what was decided after the page was shown is not counted
    assert under() is None
    release_all(house)
    assert house.run(outbox.RELEASE) >= 2
    assert award.decided(house.look().session, world.programme) == []
    assert len(world.session.exec(select(competencies.Award)).all()) == 3


def test_two_officers_who_press_at_once_are_both_heard(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the second may release and the first may not (here the first's own work) is not dropped; what both may is
    released once. Each part has a time of its own."""
    monkeypatch.setattr(award, "PART", 1)
    monkeypatch.setattr(award, "PARTS_A_RUN", 2)
    world = house.world
    grant(world.session, world.person(cast.CHEN), RoleKind.OFFICER, world.county, NOW)
    for who in (cast.CHEN, cast.WANG, cast.LI):
        decided(world, who, "A3")
    world.session.commit()
    ticks = iter(range(1000))
    house.worker.clock = lambda: AFTER + timedelta(seconds=next(ticks))
    release_all(house, cast.CHEN)  # two of the three: one is hers
    release_all(house)
    under = award.under_way(house.look().session, world.programme)
    assert under == award.UnderWay(3, 3)
    assert house.run(outbox.RELEASE) >= 2
    awards = house.look().session.exec(select(competencies.Award)).all()
    assert len(awards) == len({one.point_id and one.person_id for one in awards}) == 3
    assert len({one.awarded_at for one in awards}) == 3
    assert award.under_way(world.session, world.programme) is None


def test_stopping_stops_everybodys_release(house: House) -> None:
    world = house.world
    grant(world.session, world.person(cast.CHEN), RoleKind.OFFICER, world.county, NOW)
    for who in (cast.CHEN, cast.WANG):
        decided(world, who, "A3")
    world.session.commit()
    release_all(house, cast.CHEN)
    release_all(house)
    with transaction(house.worker.sessions) as session:
        award.stop(session, world.actor(cast.OFFICER), world.programme, AFTER)
    assert house.run(outbox.RELEASE) == 0
    assert len(award.decided(house.look().session, world.programme)) == 2


def test_who_has_lost_the_role_releases_nothing_more(house: House) -> None:
    world = house.world
    decided(world, cast.CHEN, "A3")
    world.session.commit()
    release_all(house)
    with transaction(house.worker.sessions) as session:
        for role in session.exec(select(Role).where(Role.kind == RoleKind.OFFICER)):
            role.revoked_at = NOW
    assert house.run(outbox.RELEASE) == 1
    assert len(award.decided(house.look().session, world.programme)) == 1
