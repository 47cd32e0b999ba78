"""撤销合并: the roster's row, reviews and numbers go back exactly, where nobody changed them since."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings
from sqlmodel import col, select

import competencies
import rubrics
from competencies import CreditEntry, CreditKind
from lms_plugin.db import pk
from lms_plugin.errors import Refused
from lms_plugin.flow import (
    drafts,
    humans,
    online_hours,
    people,
    reversal,
    review_tasks,
    roster_list,
    roster_ties,
    transfer_package,
    whole_record,
)
from lms_plugin.people import OrgMembership, Person, RoleKind, RosterEntry, RosterMove, Stage
from tests import people as cast
from tests.factories import World, grant
from tests.flow.earned import earn
from tests.flow.handed_in import finish_review, hand_in
from tests.flow.test_merges import allot, merge, undo
from tests.flow.test_reversal import award_of
from tests.fuzzing import times
from tests.moving import accepted, released, there_of
from tests.rosters import add_entry, put_on_roster, workbook

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def said(person: Person, name: str, number: str, how: str) -> None:
    """What the row says of itself, and how it came to be confirmed."""
    person.name, person.staff_number, person.confirmed_how = name, number, how
    if how not in ("roster", "person"):
        person.confirmed_at = None


def school_of(world: World, person: Person) -> list[int]:
    return list(
        world.session.exec(
            select(OrgMembership.org_unit_id).where(
                OrgMembership.person_id == pk(person), col(OrgMembership.ends_on).is_(None)
            )
        )
    )


def standing(world: World, *who: cast.Cast) -> list[Any]:
    """Who holds which row, who is confirmed how, and where each belongs."""
    holders = world.session.exec(
        select(RosterEntry.staff_number, RosterEntry.person_id).order_by(RosterEntry.staff_number)
    ).all()
    people_now = [world.person(one) for one in who]
    return [
        list(holders),
        [(one.confirmed_at, one.confirmed_by_id, one.confirmed_how) for one in people_now],
        [school_of(world, one) for one in people_now],
    ]


def taken(world: World) -> RosterEntry:
    """陈晓芳's row of the roster, which 王秀兰 takes by a merge: she says the same name and number."""
    entry = put_on_roster(world, cast.CHEN)
    chen, wang = world.person(cast.CHEN), world.person(cast.WANG)
    said(wang, chen.name, chen.staff_number, "")
    world.session.flush()
    merge(world, cast.CHEN, cast.WANG)
    return entry


# --- the roster's row ---


def test_a_row_by_a_lead_s_word_goes_back(world: World) -> None:
    """The list spells the name in another way: only the lead's word tied it, and the merge must not keep it."""
    chen, wang = world.person(cast.CHEN), world.person(cast.WANG)
    chen.confirmed_at, chen.confirmed_how = None, ""
    entry = add_entry(world, world.schools[cast.CHEN.school], "XW001", "陈小芳")
    people.confirm_person(world.session, world.actor(cast.LEAD), chen.uuid, world.now)
    assert (entry.person_id, chen.confirmed_how) == (pk(chen), "person")
    said(wang, wang.name, "XW001", "person")
    world.session.flush()
    merge(world, cast.CHEN, cast.WANG)
    assert entry.person_id == pk(wang)
    undo(world, cast.CHEN)
    assert (entry.person_id, chen.confirmed_how, wang.confirmed_how) == (pk(chen), "person", "person")


def test_what_somebody_changed_since_stays(world: World) -> None:
    """The kept row gave the number up and took it again: that tie is its own, no longer the merge's."""
    entry, chen, wang = taken(world), world.person(cast.CHEN), world.person(cast.WANG)
    for number in ("XW777", "XW001"):
        school = world.schools[cast.WANG.school]
        words = people.Introduction(
            name=chen.name, school=school.uuid, stage=Stage.PRIMARY, subject="语文", staff_number=number
        )
        people.introduce(world.session, world.actor(cast.WANG), words, world.now + HOUR)
    assert entry.person_id == pk(wang)
    undo(world, cast.CHEN, at=120)
    assert (entry.person_id, wang.confirmed_how) == (pk(wang), "roster")


