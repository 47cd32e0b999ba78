"""我的研修档案: who, which programme, which points at which level, hours with the paper they rest on. Reads only."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import case
from sqlalchemy import select as columns
from sqlmodel import Session, col

import competencies
import rubrics
from lms_plugin.access import Actor, Permission, Scope, can, own, require
from lms_plugin.db import find, get, pk
from lms_plugin.errors import NotFound
from lms_plugin.flow import (
    categories,
    certificate_views,
    certificates,
    deliveries,
    humans,
    reversal,
    sign_in,
    transfer_hours,
    transfer_works,
    whole_record,
)
from lms_plugin.flow.course_check import as_instructor
from lms_plugin.flow.round_view import Round
from lms_plugin.flow.scopes import courses_of, person_scope
from lms_plugin.flow.submit_views import ChosenPoint, chosen_points, meets_rule
from lms_plugin.people import Enrolment, OrgMembership, OrgUnit, Person, Tenant

Text = Mapping[str, str]


@dataclass(frozen=True)
class RecordPoint:
    """One chosen point. `level` only once released; it holds until the next one is. `phase`: where the work stands.

    `why`: a `competencies.Why`: why its hours do (counted) or do not count. `award`: what a
    reversal names, "" where nothing is awarded. `retake`: the work, where the rules may give no more preparation and an
    officer may open one. `failings`: the trainer's reasons where it failed; `taken_back`: why
    the award was taken back, where it was; `appealed`: the level before an appeal, the level since, and when, where it
    changed the level.
    """

    code: str
    name: Text
    level: int | None
    level_words: Mapping[str, Text] | None  # the framework's own words for its levels
    awarded_at: datetime | None
    phase: str
    why: str
    award: str = ""
    retake: str = ""
    failings: tuple[str, ...] = ()
    taken_back: str | None = None
    appealed: tuple[int, int, datetime] | None = None
    came: tuple[str, str] | None = None  # uuid of the arrival that brought it from elsewhere, and from where


@dataclass(frozen=True)
class HoursLine:
    """One line of the ledger. `reason`: award, rule (a new rule gave more), training, import or reversal.

    `source`: where imported hours were earned, why something was taken back, or the 类别 by whose rules it came.
    `cycle`: the one in which it counts, empty, where that is not the one of today. `on`: the day on which it counts,
    `entered_on`: the one on which it was entered. `can_be_reversed`: by itself (`reversal.BY_HAND`),
    and it was not taken back.
    """

    uuid: str
    kind: str
    hundredths: int
    reason: str
    source: str
    on: date
    entered_on: date
    cycle: competencies.CycleTotal | None
    rule_number: int
    can_be_reversed: bool
    taken_back: str | None = None  # why, where another line takes this one back


@dataclass(frozen=True)
class Record:
    """A person's record in one programme. `trainings`: for the person alone; others find them in the ledger's lines and
    on the lists of the trainings."""

    person_uuid: str
    name: str
    staff_number: str
    subject: str
    stage: str
    school: str
    is_confirmed: bool
    is_own: bool
    sees_whole: bool  # may open 研修总档案 too
    round: Round
    points: tuple[RecordPoint, ...]
    category: str  # by whose own rules it is reckoned; "" = by those for everybody
    moved_to: str  # where hours of points that passed here count now; "" = here
    points_passed: int
    result: str
    hours: tuple[HoursLine, ...]
    trainings: tuple[sign_in.Came, ...]
    practice_hundredths: int
    practice_need_hundredths: int
    online_hundredths: int
    online_need_hundredths: int
    credit_points_hundredths: int  # 学分 that all of it makes; 0 where the rules do not count so
    hours_kind: str
    deliveries: deliveries.Deliveries
    as_instructor: tuple[str, ...]  # courses whose gradebook may not know this person as a student
    can_resend: bool
    can_reverse: bool
    can_change_choice: bool
    can_open_retake: bool
    can_read_moves: bool  # what came from elsewhere, as it was judged there
    printed_at: datetime
    certificates: certificate_views.OfPerson
    seal: competencies.Head | None  # of the district's ledger, where the person has entries: for the printed page
    cycle: competencies.CycleRule
    cycles: tuple[competencies.CycleTotal, ...]  # over all programmes, the newest first

    @property
    def has_other_kinds(self) -> bool:
        """Whether there are hours of kinds that a programme asks for none of: they count in the cycle alone."""
        asked = {competencies.CreditKind.PRACTICE.value, competencies.CreditKind.ONLINE.value}
        return any(line.kind not in asked for line in self.hours)


def record(session: Session, actor: Actor, programme_uuid: str, person_uuid: str | None, now: datetime) -> Record:
    """The record of a person (None: the actor's own): at most twelve queries, one more where a point came from
    elsewhere. Raises NotFound, Forbidden."""
    if person_uuid is None:
        person = get(session, Person, actor.person_id)
    else:
        person = humans.today_of(session, find(session, Person, actor.tenant_id, person_uuid))
    person_ids, is_own = humans.rows_of(person), actor.is_author(pk(person))
    programme, policies, units, enrolled = _rules_and_units(session, actor, programme_uuid, person_ids)
    scope = _scope(session, actor, programme, person, units)
    if enrolled and not can(
        actor, Permission.RECORD_READ, scope
    ):  # whoever runs the programme, for a guest from outside
        scope = replace(scope, unit_paths=(*scope.unit_paths, get(session, OrgUnit, programme.org_unit_id).path))
    require(actor, Permission.RECORD_READ, scope)
    if not enrolled:
        raise NotFound("submit.not_enrolled")
    # What may be done is asked as the acts ask: of the person where they are today, guests not widened.
    acts = scope if is_own else person_scope(session, programme.tenant_id, pk(person), pk(programme))
    said = next((rule for key, (_number, rule) in policies.items() if key == programme.policy_id), competencies.Rules())
    category = categories.category_of(session, person_ids) if said.categories else None
    rules = said.for_category(category)
    rows = chosen_points(session, actor, programme, person_ids)
    tenant = get(session, Tenant, actor.tenant_id)
    timezone = tenant.timezone
    entries, days, seal, everything = competencies.person_ledger(session, pk(programme), person_ids, timezone)
    totals = {
        kind: sum(entry.credit_hundredths for entry in entries if entry.kind is kind)
        for kind in competencies.CreditKind
    }
    given = tuple(certificates.given_in(session, programme, person_ids)) if entries else ()
    per_point = rules.hours.per_credit_point_hundredths
    unit = units[0] if units else None
    holder = certificates.Holder(person, person_ids, unit, tuple(entries), given, per_point)
    taken_back = {entry.reverses_id: entry.source for entry in entries if entry.reverses_id is not None}
    cycle = competencies.cycle_rule(tenant.cycle)
    now_on = competencies.local_day(now, timezone)
    shown = Round.of(programme, rules, timezone, now)
    levels = [row.level for row in rows if row.level is not None]
    practice, online = totals[competencies.CreditKind.PRACTICE], totals[competencies.CreditKind.ONLINE]
    needed = rules.result.needs_hours
    is_held = rules.review.duty == "hold" and bool(competencies.held_hours.open_of(session, pk(programme), person_ids))
    hours_ok = practice >= rules.hours.practice_need_hundredths and online >= rules.hours.online_need_hundredths
    return Record(
        person_uuid=person.uuid,
        name=person.name,
        staff_number=person.staff_number,
        subject=person.subject,
        stage=person.stage.value if person.stage is not None else "",
        school=units[0].name if units else "",
        is_confirmed=person.confirmed_at is not None,
        is_own=is_own,
        sees_whole=can(actor, Permission.RECORD_READ, whole_record.scope_of(person, units)),
        round=shown,
        points=_points(rows, rules, entries, _came(session, programme, person_ids, rows), is_held=is_held),
        category=category.value if category is not None and rules is not said else "",
        moved_to=_left(entries)[1],
        cycle=cycle,
        cycles=competencies.cycle_totals(cycle, everything, now_on),
        points_passed=sum(level >= competencies.Level.PASS for level in levels),
        result=competencies.person_result(
            levels,
            rules.choice.required_points,
            rules.result.excellent_points,
            hours_ok if needed else None,
            shown.is_over,
            meets_rule=meets_rule(rows, rules),
        ).value,
        hours=tuple(
            HoursLine(
                uuid=entry.uuid,
                kind=entry.kind.value,
                hundredths=entry.credit_hundredths,
                reason=entry.reason,
                source=entry.source,
                on=on,
                cycle=_other_cycle(cycle, on, now_on),
                entered_on=competencies.local_day(entry.entered_at, timezone),
                rule_number=policies[entry.policy_id][0] if entry.policy_id in policies else 0,
                can_be_reversed=entry.reason in reversal.BY_HAND and entry.id not in taken_back,
                taken_back=taken_back.get(pk(entry)),
            )
            for entry, on in zip(entries, days, strict=True)
        ),
        trainings=sign_in.came(session, person_ids, pk(programme)) if is_own else (),
        practice_hundredths=practice,
        practice_need_hundredths=rules.hours.practice_need_hundredths,
        online_hundredths=online,
        online_need_hundredths=rules.hours.online_need_hundredths,
        credit_points_hundredths=competencies.credit_points(
            sum(entry.credit_hundredths for entry in entries), per_point
        ),
        hours_kind=rules.hours.kind,
        deliveries=deliveries.deliveries(session, person_ids, pk(programme), for_staff=not is_own),
        as_instructor=as_instructor(session, person_ids, pk(programme)) if rows else (),
        can_resend=can(actor, Permission.SCORE_RESEND, acts),
        can_reverse=can(actor, Permission.CREDIT_REVERSE, acts),
        can_change_choice=not shown.is_over and can(actor, Permission.CHOICE_CHANGE, acts),
        can_open_retake=not shown.is_over and can(actor, Permission.RETAKE_OPEN, acts),
        can_read_moves=is_own or can(actor, Permission.TRANSFER_TAKE, acts),
        certificates=certificate_views.in_record(session, actor, programme, holder, acts, timezone),
        printed_at=now,
        seal=seal,
    )


def _scope(
    session: Session,
    actor: Actor,
    programme: competencies.Programme,
    person: Person,
    units: Collection[OrgUnit],
) -> Scope:
    if actor.is_author(pk(person)):
        return own(actor)
    courses: set[int] = set()
    if any(role.course_id is not None for role in actor.roles):
        courses = courses_of(session, {pk(person)}).get((pk(programme), pk(person)), set())
    return Scope(
        tenant_id=person.tenant_id,
        owner_id=pk(person),
        unit_paths=tuple(unit.path for unit in units),
        course_ids=frozenset(courses),
    )


def _rules_and_units(
    session: Session, actor: Actor, programme_uuid: str, person_ids: Sequence[int]
) -> tuple[competencies.Programme, dict[int, tuple[int, competencies.Rules]], list[OrgUnit], bool]:
    """The programme, its rule versions by id with their numbers, the units that the person belongs to now (the latest
    first; by the row of today, or by an absorbed one where that has none), and whether they take part: one query."""
    statement: Any = (
        columns(competencies.Programme, competencies.ProgrammePolicy, Enrolment, OrgUnit, col(OrgMembership.person_id))
        .join(
            competencies.ProgrammePolicy,
            col(competencies.ProgrammePolicy.programme_id) == col(competencies.Programme.id),
            isouter=True,
        )
        .join(
            Enrolment,
            (col(Enrolment.programme_id) == col(competencies.Programme.id)) & col(Enrolment.person_id).in_(person_ids),
            isouter=True,
        )
        .join(
            OrgMembership,
            col(OrgMembership.person_id).in_(person_ids) & col(OrgMembership.ends_on).is_(None),
            isouter=True,
        )
        .join(OrgUnit, col(OrgUnit.id) == col(OrgMembership.org_unit_id), isouter=True)
        .where(
            col(competencies.Programme.tenant_id) == actor.tenant_id,
            col(competencies.Programme.uuid) == programme_uuid,
        )
        .order_by(
            col(competencies.ProgrammePolicy.number),
            case((col(OrgMembership.person_id) == person_ids[0], 0), else_=1),
            col(OrgMembership.starts_on).desc(),
            col(OrgMembership.id).desc(),
        )
    )
    rows = session.exec(statement).all()
    if not rows:
        raise NotFound
    found = {
        pk(policy): (policy.number, competencies.Rules.model_validate(policy.rules))
        for _programme, policy, _enrolment, _unit, _row in rows
        if policy is not None
    }
    units = list({pk(unit): unit for *_rest, unit, row in rows if unit is not None and row == rows[0][-1]}.values())
    return rows[0][0], found, units, rows[0][2] is not None


def _other_cycle(rule: competencies.CycleRule, on: date, today: date) -> competencies.CycleTotal | None:
    return competencies.total_of(rule, on.year, 0, 0) if rule.cycle_of(on.year) != rule.cycle_of(today.year) else None


def _left(entries: Sequence[competencies.CreditEntry]) -> tuple[datetime | None, str]:
    """When practice hours left for another district, and which; (None, "") where none did, or all came back."""
    last = transfer_hours.away(entries).get(competencies.CreditKind.PRACTICE)
    return (last.entered_at, last.source) if last is not None else (None, "")


def _came(
    session: Session, programme: competencies.Programme, person_ids: Sequence[int], rows: Sequence[ChosenPoint]
) -> dict[str, tuple[str, str]]:
    """`transfer_works.came_to`; nothing is asked where every decision has marks: those were made here."""
    if all(row.decision is None or row.decision.marks for row in rows):
        return {}
    return transfer_works.came_to(session, programme, person_ids)


def _appealed(appeal: rubrics.Appeal | None) -> tuple[int, int, datetime] | None:
    if appeal is None or appeal.settled_at is None or appeal.after_level is None:
        return None
    before = int(appeal.before["point_level"] or 0)
    return (before, appeal.after_level, appeal.settled_at) if before != appeal.after_level else None


def _points(
    rows: Sequence[ChosenPoint],
    rules: competencies.Rules,
    entries: Sequence[competencies.CreditEntry],
    came: Mapping[str, tuple[str, str]],
    *,
    is_held: bool,
) -> tuple[RecordPoint, ...]:
    brought = [entry for entry in entries if competencies.transfers.of_points(entry)]
    ids = {pk(entry) for entry in brought}
    undone = sum(entry.credit_hundredths for entry in entries if entry.reverses_id in ids)
    is_undone = bool(undone) and sum(entry.credit_hundredths for entry in brought) + undone <= 0
    if is_undone or sum(entry.credit_hundredths for entry in brought) <= 0:
        brought = []  # what was booked was taken back
    booked = {entry.award_id: entry.entered_at for entry in brought if entry.credit_hundredths > 0}
    states = [
        competencies.PointState(
            level=row.level,
            awarded_at=row.award.awarded_at if row.award is not None else None,
            is_taken_back=row.award is not None and row.award.revoked_at is not None,
            is_booked=row.award is not None and row.award.id in booked,
        )
        for row in rows
    ]
    found = []
    whys = competencies.why_counted(
        competencies.hours_rule(rules),
        states,
        max(booked.values(), default=None),
        _left(entries)[0],
        is_held=is_held,
        is_undone=is_undone,
    )
    for row, why in zip(rows, whys, strict=True):
        taken_back = row.award.revoked_reason if row.award is not None and row.award.revoked_at is not None else None
        found.append(
            RecordPoint(
                code=row.point.code,
                name=row.point.name,
                level=int(row.level) if row.level is not None else None,
                level_words=row.point.level_words,
                awarded_at=row.decision.released_at if row.decision is not None else None,
                phase="declined" if row.is_declined else row.work.state.value if row.work is not None else "draft",
                why=why.value,
                award=row.award.uuid if row.award is not None and row.award.revoked_at is None else "",
                retake=_to_reopen(row, rules),
                failings=competencies.failings(row.decision)
                if why is competencies.Why.FAILED and taken_back is None
                else (),
                taken_back=taken_back,
                appealed=_appealed(row.appeal),
                came=came.get(row.point.code) if row.award is not None else None,
            )
        )
    return tuple(found)


def _to_reopen(row: ChosenPoint, rules: competencies.Rules) -> str:
    """The work, where it failed, the rules limit how often it may be prepared again, and nobody has opened one more."""
    if row.work is None or row.decision is None or row.award is not None or rules.result.retakes is None:
        return ""
    is_failed = row.level is competencies.Level.FAIL and row.work.state is competencies.SubmissionState.RELEASED
    return row.work.uuid if is_failed and row.decision.retake_opened_at is None else ""
