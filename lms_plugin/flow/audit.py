"""抽查台账: an auditor draws entries of the ledger at random, opens the proof of each and says what they found.

All of it is read, but for the auditor's own draws, findings and the note of what they opened, which only grow. What
somebody wrote into an entry past the product is shown (`audit_entries`) and ends no page.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import or_
from sqlalchemy import select as columns
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

import competencies
from competencies import DrawEvent, LedgerDraw
from lms_plugin.access import Actor, Permission, Scope, can, require
from lms_plugin.db import as_it_stands, find, owned, pk
from lms_plugin.errors import Invalid, NotFound
from lms_plugin.flow import people
from lms_plugin.people import OrgUnit, Person, RoleKind, Tenant

_Doer = aliased(Person)

LONGEST_REMARK = 1000
PAGE = 50


@dataclass(frozen=True)
class Wish:
    """What an auditor asks for. Uuids, "" = all; `key`: the form's own, so that a second click finds the first's draw;
    `seed` "" = one is made."""

    programme: str
    unit: str
    since: date | None
    until: date | None
    wanted: int
    seed: str
    key: str


@dataclass(frozen=True)
class Found:
    """A draw with the names of what it was drawn from, and all that was done with its entries, oldest first."""

    row: LedgerDraw
    unit_path: str
    unit: str
    programme: str
    drawn_by: str
    events: tuple[tuple[DrawEvent, str], ...]

    def events_of(self, position: int) -> list[tuple[DrawEvent, str]]:
        """What was done with one entry, with the names of who did it."""
        return [one for one in self.events if one[0].position == position]

    def finding_of(self, position: int) -> tuple[DrawEvent, str] | None:
        """The finding that counts: the newest."""
        found = [one for one in self.events_of(position) if one[0].kind in competencies.FINDINGS]
        return found[-1] if found else None


def paths_of(actor: Actor) -> list[str]:
    """Unit paths in which the person audits; "" = the whole district."""
    return people.reach(actor, RoleKind.AUDITOR)


def scope_of(actor: Actor, unit_path: str, owner_id: int | None = None) -> Scope:
    """The scope of what lies in a unit; "" = in the whole district, which only a role for all of it reaches."""
    return Scope(actor.tenant_id, owner_id=owner_id, unit_paths=(unit_path,) if unit_path else ())


def draw(session: Session, actor: Actor, wish: Wish, now: datetime) -> LedgerDraw:
    """Draws entries and keeps what was drawn: who, when, from what, by which seed, under which seal.

    A form that is sent twice gives the first one's draw. Raises Invalid naming the field: `audit.nothing_there` where
    no sealed entry is in the scope.
    """
    unit = find(session, OrgUnit, actor.tenant_id, wish.unit) if wish.unit else None
    require(actor, Permission.LEDGER_AUDIT, scope_of(actor, unit.path if unit is not None else ""))
    programme = find(session, competencies.Programme, actor.tenant_id, wish.programme) if wish.programme else None
    seed = _checked(wish)
    # One draw, or seal, at a time: what is drawn from must not move under the reckoning.
    tenant = _hold(session, actor.tenant_id)
    uuid = hashlib.sha256(f"{actor.person_id}:{wish.key}".encode()).hexdigest()[:32]
    before = session.exec(owned(LedgerDraw, actor.tenant_id).where(LedgerDraw.uuid == uuid)).one_or_none()
    if before is not None:
        return before
    head = competencies.head(session, actor.tenant_id)
    row = LedgerDraw(
        uuid=uuid,
        tenant_id=actor.tenant_id,
        drawn_by_id=actor.person_id,
        drawn_at=now,
        programme_id=pk(programme) if programme is not None else None,
        org_unit_id=pk(unit) if unit is not None else None,
        unit_ids=_units_below(session, unit),
        since_at=competencies.start_of_day(wish.since, tenant.timezone) if wish.since is not None else None,
        until_at=competencies.end_of_day(wish.until, tenant.timezone) if wish.until is not None else None,
        seed=seed,
        wanted=wish.wanted,
        population=0,
        entry_ids=[],
        seal_number=head.number if head is not None else 0,
        seal_hash=head.hash if head is not None else "",
    )
    drawn = competencies.draw_entries(session, _drawn_from(row), seed, row.wanted)
    if not drawn.entry_ids:
        raise Invalid({"unit": "audit.nothing_there"})
    row.population, row.entry_ids = drawn.population, list(drawn.entry_ids)
    session.add(row)
    session.flush()
    return row


def _checked(wish: Wish) -> str:
    """The seed. Raises Invalid for every field that does not fit."""
    wrong: dict[str, str | tuple[str, dict[str, Any]]] = {}
    seed = " ".join(wish.seed.split())
    if not 1 <= wish.wanted <= competencies.MOST_DRAWN:
        wrong["wanted"] = ("form.number", {"least": 1, "most": competencies.MOST_DRAWN})
    for name, day in (("since", wish.since), ("until", wish.until)):
        if day is not None and not competencies.EARLIEST <= day <= competencies.LATEST:
            wrong[name] = "form.date"
    if wish.since is not None and wish.until is not None and wish.until < wish.since:
        wrong["until"] = "audit.ends_before"
    if len(seed) > competencies.LONGEST_SEED:
        wrong["seed"] = ("form.too_long", {"longest": competencies.LONGEST_SEED})
    elif not seed.isprintable():
        wrong["seed"] = "form.unprintable"
    if wrong:
        raise Invalid(wrong)
    return seed or secrets.token_hex(8)


def _hold(session: Session, tenant_id: int) -> Tenant:
    return session.exec(select(Tenant).where(col(Tenant.id) == tenant_id).with_for_update(key_share=True)).one()


def _units_below(session: Session, unit: OrgUnit | None) -> list[int] | None:
    if unit is None:
        return None
    below = select(OrgUnit.id).where(OrgUnit.tenant_id == unit.tenant_id, col(OrgUnit.path).startswith(unit.path))
    return [key for key in session.exec(below.order_by(col(OrgUnit.id))) if key is not None]


def _drawn_from(row: LedgerDraw) -> competencies.DrawScope:
    return competencies.DrawScope(
        row.tenant_id, row.seal_number, row.programme_id, row.unit_ids, row.since_at, row.until_at
    )


def draw_of(session: Session, actor: Actor, uuid: str) -> Found:
    """A draw within the auditor's reach. Raises NotFound, Forbidden. One query."""
    found = session.exec(_with_names(actor).where(LedgerDraw.uuid == uuid)).all()
    if not found:
        raise NotFound
    row, path, unit, programme, drawn_by = found[0][:5]
    require(actor, Permission.LEDGER_AUDIT, scope_of(actor, path or ""))
    events = {pk(event): (event, name) for *_rest, event, name in found if event is not None}
    return Found(row, path or "", unit or "", programme or "", drawn_by, tuple(events[key] for key in sorted(events)))