def test_a_row_that_became_somebody_else_s_stays_there(world: World) -> None:
    entry, li = taken(world), world.person(cast.LI)
    roster_ties.give_away(world.session, entry, world.now + HOUR)
    said(li, entry.name, entry.staff_number, "")
    world.session.flush()
    assert roster_ties.match_roster(world.session, li, world.now + HOUR)
    undo(world, cast.CHEN, at=120)
    assert entry.person_id == pk(li)


def test_a_row_goes_back_step_by_step(world: World) -> None:
    """Three rows with one number, merged in a chain: each undo gives back what its own merge took."""
    entry = put_on_roster(world, cast.CHEN)
    chen, wang, li = (world.person(one) for one in (cast.CHEN, cast.WANG, cast.LI))
    for one in (wang, li):
        said(one, chen.name, chen.staff_number, "")
    world.session.flush()
    merge(world, cast.CHEN, cast.WANG)
    merge(world, cast.WANG, cast.LI, 1)
    assert entry.person_id == pk(li)
    undo(world, cast.WANG, 2)
    assert (entry.person_id, wang.confirmed_how, li.confirmed_how) == (pk(wang), "roster", "")
    undo(world, cast.CHEN, 3)
    assert (entry.person_id, chen.confirmed_how, wang.confirmed_how) == (pk(chen), "roster", "")


def test_a_row_taken_off_the_list_goes_back_too(world: World) -> None:
    entry = taken(world)
    roster_list.set_removed(world.session, world.actor(cast.OFFICER), entry.uuid, True, world.now + HOUR)
    undo(world, cast.CHEN, at=120)
    assert entry.person_id == pk(world.person(cast.CHEN))


NAMES = st.sampled_from(["陈晓芳", "王秀兰"])
NUMBERS = st.sampled_from(["XW001", "XW002", "XW003"])
HOWS = st.sampled_from(["", "again", "renamed", "person", "roster"])


