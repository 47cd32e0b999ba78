"""整批冲销: the wrong sheet is taken back in one act, and nothing but it."""

from datetime import date, timedelta

import pytest
from sqlmodel import select

import competencies
from competencies import CreditEntry, CreditKind
from lms_plugin.db import pk
from lms_plugin.errors import Forbidden, Invalid, NotFound
from lms_plugin.flow import import_reversals, reversal, transfers
from lms_plugin.people import RoleKind
from tests import people as cast
from tests.factories import World, grant
from tests.flow.test_reversal import asked_for, total
from tests.moving import released, there_of

ONLINE = CreditKind.ONLINE


def sheet(world: World, *people: cast.Cast, hundredths: int = 12_00, later: int = 0) -> list[str]:
    """A sheet that the officer sent so many minutes after the beginning; gives its lines."""
    rows = [
        competencies.OnlineHours(
            pk(world.person(who)), hundredths, "国家平台", date(2026, 10, 1), pk(world.schools[who.school])
        )
        for who in people
    ]
    ids = pk(world.tenant), pk(world.programme), world.programme.policy_id or 0
    by, at = pk(world.person(cast.OFFICER)), world.now + timedelta(minutes=later)
    return [one.uuid for one in competencies.import_online(world.session, *ids, rows, by, at).added]


def sheets(world: World, who: cast.Cast = cast.OFFICER) -> tuple[import_reversals.Sheet, ...]:
    return import_reversals.sheets_of(world.session, world.actor(who), world.programme.uuid)


def take_back(world: World, key: int, who: cast.Cast = cast.OFFICER, reason: str = "发错了文件") -> int:
    return import_reversals.take_back(
        world.session, world.actor(who), world.programme.uuid, key, reason, world.now + timedelta(hours=1)
    )


def test_the_wrong_sheet_goes_and_the_others_stay(world: World) -> None:
    sheet(world, cast.CHEN, cast.WANG)
    lines = sheet(world, cast.CHEN, cast.WANG, cast.LI, hundredths=8_00, later=5)
    wrong, right = sheets(world)
    assert (wrong.people, wrong.hundredths, wrong.sources, wrong.by) == (3, 24_00, ("国家平台",), "褚员")
    act = world.session, world.actor(cast.OFFICER), world.programme.uuid
    reversal.reverse(*act, world.person(cast.LI).uuid, "hours", lines[2], "先改了一条", world.now)
    look = import_reversals.preview(*act, wrong.key)
    assert (look.sheet.people, look.sheet.hundredths, look.left) == (2, 16_00, 0)
    with pytest.raises(Invalid):
        take_back(world, wrong.key, reason=" ")
    asked_for(world)
    assert take_back(world, wrong.key) == 2
    assert set(asked_for(world)) == {pk(world.person(who)) for who in (cast.CHEN, cast.WANG)}
    assert take_back(world, wrong.key) == 0  # the second click
    assert [total(world, ONLINE, who) for who in (cast.CHEN, cast.WANG, cast.LI)] == [12_00, 12_00, 0]
    assert sheets(world) == (right,)
    with pytest.raises(NotFound):
        import_reversals.preview(*act, wrong.key)
    taken = world.session.exec(select(CreditEntry).where(CreditEntry.reason == "reversal")).all()
    assert {one.source for one in taken} == {"先改了一条", "发错了文件"}
    assert len({one.reverses_id for one in taken}) == 3


def test_lines_of_others_stay(world: World) -> None:
    sheet(world, cast.CHEN, cast.WANG, cast.LI)
    grant(world.session, world.person(cast.LI), RoleKind.OFFICER, world.county, world.now)
    released(there_of(world))
    (one,) = sheets(world, cast.LI)
    look = import_reversals.preview(world.session, world.actor(cast.LI), world.programme.uuid, one.key)
    assert (look.sheet.people, look.left) == (1, 2)  # the officer's own, and who has moved away
    assert take_back(world, one.key, cast.LI) == 1
    assert [total(world, ONLINE, who) for who in (cast.CHEN, cast.WANG, cast.LI)] == [0, 0, 12_00]
    session, officer = world.session, world.actor(cast.OFFICER)
    away = session.exec(select(competencies.transfers.Transfer)).one()
    transfers.withdraw(session, officer, away.uuid, "不走了", world.now)
    assert take_back(world, one.key) == 2


def test_who_takes_back(world: World) -> None:
    sheet(world, cast.CHEN)
    (one,) = sheets(world)
    for who in (cast.LEAD, cast.TRAINER, cast.AUDITOR, cast.CHEN):
        with pytest.raises(Forbidden):
            sheets(world, who)
        with pytest.raises(Forbidden):
            take_back(world, one.key, who)
    with pytest.raises(NotFound):
        take_back(world, one.key, cast.NEIGHBOUR)
    grant(world.session, world.person(cast.SUN), RoleKind.OFFICER, world.schools["平安小学"], world.now)
    assert sheets(world, cast.SUN) == ()
    assert take_back(world, one.key, cast.SUN) == 0
