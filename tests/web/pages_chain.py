"""A second round that goes by school batches, for the pages of the chain: one school in 公示 with objections to answer,
the other under the check of the county."""

from dataclasses import replace
from datetime import datetime, timedelta

import competencies
from lms_plugin.db import pk
from lms_plugin.flow import batches, cases, enter, panel, publicity, upper_checks
from tests import people as cast
from tests.factories import World, programme_of
from tests.flow.handed_in import all_marks, hand_in, judgement


def populate(world: World, now: datetime) -> dict[str, str]:
    """Makes it; gives the names under which its pages are asked for."""
    session, officer = world.session, world.actor(cast.OFFICER)
    programme = programme_of(session, world.tenant, world.county, world.framework, "2026年校本应用考核（按批）", now)
    there = replace(world, programme=programme)
    there.set_rules(chain={"check": True, "publicity": True, "check_percent": 100, "days_off": ["2026-11-03"]})
    for who in cast.TEACHERS:
        enter.enrol(session, pk(programme), pk(world.person(who)), now)

    def decided(who: cast.Cast, code: str, level: int) -> competencies.Submission:
        work = hand_in(there, who, code, now - timedelta(hours=2))
        cases.decide(session, world.actor(cast.TRAINER), work.uuid, judgement(all_marks(there, work, level)), 0, 1, now)
        return work

    best, failed = decided(cast.CHEN, "A3", 2), decided(cast.WANG, "A3", 0)
    decided(cast.WANG, "A5", 1)
    waiting = hand_in(there, cast.LI, "A3", now - timedelta(hours=2))
    school, other = world.schools["希望小学"].uuid, world.schools["平安小学"].uuid
    reasons = {waiting.uuid: "产假，下学期再定"}
    shown = batches.close(session, world.actor(cast.LEAD), programme, school, reasons, "ab" * 16, now)
    for work, submission in competencies.works_of(session, shown):
        if work.drawn:
            batches.check(session, officer, shown.uuid, submission.uuid, is_upheld=True, reason="", now=now)
    batches.end_check(session, officer, shown.uuid, now)
    said = publicity.object_to(
        session, world.actor(cast.WANG), shown.uuid, failed.uuid, "反思写了三处不足，请再看一次。", "", now
    )
    publicity.object_to(session, officer, shown.uuid, best.uuid, "课件和网上的一份很像。", "群众来电", now)
    for who, level in ((cast.ZHAO, 1), (cast.SUN, 2)):
        decided(who, "A3", level)
    checking = batches.close(session, officer, programme, other, {}, "cd" * 16, now)
    first = next(row for work, row in competencies.works_of(session, checking) if work.drawn)
    batches.check(
        session, officer, checking.uuid, first.uuid, is_upheld=False, reason="课堂片段里看不到学生。", now=now
    )
    # Named for what they will decide next time: here trainers did.
    named = [world.person(who).uuid for who in (cast.SUN, cast.ZHOU)]
    panel.name_panel(session, officer, other, named, now)
    held = decided(cast.LI, "A5", 1)
    there.set_rules(
        chain={
            **{"check": True, "publicity": True, "check_percent": 100, "days_off": ["2026-11-03"]},
            **{"city_percent": 100, "province_percent": 1},
        },
        choice={"school_confirms": True},
    )
    upper = upper_checks.draw(session, officer, programme.uuid, "city", world.county.uuid, "ef" * 16, now)
    return {
        "Q": programme.uuid,
        "T": other,
        "shown": shown.uuid,
        "checking": checking.uuid,
        "objection": said.uuid,
        "held": held.uuid,
        "upper": upper.uuid,
        "in_notice": best.uuid,
    }
