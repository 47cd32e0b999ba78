"""消息 of claims, questions to a trainer, objections and moves: told to whom an act waits for, and to nobody else."""

from datetime import timedelta

import pytest
from pydantic import ValidationError
from sqlmodel import col, select

import competencies
import rubrics
from lms_plugin.config import Settings
from lms_plugin.db import pk
from lms_plugin.flow import claims, flags, message_words, messages_mail, publicity, review, transfers
from lms_plugin.inbox import Message
from tests import people as cast
from tests.factories import World
from tests.flow.earned import earn
from tests.flow.handed_in import cast_of, hand_in, reviews_of
from tests.flow.test_chain import ALL, check_all, close, decided
from tests.flow.test_claims import allot, joins
from tests.flow.test_claims import rules as claim_rules
from tests.moving import SECRET, asked, there_of

HOUR = timedelta(hours=1)


def told(world: World, kind: str) -> dict[int, bool]:
    """Who was told, and whether it still waits for them."""
    world.session.expire_all()
    rows = world.session.exec(select(Message).where(Message.kind == kind).order_by(col(Message.id)))
    return {row.person_id: row.read_at is None for row in rows}


def test_who_takes_a_review_is_told_of_the_duty(world: World) -> None:
    claim_rules(world)
    for who in cast.TEACHERS:
        hand_in(world, who, "A3", world.now - 2 * HOUR)
    allot(world)
    late = joins(world)
    claims.claim(world.session, late, world.programme.uuid, world.now)
    assert told(world, message_words.CLAIMED) == {late.person_id: True}


def flagged(world: World) -> tuple[competencies.Submission, cast.Cast, str]:
    works = {who.key: hand_in(world, who, "A3", world.now - 2 * HOUR) for who in cast.TEACHERS}
    review.allocate(world.session, world.actor(cast.OFFICER), world.programme, 5, world.now)
    one = reviews_of(world, works["chen"])[0]
    who = cast_of(world, one.reviewer_id)
    review.open_review(world.session, world.actor(who), one.uuid, world.now)
    row = flags.flag_work(world.session, world.actor(who), one.uuid, flags.Said("copied", ""), world.now)
    return works["chen"], who, row.uuid


def test_a_question_waits_for_who_decides_and_its_answer_for_who_asked(world: World) -> None:
    _work, who, flag = flagged(world)
    waits = told(world, message_words.FLAGGED)
    assert pk(world.person(cast.TRAINER)) in waits
    assert not {pk(world.person(one)) for one in (*cast.TEACHERS, cast.OFFICER, cast.IT, cast.NEIGHBOUR)} & set(waits)
    said = world.session.exec(select(Message).where(Message.kind == message_words.FLAGGED)).first()
    assert said is not None
    assert (said.params, said.key) == ({"code": "A3"}, flag)  # no name, no reason
    flags.settle(world.session, world.actor(cast.TRAINER), flag, "看过了，是公开的模板。", world.now)
    assert set(told(world, message_words.FLAGGED).values()) == {False}
    assert told(world, message_words.FLAG_OF_REVIEW) == {pk(world.person(who)): True}


def test_the_same_question_once_more_is_no_other_step_of_the_trail(world: World) -> None:
    work, who, _flag = flagged(world)
    one = reviews_of(world, work)[0]
    for kind in ("copied", "copied", "unfit"):
        flags.flag_work(world.session, world.actor(who), one.uuid, flags.Said(kind, "又看了一遍"), world.now)
    steps = world.session.exec(
        select(rubrics.ReviewEvent.detail)
        .where(rubrics.ReviewEvent.kind == "flagged")
        .order_by(col(rubrics.ReviewEvent.id))
    ).all()
    assert steps == ["copied", "unfit"]
    assert world.session.exec(select(rubrics.ReviewFlag.words)).one() == "又看了一遍"


def test_an_objection_waits_for_officers_and_its_answer_for_who_objected(world: World) -> None:
    world.set_rules(chain=ALL)
    work = decided(world, cast.CHEN, "A3")
    batch = close(world)
    check_all(world, batch)
    row = publicity.object_to(world.session, world.actor(cast.LI), batch.uuid, work.uuid, "不对", "", world.now)
    officer, li = pk(world.person(cast.OFFICER)), pk(world.person(cast.LI))
    assert told(world, message_words.OBJECTION) == {officer: True}
    publicity.answer(
        world.session, world.actor(cast.OFFICER), row.uuid, is_upheld=False, words="查过了。", now=world.now
    )
    assert told(world, message_words.OBJECTION) == {officer: False}
    assert told(world, message_words.OBJECTION_ANSWERED) == {li: True}


def test_a_move_waits_for_the_officer_and_every_answer_is_told(world: World) -> None:
    earn(world, cast.CHEN, "A1")
    there = there_of(world)
    uuid = asked(there)
    officer, chen = pk(world.person(cast.OFFICER)), pk(world.person(cast.CHEN))
    assert told(world, message_words.TRANSFER_WAITS) == {officer: True}
    assert told(world, message_words.TRANSFER_WENT_ON) == {}
    transfers.release(world.session, world.actor(cast.OFFICER), uuid, SECRET, world.now)
    assert told(world, message_words.TRANSFER_WAITS)[officer] is False
    assert told(world, message_words.TRANSFER_WENT_ON)[chen] is True


def test_the_night_is_a_setting(world: World) -> None:
    early = messages_mail.Daytime(9, 17)
    local = world.now.replace(hour=8)
    assert [early.covers(local), early.covers(local.replace(hour=9)), early.covers(local.replace(hour=17))] == [
        False,
        True,
        False,
    ]
    with pytest.raises(ValidationError, match="NENGLI_LETTERS_FROM"):
        Settings(secret_key="s" * 40, public_url="https://tool.example", letters_from=22, letters_until=7)
