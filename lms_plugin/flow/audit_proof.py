"""一条记录的凭据: everything one entry of the ledger rests on, for an auditor. Reads only; that it was opened is noted
afterwards (`audit.opened`), in a transaction of its own."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import String, cast, func, or_
from sqlalchemy import select as columns
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

import competencies
import lti
from competencies import CreditEntry
from lms_plugin.access import Actor, Permission, require
from lms_plugin.db import as_it_stands, pk
from lms_plugin.erasures import Erasure
from lms_plugin.flow import (
    attendance,
    audit,
    audit_entries,
    audit_moves,
    audit_works,
    booking,
    humans,
    training_files,
)
from lms_plugin.flow.audit_entries import Written, unless_damaged
from lms_plugin.flow.audit_moves import MoveProof
from lms_plugin.flow.audit_works import WorkProof
from lms_plugin.flow.stuck import Cell, cell_of, is_lost
from lms_plugin.people import Course, OrgUnit, Person, RosterEntry

BY_POINTS = frozenset({"award", "held", "rule", "reversal", "merge", "unmerge"})
"""Reasons of entries that follow what points the person held."""


@dataclass(frozen=True)
class RuleProof:
    """The rule version that the entry names. `hash_holds`: its rules still have the hash that was kept with them;
    `rules` None: they are such that they cannot be read any more."""

    number: int
    made_at: datetime | None
    made_by: str
    content_hash: str
    hash_holds: bool
    rules: competencies.Rules | None


@dataclass(frozen=True)
class Delivery:
    """A score of the person in a gradebook."""

    course: str
    platform: str
    kind: str
    cell: Cell


@dataclass(frozen=True)
class Related:
    """Another entry that has to do with this one. `how`: "reverses" (this one takes it back), "reversed" (it takes
    this one back), "award" (of the same award)."""

    how: str
    entry: Written
    decided_by: str


@dataclass(frozen=True)
class AttendanceProof:
    """The place on a sign-in list that the entry stands for. `is_current`: no later correction has taken its place;
    `minutes`: what counts today; `steps`: the log, the oldest first."""

    training: str
    title: str
    unit: str
    kind: str
    place: str
    starts_at: datetime
    ends_at: datetime
    closed_by: str
    closed_at: datetime | None
    uuid: str
    way: str
    signed_at: datetime
    minutes: int
    is_current: bool
    removed_at: datetime | None
    steps: tuple[attendance.Step, ...]
    files: tuple[training_files.Shown, ...]


@dataclass(frozen=True)
class Said:
    """What an auditor did with the entry."""

    kind: str
    remark: str
    by: str
    at: datetime


@dataclass(frozen=True)
class Around:
    """The names around an entry as they are today, and all rows of the human being. What is "" is not known."""

    programme: str = ""
    programme_uuid: str = ""
    person: str = ""
    person_uuid: str = ""
    staff_number: str = ""
    school: str = ""
    decided_by: str = ""
    rows: tuple[int, ...] = ()
    rule: RuleProof | None = None
    erased_at: datetime | None = None  # their personal data were taken out at their word
    erased_why: str = ""
    category: str = ""  # as the roster says today


@dataclass(frozen=True)
class CategoryProof:
    """The 类别 by whose rules the hours were reckoned, where rules differ by it. `is_noted`: the entry itself names it;
    else it is what the roster says today ("" for somebody on no roster)."""

    category: str
    is_noted: bool


@dataclass(frozen=True)
class ProofPage:
    """The page of one drawn entry. `entry` None: it was deleted past the product. `unread`: the parts of the page
    ("around", "works", "attendance", "move", "deliveries", "related") behind which something stands that cannot be
    read; `is_new`: this auditor has not opened it before. `unit_path`: what the draw was drawn from."""

    draw: str
    position: int
    count: int
    proof: competencies.EntryProof
    entry: Written | None
    around: Around
    works: tuple[WorkProof, ...]
    attendance: AttendanceProof | None
    move: MoveProof | None
    category: CategoryProof | None
    deliveries: tuple[Delivery, ...]
    related: tuple[Related, ...]
    unread: frozenset[str]
    history: tuple[Said, ...]
    finding: str
    remark: str
    may_find: bool
    is_new: bool
    draw_id: int
    unit_path: str

    @property
    def lost_files(self) -> int:
        """How many pieces of what was handed in have lost their bytes."""
        return sum(file.state == "gone" for work in self.works for file in work.files)


def proof_page(session: Session, actor: Actor, uuid: str, position: int) -> ProofPage:
    """Everything about one drawn entry: at most eleven queries. Raises NotFound, Forbidden; nothing that somebody wrote
    into the entry, or into what it rests on, ends it."""
    found = audit.draw_of(session, actor, uuid)
    entry_id = audit.entry_id_of(found, position)
    require(actor, Permission.LEDGER_AUDIT, audit.scope_of(actor, found.unit_path))
    with as_it_stands(session):
        noted = (found.row.seal_number, found.row.seal_hash)
        proof = competencies.prove_entry(session, actor.tenant_id, entry_id, noted)
    entry = audit_entries.written(proof.values) if proof.is_there else None
    parts, unread = _parts(session, actor.tenant_id, entry)
    stands = found.finding_of(position)
    return ProofPage(
        draw=found.row.uuid,
        position=position,
        count=len(found.row.entry_ids),
        proof=proof,
        entry=entry,
        unread=frozenset(unread),
        history=tuple(Said(event.kind, event.remark, name, event.at) for event, name in found.events_of(position)),
        finding=stands[0].kind if stands is not None else "",
        remark=stands[0].remark if stands is not None else "",
        may_find=entry is None or entry.person_id is None or audit.may_find(actor, found, entry.person_id),
        is_new=not any(actor.is_author(event.person_id) for event, _name in found.events_of(position)),
        draw_id=pk(found.row),
        unit_path=found.unit_path,
        **parts,
    )


def _parts(session: Session, tenant_id: int, entry: Written | None) -> tuple[dict[str, Any], set[str]]:
    """What stands around the entry, part by part, and which parts could not be read."""
    parts: dict[str, Any] = {"around": Around(), "works": (), "deliveries": (), "related": ()}
    parts |= {"attendance": None, "move": None, "category": None}
    unread: set[str] = set()
    if entry is None:
        return parts, unread

    def take(name: str, read: Callable[[], Any]) -> None:
        parts[name], is_read = unless_damaged(read, parts[name])
        if not is_read:
            unread.add(name)

    with as_it_stands(session):
        take("around", lambda: _around(session, tenant_id, entry))
        take("related", lambda: _related(session, tenant_id, entry))
    rows = parts["around"].rows
    rule = parts["around"].rule
    if rule is not None and rule.rules is not None and rule.rules.categories and entry.reason in BY_POINTS:
        parts["category"] = _category(entry, parts["around"].category)
    if entry.award_id is not None or entry.reason in BY_POINTS:
        take("works", lambda: audit_works.works(session, tenant_id, entry, rows))
    if entry.import_key.startswith("training:"):
        take("attendance", lambda: _attendance(session, tenant_id, entry))
    if entry.reason in audit_moves.WORDS:
        take("move", lambda: audit_moves.move(session, tenant_id, entry, rows))
    take("deliveries", lambda: _deliveries(session, tenant_id, entry, rows))
    return parts, unread


_Today, _Decider, _Maker = aliased(Person), aliased(Person), aliased(Person)
_Row = aliased(Person)
_CATEGORY = (
    columns(func.coalesce(cast(col(RosterEntry.category), String), competencies.Category.TEACHER.value))
    .join(_Row, col(_Row.id) == col(RosterEntry.person_id))
    .where(
        col(RosterEntry.removed_at).is_(None),
        or_(col(_Row.id) == col(_Today.id), col(_Row.merged_into_id) == col(_Today.id)),
    )
    .limit(1)
    .correlate(_Today)
    .scalar_subquery()
)
"""Of whoever stands on the roster, under whichever row."""


def _around(session: Session, tenant_id: int, entry: Written) -> Around:
    """One query. Where the entry points to nothing of the district any more, nothing is said of it."""
    policy, programme, own = competencies.ProgrammePolicy, competencies.Programme, col(CreditEntry.tenant_id)
    statement: Any = (
        columns(
            _Today,
            *competencies.raw(policy, "number", "made_at", "content_hash", "rules"),
            *(col(programme.title).label("title"), col(programme.uuid).label("programme_uuid")),
            *(col(OrgUnit.name).label("school"), col(_Decider.name).label("decider"), col(_Maker.name).label("maker")),
            *(col(Erasure.erased_at).label("erased_at"), col(Erasure.reason).label("erased_why")),
            _CATEGORY.label("category"),
        )
        .select_from(CreditEntry)
        .join(programme, (col(programme.id) == col(CreditEntry.programme_id)) & (col(programme.tenant_id) == own))
        .join(policy, col(policy.id) == col(CreditEntry.policy_id), isouter=True)
        .join(Person, (col(Person.id) == col(CreditEntry.person_id)) & (col(Person.tenant_id) == own))
        .join(_Today, col(_Today.id) == func.coalesce(col(Person.merged_into_id), col(Person.id)))
        .join(OrgUnit, col(OrgUnit.id) == col(CreditEntry.org_unit_id), isouter=True)
        .join(_Decider, col(_Decider.id) == col(CreditEntry.decided_by_id), isouter=True)
        .join(_Maker, col(_Maker.id) == col(policy.made_by_id), isouter=True)
        .join(Erasure, col(Erasure.person_id) == col(_Today.id), isouter=True)
        .where(own == tenant_id, col(CreditEntry.id) == entry.number)
    )
    row = session.exec(statement).one()
    today = row[0]
    return Around(
        programme=row.title,
        programme_uuid=row.programme_uuid,
        person=today.name,
        person_uuid=today.uuid,
        staff_number=today.staff_number,
        school=row.school or "",
        decided_by=row.decider or "",
        rows=humans.rows_of(today),
        rule=_rule(row) if row.number is not None else None,
        erased_at=row.erased_at,
        erased_why=row.erased_why or "",
        category=row.category or "",
    )


def _rule(row: Any) -> RuleProof:
    """The rule version of an entry, whatever stands in it."""
    try:
        rules = json.loads(row.rules) if isinstance(row.rules, str) else row.rules  # SQLite keeps it as text
        hash_holds = competencies.hash_of_rules(rules) == row.content_hash
    except (ValueError, TypeError):  # changed past the product into what is no JSON
        rules, hash_holds = None, False
    return RuleProof(
        number=row.number if isinstance(row.number, int) else 0,
        made_at=audit_entries.moment(row.made_at),
        made_by=row.maker or "",
        content_hash=audit_entries.as_shown(row.content_hash),
        hash_holds=hash_holds,
        rules=_readable(rules),
    )


def _readable(rules: Any) -> competencies.Rules | None:
    try:
        return competencies.Rules.model_validate(rules)
    except ValueError:  # changed past the product into what are no rules
        return None


def _category(entry: Written, today: str) -> CategoryProof:
    """Where the entry does not say it, it is from before entries did, or follows what was taken back."""
    if entry.reason in booking.NAME_CATEGORY and entry.source in tuple(competencies.Category):
        return CategoryProof(entry.source, is_noted=True)
    return CategoryProof(today, is_noted=False)


def _attendance(session: Session, tenant_id: int, entry: Written) -> AttendanceProof | None:
    """The attendance that the entry names, with its training, its log and the files of the training: three queries."""
    _training, uuid, time = entry.import_key.split(":")
    row, training, ender = competencies.Attendance, competencies.Training, aliased(Person)
    statement: Any = (
        columns(row, training, col(OrgUnit.name), col(ender.name))
        .join(training, col(training.id) == col(row.training_id))
        .join(OrgUnit, col(OrgUnit.id) == col(training.org_unit_id))
        .join(ender, col(ender.id) == col(training.ended_by_id), isouter=True)
        .where(col(row.tenant_id) == tenant_id, col(row.uuid) == uuid)
    )
    found = session.exec(statement).one_or_none()
    if found is None:
        return None
    there, held, unit, closed_by = found
    return AttendanceProof(
        training=held.uuid,
        title=held.title,
        unit=unit,
        kind=held.kind.value,
        place=held.place,
        starts_at=held.starts_at,
        ends_at=held.ends_at,
        closed_by=closed_by or "",
        closed_at=held.ended_at,
        uuid=there.uuid,
        way=there.way,
        signed_at=there.signed_at,
        minutes=held.minutes if there.minutes is None else there.minutes,
        is_current=there.entry_id == entry.number and there.bookings == int(time),
        removed_at=there.removed_at,
        steps=attendance.steps_of(session, there),
        files=training_files.told(session, held),
    )


def _deliveries(session: Session, tenant_id: int, entry: Written, rows: Sequence[int]) -> tuple[Delivery, ...]:
    """What was sent of this person's scores of the programme, to which platform, and what it said: one query."""
    statement: Any = (
        columns(lti.ScoreDelivery, lti.LineItem, col(Course.title), lti.Platform)
        .join(lti.LineItem, col(lti.LineItem.id) == col(lti.ScoreDelivery.line_item_id))
        .join(Course, col(Course.id) == col(lti.LineItem.course_id))
        .join(lti.Deployment, col(lti.Deployment.id) == col(Course.deployment_id))
        .join(lti.Platform, col(lti.Platform.id) == col(lti.Deployment.platform_id))
        .where(
            col(lti.ScoreDelivery.tenant_id) == tenant_id,
            col(lti.LineItem.programme_id) == entry.programme_id,
            col(lti.ScoreDelivery.person_id).in_(rows),
        )
        .order_by(col(Course.title), col(lti.ScoreDelivery.id))
    )
    return tuple(
        Delivery(title, platform.name or platform.issuer, column.kind.value, cell_of(row, is_lost(column)))
        for row, column, title, platform in session.exec(statement)
    )


def _related(session: Session, tenant_id: int, entry: Written) -> tuple[Related, ...]:
    """What takes this entry back, what it takes back, and what else its award brought: one query."""
    ways: list[Any] = [col(CreditEntry.reverses_id) == entry.number]
    if entry.reverses_id is not None:
        ways.append(col(CreditEntry.id) == entry.reverses_id)
    if entry.award_id is not None:
        ways.append(col(CreditEntry.award_id) == entry.award_id)
    statement: Any = (
        columns(*audit_entries.columns(), col(_Decider.name).label("decider"))
        .select_from(CreditEntry)
        .join(_Decider, col(_Decider.id) == col(CreditEntry.decided_by_id), isouter=True)
        .where(col(CreditEntry.tenant_id) == tenant_id, col(CreditEntry.id) != entry.number, or_(*ways))
        .order_by(col(CreditEntry.id))
    )
    found = [(audit_entries.written(row._mapping), row.decider) for row in session.exec(statement)]
    return tuple(
        Related(
            how="reversed"
            if other.reverses_id == entry.number
            else "reverses"
            if other.number == entry.reverses_id
            else "award",
            entry=other,
            decided_by=decider or "",
        )
        for other, decider in found
    )
