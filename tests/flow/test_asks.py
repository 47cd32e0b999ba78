"""更正申请: the teacher asks, an officer of their school answers by what the ledger says; nobody else reads it."""

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import Session, select

import competencies
from competencies import HoursRequest
from lms_plugin import db
from lms_plugin.db import pk
from lms_plugin.errors import Conflict, Forbidden, Invalid, NotFound, Refused
from lms_plugin.flow import asks, enter, notices
from lms_plugin.people import RoleKind
from tests import people as cast
from tests.factories import World, add_person, grant, world_in
from tests.ledgers import add_entry

PART = cast.Cast("part", "片区管", "", "P1")
ANOTHER = cast.Cast("another", "另一管", "", "P2")


def ask(
    world: World, text: str = "少了 6 学时", entry: str = "", who: cast.Cast = cast.CHEN, **later: Any
) -> HoursRequest:
    moment = world.now + timedelta(**later)
    return asks.ask(world.session, world.actor(who), world.programme.uuid, entry, text, moment)


def answer(world: World, row: HoursRequest, said: str, who: cast.Cast = cast.OFFICER) -> None:
    asks.answer(world.session, world.actor(who), row.uuid, said, "查过了", world.now)


def officer_of(world: World, who: cast.Cast, school: str) -> None:
    world.persons[who.key] = add_person(world.session, world.tenant, world.county, who, world.now)
    grant(world.session, world.persons[who.key], RoleKind.OFFICER, world.schools[school], world.now)


def waiting(world: World, who: cast.Cast = cast.OFFICER) -> list[tuple[str, Any]]:
    lines = notices.open_notices(world.session, world.actor(who), world.now)
    return [(line.params["school"], line.params["n"]) for line in lines if line.kind == notices.ASKED]


def test_both_read_the_history_and_nobody_else_does(world: World) -> None:
    first, second = ask(world), ask(world, "A3 没有计")
    answer(world, first, "explained")
    own = asks.own_requests(world.session, world.actor(cast.CHEN), world.programme.uuid)
    assert [(one.uuid, one.answer, one.reply) for one in own.requests] == [
        (second.uuid, "", ""),
        (first.uuid, "explained", "查过了"),
    ]
    inbox = asks.inbox(world.session, world.actor(cast.OFFICER), 1)
    assert [one.uuid for one in inbox.requests] == [second.uuid, first.uuid]
    assert (inbox.open, inbox.total) == (1, 2)
    assert asks.own_requests(world.session, world.actor(cast.WANG), world.programme.uuid).requests == ()
    for who in (cast.CHEN, cast.WANG, cast.LEAD, cast.TRAINER, cast.AUDITOR, cast.IT):
        with pytest.raises(Forbidden):
            asks.request_of(world.session, world.actor(who), second.uuid)
        with pytest.raises(Forbidden):
            asks.inbox(world.session, world.actor(who), 1)
    with pytest.raises(NotFound):
        asks.request_of(world.session, world.actor(cast.NEIGHBOUR), second.uuid)
    assert asks.inbox(world.session, world.actor(cast.NEIGHBOUR), 1).total == 0


def test_officers_of_another_school_do_not_see_it(world: World) -> None:
    officer_of(world, PART, "平安小学")
    officer_of(world, ANOTHER, "希望小学")
    row = ask(world)
    assert asks.inbox(world.session, world.actor(PART), 1).total == 0
    with pytest.raises(Forbidden):
        asks.request_of(world.session, world.actor(PART), row.uuid)
    assert asks.inbox(world.session, world.actor(ANOTHER), 1).open == 1
    assert (waiting(world), waiting(world, ANOTHER), waiting(world, PART)) == ([("希望小学", 1)], [("希望小学", 1)], [])


def test_the_notice_counts_what_waits_and_goes_with_the_last_answer(world: World) -> None:
    rows = [ask(world), ask(world, "还有一条", who=cast.WANG)]
    assert waiting(world) == [("希望小学", 2)]
    officer, school = world.actor(cast.OFFICER), world.schools["希望小学"].uuid
    with pytest.raises(NotFound):
        notices.settle_notice(world.session, officer, notices.ASKED, school, world.now)
    for row, left in zip(rows, ([("希望小学", 1)], []), strict=True):
        answer(world, row, "explained")
        assert waiting(world) == left
    ask(world, "又有一条")
    assert waiting(world) == [("希望小学", 1)]


def test_an_answer_is_true_of_the_ledger(world: World) -> None:
    entry = add_entry(world, 600)
    row = ask(world, entry=entry.uuid)
    other = ask(world, "另一条")
    world.now += timedelta(hours=1)
    for said, code in (("booked", "ask.nothing_booked"), ("reversed", "ask.nothing_reversed")):
        with pytest.raises(Invalid) as refused:
            answer(world, row, said)
        assert refused.value.fields == {"answer": code}
    taken = competencies.reverse(world.session, entry, pk(world.person(cast.OFFICER)), "误录", world.now)
    answer(world, row, "reversed")
    assert row.answer_entry_id == pk(taken)
    added = add_entry(world, 300)
    answer(world, other, "booked")
    assert other.answer_entry_id == pk(added)


def test_nobody_answers_their_own(world: World) -> None:
    enter.enrol(world.session, pk(world.programme), pk(world.person(cast.OFFICER)), world.now)
    row = ask(world, who=cast.OFFICER)
    with pytest.raises(Forbidden):
        answer(world, row, "explained")


def test_a_request_is_of_ones_own_ledger(world: World) -> None:
    theirs = add_entry(world, who=cast.WANG)
    with pytest.raises(NotFound):
        ask(world, entry=theirs.uuid)
    with pytest.raises(NotFound):
        ask(world, who=cast.TRAINER)  # takes no part
    for text in ("", " \n ", "字" * 1001, "a\u202eb"):
        with pytest.raises(Invalid) as refused:
            ask(world, text)
        assert set(refused.value.fields) == {"text"}


def test_floods_end(world: World) -> None:
    assert ask(world).uuid == ask(world).uuid  # the second click
    rows = [ask(world, f"第 {number} 条") for number in range(4)]
    with pytest.raises(Refused) as many:
        ask(world, "第六条")
    assert many.value.code == "ask.too_many"
    for row in rows:
        answer(world, row, "explained")
    for number in range(4, 8):
        ask(world, f"第 {number} 条", minutes=number)
    answer(world, world.session.exec(select(HoursRequest).where(HoursRequest.text == "第 4 条")).one(), "explained")
    ask(world, "第 9 条", hours=1)
    answer(world, world.session.exec(select(HoursRequest).where(HoursRequest.text == "第 5 条")).one(), "explained")
    with pytest.raises(Refused) as often:
        ask(world, "第 10 条", hours=2)
    assert often.value.code == "ask.too_often"
    ask(world, "第二天", days=2)


def test_of_two_officers_the_second_is_told(own_district_url: str, now: Any) -> None:
    bind = db.engine(own_district_url)
    with Session(bind, expire_on_commit=False) as one:
        world = world_in(db.writes(one), now)
        officer_of(world, ANOTHER, "希望小学")
        row = ask(world)
        answer(world, row, "explained", who=ANOTHER)
        one.commit()
    with Session(bind, expire_on_commit=False) as two:
        world = world_in(db.writes(two), now)
        with pytest.raises(Conflict) as refused:
            asks.answer(two, world.actor(cast.OFFICER), row.uuid, "explained", "另一句", now)
        assert (refused.value.code, refused.value.params["name"]) == ("ask.answered", "另一管")
    bind.dispose()
