"""冲销: a new entry of the opposite sign, the award revoked, the score sent again; everything else as it was."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings
from sqlalchemy import delete
from sqlmodel import col, select

import competencies
from competencies import Award, CreditEntry, CreditKind
from lms_plugin import outbox
from lms_plugin.access import RoleScope
from lms_plugin.db import pk
from lms_plugin.errors import Forbidden, Invalid, NotFound
from lms_plugin.flow import booking, report, reversal
from lms_plugin.people import RoleKind
from tests import people as cast
from tests.factories import World, grant
from tests.flow.earned import earn
from tests.fuzzing import times

DAY = timedelta(days=1)


def entries(world: World) -> list[CreditEntry]:
    return list(
        world.session.exec(
            select(CreditEntry).where(CreditEntry.programme_id == pk(world.programme)).order_by(col(CreditEntry.id))
        )
    )


def total(world: World, kind: CreditKind = CreditKind.PRACTICE, who: cast.Cast = cast.CHEN) -> int:
    person = pk(world.person(who))
    return competencies.balance(world.session, pk(world.programme), [person])[person][kind]


def award_of(world: World, code: str, who: cast.Cast = cast.CHEN) -> Award:
    return world.session.exec(
        select(Award).where(
            Award.person_id == pk(world.person(who)),
            Award.point_id == pk(world.point(code)),
            col(Award.revoked_at).is_(None),
        )
    ).one()


def imported(world: World, hundredths: int = 1200) -> CreditEntry:
    (entry,) = competencies.import_online(
        world.session,
        pk(world.tenant),
        pk(world.programme),
        world.programme.policy_id or 0,
        [competencies.OnlineHours(pk(world.person(cast.CHEN)), hundredths, "国家平台", date(2026, 10, 1))],
        pk(world.person(cast.OFFICER)),
        world.now,
    ).added
    return entry


def take_back(
    world: World, what: reversal.What, uuid: str, who: cast.Cast = cast.OFFICER, reason: str = "误录"
) -> bool:
    return reversal.reverse(
        world.session,
        world.actor(who),
        world.programme.uuid,
        world.person(cast.CHEN).uuid,
        what,
        uuid,
        reason,
        world.now,
    )


def look(world: World, what: reversal.What, uuid: str, who: cast.Cast = cast.OFFICER) -> reversal.Preview:
    chen = world.person(cast.CHEN).uuid
    return reversal.preview(world.session, world.actor(who), world.programme.uuid, chen, what, uuid)


def asked_for(world: World) -> list[int]:
    """Whose scores are to be sent; forgets them."""
    found = [
        int(job.ids["person_id"])
        for job in world.session.exec(select(outbox.Job).where(outbox.Job.kind == report.SCORE_JOB))
    ]
    world.session.execute(delete(outbox.Job))
    world.session.expire_all()
    return found


def test_imported_hours_are_taken_back_by_an_entry_of_the_opposite_sign(world: World) -> None:
    entry = imported(world)
    said = look(world, "hours", entry.uuid)
    assert (said.before_hundredths, said.taken_hundredths, said.after_hundredths, said.is_done) == (
        1200,
        1200,
        0,
        False,
    )
    assert take_back(world, "hours", entry.uuid, reason=" 录错 了人 ")
    first, second = entries(world)
    assert (second.credit_hundredths, second.reason, second.source) == (-1200, "reversal", "录错 了人")
    assert (second.reverses_id, second.decided_by_id) == (pk(first), pk(world.person(cast.OFFICER)))
    assert total(world, CreditKind.ONLINE) == 0
    assert asked_for(world) == [pk(world.person(cast.CHEN))]


def test_the_second_click_changes_nothing(world: World) -> None:
    entry = imported(world)
    earn(world, cast.CHEN, "A3", "A5", "A6")
    held = award_of(world, "A5").uuid
    assert take_back(world, "hours", entry.uuid)
    assert take_back(world, "award", held)
    before = len(entries(world))
    asked_for(world)
    assert not take_back(world, "hours", entry.uuid)
    assert not take_back(world, "award", held)
    assert len(entries(world)) == before
    assert asked_for(world) == []
    assert look(world, "award", held).is_done
    assert look(world, "hours", entry.uuid).taken_hundredths == 0


def test_an_award_without_an_entry_of_its_own_takes_the_set_away(world: World) -> None:
    """per_set books all hours with the last point; taking the first one back breaks the set as well."""
    for code in ("A3", "A5", "A6"):
        earn(world, cast.CHEN, code)
    first = award_of(world, "A3")
    assert look(world, "award", first.uuid).taken_hundredths == 2500
    assert take_back(world, "award", first.uuid)
    assert total(world) == 0
    assert entries(world)[-1].award_id == pk(first)
    assert first.revoked_at == world.now
    held = competencies.released_levels(world.session, pk(world.programme), [pk(world.person(cast.CHEN))])
    assert len(held[pk(world.person(cast.CHEN))]) == 2
    earn(world, cast.CHEN, "A7")  # another point makes the set whole again
    assert total(world) == 2500


def test_a_point_beyond_the_required_ones_takes_no_hours_with_it(world: World) -> None:
    earn(world, cast.CHEN, "A3", "A5", "A6", "A7")
    before = len(entries(world))
    assert look(world, "award", award_of(world, "A6").uuid).taken_hundredths == 0
    assert take_back(world, "award", award_of(world, "A6").uuid)
    assert (total(world), len(entries(world))) == (2500, before)
    assert pk(world.person(cast.CHEN)) in asked_for(world)


@pytest.mark.parametrize("reason", ["", " \n ", "长" * 301, "a\u202eb"])
def test_a_reason_that_can_be_read_is_wanted(world: World, reason: str) -> None:
    entry = imported(world)
    with pytest.raises(Invalid) as invalid:
        take_back(world, "hours", entry.uuid, reason=reason)
    assert list(invalid.value.fields) == ["reason"]
    assert len(entries(world)) == 1


def test_only_officers_whose_reach_covers_the_person(world: World) -> None:
    entry = imported(world)
    for who in (cast.CHEN, cast.LEAD, cast.AUDITOR, cast.IT, cast.TRAINER, cast.WANG):
        with pytest.raises(Forbidden):
            take_back(world, "hours", entry.uuid, who)
        with pytest.raises(Forbidden):
            look(world, "hours", entry.uuid, who)
    with pytest.raises(NotFound):
        take_back(world, "hours", entry.uuid, cast.NEIGHBOUR)
    for school, allowed in (("平安小学", False), ("希望小学", True)):
        actor = replace(
            world.actor(cast.OFFICER), roles=(RoleScope(RoleKind.OFFICER, unit_path=world.schools[school].path),)
        )
        names = (world.programme.uuid, world.person(cast.CHEN).uuid, "hours", entry.uuid)
        if allowed:
            assert reversal.reverse(world.session, actor, *names, "误录", world.now)
        else:
            with pytest.raises(Forbidden):
                reversal.reverse(world.session, actor, *names, "误录", world.now)


def test_nobody_takes_back_their_own(world: World) -> None:
    entry = imported(world)
    grant(world.session, world.person(cast.CHEN), RoleKind.OFFICER, world.county, world.now)
    with pytest.raises(Forbidden):
        take_back(world, "hours", entry.uuid, cast.CHEN)


def test_what_is_not_this_persons_or_cannot_be_reversed_is_not_found(world: World) -> None:
    entry = imported(world)
    earn(world, cast.CHEN, "A3", "A5", "A6")
    earn(world, cast.WANG, "A3")
    earned = next(one for one in entries(world) if one.reason == "award")
    assert take_back(world, "hours", entry.uuid)
    reversed_by = next(one for one in entries(world) if one.reason == "reversal")
    cases: list[tuple[reversal.What, str]] = [
        ("hours", earned.uuid),
        ("hours", reversed_by.uuid),
        ("award", entry.uuid),
        ("award", award_of(world, "A3", cast.WANG).uuid),
        ("hours", "0" * 32),
    ]
    for what, uuid in cases:
        with pytest.raises(NotFound):
            take_back(world, what, uuid)
        with pytest.raises(NotFound):
            look(world, what, uuid)


# --- properties ---

RULES = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["per_set", "per_point_cumulative", "per_level"]),
        "practice_hundredths": st.integers(0, 4000),
        "pass_hundredths": st.integers(0, 900),
        "excellent_hundredths": st.integers(900, 1500),
        "cap_hundredths": st.integers(0, 4000),
    }
)
STEPS = st.lists(RULES | st.sampled_from([0, 1, 2]), min_size=1, max_size=6)
CODES = ("A3", "A5", "A6", "A7", "B1", "B2")


@contextmanager
def undone(world: World) -> Iterator[None]:
    """What an example does is taken back."""
    now = world.now
    with world.session.begin_nested() as savepoint:
        yield
        savepoint.rollback()
        world.session.expire_all()
    world.now = now


def step(world: World, one: dict[str, Any] | int, code: str) -> None:
    """One day: a new rule with what the job after it does, or a released point of that level."""
    world.now += DAY
    if isinstance(one, dict):
        world.set_rules(hours=one)
        booking.bring_up(world.session, world.programme, [pk(world.person(cast.CHEN))], world.now)
    else:
        earn(world, cast.CHEN, code, level=one)


@settings(max_examples=times(25), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_hours_never_fall_and_never_exceed_the_cap(world: World, steps: list[dict[str, Any] | int]) -> None:
    with undone(world):
        caps, before = [competencies.Rules().hours.cap_hundredths], 0
        for one, code in zip(steps, CODES, strict=False):
            step(world, one, code)
            if isinstance(one, dict):
                caps.append(one["cap_hundredths"])
            assert before <= total(world) <= max(caps)
            before = total(world)
        world.session.flush()


@settings(max_examples=times(25), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, level=st.sampled_from([1, 2]))
def test_a_reversal_restores_exactly(world: World, steps: list[dict[str, Any] | int], level: int) -> None:
    with undone(world):
        for one, code in zip(steps, CODES, strict=False):
            step(world, one, code)
        before, written = total(world), len(entries(world))
        step(world, level, "C1")
        brought = total(world) - before
        held = award_of(world, "C1")
        assert look(world, "award", held.uuid).taken_hundredths == brought
        assert take_back(world, "award", held.uuid)
        assert total(world) == before
        assert sum(one.credit_hundredths for one in entries(world)[written:]) == 0
        assert not take_back(world, "award", held.uuid)
        assert total(world) == before
