"""新旧对照: a curator says what became of each point of an earlier version. Kept beside the versions, not in them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, select

import competencies
from competencies import FrameworkVersion, VersionState
from lms_plugin.access import Actor, Permission, Scope, require
from lms_plugin.db import find, hold, owned, pk
from lms_plugin.errors import Conflict, Invalid, NotFound

FrameworkSuccession = competencies.succession.FrameworkSuccession


@dataclass(frozen=True)
class OldPoint:
    """A point of the earlier version. `becomes`: its code in the new one, "" where it is no more, None where nobody has
    decided. `is_same`: the new version has its code, so there is nothing to decide."""

    code: str
    name: dict[str, str]
    becomes: str | None
    is_same: bool


@dataclass(frozen=True)
class Succession:
    """Two versions side by side. `others`: uuid, title, number of the versions that may stand on the other side;
    `version`: of the row, 0 while nothing was decided; `added`: points of the new version that none became."""

    uuid: str
    title: dict[str, str]
    number: int
    is_draft: bool
    since_uuid: str
    since_number: int
    others: tuple[tuple[str, dict[str, str], int], ...]
    points: tuple[OldPoint, ...]
    new: tuple[tuple[str, dict[str, str]], ...]
    added: tuple[str, ...]
    version: int

    @property
    def undecided(self) -> tuple[str, ...]:
        """Codes that somebody has to decide on."""
        return tuple(point.code for point in self.points if point.becomes is None)


def succession(session: Session, actor: Actor, uuid: str, since: str = "") -> Succession:
    """What became of the points of `since` (else of the version it was begun from, or the one before) in this one."""
    new = find(session, FrameworkVersion, actor.tenant_id, uuid)
    require(actor, Permission.FRAMEWORK_CURATE, Scope(new.tenant_id))
    others = _others(session, new)
    if since and since not in {known for known, _title, _number in others}:
        raise NotFound
    old = find(session, FrameworkVersion, actor.tenant_id, since or others[0][0]) if others else None
    row = _row(session, old, new) if old is not None else None
    codes = {one["code"] for one in new.content["points"]}
    points = old.content["points"] if old is not None else []
    images = competencies.succession.image(
        row.points if row is not None else {}, [one["code"] for one in points], codes
    )
    return Succession(
        uuid=new.uuid,
        title=competencies.frameworks.words(new.content["framework"], "title"),
        number=new.number,
        is_draft=new.state is VersionState.DRAFT,
        since_uuid=old.uuid if old is not None else "",
        since_number=old.number if old is not None else 0,
        others=others,
        points=tuple(
            OldPoint(
                one["code"], competencies.frameworks.words(one, "name"), images.get(one["code"]), one["code"] in codes
            )
            for one in sorted(points, key=lambda one: one["order"])
        ),
        new=tuple(
            (one["code"], competencies.frameworks.words(one, "name"))
            for one in sorted(new.content["points"], key=lambda one: one["order"])
        ),
        added=tuple(one["code"] for one in new.content["points"] if one["code"] not in images.values()),
        version=row.version if row is not None else 0,
    )


def decide(
    session: Session, actor: Actor, uuid: str, since: str, decided: Mapping[str, str], seen: int, now: datetime
) -> None:
    """Keeps what became of the points that changed their code or went: {old code: new code, or "" for no more}; what is
    left out stays undecided. The same again changes nothing.

    Raises Conflict `succession.changed` where somebody else decided meanwhile, Invalid at "p.CODE" for a point that the
    new version does not have.
    """
    new = find(session, FrameworkVersion, actor.tenant_id, uuid)
    require(actor, Permission.FRAMEWORK_CURATE, Scope(new.tenant_id))
    hold(session, new)  # the second of two who decide at once finds the row of the first
    if since not in {known for known, _title, _number in _others(session, new)}:
        raise NotFound
    old = find(session, FrameworkVersion, actor.tenant_id, since)
    codes = {one["code"] for one in new.content["points"]}
    open_codes = [one["code"] for one in old.content["points"] if one["code"] not in codes]
    points = {code: decided[code] for code in open_codes if code in decided}
    wrong: dict[str, str | tuple[str, dict[str, Any]]] = {
        f"p.{code}": "form.choose" for code, to in points.items() if to and to not in codes
    }
    if wrong:
        raise Invalid(wrong)
    row = _row(session, old, new)
    if row is not None and row.points == points:
        return
    if (row.version if row is not None else 0) != seen:
        raise Conflict("succession.changed")
    row = row or FrameworkSuccession(
        tenant_id=new.tenant_id, old_version_id=pk(old), new_version_id=pk(new), decided_at=now
    )
    row.points, row.decided_by_id, row.decided_at = points, actor.person_id, now
    session.add(row)
    session.flush()


def begun_from(session: Session, old: FrameworkVersion, new: FrameworkVersion, by_id: int, now: datetime) -> None:
    """Notes of a new draft from which version it was begun."""
    session.add(
        FrameworkSuccession(
            tenant_id=new.tenant_id,
            old_version_id=pk(old),
            new_version_id=pk(new),
            decided_by_id=by_id,
            decided_at=now,
        )
    )
    session.flush()


def renamed(session: Session, new: FrameworkVersion, code: str, to: str, by_id: int, now: datetime) -> None:
    """A point of a draft is called otherwise: what became it, is that now."""
    rows = session.exec(
        owned(FrameworkSuccession, new.tenant_id)
        .where(FrameworkSuccession.new_version_id == pk(new))
        .order_by(col(FrameworkSuccession.id))
    ).all()
    for row in rows:
        points = {old: to if became == code else became for old, became in row.points.items()}
        row.points = {**points, code: to}  # of a code that the old version never had, nothing follows
        row.decided_by_id, row.decided_at = by_id, now
        session.add(row)
    session.flush()


def forget(session: Session, draft: FrameworkVersion) -> None:
    """A draft goes: what was noted of it goes too."""
    for row in session.exec(
        owned(FrameworkSuccession, draft.tenant_id).where(FrameworkSuccession.new_version_id == pk(draft))
    ):
        session.delete(row)
    session.flush()


def is_begun_from_another(session: Session, new: FrameworkVersion) -> bool:
    """Whether it is noted of a version from which one it was begun."""
    return (
        session.exec(
            select(FrameworkSuccession.id).where(FrameworkSuccession.new_version_id == pk(new)).limit(1)
        ).first()
        is not None
    )


def _others(session: Session, new: FrameworkVersion) -> tuple[tuple[str, dict[str, str], int], ...]:
    """Published versions from which this one may have come: noted as such first, then earlier ones of its framework,
    newest first."""
    noted = select(FrameworkSuccession.old_version_id).where(FrameworkSuccession.new_version_id == pk(new))
    rows = session.exec(
        select(
            FrameworkVersion.id,
            FrameworkVersion.uuid,
            FrameworkVersion.number,
            competencies.CompetencyFramework.title,
        )
        .join(competencies.CompetencyFramework)
        .where(
            FrameworkVersion.tenant_id == new.tenant_id,
            competencies.CompetencyFramework.tenant_id == new.tenant_id,
            FrameworkVersion.state == VersionState.PUBLISHED,
            FrameworkVersion.id != new.id,
            col(FrameworkVersion.id).in_(noted)
            | ((FrameworkVersion.framework_id == new.framework_id) & (FrameworkVersion.number < new.number)),
        )
        .order_by(col(FrameworkVersion.number).desc(), col(FrameworkVersion.id).desc())
    ).all()
    first = set(session.exec(noted).all())
    ordered = sorted(rows, key=lambda row: row[0] not in first)
    return tuple((uuid, dict(title), number) for _id, uuid, number, title in ordered)


def _row(session: Session, old: FrameworkVersion, new: FrameworkVersion) -> FrameworkSuccession | None:
    return session.exec(
        owned(FrameworkSuccession, new.tenant_id).where(
            FrameworkSuccession.old_version_id == pk(old),
            FrameworkSuccession.new_version_id == pk(new),
        )
    ).one_or_none()