@settings(max_examples=times(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.tuples(st.tuples(NAMES, NUMBERS, HOWS), st.tuples(NAMES, NUMBERS, HOWS)),
    listed=st.dictionaries(NUMBERS, st.tuples(NAMES, st.sampled_from(["希望小学", "平安小学"])), max_size=2),
    holder=st.sampled_from([None, 0, 1]),
)
def test_a_merge_and_its_undo_leave_the_roster_as_it_was(
    world: World,
    rows: Sequence[tuple[str, str, str]],
    listed: dict[str, tuple[str, str]],
    holder: int | None,
) -> None:
    with world.session.begin_nested() as savepoint:
        pair = (cast.CHEN, cast.ZHAO)
        for one, (name, number, how) in zip(pair, rows, strict=True):
            said(world.person(one), name, number, how)
        held = world.person(pair[holder]) if holder is not None else None
        for number, (name, school) in listed.items():
            is_theirs = held is not None and held.staff_number == number
            add_entry(world, world.schools[school], number, name, held if is_theirs else None)
        world.session.flush()
        for one in pair:  # what would have been tied long before anybody merged
            roster_ties.match_roster(world.session, world.person(one), world.now - DAY)
        before = standing(world, *pair)
        holders = {entry.person_id for entry in world.session.exec(select(RosterEntry))} - {None}
        if len(holders) < 2:
            merge(world, *pair)
            undo(world, pair[0])
            # A merge lets the kept row find its own row of the list once more, which says nothing new of it.
            after = standing(world, *pair)
            assert [after[0], after[2]] == [before[0], before[2]]
            assert [how for _at, _by, how in after[1]] == [how for _at, _by, how in before[1]]
        savepoint.rollback()
        world.session.expire_all()


# --- reviews ---


def test_reviews_of_own_work_count_again_when_it_was_not_own(world: World) -> None:
    work = hand_in(world, cast.CHEN, "A3", world.now - 2 * HOUR)
    one, two = allot(world, cast.WANG, work), allot(world, cast.LI, work)
    for review in (one, two):
        finish_review(world, review, world.now - HOUR)
    merge(world, cast.WANG, cast.CHEN)
    summary = world.session.exec(select(rubrics.ReviewSummary)).one()
    assert (one.state, summary.submitted, summary.is_agreed) == (rubrics.ReviewState.RECUSED, 1, False)
    undo(world, cast.WANG)
    assert (one.state, summary.submitted, summary.is_agreed) == (rubrics.ReviewState.SUBMITTED, 2, True)


@pytest.mark.parametrize("is_open", [False, True])
def test_an_unfinished_review_goes_on_while_its_place_is_free(world: World, is_open: bool) -> None:
    work = hand_in(world, cast.CHEN, "A3", world.now - 2 * HOUR)
    one = allot(world, cast.WANG, work)
    if is_open:
        rubrics.open_review(world.session, one, world.now - HOUR)
    merge(world, cast.WANG, cast.CHEN)
    undo(world, cast.WANG)
    assert one.state is (rubrics.ReviewState.OPEN if is_open else rubrics.ReviewState.ALLOTTED)
    tasks = review_tasks.my_reviews(world.session, world.actor(cast.WANG), world.now)
    assert [task.uuid for task in tasks.open] == [one.uuid]


def test_an_unfinished_review_stays_aside_where_somebody_took_its_place(world: World) -> None:
    work = hand_in(world, cast.CHEN, "A3", world.now - 2 * HOUR)
    one = allot(world, cast.WANG, work)
    merge(world, cast.WANG, cast.CHEN)
    for other in (cast.LI, cast.ZHAO):
        allot(world, other, work)
    undo(world, cast.WANG)
    assert one.state is rubrics.ReviewState.RECUSED


def test_an_unfinished_review_stays_aside_where_the_work_moved_on(world: World) -> None:
    work = hand_in(world, cast.CHEN, "A3", world.now - 2 * HOUR)
    one = allot(world, cast.WANG, work)
    merge(world, cast.WANG, cast.CHEN)
    work.state = competencies.SubmissionState.DECIDED
    world.session.flush()
    undo(world, cast.WANG)
    assert one.state is rubrics.ReviewState.RECUSED


def test_nobody_goes_on_blind_with_what_they_came_to_read(world: World) -> None:
    """Whoever came to read the work at the desk in between has no unfinished blind review of it."""
    work = hand_in(world, cast.CHEN, "A3", world.now - 2 * HOUR)
    one, two = allot(world, cast.WANG, work), allot(world, cast.LI, work)
    finish_review(world, two, world.now - HOUR)
    merge(world, cast.LI, cast.WANG)
    assert (one.state, two.state) == (rubrics.ReviewState.RECUSED, rubrics.ReviewState.SUBMITTED)
    grant(world.session, world.person(cast.WANG), RoleKind.OFFICER, world.county, world.now)
    undo(world, cast.LI)
    assert (one.state, two.state) == (rubrics.ReviewState.VOID, rubrics.ReviewState.SUBMITTED)


def test_two_reviews_of_one_work_are_two_again(world: World) -> None:
    work = hand_in(world, cast.LI, "A3", world.now - 2 * HOUR)
    first, second = allot(world, cast.WANG, work), allot(world, cast.CHEN, work)
    for one in (first, second):
        finish_review(world, one, world.now - HOUR)
    merge(world, cast.WANG, cast.CHEN)
    assert {first.state, second.state} == {rubrics.ReviewState.RECUSED, rubrics.ReviewState.SUBMITTED}
    undo(world, cast.WANG)
    assert {first.state, second.state} == {rubrics.ReviewState.SUBMITTED}


def test_a_review_that_was_refused_by_its_reviewer_stays_refused(world: World) -> None:
    work = hand_in(world, cast.CHEN, "A3", world.now - 2 * HOUR)
    one = allot(world, cast.WANG, work)
    rubrics.recuse(world.session, one, world.now)
    merge(world, cast.WANG, cast.CHEN)
    undo(world, cast.WANG)
    assert one.state is rubrics.ReviewState.RECUSED


# --- numbers, and what tells who it is ---


def test_no_two_tasks_of_one_human_being_go_by_one_number(world: World) -> None:
    for who, author in ((cast.WANG, cast.LI), (cast.CHEN, cast.ZHAO)):
        allot(world, who, hand_in(world, author, "A3", world.now - 2 * HOUR))
    merge(world, cast.WANG, cast.CHEN)

    def numbers() -> list[int]:
        tasks = review_tasks.my_reviews(world.session, world.actor(cast.CHEN), world.now)
        return sorted(task.number for task in tasks.open)

    assert numbers() == [1, 2]
    more = hand_in(world, cast.ZHOU, "A3", world.now - 2 * HOUR)
    slot = rubrics.Slot(pk(more), more.current_version_id or 0, pk(world.person(cast.CHEN)))
    rows = {slot.reviewer_id: world.actor(cast.CHEN).person_ids}
    rubrics.allot(world.session, pk(world.tenant), pk(world.programme), [slot], None, None, world.now, rows)
    assert numbers() == [1, 2, 3]


def test_every_name_and_number_that_was_theirs_tells(world: World) -> None:
    """Of a merged row, of the row of the list that somebody's word tied, and the schools from before."""
    chen, wang = world.person(cast.CHEN), world.person(cast.WANG)
    add_entry(world, world.schools["希望小学"], "XW001", "陈小芳", chen)
    roster_ties.move_to_school(world.session, wang, world.schools["平安小学"], world.now + DAY)
    merge(world, cast.CHEN, cast.WANG)
    traits = drafts.own_traits(world.session, world.actor(cast.WANG))
    assert traits.names == ("王秀兰", "陈晓芳", "陈小芳")
    assert traits.staff_numbers == ("XW002", "XW001")
    assert traits.schools == ("平安小学", "希望小学")
    assert traits.named_in("陈小芳、陈晓芳，工号 XW001，平安小学") == ["陈晓芳", "陈小芳", "XW001", "平安小学"]


def test_the_log_says_who_held_the_row(world: World) -> None:
    entry, chen, wang = taken(world), world.person(cast.CHEN), world.person(cast.WANG)
    (move,) = world.session.exec(select(RosterMove)).all()
    assert (move.roster_entry_id, move.from_person_id, move.to_person_id) == (pk(entry), pk(chen), pk(wang))
    undo(world, cast.CHEN)
    assert move.undone_at is not None


# --- hours that both rows had, and hours that have left ---


def online(world: World, who: cast.Cast, hundredths: int = 600, source: str = "省平台") -> CreditEntry:
    """Hours of a sheet; the same line to whoever it is imported for."""
    rows = [competencies.OnlineHours(pk(world.person(who)), hundredths, source, date(2026, 10, 1))]
    policy, officer = world.programme.policy_id or 0, pk(world.person(cast.OFFICER))
    done = competencies.import_online(
        world.session, pk(world.tenant), pk(world.programme), policy, rows, officer, world.now
    )
    return done.added[0]


def online_of(world: World, who: cast.Cast) -> int:
    rows = humans.rows_of(world.person(who))
    return humans.totals(world.session, pk(world.programme), rows)[CreditKind.ONLINE]


def test_a_line_that_was_imported_for_both_rows_counts_once_and_an_undo_counts_each(world: World) -> None:
    online(world, cast.CHEN)
    online(world, cast.WANG)
    online(world, cast.WANG, 300, "另一个平台")
    for turn in range(2):
        merge(world, cast.CHEN, cast.WANG, 2 * turn)
        assert online_of(world, cast.WANG) == 900
        undo(world, cast.CHEN, 2 * turn + 1)
        assert (online_of(world, cast.CHEN), online_of(world, cast.WANG)) == (600, 900)


def test_what_an_officer_took_back_stays_so_through_a_merge_and_its_undo(world: World) -> None:
    entry = online(world, cast.CHEN)
    online(world, cast.WANG)
    competencies.reverse(world.session, entry, pk(world.person(cast.OFFICER)), "误录", world.now - HOUR)
    merge(world, cast.CHEN, cast.WANG)
    undo(world, cast.CHEN)
    assert (online_of(world, cast.CHEN), online_of(world, cast.WANG)) == (0, 600)


def test_the_same_sheet_again_adds_nothing_after_an_undo(world: World) -> None:
    for who in (cast.CHEN, cast.WANG):
        put_on_roster(world, who)
    chen, wang = world.person(cast.CHEN), world.person(cast.WANG)
    online(world, cast.CHEN)
    online(world, cast.WANG)
    entry = world.session.exec(select(RosterEntry).where(RosterEntry.person_id == pk(wang))).one()
    roster_ties.give_away(world.session, entry, world.now)
    merge(world, cast.WANG, cast.CHEN)
    undo(world, cast.WANG)
    entry.person_id = pk(wang)
    world.session.flush()
    rows = [(one.staff_number, one.name, 6, "省平台", date(2026, 10, 1)) for one in (cast.CHEN, cast.WANG)]
    sheet = workbook([("工号", "姓名", "学时", "来源", "日期"), *rows])
    found = online_hours.check(world.session, world.actor(cast.OFFICER), world.programme.uuid, sheet, world.now)
    assert (found.entries, found.known, found.taken_back, found.problems) == ((), 2, 0, ())
    assert chen.merged_into_id is None


def test_hours_that_left_while_rows_were_one_stay_away_from_both(world: World) -> None:
    """The transfer stands under the row that was kept; the other one, on its own again, has nothing to send, and
    nothing of it is put right behind the other district's back."""
    earn(world, cast.CHEN, "A3", "A5", "B1")
    online(world, cast.WANG)
    merge(world, cast.CHEN, cast.WANG)
    world.person(cast.WANG).name = world.person(cast.CHEN).name
    there = there_of(world)
    released(there, cast.WANG)
    accepted(there)
    undo(world, cast.CHEN)
    for who in (cast.CHEN, cast.WANG):
        rows = humans.rows_of(world.person(who))
        assert sum(humans.totals(world.session, pk(world.programme), rows).values()) == 0
        assert transfer_package.leaving(world.session, world.tenant, rows).lines == ()
    award = award_of(world, "A5")
    with pytest.raises(Refused, match=r"credit\.moved_away"):
        reversal.reverse(
            world.session, world.actor(cast.OFFICER), world.programme.uuid, world.person(cast.CHEN).uuid, "award",
            award.uuid, "误认", world.now,
        )  # fmt: skip
    online(world, cast.WANG, 900, "后来的")
    (left,) = transfer_package.leaving(world.session, world.tenant, humans.rows_of(world.person(cast.WANG))).lines
    assert left.hundredths == 900


def test_a_point_that_came_stays_with_its_hours_when_the_merge_is_undone(world: World) -> None:
    """Also where the other row had begun on that point: held and hours lie on the row that stood for both."""
    there = there_of(world)
    draft = competencies.Submission(
        tenant_id=pk(world.tenant), programme_id=pk(world.programme), person_id=pk(world.person(cast.CHEN)),
        point_id=pk(world.point("A3")), created_at=world.now, changed_at=world.now,
    )  # fmt: skip
    world.session.add(draft)
    wang = world.person(cast.WANG)
    merge(world, cast.CHEN, cast.WANG)
    rows = humans.rows_of(wang)
    award = competencies.transfers.hold_point(
        world.session, world.programme, rows, world.point("A3"), competencies.Level.PASS, {"place": there.tenant.name},
        "转入", pk(world.person(cast.OFFICER)), None, world.now,
    )  # fmt: skip
    assert award.person_id == pk(wang)
    (held,) = whole_record.whole(world.session, world.actor(cast.WANG), None, world.now).rounds
    assert held.passed == 1
    undo(world, cast.CHEN)
    assert humans.levels(world.session, pk(world.programme), humans.rows_of(world.person(cast.CHEN))) == {}
    assert humans.levels(world.session, pk(world.programme), humans.rows_of(wang)) == {pk(world.point("A3")): 1}
