"""转出, 转入: on the teacher's and both officers' word; hours count once, wherever they are; nothing is rewritten."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event
from sqlmodel import col, select

import competencies
from competencies import Certificate, CreditEntry, CreditKind, Standing
from lms_plugin.db import pk
from lms_plugin.errors import Conflict, Forbidden, Invalid, NotFound, Refused
from lms_plugin.flow import (
    arrivals,
    attendance,
    booking,
    enter,
    humans,
    passport,
    reversal,
    training_hours,
    transfer_package,
    transfer_views,
    transfers,
    verification,
    work_done,
)
from lms_plugin.people import Notice, OrgMembership, RoleKind
from tests import people as cast
from tests.certified import certificate_for
from tests.factories import World, grant, programme_of
from tests.flow.earned import earn
from tests.flow.handed_in import hand_in
from tests.flow.test_reversal import award_of, imported
from tests.flow.test_reversal import total as total_of
from tests.flow.test_trainings import planned, signed_by_code
from tests.moving import SECRET, There, accepted, arrival_of, asked, everything, released, there_of
from tests.rosters import put_on_roster

domain = competencies.transfers


def earned_here(world: World) -> There:
    """Three points, 25 hours of practice, and 12 imported ones."""
    earn(world, cast.CHEN, "A3", "A5", "B1")
    imported(world)
    return there_of(world)


def left_of(world: World) -> transfer_package.Leaving:
    rows = humans.rows_of(world.person(cast.CHEN))
    return transfer_package.leaving(world.session, world.tenant, rows)


def here(world: World) -> tuple[int, int]:
    return total_of(world), total_of(world, CreditKind.ONLINE)


def state_of(world: World, uuid: str) -> str:
    return world.session.exec(select(domain.Transfer).where(domain.Transfer.uuid == uuid)).one().state.value


def test_hours_and_points_move_and_count_once(world: World) -> None:
    there = earned_here(world)
    before = world.session.exec(select(CreditEntry.uuid)).all()
    uuid = released(there)
    assert here(world) == (0, 0)
    assert there.hours() == {}
    accepted(there)
    assert here(world) == (0, 0)
    assert there.hours() == {CreditKind.PRACTICE: 25_00, CreditKind.ONLINE: 12_00}
    assert there.held() == {"A3": 1, "A5": 1, "B1": 1}
    assert (state_of(world, uuid), arrival_of(there).state.value) == ("arrived", "accepted")
    assert set(before) <= set(world.session.exec(select(CreditEntry.uuid)).all())
    record = passport.record(world.session, there.teacher, there.programme.uuid, None, world.now)
    assert (record.result, record.points_passed) == ("passed", 3)
    assert {line.reason for line in record.hours} == {"transfer_in"}
    assert all("平安县" in line.source for line in record.hours)
    with pytest.raises(Refused, match=r"transfer\.nothing"):  # neither hours nor points are left to go
        released(there)


def test_the_days_of_the_hours_travel_with_them(world: World) -> None:
    there = earned_here(world)
    online = world.session.exec(select(CreditEntry.earned_on).where(CreditEntry.kind == CreditKind.ONLINE)).one()
    released(there)
    accepted(there)
    days = world.session.exec(
        select(CreditEntry.earned_on).where(
            CreditEntry.person_id == pk(there.person), CreditEntry.kind == CreditKind.ONLINE
        )
    ).all()
    assert days == [online]


def test_the_rule_of_the_place_brings_only_what_is_more(world: World) -> None:
    there = earned_here(world)
    rules = competencies.Rules.model_validate({"hours": {"practice_hundredths": 30_00, "cap_hundredths": 30_00}})
    competencies.set_rules(world.session, there.programme, rules, None, world.now)
    released(there)
    accepted(there)
    assert there.hours()[CreditKind.PRACTICE] == 30_00
    reasons = world.session.exec(
        select(CreditEntry.reason, CreditEntry.credit_hundredths)
        .where(CreditEntry.person_id == pk(there.person), CreditEntry.kind == CreditKind.PRACTICE)
        .order_by(col(CreditEntry.id))
    ).all()
    assert reasons == [("transfer_in", 25_00), ("award", 5_00)]


def test_an_award_that_is_taken_back_there_takes_no_hours_that_came(world: World) -> None:
    there = earned_here(world)
    released(there)
    accepted(there)
    award = world.session.exec(
        select(competencies.Award).where(competencies.Award.person_id == pk(there.person))
    ).first()
    assert award is not None
    reversal.reverse(
        world.session, there.officer, there.programme.uuid, there.person.uuid, "award", award.uuid, "误认", world.now
    )
    assert there.hours()[CreditKind.PRACTICE] == 25_00


def sent_back(there: There) -> competencies.transfers.Arrival:
    """The teacher asks there to go back, and is let go; gives what is here for the officer."""
    world = there.world
    code = arrivals.open_code(world.session, world.actor(cast.CHEN), world.now).code
    uuid = transfers.ask(world.session, there.teacher, code, "", world.now).uuid
    transfers.release(world.session, there.officer, uuid, SECRET, world.now)
    chen = domain.Arrival.person_id == pk(world.person(cast.CHEN))
    found = world.session.exec(select(domain.Arrival).where(chen).order_by(col(domain.Arrival.id).desc())).first()
    assert found is not None
    return found


def take_home(there: There, row: competencies.transfers.Arrival, *kinds: str, **chosen: Any) -> None:
    """The officer here takes it in: hours of these kinds (none named: all)."""
    world = there.world
    page = transfer_views.arriving_page(world.session, world.actor(cast.OFFICER), row.uuid, "", world.now)
    blocks = frozenset(one.key for one in page.blocks if not kinds or one.kind in kinds)
    choice = arrivals.Choice(world.programme.uuid, blocks, chosen.get("points", {}), chosen.get("reason", ""))
    arrivals.accept(world.session, world.actor(cast.OFFICER), row.uuid, choice, world.now)


def test_who_moves_away_and_back_is_as_before(world: World) -> None:
    """The hours count again where they were earned, the points were never earned anywhere else."""
    there = earned_here(world)
    award = award_of(world, "A5")
    released(there)
    accepted(there)
    session, now, officer = world.session, world.now, world.actor(cast.OFFICER)
    back = sent_back(there)
    page = transfer_views.arriving_page(session, officer, back.uuid, "", now)
    assert [(one.same, one.is_home) for one in page.points] == [("", True)] * 3
    assert page.home_hundredths == 37_00
    take_home(there, back)  # all of it: nobody asks for a reason
    assert (here(world), there.hours()) == ((25_00, 12_00), {})
    page = transfer_views.arriving_page(session, officer, back.uuid, "", now)
    assert (page.row.happened[-1].what, set(page.taken["points"].values())) == ("accepted", {"A3", "A5", "B1"})
    chen, programme = world.person(cast.CHEN).uuid, world.programme.uuid
    record = passport.record(session, officer, programme, chen, now)
    assert ({point.why for point in record.points}, record.moved_to) == ({"counted"}, "")
    assert [line.reason for line in record.hours][-2:] == ["transfer_back"] * 2

    left = left_of(world)
    assert [held.code for held in left.points] == ["A3", "A5", "B1"]
    assert sorted((line.hundredths, line.of_points) for line in left.lines) == [(12_00, False), (25_00, True)]
    released(there)  # away a second time, to where they were held for a while
    accepted(there, points={})
    assert (here(world), there.hours()) == ((0, 0), {CreditKind.PRACTICE: 25_00, CreditKind.ONLINE: 12_00})
    take_home(there, sent_back(there))
    assert reversal.reverse(session, officer, programme, chen, "award", award.uuid, "误认", now)
    assert here(world) == (0, 12_00)


def test_what_was_earned_there_comes_along_home(world: World) -> None:
    there = earned_here(world)
    rules = competencies.Rules.model_validate({"hours": {"practice_hundredths": 30_00, "cap_hundredths": 30_00}})
    competencies.set_rules(world.session, there.programme, rules, None, world.now)
    released(there)
    accepted(there)  # its rule brings five more
    take_home(there, sent_back(there))
    assert (here(world), there.hours()) == ((30_00, 12_00), {})
    world.set_rules(hours={"practice_hundredths": 31_00, "cap_hundredths": 31_00})
    booking.bring_up(world.session, world.programme, [pk(world.person(cast.CHEN))], world.now)
    assert here(world) == (31_00, 12_00)  # the five are those of the same points


def test_hours_that_are_back_in_part_are_still_away(world: World) -> None:
    there = earned_here(world)
    award = award_of(world, "A5")
    released(there)
    accepted(there)
    back = sent_back(there)
    with pytest.raises(Invalid):  # the points stay with their hours: a part wants a reason
        take_home(there, back, "online")
    take_home(there, back, "online", reason="实践另转")
    assert (here(world), there.hours()) == ((0, 12_00), {CreditKind.PRACTICE: 25_00})
    person, programme = world.person(cast.CHEN).uuid, world.programme.uuid
    with pytest.raises(Refused, match=r"credit\.moved_away"):
        reversal.reverse(
            world.session, world.actor(cast.OFFICER), programme, person, "award", award.uuid, "误认", world.now
        )
    assert left_of(world).points == ()


def test_points_recognised_in_another_programme_keep_the_hours_that_come_with_them(world: World) -> None:
    there = earned_here(world)
    released(there)
    accepted(there)
    back = sent_back(there)
    session, now, officer = world.session, world.now, world.actor(cast.OFFICER)
    other = programme_of(session, world.tenant, world.county, world.framework, "明年的考核", now)
    enter.enrol(session, pk(other), pk(world.person(cast.CHEN)), now)
    page = transfer_views.arriving_page(session, officer, back.uuid, other.uuid, now)
    assert [(one.same, one.is_home) for one in page.points] == [(code, False) for code in ("A3", "A5", "B1")]
    assert page.home_hundredths == 12_00
    blocks = frozenset(one.key for one in page.blocks)
    points = {one.held.key: one.same for one in page.points}
    arrivals.accept(session, officer, back.uuid, arrivals.Choice(other.uuid, blocks, points), now)
    assert here(world) == (0, 12_00)
    chen = pk(world.person(cast.CHEN))
    assert competencies.balance(session, pk(other), [chen])[chen][CreditKind.PRACTICE] == 25_00
    left = left_of(world)
    assert [held.code for held in left.points] == ["A3", "A5", "B1"]
    assert sum(line.hundredths for line in left.lines) == 37_00


def test_hours_that_came_are_taken_back_by_the_officer_there(world: World) -> None:
    there = earned_here(world)
    released(there)
    accepted(there)

    def take_back(uuid: str) -> bool:
        programme, person = there.programme.uuid, there.person.uuid
        return reversal.reverse(world.session, there.officer, programme, person, "hours", uuid, "材料不实", world.now)

    def record() -> passport.Record:
        return passport.record(world.session, there.officer, there.programme.uuid, there.person.uuid, world.now)

    lines = {line.kind: line for line in record().hours}
    assert all(line.can_be_reversed for line in lines.values())
    look = reversal.preview(
        world.session, there.officer, there.programme.uuid, there.person.uuid, "hours", lines["practice"].uuid
    )
    assert (look.kind, look.before_hundredths, look.after_hundredths) == ("practice", 25_00, 0)
    assert take_back(lines["practice"].uuid)
    assert not take_back(lines["practice"].uuid)  # the second click
    assert there.hours() == {CreditKind.ONLINE: 12_00}
    assert {point.why for point in record().points} == {"undone"}
    better = competencies.Rules.model_validate({"hours": {"cap_hundredths": 25_00}})
    competencies.set_rules(world.session, there.programme, better, None, world.now)
    booking.bring_up(world.session, there.programme, [pk(there.person)], world.now)
    assert there.hours() == {CreditKind.ONLINE: 12_00}  # the rule of the place does not bring them anew
    assert here(world) == (0, 0)


def test_taken_back_before_it_arrives_everything_is_as_before(world: World) -> None:
    there = earned_here(world)
    uuid = released(there)
    transfers.withdraw(world.session, world.actor(cast.OFFICER), uuid, "本人不走了", world.now)
    assert here(world) == (25_00, 12_00)
    assert (state_of(world, uuid), arrival_of(there).state.value) == ("withdrawn", "closed")
    with pytest.raises(Conflict, match=r"transfer\.changed"):
        accepted(there)
    second = released(there)  # and it can leave again, whole
    accepted(there)
    assert here(world) == (0, 0)
    assert there.hours() == {CreditKind.PRACTICE: 25_00, CreditKind.ONLINE: 12_00}
    assert state_of(world, second) == "arrived"


def test_what_has_arrived_is_not_taken_back(world: World) -> None:
    there = earned_here(world)
    uuid = released(there)
    accepted(there)
    with pytest.raises(Conflict, match=r"transfer\.arrived_already"):
        transfers.withdraw(world.session, world.actor(cast.OFFICER), uuid, "后悔", world.now)
    assert here(world) == (0, 0)


def test_refused_there_it_counts_here_again_with_the_reason(world: World) -> None:
    there = earned_here(world)
    uuid = released(there)
    with pytest.raises(Invalid):
        arrivals.refuse(world.session, there.officer, arrival_of(there).uuid, " ", "", world.now)
    arrivals.refuse(world.session, there.officer, arrival_of(there).uuid, "不是本县的老师", "", world.now)
    assert (here(world), there.hours(), there.held()) == ((25_00, 12_00), {}, {})
    seen = transfer_views.mine(world.session, world.actor(cast.CHEN)).left[0]
    assert (seen.state, seen.happened[-1].reason) == ("returned", "不是本县的老师")
    assert state_of(world, uuid) == "returned"


def test_a_part_wants_a_reason_and_the_rest_goes_back(world: World) -> None:
    there = earned_here(world)
    released(there)
    practice = next(one for one in everything(there).blocks if one.endswith(":practice"))
    part = {"blocks": frozenset({practice}), "points": {"nengli-2.0:A3": "A3"}}
    part["points"] = {key: code for key, code in everything(there).points.items() if code == "A3"}
    with pytest.raises(Invalid) as fault:
        accepted(there, **part)
    assert set(fault.value.fields) == {"reason"}
    accepted(there, **part, reason="网络研修没有证明材料")
    assert there.hours() == {CreditKind.PRACTICE: 25_00}
    assert there.held() == {"A3": 1}
    assert here(world) == (0, 12_00)


def test_another_point_is_held_by_decision_and_none_twice(world: World) -> None:
    there = earned_here(world)
    released(there)
    keys = {code: key for key, code in everything(there).points.items()}
    with pytest.raises(Invalid) as fault:
        accepted(there, points={keys["A3"]: "A6", keys["A5"]: "A6"}, reason="标准不同")
    assert set(fault.value.fields) == {"points"}
    with pytest.raises(Invalid):
        accepted(there, points={keys["A3"]: "Z9"}, reason="标准不同")
    accepted(there, points={keys["A3"]: "A6", keys["A5"]: "A5"}, reason="标准不同")
    assert there.held() == {"A6": 1, "A5": 1}


def test_twice_is_harmless(world: World) -> None:
    there = earned_here(world)
    code = arrivals.open_code(world.session, there.teacher, world.now)
    assert arrivals.open_code(world.session, there.teacher, world.now) is code
    chen, officer = world.actor(cast.CHEN), world.actor(cast.OFFICER)
    first = transfers.ask(world.session, chen, code.code, "", world.now)
    assert transfers.ask(world.session, chen, code.code, "", world.now) is first
    for _ in range(2):
        transfers.release(world.session, officer, first.uuid, SECRET, world.now)
    choice = everything(there)
    for _ in range(2):
        arrivals.accept(world.session, there.officer, arrival_of(there).uuid, choice, world.now)
    assert there.hours() == {CreditKind.PRACTICE: 25_00, CreditKind.ONLINE: 12_00}


def test_a_certificate_of_here_says_that_its_hours_left(world: World) -> None:
    certificate = certificate_for(world, cast.CHEN)
    released(there_of(world))
    found = verification.look_up(world.session, certificate.code)
    assert found is not None
    assert found.standing is Standing.CHANGED
    assert len(world.session.exec(select(Certificate)).all()) == 1


def test_who_may_do_what(world: World) -> None:
    there = earned_here(world)
    uuid = asked(there)
    for who in (cast.CHEN, cast.LEAD, cast.AUDITOR, cast.TRAINER):
        with pytest.raises(Forbidden):
            transfers.release(world.session, world.actor(who), uuid, SECRET, world.now)
    with pytest.raises(NotFound):
        transfers.release(world.session, there.officer, uuid, SECRET, world.now)
    with pytest.raises(NotFound):
        transfers.take_back_request(world.session, world.actor(cast.WANG), uuid, world.now)
    grant(world.session, world.person(cast.CHEN), RoleKind.OFFICER, None, world.now)
    with pytest.raises(Forbidden):  # nobody lets themselves go
        transfers.release(world.session, world.actor(cast.CHEN), uuid, SECRET, world.now)
    transfers.release(world.session, world.actor(cast.OFFICER), uuid, SECRET, world.now)
    arrival = arrival_of(there).uuid
    with pytest.raises(NotFound):
        arrivals.accept(world.session, world.actor(cast.OFFICER), arrival, everything(there), world.now)
    with pytest.raises(Forbidden):
        arrivals.accept(world.session, there.teacher, arrival, everything(there), world.now)


def test_an_officer_of_another_part_has_no_say(world: World) -> None:
    there = earned_here(world)
    uuid = asked(there)
    grant(world.session, world.person(cast.ZHAO), RoleKind.OFFICER, world.schools["平安小学"], world.now)
    zhao = world.actor(cast.ZHAO)
    assert transfer_views.home(world.session, zhao).leaving.rows == ()
    with pytest.raises(Forbidden):
        transfers.release(world.session, zhao, uuid, SECRET, world.now)


def test_codes_that_cannot_be_meant(world: World) -> None:
    there = earned_here(world)
    session, now, chen = world.session, world.now, world.actor(cast.CHEN)
    wang_there = there_of_name(there, cast.WANG)
    own = arrivals.open_code(session, world.actor(cast.CHEN), now).code
    for code, fault in (
        ("12", "transfer.code_unreadable"),
        (own, "transfer.same_district"),
        (wang_there, "transfer.code_of_another"),
    ):
        with pytest.raises(Invalid) as refused:
            transfers.ask(session, chen, code, "", now)
        assert refused.value.fields == {"code": fault}
    with pytest.raises(Invalid) as refused:  # of no arrival here: another installation, which has a name
        transfers.ask(session, chen, "0123456789AB", "", now)
    assert refused.value.fields == {"to_name": "transfer.place_missing"}
    code = arrivals.open_code(session, there.teacher, now).code
    transfers.ask(session, chen, code, "", now)
    arrivals.close_code(session, there.teacher, now)
    uuid = session.exec(select(domain.Transfer.uuid)).one()
    with pytest.raises(Conflict, match=r"transfer\.code_given_back"):
        transfers.release(session, world.actor(cast.OFFICER), uuid, SECRET, now)


def there_of_name(there: There, who: cast.Cast) -> str:
    """A code of somebody else there."""
    person = there.person
    name, person.name = person.name, who.name
    code = arrivals.open_code(there.world.session, there.teacher, there.world.now)
    person.name = name
    code.person_id = pk(there.world.person(cast.NEIGHBOUR))
    there.world.session.add_all([person, code])
    there.world.session.flush()
    return code.code


def test_unconfirmed_people_neither_leave_nor_are_taken_in(world: World) -> None:
    there = earned_here(world)
    released(there)
    there.person.confirmed_at = None
    world.session.add(there.person)
    with pytest.raises(Refused, match=r"transfer\.person_unconfirmed"):
        accepted(there)
    chen = world.person(cast.CHEN)
    chen.confirmed_at = None
    world.session.add(chen)
    with pytest.raises(Refused, match=r"transfer\.unconfirmed"):
        transfers.ask(world.session, world.actor(cast.CHEN), "0123456789AB", "x", world.now)


def test_a_work_that_is_open_stays_and_leaves_the_next_time(world: World) -> None:
    there = earned_here(world)
    hand_in(world, cast.CHEN, "A7", world.now - timedelta(hours=1))
    assert transfer_views.mine(world.session, world.actor(cast.CHEN)).open_works == 1
    released(there)
    accepted(there)
    assert "A7" not in there.held()
    add = competencies.import_online(
        world.session, pk(world.tenant), pk(world.programme), world.programme.policy_id or 0,
        [competencies.OnlineHours(pk(world.person(cast.CHEN)), 300, "国家平台", None)],
        pk(world.person(cast.OFFICER)), world.now,
    )  # fmt: skip
    assert len(add.added) == 1
    released(there)
    choice = replace(everything(there), points={}, reason="能力点上次已认可")
    arrivals.accept(world.session, there.officer, arrival_of(there).uuid, choice, world.now)
    assert there.hours()[CreditKind.ONLINE] == 15_00


def test_a_point_that_is_already_worked_on_there_keeps_its_work(world: World) -> None:
    there = earned_here(world)
    competencies.select_points(
        world.session,
        there.programme,
        [pk(there.person)],
        [point_there(there, "A3"), point_there(there, "A5")],
        world.now,
    )
    work = world.session.exec(
        select(competencies.Submission).where(
            competencies.Submission.person_id == pk(there.person),
            competencies.Submission.point_id == pk(point_there(there, "A3")),
        )
    ).one()
    work.state = competencies.SubmissionState.SUBMITTED
    world.session.add(work)
    released(there)
    page = transfer_views.arriving_page(world.session, there.officer, arrival_of(there).uuid, "", world.now)
    assert {one.held.code: one.same for one in page.points} == {"A3": "", "A5": "A5", "B1": "B1"}
    with pytest.raises(Invalid):
        accepted(there)
    same = {one.held.key: one.same for one in page.points}
    accepted(there, points=same, reason="A3 正在评")
    assert there.held() == {"A5": 1, "B1": 1}


def point_there(there: There, code: str) -> competencies.CompetencyPoint:
    return there.world.session.exec(
        select(competencies.CompetencyPoint).where(
            competencies.CompetencyPoint.framework_version_id == there.programme.framework_version_id,
            competencies.CompetencyPoint.code == code,
        )
    ).one()


def test_what_has_left_is_not_taken_back_here(world: World) -> None:
    there = earned_here(world)
    award, officer = award_of(world, "A5"), world.actor(cast.OFFICER)
    uuid = released(there)

    def take_back() -> bool:
        person = world.person(cast.CHEN).uuid
        programme = world.programme.uuid
        return reversal.reverse(world.session, officer, programme, person, "award", award.uuid, "误认", world.now)

    with pytest.raises(Refused, match=r"credit\.moved_away"):
        take_back()
    assert here(world) == (0, 0)
    transfers.withdraw(world.session, officer, uuid, "先冲销", world.now)
    assert take_back()
    assert here(world) == (0, 12_00)


def test_training_hours_that_have_left_are_not_put_right_here(world: World) -> None:
    there = there_of(world)
    session, lead, after = world.session, world.actor(cast.LEAD), world.now + timedelta(hours=2)
    put_on_roster(world, cast.CHEN)
    made = planned(world)
    signed_by_code(world, made, cast.CHEN)
    training_hours.close(session, lead, made.uuid, after)
    row = session.exec(select(competencies.Attendance)).one()
    uuid = released(there)
    session.commit()
    with pytest.raises(Refused, match=r"credit\.moved_away"):
        attendance.correct(session, lead, made.uuid, row.uuid, None, False, "代签", after)
    session.rollback()
    assert total_of(world, CreditKind.SCHOOL_BASED) == 0
    transfers.withdraw(session, world.actor(cast.OFFICER), uuid, "先更正", after)
    attendance.correct(session, lead, made.uuid, row.uuid, 45, True, "提前离开", after)
    assert total_of(world, CreditKind.SCHOOL_BASED) == 1_00


def test_points_come_with_the_hours_they_brought_or_not_at_all(world: World) -> None:
    there = earned_here(world)
    released(there)
    online = frozenset(one for one in everything(there).blocks if one.endswith(":online"))
    with pytest.raises(Invalid) as fault:  # the rule there would bring them anew, while they count here again
        accepted(there, blocks=online, reason="实践学时没有证明材料")
    assert fault.value.fields == {"points": "transfer.points_without_hours"}
    accepted(there, blocks=online, points={}, reason="实践学时没有证明材料")
    assert (here(world), there.hours()) == ((25_00, 0), {CreditKind.ONLINE: 12_00})


def test_points_whose_hours_were_taken_in_alone_do_not_follow_to_bring_them_twice(world: World) -> None:
    there = earned_here(world)
    released(there)
    accepted(there, points={}, reason="能力点另评")
    assert there.hours() == {CreditKind.PRACTICE: 25_00, CreditKind.ONLINE: 12_00}
    with pytest.raises(Refused, match=r"transfer\.nothing"):
        released(there)
    earn(world, cast.CHEN, "B2")  # a better result later leaves with what it brought, and that alone
    assert [held.code for held in left_of(world).points] == ["B2"]


def test_a_point_that_came_with_its_hours_lets_the_others_follow_for_nothing(world: World) -> None:
    there = earned_here(world)
    released(there)
    kept = {key: code for key, code in everything(there).points.items() if code == "A3"}
    accepted(there, points=kept, reason="两个点另评")
    assert [held.code for held in left_of(world).points] == ["A5", "B1"]
    released(there)
    accepted(there)
    assert there.held() == {"A3": 1, "A5": 1, "B1": 1}
    assert there.hours() == {CreditKind.PRACTICE: 25_00, CreditKind.ONLINE: 12_00}


def test_programmes_of_both_sides_take_turns_in_one_order(world: World) -> None:
    """Two counties that take in of each other at the same moment must not wait for one another."""
    there = earned_here(world)
    released(there)
    online = frozenset(one for one in everything(there).blocks if one.endswith(":online"))
    choice = everything(there, blocks=online, points={}, reason="实践学时没有证明材料")
    turns: list[int] = []

    def hear(_conn: object, _cursor: object, statement: str, parameters: Any, *_more: object) -> None:
        if " ".join(statement.split()).startswith("SELECT programme.id FROM programme WHERE programme.id ="):
            turns.extend(parameters.values() if isinstance(parameters, dict) else parameters)

    engine = world.session.get_bind()
    event.listen(engine, "before_cursor_execute", hear)
    try:
        arrivals.accept(world.session, there.officer, arrival_of(there).uuid, choice, world.now)
    finally:
        event.remove(engine, "before_cursor_execute", hear)
    assert list(dict.fromkeys(turns)) == sorted({pk(world.programme), pk(there.programme)})


def test_a_name_with_blanks_of_another_kind_travels(world: World) -> None:
    there = earned_here(world)
    chen = world.person(cast.CHEN)
    chen.name = "陈\u3000晓\u00a0芳"
    world.session.add(chen)
    world.session.flush()
    released(there)
    accepted(there)
    assert there.hours()[CreditKind.PRACTICE] == 25_00


def test_hours_taken_back_before_do_not_leave(world: World) -> None:
    there = earned_here(world)
    online = world.session.exec(select(CreditEntry).where(CreditEntry.kind == CreditKind.ONLINE)).one()
    competencies.reverse(world.session, online, pk(world.person(cast.OFFICER)), "误录", world.now)
    award = award_of(world, "A5")
    reversal.reverse(
        world.session, world.actor(cast.OFFICER), world.programme.uuid, world.person(cast.CHEN).uuid, "award",
        award.uuid, "误认", world.now,
    )  # fmt: skip
    released(there)
    package = arrivals.package_of(world.session, arrival_of(there), world.now)
    assert package.lines == ()
    assert [held.code for held in package.points] == ["A3", "B1"]


def test_a_district_that_has_gone_elsewhere_takes_no_part(world: World) -> None:
    there = earned_here(world)
    uuid = asked(there)
    there.tenant.frozen_on = world.now.date()
    world.session.add(there.tenant)
    with pytest.raises(Conflict, match=r"tenant\.read_only"):
        transfers.release(world.session, world.actor(cast.OFFICER), uuid, SECRET, world.now)


def test_officers_are_told_until_it_is_done(world: World) -> None:
    def told() -> list[str]:
        open_ones = select(Notice.kind).where(Notice.kind == "transfer.waiting", col(Notice.done_at).is_(None))
        return list(world.session.exec(open_ones).all())

    there = earned_here(world)
    asked_uuid = asked(there)
    assert len(told()) == 1
    transfers.release(world.session, world.actor(cast.OFFICER), asked_uuid, SECRET, world.now)
    assert len(told()) == 1  # the other county's
    accepted(there)
    assert told() == []


def test_points_stand_for_the_hours_of_their_own_programme_alone(world: World) -> None:
    """The rule of the place counts what its points brought; hours of another programme stand beside them."""
    there = earned_here(world)
    session, now = world.session, world.now
    other = programme_of(session, world.tenant, world.county, world.framework, "去年的考核", now)
    basis = competencies.Basis(other.policy_id or 0)
    chen = pk(world.person(cast.CHEN))
    competencies.credit(session, pk(world.tenant), pk(other), chen, CreditKind.PRACTICE, 5_00, basis, now)
    rules = competencies.Rules.model_validate({"hours": {"practice_hundredths": 30_00, "cap_hundredths": 30_00}})
    competencies.set_rules(session, there.programme, rules, None, now)
    released(there)
    accepted(there)
    assert there.hours()[CreditKind.PRACTICE] == 35_00  # 25 came with the points, 5 are added to them, 5 came beside


def test_points_that_left_before_do_not_leave_again(world: World) -> None:
    there = earned_here(world)
    released(there)
    keys = {code: key for key, code in everything(there).points.items()}
    accepted(there, points={keys["A3"]: "A3", keys["A5"]: "A5"}, reason="B1 本县不认")
    released(there)  # what was not taken goes again: there may be another answer next time
    assert [held.code for held in arrivals.package_of(world.session, arrival_of(there), world.now).points] == ["B1"]


def test_what_was_taken_in_is_no_work_of_the_officer(world: World) -> None:
    there = earned_here(world)
    released(there)
    accepted(there)
    assert work_done.works(world.session, there.programme, "Asia/Shanghai") == {}


def test_a_list_shows_what_its_pages_open(world: World) -> None:
    """A county officer of one school: of teachers who were there when they asked, and of those who are there now."""
    there = earned_here(world)
    uuid = asked(there)
    grant(world.session, world.person(cast.ZHAO), RoleKind.OFFICER, world.schools["平安小学"], world.now)
    zhao = world.actor(cast.ZHAO)
    with pytest.raises(Forbidden):
        transfer_views.leaving_page(world.session, zhao, uuid, SECRET)
    chen = pk(world.person(cast.CHEN))
    for membership in world.session.exec(select(OrgMembership).where(OrgMembership.person_id == chen)):
        membership.org_unit_id = pk(world.schools["平安小学"])
        world.session.add(membership)
    world.session.flush()
    shown = transfer_views.home(world.session, zhao).leaving
    assert ([row.uuid for row in shown.rows], shown.total, shown.waiting) == ([uuid], 1, 1)
    assert transfer_views.leaving_page(world.session, zhao, uuid, SECRET).name == "陈晓芳"


def test_long_lists_are_cut_into_pages_what_waits_first(world: World) -> None:
    there = earned_here(world)
    uuid = asked(there)
    row = world.session.exec(select(domain.Transfer)).one()
    facts = {"tenant_id": row.tenant_id, "person_id": row.person_id, "to_code": "0" * 12, "to_name": "远县"}
    world.session.add_all(
        domain.Transfer(
            **facts, is_local=False, state=domain.TransferState.WITHDRAWN, asked_at=world.now, changed_at=world.now
        )
        for _ in range(60)
    )
    world.session.flush()
    officer = world.actor(cast.OFFICER)
    first = transfer_views.home(world.session, officer).leaving
    second = transfer_views.home(world.session, officer, page_out=2).leaving
    assert (first.rows[0].uuid, first.total, first.waiting) == (uuid, 61, 1)
    assert len({one.uuid for one in (*first.rows, *second.rows)}) == 61
