"""每人最多评几份: who gives more or fewer reviews of a programme than its rules ask, set one by one or by a list.

Who is part-time or away for a while gives fewer, or none; a volunteer gives some without a work of their own. The
allotment, what it places later, and claims all keep to the number.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import case, func
from sqlalchemy import select as columns
from sqlmodel import Session, col, select

import competencies
import rubrics
from lms_plugin.access import Actor, Permission, require
from lms_plugin.db import among, find, pk
from lms_plugin.errors import Invalid
from lms_plugin.flow import sheets
from lms_plugin.flow.scopes import programme_scope
from lms_plugin.people import Enrolment, OrgMembership, OrgUnit, Person, staff_number_as_kept

MOST = 100
SIZE = 50
HEADS = {
    "staff_number": ("工号", "教师编号", "教职工号", "Staff number", "Staff no."),
    "most": ("份数", "最多评几份", "Reviews", "At most"),
}


@dataclass(frozen=True)
class Line:
    """One person who takes part: how many reviews they have, and the most they give; None = as the rules say."""

    name: str
    staff_number: str
    school: str
    given: int
    most: int | None


@dataclass(frozen=True)
class QuotasPage:
    """每人最多评几份 of a programme. `each`: reviewers of a work; `usual`: the most that the rules ask of one; `known`:
    how many people have a number of their own."""

    programme: str
    title: str
    each: int
    usual: int
    known: int
    lines: tuple[Line, ...]
    total: int


def quotas_of(session: Session, programme_id: int) -> dict[int, int]:
    """Row of today → the most that this person gives, for those who have a number of their own: one query."""
    return latest(map(tuple, session.execute(said(programme_id))))


def said(programme_id: int) -> Any:
    """Row of today, number, and when it was said, for a query of more than that."""
    quota = rubrics.ReviewQuota
    return (
        columns(func.coalesce(col(Person.merged_into_id), col(Person.id)), col(quota.most), col(quota.set_at))
        .join(Person, col(Person.id) == col(quota.person_id))
        .where(col(quota.programme_id) == programme_id)
    )


def latest(rows: Iterable[tuple[int, int | None, datetime]]) -> dict[int, int]:
    """`quotas_of`, of these rows; of two that are one human being the later word counts."""
    found = {person: most for person, most, _set_at in sorted(rows, key=lambda one: one[2])}
    return {person: most for person, most in found.items() if most is not None}


def page(session: Session, actor: Actor, programme_uuid: str, number: int) -> QuotasPage:
    """Those who take part, who has a number of their own first: four queries."""
    programme = _programme(session, actor, programme_uuid)
    policy = competencies.rules_of(session, programme).review
    known = quotas_of(session, pk(programme))
    rows: Any = session.execute(
        _lines(programme)
        .add_columns(func.count().over())
        .where(*_taking_part(programme))
        .order_by(case((among(Person.id, list(known)), 0), else_=1), col(Person.staff_number), col(Person.id))
        .offset((number - 1) * SIZE)
        .limit(SIZE)
    ).all()
    return QuotasPage(
        programme=programme.uuid,
        title=programme.title,
        each=policy.reviews_per_work,
        usual=policy.max_reviews,
        known=len(known),
        lines=tuple(
            Line(name, number_, unit or "", reviews, known.get(key)) for key, name, number_, unit, reviews, _all in rows
        ),
        total=rows[0][-1] if rows else 0,
    )


def _lines(programme: competencies.Programme) -> Any:
    """Row, name, 工号, school of today and number of reviews here of people."""
    review, member = rubrics.Review, OrgMembership
    school = (
        columns(col(OrgUnit.name))
        .join(member, col(member.org_unit_id) == col(OrgUnit.id))
        .where(col(member.person_id) == col(Person.id), col(member.ends_on).is_(None))
        .order_by(col(member.id).desc())
        .limit(1)
        .correlate(Person)
        .scalar_subquery()
    )
    given = (
        columns(func.count())
        .where(
            col(review.programme_id) == pk(programme),
            col(review.reviewer_id) == col(Person.id),
            col(review.state).in_(rubrics.LIVE),
        )
        .correlate(Person)
        .scalar_subquery()
    )
    return columns(col(Person.id), col(Person.name), col(Person.staff_number), school, given)


def set_one(
    session: Session, actor: Actor, programme_uuid: str, staff_number: str, typed: str, now: datetime
) -> rubrics.ReviewQuota:
    """This person gives so many from now on: 0 = none, "" = as the rules say. What they have stays theirs. Raises
    Invalid naming the field."""
    programme = _programme(session, actor, programme_uuid)
    wrong: dict[str, str | tuple[str, dict[str, object]]] = {}
    kept = staff_number_as_kept(staff_number)
    person = _people(session, programme, [kept]).get(kept)
    most = _most(typed)
    if person is None:
        wrong["staff_number"] = "quota.nobody"
    if most == _WRONG:
        wrong["most"] = ("form.number", {"least": 0, "most": MOST})
    if wrong or person is None:
        raise Invalid(wrong)
    return _write(session, programme, {person: most}, actor, now)[0]


@dataclass(frozen=True)
class Change:
    """What a list does with one person: `given`: reviews they have already; `before`, `after`: the most that they give,
    None = as the rules say."""

    name: str
    staff_number: str
    school: str
    given: int
    before: int | None
    after: int | None


@dataclass(frozen=True)
class Check:
    """What a list of numbers would do: who changes, how many stay as they are, what columns were not used. With one of
    `problems` nothing is written."""

    programme: str
    title: str
    changes: tuple[Change, ...]
    same: int
    ignored_columns: tuple[str, ...]
    problems: tuple[sheets.Problem, ...]


def check(session: Session, actor: Actor, programme_uuid: str, data: bytes) -> Check:
    """What a list of 工号 and 份数 would do; nothing is written. Raises Refused `sheet.…` where it cannot be read at
    all. Five queries."""
    programme = _programme(session, actor, programme_uuid)
    numbers, ignored, problems = _read(session, programme, data)
    known = quotas_of(session, pk(programme))
    differing = {person: most for person, most in numbers.items() if known.get(person) != most}
    changes = []
    if differing and not problems:
        rows = session.execute(
            _lines(programme).where(among(Person.id, list(differing))).order_by(col(Person.staff_number))
        )
        changes = [
            Change(name, number, unit or "", given, known.get(key), differing[key])
            for key, name, number, unit, given in rows.all()
        ]
    return Check(
        programme.uuid, programme.title, tuple(changes), len(numbers) - len(differing), ignored, tuple(problems)
    )


def commit(
    session: Session, actor: Actor, programme_uuid: str, data: bytes, now: datetime
) -> tuple[int, tuple[sheets.Problem, ...]]:
    """Writes the list: how many people it changed. With one fault nothing is written, and all faults are named; a list
    that is there already changes nobody. Raises Refused `sheet.…` where it cannot be read at all."""
    programme = _programme(session, actor, programme_uuid)
    numbers, _ignored, problems = _read(session, programme, data)
    if problems:
        return 0, tuple(problems)
    session.refresh(programme, with_for_update=True)  # two lists at once: one after the other
    known = quotas_of(session, pk(programme))
    differing = {person: most for person, most in numbers.items() if known.get(person) != most}
    _write(session, programme, differing, actor, now)
    return len(differing), ()


def _read(
    session: Session, programme: competencies.Programme, data: bytes
) -> tuple[dict[int, int | None], tuple[str, ...], list[sheets.Problem]]:
    """Person → number, columns that were not used, and faults by row."""
    table = sheets.read(data, HEADS, ("staff_number", "most"))
    problems = list(table.problems)
    faulty = {problem.row for problem in problems}
    numbers = {line.row: staff_number_as_kept(line.text("staff_number")) for line in table.lines}
    people = _people(session, programme, list(numbers.values()))
    found: dict[int, int | None] = {}
    first: dict[int, int] = {}
    for line in table.lines:
        if line.row in faulty:
            continue
        person, most = people.get(numbers[line.row]), _most(line.text("most"))
        if person is None:
            problems.append(sheets.Problem(line.row, table.columns["staff_number"], "quota.nobody", {}))
        elif person in found:
            problems.append(sheets.Problem(line.row, "", "quota.row_twice", {"first": first[person]}))
        if most == _WRONG:
            problems.append(sheets.Problem(line.row, table.columns["most"], "form.number", {"least": 0, "most": MOST}))
        if person is not None:
            found[person] = most
            first.setdefault(person, line.row)
    return found, table.ignored, sorted(problems, key=lambda one: (one.row, one.column))


def as_sheet(pasted: str) -> bytes:
    """Lines as people paste or type them ("XW001 3", "XW002，0", "XW003") as a sheet that `take` reads; a line with a
    工号 alone goes back to what the rules say. "" → nothing."""
    rows = []
    for line in unicodedata.normalize("NFKC", pasted).splitlines():
        parts = [part for part in re.split(r"[\s,;:、\"]+", line) if part]
        if parts and parts[0] not in HEADS["staff_number"]:
            rows.append(f"{parts[0]},{parts[-1] if len(parts) > 1 else ''}")
    return "\n".join([f"{HEADS['staff_number'][0]},{HEADS['most'][0]}", *rows]).encode() if rows else b""


_WRONG = -1


def _most(typed: str) -> int | None:
    """The number that was typed, None for none, `_WRONG` for anything else."""
    typed = unicodedata.normalize("NFKC", typed).strip()
    if not typed:
        return None
    return int(typed) if re.fullmatch("[0-9]{1,3}", typed) and int(typed) <= MOST else _WRONG


def _taking_part(programme: competencies.Programme) -> tuple[Any, ...]:
    """Rows of today of those who take part in the programme, under whatever row they came."""
    row = select(func.coalesce(col(Person.merged_into_id), col(Person.id))).join(
        Enrolment, col(Enrolment.person_id) == col(Person.id)
    )
    today = row.where(Enrolment.programme_id == pk(programme))
    return (
        col(Person.tenant_id) == programme.tenant_id,
        col(Person.merged_into_id).is_(None),
        col(Person.id).in_(today.correlate(None)),
    )


def _people(session: Session, programme: competencies.Programme, numbers: list[str]) -> dict[str, int]:
    """工号 → who takes part in the programme under it; who has none is not found."""
    wanted = set(numbers) - {""}
    rows = session.execute(columns(col(Person.staff_number), col(Person.id)).where(*_taking_part(programme)))
    return {number: key for number, key in rows if number in wanted}


def _write(
    session: Session, programme: competencies.Programme, said: dict[int, int | None], actor: Actor, now: datetime
) -> list[rubrics.ReviewQuota]:
    session.refresh(programme, with_for_update=True)  # two lists at once: one after the other
    quota = rubrics.ReviewQuota
    stored = {
        row.person_id: row
        for row in session.exec(
            select(quota).where(quota.programme_id == pk(programme), among(quota.person_id, list(said)))
        )
    }
    rows = []
    for person, most in said.items():
        row = stored.get(person) or quota(
            programme_id=pk(programme), person_id=person, set_by_id=actor.person_id, set_at=now
        )
        if row.id is None or row.most != most:
            row.most, row.set_by_id, row.set_at = most, actor.person_id, now
            session.add(row)
        rows.append(row)
    session.flush()
    return rows


def _programme(session: Session, actor: Actor, uuid: str) -> competencies.Programme:
    programme = find(session, competencies.Programme, actor.tenant_id, uuid)
    require(actor, Permission.REVIEW_ALLOCATE, programme_scope(session, programme))
    return programme