def _with_names(actor: Actor) -> Any:
    drawer, doer = Person, _Doer
    return (
        columns(
            LedgerDraw,
            col(OrgUnit.path),
            col(OrgUnit.name),
            col(competencies.Programme.title),
            col(drawer.name),
            DrawEvent,
            col(doer.name),
        )
        .join(drawer, col(drawer.id) == col(LedgerDraw.drawn_by_id))
        .join(OrgUnit, col(OrgUnit.id) == col(LedgerDraw.org_unit_id), isouter=True)
        .join(competencies.Programme, col(competencies.Programme.id) == col(LedgerDraw.programme_id), isouter=True)
        .join(DrawEvent, col(DrawEvent.draw_id) == col(LedgerDraw.id), isouter=True)
        .join(doer, col(doer.id) == col(DrawEvent.person_id), isouter=True)
        .where(col(LedgerDraw.tenant_id) == actor.tenant_id)
    )


def again(session: Session, actor: Actor, found: Found) -> bool:
    """Draws once more by the seed that was kept: whether the same entries come out of as many. Nothing is written."""
    require(actor, Permission.LEDGER_AUDIT, scope_of(actor, found.unit_path))
    row = found.row
    _hold(session, row.tenant_id)
    with as_it_stands(session):
        drawn = competencies.draw_entries(session, _drawn_from(row), row.seed, row.wanted)
    return (drawn.population, list(drawn.entry_ids)) == (row.population, row.entry_ids)


