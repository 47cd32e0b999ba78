"""对应: which items of reference frameworks a district's points are mapped to. Proposed, checked, added, dropped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, select

import competencies
from competencies import (
    CompetencyFramework,
    CrosswalkLink,
    FrameworkEvent,
    FrameworkVersion,
    LinkState,
    ReferenceVersion,
)
from lms_plugin.access import Actor, Permission, Scope, can, own, require, somewhere
from lms_plugin.db import find, get, hold, owned, pk
from lms_plugin.errors import Conflict, Invalid, NotFound
from lms_plugin.flow.submit_views import enrolled_programme

domain = competencies.references
Text = Mapping[str, str]


@dataclass(frozen=True)
class LinkView:
    """A link as one reads it. `reference_uuid`: the newest version that is here, "" where none is."""

    uuid: str
    version: int
    point: str
    reference: str
    reference_uuid: str
    short: str
    item: str
    words: Text
    kind: str
    is_confirmed: bool
    source: Text


@dataclass(frozen=True)
class LinkedPoint:
    """A point with its links."""

    code: str
    name: Text
    question: Text
    links: tuple[LinkView, ...]


@dataclass(frozen=True)
class Crosswalk:
    """All points of a version with their links. `proposals`: how many of the links that ship fit its points and are not
    here yet; `references`: uuid, short name of those that are here."""

    uuid: str
    title: Text
    number: int
    points: tuple[LinkedPoint, ...]
    references: tuple[tuple[str, str], ...]
    proposals: int
    may_curate: bool


def crosswalk(session: Session, actor: Actor, uuid: str) -> Crosswalk:
    """For its page: four queries."""
    version = find(session, FrameworkVersion, actor.tenant_id, uuid)
    require(actor, Permission.PROGRAMME_READ, somewhere(actor))
    rows = _rows(session, actor.tenant_id, version.framework_id)
    named = _named(session, actor.tenant_id)
    may_curate = can(actor, Permission.FRAMEWORK_CURATE, Scope(actor.tenant_id))
    known = {(row.point_code, row.reference_code, row.item_code) for row in rows}
    left = [one for one in _proposals(version) if (one.point, one.reference, one.item) not in known]
    return Crosswalk(
        uuid=version.uuid,
        title=competencies.frameworks.words(version.content["framework"], "title"),
        number=version.number,
        points=_points(version.content["points"], rows, named),
        references=tuple((one[0], one[1]) for one in named.values()),
        proposals=len(left) if may_curate else 0,
        may_curate=may_curate,
    )


def of_point(session: Session, actor: Actor, uuid: str, code: str) -> tuple[LinkView, ...]:
    """The links of one point of a version, for the page on which a curator reads it."""
    version = find(session, FrameworkVersion, actor.tenant_id, uuid)
    require(actor, Permission.PROGRAMME_READ, somewhere(actor))
    rows = _rows(session, actor.tenant_id, version.framework_id, code)
    named = _named(session, actor.tenant_id) if rows else {}
    return tuple(_view(row, named) for row in rows if row.state is not LinkState.DROPPED)


def own_round(session: Session, actor: Actor, programme_uuid: str) -> tuple[str, tuple[LinkedPoint, ...]]:
    """(title of the round, its points with their links) for a teacher who takes part. Points that the round does not
    have are left out."""
    require(actor, Permission.POINTS_CHOOSE, own(actor))
    programme, rules, _not_for = enrolled_programme(session, actor, programme_uuid)
    version = get(session, FrameworkVersion, programme.framework_version_id)
    rows = _rows(session, actor.tenant_id, version.framework_id)
    offered = [one for one in version.content["points"] if one["code"] not in rules.choice.not_offered]
    return programme.title, _points(offered, rows, _named(session, actor.tenant_id) if rows else {})


def add(
    session: Session, actor: Actor, uuid: str, point: str, reference: str, item: str, kind: str, now: datetime
) -> None:
    """A curator maps a point to an item; the same link again changes nothing, one that was dropped comes back.

    `reference`: uuid of a version that is here. Raises Invalid at "reference", "item" (`crosswalk.no_item`), "kind".
    """
    version = find(session, FrameworkVersion, actor.tenant_id, uuid)
    require(actor, Permission.FRAMEWORK_CURATE, Scope(actor.tenant_id))
    if point not in {one["code"] for one in version.content["points"]}:
        raise NotFound
    if kind not in domain.KINDS:
        raise Invalid({"kind": "form.choose"})
    try:
        chosen = find(session, ReferenceVersion, actor.tenant_id, reference)
    except NotFound as error:
        raise Invalid({"reference": "form.choose"}) from error
    found = next((one for one in chosen.content["items"] if one["code"] == item.strip()), None)
    if found is None:
        raise Invalid({"item": ("crosswalk.no_item", {"item": item.strip()[:60], "framework": chosen.short})})
    _lock(session, version)
    known = {
        (row.reference_code, row.item_code): row for row in _rows(session, actor.tenant_id, version.framework_id, point)
    }
    row = known.get((chosen.code, found["code"]))
    if row is None:
        row = _made(version, point, chosen.code, found, kind, {"zh": "本地对照", "en": "Mapped here"}, now)
    elif row.state is LinkState.CONFIRMED and row.kind == kind:
        return
    row.kind, row.state = kind, LinkState.CONFIRMED
    row.decided_by_id, row.decided_at = actor.person_id, now
    session.add(row)
    _note(session, actor, version, "link_added", row, now)


def decide(session: Session, actor: Actor, uuid: str, link: str, seen: int, now: datetime, *, keeps: bool) -> None:
    """A curator has checked a link, or drops it. Raises Conflict `crosswalk.changed` where somebody decided meanwhile
    (`seen`: its version as the page showed it); the same again changes nothing."""
    version = find(session, FrameworkVersion, actor.tenant_id, uuid)
    require(actor, Permission.FRAMEWORK_CURATE, Scope(actor.tenant_id))
    row = find(session, CrosswalkLink, actor.tenant_id, link)
    if row.framework_id != version.framework_id:
        raise NotFound
    hold(session, row)
    state = LinkState.CONFIRMED if keeps else LinkState.DROPPED
    if row.state is state:
        return
    if row.version != seen:
        raise Conflict("crosswalk.changed")
    row.state, row.decided_by_id, row.decided_at = state, actor.person_id, now
    session.add(row)
    _note(session, actor, version, "link_confirmed" if keeps else "link_dropped", row, now)


def confirm_all(session: Session, actor: Actor, uuid: str, point: str, seen: Mapping[str, int], now: datetime) -> None:
    """A curator has checked all links of a point. `seen`: uuid and version of each as the page showed them. Raises as
    `decide`."""
    find(session, FrameworkVersion, actor.tenant_id, uuid)
    require(actor, Permission.FRAMEWORK_CURATE, Scope(actor.tenant_id))
    for one in of_point(session, actor, uuid, point):
        if not one.is_confirmed and one.uuid in seen:
            decide(session, actor, uuid, one.uuid, seen[one.uuid], now, keeps=True)


def propose(session: Session, actor: Actor, uuid: str, now: datetime) -> int:
    """Takes in the links that ship and fit the points of this version, marked as proposed, with the reference
    frameworks that they name. Gives how many are new; what was dropped once does not come back."""
    version = find(session, FrameworkVersion, actor.tenant_id, uuid)
    require(actor, Permission.FRAMEWORK_CURATE, Scope(actor.tenant_id))
    _lock(session, version)
    return put_shipped(session, version, actor.person_id, now)


def put_shipped(session: Session, version: FrameworkVersion, by_id: int | None, now: datetime) -> int:
    """What `propose` does, for whoever may; the operator's way in (demo)."""
    for name in domain.reference_packs.NAMES:
        domain.take_in(session, version.tenant_id, domain.reference_packs.load(name), by_id, now)
    return put(session, version, _proposals(version), by_id, now)


