"""导出表样: what a district or a programme says of the sheets it gets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session, col

import competencies
from competencies import Programme
from lms_plugin.access import Actor, Permission, Scope, require
from lms_plugin.db import find, get, owned, pk
from lms_plugin.errors import NotFound
from lms_plugin.flow.scopes import programme_scope
from lms_plugin.people import Course, OrgUnit

Layout = competencies.layouts.Layout


def holding(session: Session, programme: Programme, listings: Sequence[str]) -> dict[str, Layout | None]:
    """The layout that holds for each of these listings of a programme: its own, else the district's, else that of the
    settings file by which it began; None = as it comes. At most two queries."""
    said = competencies.layouts.said(session, programme.tenant_id, pk(programme))
    return {one: _holding(said.get(one, {}), _of_province(session, programme, one))[0] for one in listings}


def _of_province(session: Session, programme: Programme | None, listing: str) -> Layout | None:
    if programme is None:
        return None
    code = competencies.rules_of(session, programme).settings
    if code not in competencies.provinces.ORDER:
        return None
    return next((one for one in competencies.provinces.load(code).exports if one.listing == listing), None)


def _holding(
    said: Mapping[bool, competencies.layouts.ExportLayout], province: Layout | None
) -> tuple[Layout | None, str]:
    """The layout that holds, and whose it is: programme, district, province or "" (as it comes)."""
    for own, whose in ((True, "programme"), (False, "district")):
        row = said.get(own)
        if row is not None and row.content is not None:
            return Layout.model_validate(row.content), whose
    return (province, "province") if province is not None else (None, "")


@dataclass(frozen=True)
class Line:
    """One listing: the layout that holds (None = as it comes), whose it is, and whether it was said right here."""

    listing: str
    layout: Layout | None
    whose: str
    is_own: bool


@dataclass(frozen=True)
class LayoutsPage:
    """The listings of the district (`programme` ""), or of one programme."""

    programme: str
    title: str
    lines: tuple[Line, ...]


def page(session: Session, actor: Actor, programme_uuid: str = "") -> LayoutsPage:
    """Every listing with what holds for it. Raises NotFound, and Forbidden for who edits no programme there."""
    programme = _programme(session, actor, programme_uuid)
    said = competencies.layouts.said(session, actor.tenant_id, None if programme is None else pk(programme))
    lines = []
    for listing in competencies.layouts.LISTINGS:
        own = said.get(listing, {})
        layout, whose = _holding(own, _of_province(session, programme, listing))
        lines.append(Line(listing, layout, whose, whose == ("district" if programme is None else "programme")))
    return LayoutsPage(programme_uuid, "" if programme is None else programme.title, tuple(lines))


def _programme(session: Session, actor: Actor, uuid: str) -> Programme | None:
    """The programme that is spoken of, None = the district; who may speak of it has been asked."""
    if not uuid:
        require(actor, Permission.PROGRAMME_EDIT, Scope(actor.tenant_id))
        return None
    programme = find(session, Programme, actor.tenant_id, uuid)
    require(actor, Permission.PROGRAMME_EDIT, programme_scope(session, programme))
    return programme


def line(session: Session, actor: Actor, listing: str, programme_uuid: str = "") -> Line:
    """One listing of `page`. Raises NotFound for no listing, and what `page` raises."""
    found = next((one for one in page(session, actor, programme_uuid).lines if one.listing == listing), None)
    if found is None:
        raise NotFound
    return found


@dataclass(frozen=True)
class Example:
    """Whose rows a preview shows: a programme with the unit it is for, and a course of it; "" = there is none yet."""

    programme: str = ""
    unit: str = ""
    course: str = ""


def example(session: Session, actor: Actor, programme_uuid: str = "") -> Example:
    """What the preview of a layout is made of: the programme, or the newest that people take part in."""
    programme = _programme(session, actor, programme_uuid)
    if programme is None:
        programme = session.exec(
            owned(Programme, actor.tenant_id)
            .where(col(Programme.archived_at).is_(None), Programme.state != competencies.ProgrammeState.DRAFT)
            .order_by(col(Programme.id).desc())
            .limit(1)
        ).first()
    if programme is None:
        return Example()
    course = session.exec(
        owned(Course, actor.tenant_id).where(Course.programme_id == pk(programme)).order_by(col(Course.id)).limit(1)
    ).first()
    unit = get(session, OrgUnit, programme.org_unit_id).uuid
    return Example(programme.uuid, unit, "" if course is None else course.uuid)


def set_layout(
    session: Session, actor: Actor, layouts: Sequence[Layout], now: datetime, programme_uuid: str = ""
) -> None:
    """These listings go out so from now on, for the district or for one programme."""
    programme = _programme(session, actor, programme_uuid)
    for one in layouts:
        _say(session, actor, one.listing, one.model_dump(mode="json", exclude_defaults=True), programme, now)


def clear(session: Session, actor: Actor, listing: str, now: datetime, programme_uuid: str = "") -> None:
    """This listing goes out again as if nobody had said anything here. Raises NotFound for no listing."""
    programme = _programme(session, actor, programme_uuid)
    if listing not in competencies.layouts.LISTINGS:
        raise NotFound
    _say(session, actor, listing, None, programme, now)


def _say(
    session: Session,
    actor: Actor,
    listing: str,
    content: dict[str, Any] | None,
    programme: Programme | None,
    now: datetime,
) -> None:
    session.add(
        competencies.layouts.ExportLayout(
            tenant_id=actor.tenant_id,
            programme_id=None if programme is None else pk(programme),
            listing=listing,
            content=content,
            set_by_id=actor.person_id,
            set_at=now,
        )
    )
    session.flush()
