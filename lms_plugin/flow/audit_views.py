"""What an auditor's pages show: what can be drawn from, the draws so far, the entries of one. Reads only."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select as columns
from sqlmodel import Session, col, func, select

import competencies
from competencies import CreditEntry, LedgerDraw
from lms_plugin.access import Actor, Permission, require, somewhere
from lms_plugin.db import as_it_stands
from lms_plugin.flow import audit, audit_entries
from lms_plugin.flow.audit_entries import Written, unless_damaged
from lms_plugin.people import OrgUnit, Person


@dataclass(frozen=True)
class DrawRow:
    """One draw in the list. `found`: entries of which an auditor has said something; `questions`: with a question."""

    uuid: str
    drawn_at: datetime
    drawn_by: str
    unit: str
    programme: str
    count: int
    found: int
    questions: int


@dataclass(frozen=True)
class Home:
    """The auditor's first page. `units` and `programmes`: (uuid, name) of what can be drawn from; `is_district`: also
    the whole district. `head`: the newest seal, None before the first."""

    units: tuple[tuple[str, str], ...]
    programmes: tuple[tuple[str, str], ...]
    is_district: bool
    head: competencies.Head | None
    draws: tuple[DrawRow, ...]
    total: int


@dataclass(frozen=True)
class DrawnLine:
    """One drawn entry. `is_there` False: it was deleted past the product, and nothing else is known of it;
    `is_damaged`: something in it cannot be read."""

    position: int
    is_there: bool
    is_damaged: bool = False
    name: str = ""
    school: str = ""
    programme: str = ""
    kind: str = ""
    hundredths: int | None = None
    entered_at: datetime | None = None
    is_open: bool = False  # somebody has opened its proof
    finding: str = ""
    remark: str = ""
    found_by: str = ""
    found_at: datetime | None = None


@dataclass(frozen=True)
class DrawPage:
    """A draw as it is shown and printed. `is_same`: what drawing again gave, None where nobody asked; `seals`,
    `faults`: how many seals were computed again then, and what of them does not hold. `is_readable`: its entries could
    be read."""

    uuid: str
    drawn_by: str
    drawn_at: datetime
    unit: str
    programme: str
    since_at: datetime | None
    until_at: datetime | None  # a moment of the last day
    seed: str
    wanted: int
    population: int
    seal_number: int
    seal_hash: str
    lines: tuple[DrawnLine, ...]
    is_same: bool | None
    seals: int
    faults: tuple[competencies.Fault, ...]
    is_readable: bool

    def count(self, finding: str) -> int:
        """How many entries have this finding."""
        return sum(line.finding == finding for line in self.lines)

    @property
    def next_position(self) -> int:
        """The first entry of which nothing was said yet; 0 where there is none."""
        return next((line.position for line in self.lines if not line.finding), 0)


def home(session: Session, actor: Actor, page: int) -> Home:
    """What can be drawn from, and the draws within reach, newest first. Seven queries at most."""
    require(actor, Permission.LEDGER_AUDIT, somewhere(actor))
    inside = audit.within(actor, col(OrgUnit.path))
    units = session.exec(
        select(OrgUnit.uuid, OrgUnit.name)
        .where(OrgUnit.tenant_id == actor.tenant_id, col(OrgUnit.path) != "", inside)
        .order_by(col(OrgUnit.path))
    ).all()
    programmes = session.exec(
        select(competencies.Programme.uuid, competencies.Programme.title)
        .where(competencies.Programme.tenant_id == actor.tenant_id)
        .order_by(col(competencies.Programme.created_at).desc(), col(competencies.Programme.id).desc())
    ).all()
    statement: Any = (
        columns(LedgerDraw, col(OrgUnit.name), col(competencies.Programme.title), col(Person.name), func.count().over())
        .join(Person, col(Person.id) == col(LedgerDraw.drawn_by_id))
        .join(OrgUnit, col(OrgUnit.id) == col(LedgerDraw.org_unit_id), isouter=True)
        .join(competencies.Programme, col(competencies.Programme.id) == col(LedgerDraw.programme_id), isouter=True)
        .where(col(LedgerDraw.tenant_id) == actor.tenant_id, inside)
        .order_by(col(LedgerDraw.id).desc())
        .offset((page - 1) * audit.PAGE)
        .limit(audit.PAGE)
    )
    rows: list[Any] = list(session.exec(statement).all())
    findings = _findings(session, [row[0].id for row in rows])
    return Home(
        units=tuple(units),
        programmes=tuple(programmes),
        is_district="" in audit.paths_of(actor),
        head=competencies.head(session, actor.tenant_id),
        draws=tuple(
            DrawRow(
                uuid=row.uuid,
                drawn_at=row.drawn_at,
                drawn_by=drawn_by,
                unit=unit or "",
                programme=programme or "",
                count=len(row.entry_ids),
                found=len(findings[row.id]),
                questions=sum(kind == competencies.QUESTION for kind in findings[row.id].values()),
            )
            for row, unit, programme, drawn_by, _total in rows
        ),
        total=rows[0][-1] if rows else 0,
    )


def _findings(session: Session, draws: list[int]) -> dict[int, dict[int, str]]:
    """Of each draw, place → the finding that counts."""
    found: dict[int, dict[int, str]] = defaultdict(dict)
    event = competencies.DrawEvent
    if draws:
        rows = session.exec(
            select(event)
            .where(col(event.draw_id).in_(draws), col(event.kind).in_(competencies.FINDINGS))
            .order_by(col(event.id))
        )
        for row in rows:
            found[row.draw_id][row.position] = row.kind
    return found


def draw_page(session: Session, actor: Actor, uuid: str, *, again: bool = False) -> DrawPage:
    """A draw with its entries. Raises NotFound, Forbidden. Two queries; where it is drawn
    again (`again`), five more and one for each twenty seals, which are then all computed again."""
    found = audit.draw_of(session, actor, uuid)
    row = found.row
    seals, faults = _chain(session, row) if again else (0, [])
    with as_it_stands(session):
        nothing: dict[int, tuple[Written, str, str, str]] = {}
        entries, are_read = unless_damaged(lambda: _entries(session, row), nothing)
    return DrawPage(
        uuid=row.uuid,
        drawn_by=found.drawn_by,
        drawn_at=row.drawn_at,
        unit=found.unit,
        programme=found.programme,
        since_at=row.since_at,
        until_at=audit.last_day(row.until_at),
        seed=row.seed,
        wanted=row.wanted,
        population=row.population,
        seal_number=row.seal_number,
        seal_hash=row.seal_hash,
        lines=tuple(
            _line(found, position, entries.get(entry_id)) for position, entry_id in enumerate(row.entry_ids, start=1)
        ),
        is_same=_again(session, actor, found) if again else None,
        seals=seals,
        faults=tuple(faults),
        is_readable=are_read,
    )


def _entries(session: Session, row: LedgerDraw) -> dict[int, tuple[Written, str, str, str]]:
    """Id of a drawn entry that stands → itself, whose, the school and the programme: one query."""
    own, programme = col(CreditEntry.tenant_id), competencies.Programme
    statement: Any = (
        columns(
            *audit_entries.columns(),
            *(col(Person.name).label("person"), col(OrgUnit.name).label("school"), col(programme.title).label("title")),
        )
        .select_from(CreditEntry)
        .join(Person, (col(Person.id) == col(CreditEntry.person_id)) & (col(Person.tenant_id) == own), isouter=True)
        .join(
            programme,
            (col(programme.id) == col(CreditEntry.programme_id)) & (col(programme.tenant_id) == own),
            isouter=True,
        )
        .join(OrgUnit, col(OrgUnit.id) == col(CreditEntry.org_unit_id), isouter=True)
        .where(own == row.tenant_id, audit_entries.of_ids(row.entry_ids))
    )
    return {
        found.id: (audit_entries.written(found._mapping), found.person or "", found.school or "", found.title or "")
        for found in session.exec(statement)
    }


def _chain(session: Session, row: LedgerDraw) -> tuple[int, list[competencies.Fault]]:
    """All seals of the district computed again, and whether the one noted with the draw still stands."""
    with as_it_stands(session):
        return competencies.prove_chain(session, row.tenant_id, (row.seal_number, row.seal_hash))


def _again(session: Session, actor: Actor, found: audit.Found) -> bool:
    """Whether drawing again gives the same: not where a damaged ledger cannot be drawn from at all."""
    return unless_damaged(lambda: audit.again(session, actor, found), False)[0]


def _line(found: audit.Found, position: int, entry: tuple[Written, str, str, str] | None) -> DrawnLine:
    stands = found.finding_of(position)
    event, found_by = stands if stands is not None else (None, "")
    said: dict[str, Any] = {
        "position": position,
        "is_open": bool(found.events_of(position)),
        "finding": event.kind if event is not None else "",
        "remark": event.remark if event is not None else "",
        "found_by": found_by,
        "found_at": event.at if event is not None else None,
    }
    if entry is None:
        return DrawnLine(is_there=False, **said)
    row, name, school, programme = entry
    return DrawnLine(
        is_there=True,
        is_damaged=bool(row.damaged),
        name=name,
        school=school,
        programme=programme,
        kind=row.kind,
        hundredths=row.hundredths,
        entered_at=row.entered_at,
        **said,
    )