def put(
    session: Session,
    version: FrameworkVersion,
    proposals: Sequence[competencies.references.Proposal],
    by_id: int | None,
    now: datetime,
) -> int:
    """Keeps proposed links of which the item is here; gives how many are new."""
    references = domain.newest(session, version.tenant_id, {one.reference for one in proposals})
    items = {code: {item["code"]: item for item in row.content["items"]} for code, row in references.items()}
    known = {
        (row.point_code, row.reference_code, row.item_code)
        for row in _rows(session, version.tenant_id, version.framework_id)
    }
    made = 0
    for one in proposals:
        item = items.get(one.reference, {}).get(one.item)
        if item is None or (one.point, one.reference, one.item) in known:
            continue
        session.add(_made(version, one.point, one.reference, item, one.kind, dict(one.source), now))
        known.add((one.point, one.reference, one.item))
        made += 1
    if made:
        code = get(session, CompetencyFramework, version.framework_id).code
        domain.note(session, version.tenant_id, code, "links_proposed", by_id, now, count=made)
    session.flush()
    return made


def carry(session: Session, old: FrameworkVersion, new: FrameworkVersion, now: datetime) -> None:
    """A framework that was begun from another one keeps the links of its points."""
    if old.framework_id == new.framework_id:
        return
    for row in _rows(session, old.tenant_id, old.framework_id):
        session.add(_copy(row, new.framework_id, row.point_code, now))
    session.flush()


