"""参照框架: what a district's points can be mapped to. Taken in whole, shown, handed out as files, never changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy.orm import defer
from sqlmodel import Session, col, select

import competencies
from competencies import CrosswalkLink, FrameworkEvent, LinkState, ReferenceVersion
from lms_plugin.access import Actor, Permission, Scope, can, require, somewhere
from lms_plugin.db import find, owned
from lms_plugin.errors import NotFound
from lms_plugin.flow import curators, framework_files
from lms_plugin.flow.exchange import Download
from lms_plugin.people import Person

domain = competencies.references
Text = Mapping[str, str]
PAGE = 200
"""Items of a long framework that one page shows."""
EVENTS = 100
_CONTENT: Any = ReferenceVersion.content  # a column, which SQLModel types by its value


@dataclass(frozen=True)
class ReferenceLine:
    """One edition in the catalogue."""

    uuid: str
    code: str
    title: Text
    short: str
    number: int
    items: int
    publisher: str
    licence: str
    taken_in_at: datetime


@dataclass(frozen=True)
class Shipped:
    """One that ships and is not here yet."""

    name: str
    title: Text
    short: str
    publisher: str
    licence: str
    items: int


@dataclass(frozen=True)
class Event:
    """What became of a standard: its code, what happened, who did it."""

    code: str
    kind: str
    details: Mapping[str, Any]
    by: str
    at: datetime


@dataclass(frozen=True)
class Catalogue:
    """参照框架 of a district, newest first, and what became of its standards."""

    lines: tuple[ReferenceLine, ...]
    shipped: tuple[Shipped, ...]
    events: tuple[Event, ...]
    may_curate: bool


def catalogue(session: Session, actor: Actor) -> Catalogue:
    """For its page: two queries."""
    require(actor, Permission.PROGRAMME_READ, somewhere(actor))
    rows = session.exec(
        owned(ReferenceVersion, actor.tenant_id)
        .options(defer(_CONTENT))
        .order_by(col(ReferenceVersion.taken_in_at).desc(), col(ReferenceVersion.id))
    ).all()
    here = {one.content_hash for one in rows}
    shipped = {name: domain.reference_packs.load(name) for name in domain.reference_packs.NAMES}
    events = session.exec(
        select(FrameworkEvent, Person.name)
        .join(Person, col(Person.id) == col(FrameworkEvent.by_id), isouter=True)
        .where(FrameworkEvent.tenant_id == actor.tenant_id)
        .order_by(col(FrameworkEvent.id).desc())
        .limit(EVENTS)
    ).all()
    may_curate = can(actor, Permission.FRAMEWORK_CURATE, Scope(actor.tenant_id))
    return Catalogue(
        lines=tuple(map(_line, rows)),
        shipped=tuple(
            Shipped(
                name,
                competencies.frameworks.words(one.framework.model_dump(), "title"),
                one.framework.short,
                one.framework.publisher or "",
                one.framework.licence or "",
                len(one.items),
            )
            for name, one in shipped.items()
            if competencies.content_hash(one) not in here
        )
        if may_curate
        else (),
        events=tuple(Event(row.code, row.kind, row.details, name or "", row.at) for row, name in events),
        may_curate=may_curate,
    )


def take_in_shipped(session: Session, actor: Actor, name: str, now: datetime) -> str:
    """Takes in one that ships, or all for "all"; a second click changes nothing. Gives the uuid of the last one."""
    require(actor, Permission.FRAMEWORK_CURATE, Scope(actor.tenant_id))
    names = domain.reference_packs.NAMES if name == "all" else (name,)
    curators.in_turn(session, actor.tenant_id)
    rows = [
        domain.take_in(session, actor.tenant_id, domain.reference_packs.load(one), actor.person_id, now)
        for one in names
    ]
    return rows[-1].uuid


@dataclass(frozen=True)
class ItemLine:
    """One item as it stands in the tree. `points`: codes of the points that are mapped to it, with the state."""

    code: str
    depth: int
    kind: str
    words: Text
    level: Text
    source: str
    points: tuple[tuple[str, bool], ...]


@dataclass(frozen=True)
class ReferenceView:
    """A reference framework, page by page. `levels`: as it names them itself; nothing here is judged by them."""

    line: ReferenceLine
    language: str
    year: int | None
    formal_number: str
    url: str
    licence_url: str
    credit: str
    notice: Text
    levels: tuple[Text, ...]
    items: tuple[ItemLine, ...]
    page: int
    pages: int
    content_hash: str


def reference(session: Session, actor: Actor, uuid: str, page: int = 1) -> ReferenceView:
    """One edition, with the points that are mapped to its items. Raises NotFound for a page that there is not."""
    row = find(session, ReferenceVersion, actor.tenant_id, uuid)
    require(actor, Permission.PROGRAMME_READ, somewhere(actor))
    head: dict[str, Any] = row.content["framework"]
    outline = domain.outline(row.content["items"])
    pages = max(1, -(-len(outline) // PAGE))
    if not 1 <= page <= pages:
        raise NotFound
    shown = outline[(page - 1) * PAGE : page * PAGE]
    links = session.exec(
        owned(CrosswalkLink, actor.tenant_id)
        .where(
            CrosswalkLink.reference_code == row.code,
            CrosswalkLink.state != LinkState.DROPPED,
            col(CrosswalkLink.item_code).in_([item["code"] for _depth, item in shown]),
        )
        .order_by(col(CrosswalkLink.point_code), col(CrosswalkLink.id))
    ).all()
    points: dict[str, dict[str, bool]] = {}
    for link in links:
        here = points.setdefault(link.item_code, {})
        here[link.point_code] = here.get(link.point_code, False) or link.state is LinkState.CONFIRMED
    levels = {one["code"]: competencies.frameworks.words(one) for one in head.get("levels", [])}
    return ReferenceView(
        line=_line(row),
        language=head["language"],
        year=head.get("year"),
        formal_number=str(head.get("number") or ""),
        url=str(head.get("url") or ""),
        licence_url=str(head.get("licence_url") or ""),
        credit=str(head.get("credit") or ""),
        notice=competencies.frameworks.words(head, "notice"),
        levels=tuple(levels[one["code"]] for one in sorted(head.get("levels", []), key=lambda one: one["rank"])),
        items=tuple(
            ItemLine(
                code=item["code"],
                depth=min(depth, 3),
                kind=str(item.get("kind") or ""),
                words=competencies.frameworks.words(item),
                level=levels.get(str(item.get("level")), {}),
                source=str(item.get("source") or ""),
                points=tuple(points.get(item["code"], {}).items()),
            )
            for depth, item in shown
        ),
        page=page,
        pages=pages,
        content_hash=row.content_hash,
    )


def items_to_choose(session: Session, actor: Actor, uuid: str) -> Sequence[tuple[str, Text]] | None:
    """Code and words of the items of a short framework, for a list to choose from; None where it is long."""
    row = find(session, ReferenceVersion, actor.tenant_id, uuid)
    require(actor, Permission.PROGRAMME_READ, somewhere(actor))
    if row.items > PAGE:
        return None
    return [
        (item["code"], competencies.frameworks.words(item)) for _depth, item in domain.outline(row.content["items"])
    ]


def download(session: Session, actor: Actor, uuid: str, form: str) -> Download:
    """An edition as a file. Raises NotFound for a form that does not exist."""
    row = find(session, ReferenceVersion, actor.tenant_id, uuid)
    require(actor, Permission.PROGRAMME_READ, somewhere(actor))
    if form not in framework_files.FORMS:
        raise NotFound
    ending, mime = framework_files.FORMS[form]
    loaded = competencies.load_reference(row.content)
    data = framework_files.write(loaded, form, "", row.taken_in_at, is_draft=False)
    return Download(f"{row.code}_v{row.number}.{ending}", mime, data)


_LINE = tuple(one.name for one in fields(ReferenceLine))


def _line(row: ReferenceVersion) -> ReferenceLine:
    return ReferenceLine(*(getattr(row, name) for name in _LINE))