def entry_id_of(found: Found, position: int) -> int:
    """The entry at that place of the draw. Raises NotFound."""
    if not 1 <= position <= len(found.row.entry_ids):
        raise NotFound
    return found.row.entry_ids[position - 1]


def opened(session: Session, actor: Actor, draw_id: int, unit_path: str, position: int, now: datetime) -> None:
    """Notes that this auditor has opened the proof of an entry of a draw from that unit; once, as far as the caller has
    looked."""
    require(actor, Permission.LEDGER_AUDIT, scope_of(actor, unit_path))
    _note(session, actor, draw_id, position, competencies.OPENED, "", now)


def say(session: Session, actor: Actor, uuid: str, position: int, finding: str, remark: str, now: datetime) -> int:
    """ "没有问题" or "有疑问" of one drawn entry; gives the place of the next one of which nothing was said, 0 = none.

    What was said before stays in the history; a second click adds nothing.

    Raises Invalid for no finding and for a question without words, Forbidden for the auditor's own hours.
    """
    found = draw_of(session, actor, uuid)
    entry = competencies.CreditEntry
    with as_it_stands(session):
        owner = session.execute(
            columns(*competencies.raw(entry, "person_id")).where(
                col(entry.tenant_id) == actor.tenant_id, col(entry.id) == entry_id_of(found, position)
            )
        ).scalar_one_or_none()
    owner_id = owner if isinstance(owner, int) else None  # None: somebody has deleted it
    require(actor, Permission.LEDGER_FIND, scope_of(actor, found.unit_path, owner_id))
    remark = " ".join(remark.split())
    wrong: dict[str, str | tuple[str, dict[str, Any]]] = {}
    if finding not in competencies.FINDINGS:
        wrong["finding"] = "form.choose"
    if finding == competencies.QUESTION and not remark:
        wrong["remark"] = "audit.remark_missing"
    elif len(remark) > LONGEST_REMARK:
        wrong["remark"] = ("form.too_long", {"longest": LONGEST_REMARK})
    elif not remark.isprintable():
        wrong["remark"] = "form.unprintable"
    if wrong:
        raise Invalid(wrong)
    stands = found.finding_of(position)
    is_same = stands is not None and (stands[0].kind, stands[0].remark) == (finding, remark)
    if not (is_same and stands is not None and actor.is_author(stands[0].person_id)):
        _note(session, actor, pk(found.row), position, finding, remark, now)
    places = range(1, len(found.row.entry_ids) + 1)
    ahead = [*(place for place in places if place > position), *(place for place in places if place < position)]
    return next((place for place in ahead if found.finding_of(place) is None), 0)


def may_find(actor: Actor, found: Found, owner_id: int) -> bool:
    """Whether the person may say something of an entry of that row of a person."""
    return can(actor, Permission.LEDGER_FIND, scope_of(actor, found.unit_path, owner_id))


def _note(session: Session, actor: Actor, draw_id: int, position: int, kind: str, remark: str, now: datetime) -> None:
    session.add(
        DrawEvent(draw_id=draw_id, position=position, kind=kind, remark=remark, person_id=actor.person_id, at=now)
    )
    session.flush()


def within(actor: Actor, column: Any) -> Any:
    """The condition that a unit's path (None = the whole district) lies within the auditor's reach."""
    paths = paths_of(actor)
    if "" in paths:
        return column.is_(None) | column.is_not(None)
    return or_(*(column.startswith(path, autoescape=True) for path in paths)) if paths else column.is_(None) & False


def last_day(until_at: datetime | None) -> datetime | None:
    """A moment of the last day that counts, for pages: the end of a scope is the midnight after it."""
    return until_at - timedelta(seconds=1) if until_at is not None else None
