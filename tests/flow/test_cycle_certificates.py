"""周期学时证明: all programmes of a cycle on one paper, each by its own 文号; the rules of any 学时证明 hold."""

from datetime import date

import pytest

import competencies
from competencies import Certificate, CreditKind, Programme, Standing
from lms_plugin.db import pk
from lms_plugin.errors import Forbidden, NotFound, Refused
from lms_plugin.flow import (
    certificate_bundles,
    certificate_paper,
    certificate_sheet,
    certificates,
    cycle_certificate_views,
    cycle_certificates,
    paper_kinds,
    unit_seals,
    verification,
    whole_record,
)
from lms_plugin.people import RoleKind
from tests import people as cast
from tests.certified import PAPER, certificate_for, picture_of_a_seal, sealed
from tests.factories import World, grant
from tests.flow.earned import earn
from tests.flow.test_courses import other_programme
from tests.flow.test_reversal import award_of, take_back
from tests.flow.test_whole_record import credited

NOW_CYCLE, BEFORE = "2026-2030", "2021-2025"
OTHER_PAPER = "市教师〔2026〕3 号"


def two_programmes(world: World, *, is_self_service: bool = False) -> Programme:
    """陈晓芳 has hours of points in one programme and of another kind in the other; both 文号 are said."""
    other = other_programme(world)
    earn(world, cast.CHEN, "A3", "A5", "B1")
    credited(world, other, CreditKind.ONLINE, 600, date(2026, 5, 1))
    credited(world, other, CreditKind.OFFLINE, 300, date(2022, 5, 1))
    for programme, paper in ((world.programme, PAPER), (other, OTHER_PAPER)):
        certificates.set_terms(
            world.session, world.actor(cast.OFFICER), programme.uuid, paper, is_self_service, world.now
        )
    sealed(world)
    return other


def issue(
    world: World, who: cast.Cast = cast.CHEN, by: cast.Cast = cast.OFFICER, years: str = NOW_CYCLE
) -> Certificate:
    return cycle_certificates.issue_to(world.session, world.actor(by), world.person(who).uuid, years, world.now)


def standing(world: World, made: Certificate) -> Standing:
    found = verification.look_up(world.session, made.code)
    assert found is not None
    return found.standing


def test_it_holds_the_hours_of_the_cycle_alone_each_by_its_own_paper(world: World) -> None:
    other = two_programmes(world)
    made = issue(world)
    assert (made.programme_id, made.first_year, made.last_year, made.issuer) == (None, 2026, 2030, "平安县")
    assert made.hours == {"practice": 2500, "online": 600}
    seen = certificate_sheet.view(world.session, world.actor(cast.CHEN), made.uuid)
    assert {(part.title, part.paper, part.hours) for part in seen.parts} == {
        (world.programme.title, PAPER, (("practice", 2500),)),
        (other.title, OTHER_PAPER, (("online", 600),)),
    }
    page = certificate_paper.page(seen, "https://t/v/1", "https://t/v")
    assert all(words in page for words in (PAPER, OTHER_PAPER, other.title, "2026—2030 年学时周期", "31"))
    before = issue(world, years=BEFORE)
    assert (before.hours, before.number) == ({"offline": 300}, made.number + 1)
    assert standing(world, made) is Standing.VALID  # one of another cycle ends nothing
    assert issue(world) == made


def test_it_stands_beside_those_of_programmes(world: World) -> None:
    two_programmes(world)
    of_programme = certificate_for(world, cast.CHEN)
    made = issue(world)
    assert (standing(world, of_programme), standing(world, made)) == (Standing.VALID, Standing.VALID)
    found = verification.look_up(world.session, made.code)
    assert isinstance(found, verification.Verified)
    assert (found.years, found.name, len(found.titles)) == ((2026, 2030), "陈*芳", 2)
    page = whole_record.whole(world.session, world.actor(cast.CHEN), None, world.now)
    assert {one.years for one in page.papers} == {None, (2026, 2030)}


def test_hours_taken_back_show_and_a_new_one_ends_the_old(world: World) -> None:
    two_programmes(world)
    made = issue(world)
    assert take_back(world, "award", award_of(world, "A5").uuid)
    assert standing(world, made) is Standing.CHANGED
    sealed(world)
    again = issue(world)
    assert (standing(world, made), standing(world, again)) == (Standing.ENDED, Standing.VALID)
    certificates.revoke(world.session, world.actor(cast.OFFICER), again.uuid, "姓名印错了", world.now)
    assert standing(world, again) is Standing.ENDED


