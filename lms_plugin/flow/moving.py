"""换用新版: a round goes over to another version of its standard. Open choices go along by 新旧对照; what has been
handed in stays with the version it was made under. In one transaction, logged in 经过."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, update
from sqlmodel import Session, col, select

import competencies
from competencies import (
    Evidence,
    FrameworkVersion,
    Programme,
    ProgrammeEvent,
    Rules,
    Selection,
    Submission,
    SubmissionState,
    VersionState,
)
from lms_plugin.access import Actor, Permission, Scope, require
from lms_plugin.db import find, get, pk, table
from lms_plugin.errors import Conflict, Invalid, NotFound, Refused
from lms_plugin.flow import booking, moving_facts
from lms_plugin.flow.curate import check_rules, programme_unit_scope
from lms_plugin.people import Enrolment, OrgUnit, Tenant

FrameworkSuccession = competencies.succession.FrameworkSuccession


@dataclass(frozen=True)
class Target:
    """A version that the round may go over to. `undecided`: points of today's version of which nobody has said what
    became of them."""

    uuid: str
    title: dict[str, str]
    number: int
    undecided: int


@dataclass(frozen=True)
class PointLine:
    """What becomes of one point, in numbers of choices. `becomes`: "" = no more."""

    code: str
    name: dict[str, str]
    becomes: str
    moves: int
    stays: int
    merged: int
    vanishes: int


@dataclass(frozen=True)
class Preview:
    """What going over would do; nothing is written. `target` None: nothing is chosen yet."""

    uuid: str
    title: str
    version: int
    number: int
    targets: tuple[Target, ...]
    target: Target | None
    lines: tuple[PointLine, ...]
    people: int  # who have to choose again
    refusal: tuple[str, dict[str, Any]] | None

    def total(self, kind: str) -> int:
        """All choices of one fate ("moves", "stays", "merged", "vanishes")."""
        return sum(getattr(line, kind) for line in self.lines)


def preview(session: Session, actor: Actor, uuid: str, to: str, now: datetime) -> Preview:
    """For the page before. `to`: uuid of a version, "" for the only one there is."""
    programme = find(session, Programme, actor.tenant_id, uuid)
    unit = get(session, OrgUnit, programme.org_unit_id)  # held, so that it is not asked for again
    require(actor, Permission.PROGRAMME_EDIT, Scope(programme.tenant_id, unit_paths=(unit.path,)))
    before = get(session, FrameworkVersion, programme.framework_version_id)
    ways = _ways(session, before)
    if to and to not in ways:
        raise NotFound
    way = ways.get(to) or (next(iter(ways.values())) if len(ways) == 1 else None)
    lines: tuple[PointLine, ...] = ()
    people, refusal = 0, None
    if way is not None:
        try:
            plan = _plan(session, programme, before, way, now)
        except Refused as refused:
            refusal = (refused.code, refused.params)
        else:
            lines, people = plan.lines(before), plan.people
    return Preview(
        uuid=programme.uuid,
        title=programme.title,
        version=programme.version,
        number=before.number,
        targets=tuple(one.target for one in ways.values()),
        target=way.target if way is not None else None,
        lines=lines,
        people=people,
        refusal=refusal,
    )


def move(session: Session, actor: Actor, uuid: str, to: str, seen_version: int, now: datetime) -> Programme:
    """Goes over. A second click changes nothing. What was handed in once, and drafts whose material has no place in the
    new version, stay with the old one; of two points that become one, one is kept; a point that is no more is given up.

    Raises Conflict `programme.changed`, Refused `moving.…` where going over is not safe: `undecided`, `over`,
    `been_there`, `compulsory_gone`, `compulsory_renamed`, `rules` (the new version cannot meet the round's rules).
    """
    programme = find(session, Programme, actor.tenant_id, uuid)
    require(actor, Permission.PROGRAMME_EDIT, programme_unit_scope(session, programme))
    # What a teacher writes names this row meanwhile, with the enrolment held that this waits for: no stronger lock.
    session.refresh(programme, with_for_update={"key_share": True})
    after = find(session, FrameworkVersion, actor.tenant_id, to)
    if programme.framework_version_id == pk(after):
        return programme
    if programme.version != seen_version:
        raise Conflict("programme.changed")
    before = get(session, FrameworkVersion, programme.framework_version_id)
    way = _ways(session, before).get(to)
    if way is None:
        raise NotFound
    _hold(session, programme)
    plan = _plan(session, programme, before, way, now)
    _carry_over(session, plan, now)
    old_rules = competencies.rules_of(session, programme)
    programme.framework_version_id = pk(after)
    session.add(programme)
    session.flush()
    competencies.set_rules(session, programme, plan.rules, actor.person_id, now)
    fate = plan.fate
    details = {
        "before": before.uuid,
        "before_id": pk(before),
        "before_number": before.number,
        "after": after.uuid,
        "after_number": after.number,
        "after_title": way.target.title,
        "image": plan.image,
        "moves": len(fate.moves),
        "stays": len(fate.stays),
        "merged": len(fate.merged),
        "vanishes": len(fate.vanishes),
        "people": plan.people,
    }
    competencies.note_event(session, programme, competencies.succession.MOVED, actor.person_id, now, details=details)
    booking.rules_changed(session, programme, old_rules, now)
    return programme


def _hold(session: Session, programme: Programme) -> None:
    """Nobody chooses, begins or hands in anything in this round until the transaction is over (the order in which the
    acts of a teacher take these locks)."""
    of_round = Enrolment.programme_id == pk(programme)
    session.exec(select(Enrolment.id).where(of_round).order_by(col(Enrolment.id)).with_for_update(key_share=True)).all()
    session.exec(
        select(Submission.id)
        .where(Submission.programme_id == pk(programme), Submission.state == SubmissionState.DRAFT)
        .order_by(col(Submission.id))
        .with_for_update(key_share=True)
    ).all()


@dataclass(frozen=True)
class _Plan:
    """All that going over does, put together before anything is written."""

    image: Mapping[str, str]
    fate: competencies.succession.Fate
    chosen: Mapping[int, tuple[Selection, str, Submission | None]]  # by id of the selection: it, its code, its work
    new_points: Mapping[str, int]
    requirements: Mapping[int, int]  # old → new place for material
    kept_marks: Mapping[str, frozenset[str]]  # old code: items whose own marks still mean the same
    rules: Rules
    people: int

    def lines(self, before: FrameworkVersion) -> tuple[PointLine, ...]:
        """By point, in the order of the version that it leaves."""
        fates = {
            "moves": self.fate.moves,
            "stays": self.fate.stays,
            "merged": self.fate.merged,
            "vanishes": self.fate.vanishes,
        }
        counts: dict[tuple[str, str], int] = {}
        for kind, keys in fates.items():
            for key in keys:
                place = (self.chosen[key][1], kind)
                counts[place] = counts.get(place, 0) + 1
        return tuple(
            PointLine(
                one["code"],
                competencies.frameworks.words(one, "name"),
                self.image[one["code"]],
                *(counts.get((one["code"], kind), 0) for kind in fates),
            )
            for one in sorted(before.content["points"], key=lambda one: one["order"])
        )


@dataclass(frozen=True)
class _Way:
    """A version that today's leads to, and what of today's points is called there; those undecided are missing."""

    version: FrameworkVersion
    image: Mapping[str, str]
    undecided: tuple[str, ...]

    @property
    def target(self) -> Target:
        """For the page."""
        head = self.version.content["framework"]
        title = competencies.frameworks.words(head, "title")
        return Target(self.version.uuid, title, self.version.number, len(self.undecided))


def _ways(session: Session, before: FrameworkVersion) -> dict[str, _Way]:
    """Published versions that this one leads to, by uuid: begun from it, or later ones of its framework."""
    rows = session.exec(
        select(FrameworkVersion, FrameworkSuccession)
        .join(
            FrameworkSuccession,
            (col(FrameworkSuccession.new_version_id) == col(FrameworkVersion.id))
            & (col(FrameworkSuccession.old_version_id) == pk(before)),
            isouter=True,
        )
        .where(
            FrameworkVersion.tenant_id == before.tenant_id,
            FrameworkVersion.state == VersionState.PUBLISHED,
            FrameworkVersion.id != before.id,
            col(FrameworkSuccession.id).is_not(None)
            | ((FrameworkVersion.framework_id == before.framework_id) & (FrameworkVersion.number > before.number)),
        )
        .order_by(col(FrameworkVersion.number).desc(), col(FrameworkVersion.id).desc())
    ).all()
    codes = [one["code"] for one in before.content["points"]]
    found = {}
    for version, row in rows:
        new = {one["code"] for one in version.content["points"]}
        image = competencies.succession.image(row.points if row is not None else {}, codes, new)
        found[version.uuid] = _Way(version, image, tuple(code for code in codes if code not in image))
    return found


def _plan(session: Session, programme: Programme, before: FrameworkVersion, way: _Way, now: datetime) -> _Plan:
    if way.undecided:
        raise Refused("moving.undecided", points="、".join(way.undecided))
    image, after = way.image, way.version
    moves = competencies.succession.moves_of(session, programme)
    _require_time(session, programme, after, moves, now)
    old, new, requirements = moving_facts.points_of(session, before, after, image)
    chosen, choices = moving_facts.choices_of(session, programme, old, image, requirements, moves)
    fate = competencies.succession.carry(choices, image)
    staying = {one.code for one in choices if one.is_bound}
    fate.stays = [key for key in fate.stays if key in chosen]
    human_of = {one.key: one.human for one in choices}
    now_says = {one["code"]: one for one in after.content["points"]}
    return _Plan(
        image=image,
        fate=fate,
        chosen=chosen,
        new_points=new,
        requirements=requirements,
        kept_marks={
            one["code"]: moving_facts.same_items(one, now_says[image[one["code"]]])
            for one in before.content["points"]
            if image[one["code"]]
        },
        rules=_rules(session, programme, after, image, staying),
        people=len({human_of[key] for key in (*fate.merged, *fate.vanishes)}),
    )


def _require_time(
    session: Session,
    programme: Programme,
    after: FrameworkVersion,
    moves: Sequence[ProgrammeEvent],
    now: datetime,
) -> None:
    timezone = get(session, Tenant, programme.tenant_id).timezone
    if programme.archived_at is not None or competencies.is_closed(programme, timezone, now):
        raise Refused("moving.over")
    if any(one.details.get("before_id") == pk(after) for one in moves):
        raise Refused("moving.been_there")


def _rules(
    session: Session, programme: Programme, after: FrameworkVersion, image: Mapping[str, str], staying: set[str]
) -> Rules:
    """The round's rules with points by their new codes. Raises Refused where the new version cannot meet them."""
    rules = competencies.rules_of(session, programme)
    gone = [code for code in rules.choice.compulsory if not image.get(code)]
    if gone:
        raise Refused("moving.compulsory_gone", points="、".join(gone))
    otherwise = [code for code in rules.choice.compulsory if image[code] != code and code in staying]
    if otherwise:
        raise Refused("moving.compulsory_renamed", points="、".join(otherwise))
    choice = rules.choice.model_copy(
        update={
            "compulsory": tuple(dict.fromkeys(image[code] for code in rules.choice.compulsory)),
            "only": _range(rules.choice.only, image),
            "not_offered": tuple(dict.fromkeys(image[code] for code in rules.choice.not_offered if image.get(code))),
        }
    )
    categories = tuple(one.model_copy(update={"only": _range(one.only, image)}) for one in rules.categories)
    changed = rules.model_copy(update={"choice": choice, "categories": categories})
    try:
        check_rules(session, programme, changed, after)
    except Invalid as invalid:
        code, params = next(
            (problem, {}) if isinstance(problem, str) else problem for problem in invalid.fields.values()
        )
        raise Refused("moving.rules", why=code, given=params) from invalid
    return changed


def _range(only: Sequence[str], image: Mapping[str, str]) -> tuple[str, ...]:
    """What is left to choose from, points by their new codes; as it was (and so refused) where all of it is gone."""
    kept = [image.get(one, one) for one in only]
    return tuple(dict.fromkeys(filter(None, kept))) or tuple(only)


def _carry_over(session: Session, plan: _Plan, now: datetime) -> None:
    for key in (*plan.fate.merged, *plan.fate.vanishes):
        row = plan.chosen[key][0]
        row.dropped_at = now
        session.add(row)
    works = []
    for key, code in plan.fate.moves.items():
        row, old_code, work = plan.chosen[key]
        row.point_id = plan.new_points[code]
        session.add(row)
        if work is not None:
            same = plan.kept_marks[old_code]
            work.point_id = plan.new_points[code]
            work.self_marks = {item: one for item, one in work.self_marks.items() if item in same}
            work.ticks = {item: one for item, one in work.ticks.items() if item in same}
            session.add(work)
            works.append(pk(work))
    session.flush()
    _move_drafts(session, works, plan.requirements)


def _move_drafts(session: Session, works: Sequence[int], requirements: Mapping[int, int]) -> None:
    """Material of drafts goes to the same places of the new version."""
    pieces = table(Evidence)
    change = (
        update(pieces)
        .where(pieces.c.id == bindparam("piece"), pieces.c.version_id.is_(None))
        .values(requirement_id=bindparam("place"))
    )
    for start in range(0, len(works), 500):
        rows = session.exec(
            select(Evidence.id, Evidence.requirement_id)
            .where(col(Evidence.submission_id).in_(works[start : start + 500]), col(Evidence.version_id).is_(None))
            .order_by(col(Evidence.id))
        ).all()
        if rows:
            session.connection().execute(change, [{"piece": key, "place": requirements[place]} for key, place in rows])
    session.expire_all()
