"""A teacher changes schools within the county in the middle of a round: what is done stays where it was done."""

from datetime import timedelta

import pytest
from sqlmodel import col, select

import competencies
from competencies import CreditEntry, SchoolBatch, SubmissionVersion
from lms_plugin.access import Permission, can
from lms_plugin.db import pk
from lms_plugin.errors import Invalid
from lms_plugin.flow import batches, cases, drafts, people, roster_ties, transfers
from lms_plugin.flow.arrivals import open_code
from lms_plugin.flow.scopes import person_scope
from lms_plugin.people import OrgMembership, RoleKind
from tests import people as cast
from tests.factories import World, grant
from tests.flow.earned import earn
from tests.flow.handed_in import all_marks, hand_in, judgement, reviews_of

DAY = timedelta(days=1)


def move(world: World) -> None:
    """陈晓芳 goes from 希望小学 to 平安小学, a day later."""
    roster_ties.move_to_school(world.session, world.person(cast.CHEN), world.schools["平安小学"], world.now + DAY)


def test_memberships_are_dated_and_what_is_done_keeps_its_school(world: World) -> None:
    old, new = world.schools["希望小学"], world.schools["平安小学"]
    earn(world, cast.CHEN, "A3", "A5", "B1")
    open_work = hand_in(world, cast.CHEN, "A7", world.now)
    before = len(reviews_of(world, open_work))
    move(world)
    rows = world.session.exec(
        select(OrgMembership)
        .where(OrgMembership.person_id == pk(world.person(cast.CHEN)))
        .order_by(col(OrgMembership.id))
    ).all()
    assert [(row.org_unit_id, row.ends_on) for row in rows] == [
        (pk(old), (world.now + DAY).date()),
        (pk(new), None),
    ]
    assert set(world.session.exec(select(CreditEntry.org_unit_id)).all()) == {pk(old)}
    assert set(world.session.exec(select(SubmissionVersion.org_unit_id)).all()) == {pk(old)}
    assert open_work.state is competencies.SubmissionState.SUBMITTED
    assert len(reviews_of(world, open_work)) == before  # who reviews it goes on
    cases.decide(
        world.session, world.actor(cast.TRAINER), open_work.uuid, judgement(all_marks(world, open_work)), 0, 1,
        world.now + DAY,
    )  # fmt: skip
    of_now = drafts.school_of(world.session, world.actor(cast.CHEN))  # what is handed in from now on
    assert of_now is not None
    assert pk(of_now) == pk(new)


def test_the_batch_of_the_old_school_keeps_the_work(world: World) -> None:
    world.set_rules(chain={"publicity": True})
    work = hand_in(world, cast.CHEN, "A3", world.now - timedelta(hours=2))
    marks = judgement(all_marks(world, work))
    cases.decide(world.session, world.actor(cast.TRAINER), work.uuid, marks, 0, 1, world.now)
    move(world)
    unit = world.schools["希望小学"]
    lead = world.actor(cast.LEAD)
    batch = batches.close(world.session, lead, world.programme, unit.uuid, {}, "0" * 32, world.now + DAY)
    assert world.session.exec(select(SchoolBatch.org_unit_id)).all() == [pk(unit)]
    assert work.batch_id == pk(batch)


def test_officers_follow_the_person_not_the_past(world: World) -> None:
    for who, school in ((cast.WANG, "希望小学"), (cast.ZHAO, "平安小学")):
        grant(world.session, world.person(who), RoleKind.SCHOOL_LEAD, world.schools[school], world.now)
    move(world)
    scope = person_scope(world.session, pk(world.tenant), pk(world.person(cast.CHEN)))
    assert can(world.actor(cast.ZHAO), Permission.RECORD_READ, scope)
    assert not can(world.actor(cast.WANG), Permission.RECORD_READ, scope)
    here = people.school_of(world.session, pk(world.person(cast.CHEN)), world.now + 2 * DAY)
    assert here is not None
    assert here.name == "平安小学"


def test_within_a_district_there_is_nothing_to_transfer(world: World) -> None:
    earn(world, cast.CHEN, "A3")
    code = open_code(world.session, world.actor(cast.CHEN), world.now).code
    with pytest.raises(Invalid) as refused:
        transfers.ask(world.session, world.actor(cast.CHEN), code, "", world.now)
    assert refused.value.fields == {"code": "transfer.same_district"}