def renamed(session: Session, version: FrameworkVersion, code: str, to: str, now: datetime) -> None:
    """A point is called otherwise: its links are those of the new code too (earlier versions keep the old one)."""
    rows = _rows(session, version.tenant_id, version.framework_id)
    known = {(row.point_code, row.reference_code, row.item_code) for row in rows}
    for row in rows:
        if row.point_code == code and (to, row.reference_code, row.item_code) not in known:
            session.add(_copy(row, version.framework_id, to, now))
    session.flush()


def forget(session: Session, framework: CompetencyFramework) -> None:
    """A framework goes that was never more than a draft: its links go too."""
    for row in _rows(session, framework.tenant_id, pk(framework)):
        session.delete(row)
    session.flush()


def was_discarded(session: Session, tenant_id: int, uuid: str) -> bool:
    """Whether that draft was thrown away lately."""
    rows = session.exec(
        owned(FrameworkEvent, tenant_id)
        .where(FrameworkEvent.kind == "discarded")
        .order_by(col(FrameworkEvent.id).desc())
        .limit(20)
    ).all()
    return any(row.details.get("uuid") == uuid for row in rows)


def out_links(session: Session, version: FrameworkVersion) -> list[competencies.exchange.OutLink]:
    """The links of a version as a CASE package tells them."""
    named = _named(session, version.tenant_id)
    return [
        competencies.exchange.OutLink(
            row.point_code,
            row.item_identifier,
            f"{named.get(row.reference_code, ('', row.reference_code))[1]} {row.item_code}",
            row.kind,
            row.state.value,
        )
        for row in _rows(session, version.tenant_id, version.framework_id)
        if row.state is not LinkState.DROPPED
    ]


def take_links(
    session: Session, version: FrameworkVersion, told: Sequence[tuple[str, str, str]], by_id: int, now: datetime
) -> int:
    """Keeps as proposals what a CASE package said of its points, where the other end is an item that is here."""
    if not told:
        return 0
    known = {
        domain.item_identifier(code, item): (code, item["code"])
        for code, row in domain.newest(session, version.tenant_id).items()
        for item in row.content["items"]
    }
    source = {"zh": "随标准文件带来的对照", "en": "Came with the framework's file"}
    proposals = [
        domain.Proposal(point, *known[target], kind, source)
        for point, target, kind in told
        if target in known and kind in domain.KINDS and len(point) <= 32
    ]
    return put(session, version, proposals, by_id, now)