def test_a_programme_without_a_paper_is_named_and_stops_it(world: World) -> None:
    other = two_programmes(world)
    certificates.set_terms(world.session, world.actor(cast.OFFICER), other.uuid, "", False, world.now)
    with pytest.raises(Refused, match=r"certificate\.part_without_paper"):
        issue(world)
    officer, chen = world.actor(cast.OFFICER), world.person(cast.CHEN).uuid
    asked = cycle_certificate_views.asked(world.session, officer, chen, NOW_CYCLE)
    assert [(one.title, one.may_set) for one in asked.bare] == [(other.title, True)]


def test_ones_own_only_where_every_programme_lets_one(world: World) -> None:
    other = two_programmes(world, is_self_service=True)
    assert issue(world, by=cast.CHEN).issued_by_id == pk(world.person(cast.CHEN))
    certificates.set_terms(world.session, world.actor(cast.OFFICER), other.uuid, OTHER_PAPER, False, world.now)
    with pytest.raises(Refused, match=r"certificate\.no_self_service"):
        issue(world, by=cast.CHEN, years=BEFORE)


@pytest.mark.parametrize("by", [cast.WANG, cast.TRAINER, cast.LEAD])
def test_nobody_else_makes_one_out(world: World, by: cast.Cast) -> None:
    two_programmes(world)
    with pytest.raises(Forbidden):
        issue(world, by=by)


@pytest.mark.parametrize("years", ["2025-2029", "2026", "x-y", "2026-2030-1", "20260-20300", "2030-2026"])
def test_what_is_no_cycle_of_the_district_is_not_there(world: World, years: str) -> None:
    with pytest.raises(NotFound):
        issue(world, years=years)


def test_a_unit_at_once_the_seal_and_the_zip(world: World) -> None:
    two_programmes(world)
    school, officer = world.schools["希望小学"], world.actor(cast.OFFICER)
    page = cycle_certificate_views.cycle_page(world.session, officer, NOW_CYCLE, world.now)
    assert [(line.name, line.people, line.holding) for line in page.lines] == [("希望小学", 1, 0)]
    done = cycle_certificates.issue_to_unit(world.session, officer, school.uuid, NOW_CYCLE, world.now)
    assert (len(done.made), done.kept) == (1, 0)
    assert cycle_certificates.issue_to_unit(world.session, officer, school.uuid, NOW_CYCLE, world.now).kept == 1
    page = cycle_certificate_views.cycle_page(world.session, officer, NOW_CYCLE, world.now)
    assert (page.holding, [one.text for one in page.others]) == (1, [BEFORE])
    grant(world.session, world.person(cast.LEAD), RoleKind.SEAL, world.county, world.now)
    keeper = world.actor(cast.LEAD)
    unit_seals.put(world.session, keeper, world.county.uuid, picture_of_a_seal(), world.now)
    waiting = unit_seals.page(world.session, keeper, world.county.uuid).waiting
    assert [(one.kind, one.lot, one.count) for one in waiting] == [("cycles", NOW_CYCLE, 1)]
    assert unit_seals.stamp(world.session, keeper, world.county.uuid, NOW_CYCLE, "cycles", world.now).made == 1
    shown = unit_seals.page(world.session, keeper, world.county.uuid)
    assert (shown.waiting, [one.kind for one in shown.uses]) == ((), ["cycles"])
    kind = paper_kinds.CYCLES
    bundle = certificate_bundles.ask(world.session, officer, NOW_CYCLE, world.county.uuid, world.now, kind)
    lot = certificate_bundles.of_bundle(world.session, bundle)
    assert (bundle.total, bundle.programme_id, lot.key) == (1, None, NOW_CYCLE)
    (sheet,) = kind.pages(world.session, lot, list(done.made), "https://t").values()
    assert PAPER in sheet
    assert "data:image/png;base64,iVBOR" in sheet
    with pytest.raises(Forbidden):
        certificate_bundles.ask(world.session, world.actor(cast.CHEN), NOW_CYCLE, world.county.uuid, world.now, kind)


def test_the_name_is_that_of_the_lowest_unit_above_all(world: World) -> None:
    two_programmes(world)
    other = world.session.get(Programme, pk(world.programme) + 1) or world.programme
    other.org_unit_id = pk(world.schools["希望小学"])
    world.session.add(other)
    assert issue(world).issuer == "平安县"
    assert competencies.certificates.parts_of(issue(world))[0].credit_points == 0
