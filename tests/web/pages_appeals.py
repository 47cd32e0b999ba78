"""A round whose results may be appealed, for the pages of appeals: one that may be, one under way with a short panel,
one settled."""

from dataclasses import replace
from datetime import datetime, timedelta

from sqlmodel import select

import competencies
import rubrics
from lms_plugin.db import pk
from lms_plugin.flow import appeal_panel, appeal_review, appeals, award, cases, enter
from tests import people as cast
from tests.factories import World, programme_of
from tests.flow.handed_in import all_marks, hand_in, judgement


def populate(world: World, now: datetime) -> dict[str, str]:
    """Makes it; gives the names under which its pages are asked for."""
    session, officer, trainer = world.session, world.actor(cast.OFFICER), world.actor(cast.TRAINER)
    programme = programme_of(session, world.tenant, world.county, world.framework, "2026年校本应用考核（可复核）", now)
    there = replace(world, programme=programme)
    there.set_rules(review={"pool": "own_school"}, appeals={"days": 10, "may_fall": True})
    for who in cast.TEACHERS:
        enter.enrol(session, pk(programme), pk(world.person(who)), now)
    works = {}
    for who in (cast.WANG, cast.ZHAO, cast.LI):
        work = hand_in(there, who, "A3", now - timedelta(hours=2))
        cases.decide(session, trainer, work.uuid, judgement(all_marks(there, work, 0)), 0, 1, now)
        works[who.key] = work
    for who in (cast.SUN, cast.ZHOU):
        hand_in(there, who, "A3", now - timedelta(hours=2))
    award.release(session, officer, programme, [work.uuid for work in works.values()], now)

    def ask(who: cast.Cast) -> rubrics.Appeal:
        form = appeals.form(session, world.actor(who), works[who.key].uuid, now)
        why = {form.lines[0].field: "第 2 页写了三种办法，请再看。"}
        return appeals.appeal(session, world.actor(who), works[who.key].uuid, why, now)

    settled, short = ask(cast.ZHAO), ask(cast.WANG)
    for member in appeal_panel.members_of(session, [pk(settled)])[pk(settled)]:
        actor = world.actor(cast.SUN if member.reviewer_id == pk(world.person(cast.SUN)) else cast.ZHOU)
        marks = {
            key: rubrics.DraftMark(mark.level, "第 2 页的三种办法都写清楚了。")
            for key, mark in all_marks(there, works["zhao"], 1).items()
        }
        appeal_review.submit(session, actor, member.uuid, marks, 0, now)
    (waits,) = appeal_panel.members_of(session, [pk(short)])[pk(short)]
    assert waits.reviewer_id == pk(world.person(cast.LI))
    assert session.exec(select(competencies.Award).where(competencies.Award.programme_id == pk(programme))).all() == []
    return {"V": programme.uuid, "may_appeal": works["li"].uuid, "settled": settled.uuid, "short": short.uuid} | {
        "appeal_part": waits.uuid
    }