def _proposals(version: FrameworkVersion) -> list[competencies.references.Proposal]:
    return domain.proposals_for(version.content["points"], competencies.packs.load("framework_2_0").as_dict()["points"])


def _rows(session: Session, tenant_id: int, framework_id: int, point: str = "") -> Sequence[CrosswalkLink]:
    query = (
        owned(CrosswalkLink, tenant_id)
        .where(CrosswalkLink.framework_id == framework_id)
        .order_by(col(CrosswalkLink.id))
    )
    return session.exec(query.where(CrosswalkLink.point_code == point) if point else query).all()


def _named(session: Session, tenant_id: int) -> dict[str, tuple[str, str]]:
    """By code: uuid and short name of the newest version of each reference framework."""
    reference = ReferenceVersion
    rows = session.exec(
        select(reference.code, reference.uuid, reference.short)
        .where(reference.tenant_id == tenant_id)
        .order_by(col(reference.number), col(reference.id))
    ).all()
    return {code: (uuid, short) for code, uuid, short in rows}


def _points(
    points: Sequence[Mapping[str, Any]], rows: Sequence[CrosswalkLink], named: Mapping[str, tuple[str, str]]
) -> tuple[LinkedPoint, ...]:
    by_point: dict[str, list[LinkView]] = {}
    for row in rows:
        if row.state is not LinkState.DROPPED:
            by_point.setdefault(row.point_code, []).append(_view(row, named))
    return tuple(
        LinkedPoint(
            one["code"],
            competencies.frameworks.words(one, "name"),
            competencies.frameworks.words(one, "question"),
            tuple(by_point.get(one["code"], ())),
        )
        for one in sorted(points, key=lambda one: one["order"])
    )


def _view(row: CrosswalkLink, named: Mapping[str, tuple[str, str]]) -> LinkView:
    uuid, short = named.get(row.reference_code, ("", row.reference_code))
    return LinkView(
        uuid=row.uuid,
        version=row.version,
        point=row.point_code,
        reference=row.reference_code,
        reference_uuid=uuid,
        short=short,
        item=row.item_code,
        words=row.words,
        kind=row.kind,
        is_confirmed=row.state is LinkState.CONFIRMED,
        source=row.source,
    )


def _made(
    version: FrameworkVersion,
    point: str,
    reference: str,
    item: Mapping[str, Any],
    kind: str,
    source: dict[str, str],
    now: datetime,
) -> CrosswalkLink:
    return CrosswalkLink(
        tenant_id=version.tenant_id,
        framework_id=version.framework_id,
        point_code=point,
        reference_code=reference,
        item_code=item["code"],
        item_identifier=domain.item_identifier(reference, item),
        words=competencies.frameworks.words(item),
        kind=kind,
        source=source,
        decided_at=now,
    )


def _copy(row: CrosswalkLink, framework_id: int, point: str, now: datetime) -> CrosswalkLink:
    kept = row.model_dump(exclude={"id", "uuid", "version", "framework_id", "point_code", "decided_at"})
    return CrosswalkLink(**kept, framework_id=framework_id, point_code=point, decided_at=now)


def _lock(session: Session, version: FrameworkVersion) -> None:
    """Two who change the links of one framework wait for each other."""
    hold(session, get(session, CompetencyFramework, version.framework_id))


def _note(
    session: Session, actor: Actor, version: FrameworkVersion, kind: str, row: CrosswalkLink, now: datetime
) -> None:
    code = get(session, CompetencyFramework, version.framework_id).code
    link = {"point": row.point_code, "reference": row.reference_code, "item": row.item_code}
    domain.note(session, actor.tenant_id, code, kind, actor.person_id, now, **link)
    session.flush()
