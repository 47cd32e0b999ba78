"""Framework versions: a draft holds the pack, publishing makes it immutable rows that programmes may use."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, func, select

from competencies import languages
from competencies import pack as packs
from competencies.languages import words as words
from competencies.levels import own_words as own_words
from competencies.models import (
    CompetencyFramework,
    CompetencyPoint,
    EvidenceRequirement,
    FrameworkVersion,
    VersionState,
)
from competencies.pack_schema import EffortDef
from lms_plugin.db import get, pk
from lms_plugin.errors import Conflict, Refused


def draft_from_pack(session: Session, tenant_id: int, loaded: packs.Pack, now: datetime) -> FrameworkVersion:
    """A draft version of a pack (its framework is made where it is new). The same content again gives the same row."""
    data = json.loads(packs.canonical(loaded))
    framework_data = data["framework"]
    framework = session.exec(
        select(CompetencyFramework).where(
            CompetencyFramework.tenant_id == tenant_id, CompetencyFramework.code == framework_data["id"]
        )
    ).one_or_none()
    if framework is None:
        framework = CompetencyFramework(
            tenant_id=tenant_id,
            code=framework_data["id"],
            title=words(framework_data, "title"),
            created_at=now,
        )
        session.add(framework)
        session.flush()
    content_hash = packs.content_hash(loaded)
    same = session.exec(
        select(FrameworkVersion)
        .where(FrameworkVersion.framework_id == pk(framework), FrameworkVersion.content_hash == content_hash)
        .order_by(col(FrameworkVersion.id))
    ).first()
    if same is not None:
        return same
    last = session.exec(
        select(func.max(col(FrameworkVersion.number))).where(FrameworkVersion.framework_id == pk(framework))
    ).one()
    version = FrameworkVersion(
        tenant_id=tenant_id,
        framework_id=pk(framework),
        number=(last or 0) + 1,
        content=data,
        content_hash=content_hash,
        is_reference=framework_data.get("status") == "reference",
        created_at=now,
    )
    session.add(version)
    session.flush()
    return version


def confirm_points(
    session: Session, version: FrameworkVersion, codes: Iterable[str], person_id: int, now: datetime
) -> None:
    """A curator has read these points of a 参考稿 and vouches for them. Raises Conflict once published."""
    if version.state is not VersionState.DRAFT:
        raise Conflict("framework.published")
    known = {point["code"] for point in version.content["points"]}
    confirmed = dict(version.confirmed_points)
    for code in codes:
        if code not in known:
            raise Refused("framework.point_unknown", point=code)
        confirmed.setdefault(code, {"by": person_id, "at": now.isoformat()})
    version.confirmed_points = confirmed
    session.add(version)


def unconfirmed(version: FrameworkVersion) -> list[str]:
    """Codes of a 参考稿's points that nobody has vouched for, in the pack's order; none where it is no 参考稿."""
    if not version.is_reference:
        return []
    return [p["code"] for p in version.content["points"] if p["code"] not in version.confirmed_points]


def same_as(session: Session, version: FrameworkVersion) -> int:
    """The number of the published version of its framework that has the very same content, 0 for none."""
    found = session.exec(
        select(FrameworkVersion.number)
        .where(
            FrameworkVersion.framework_id == version.framework_id,
            FrameworkVersion.content_hash == version.content_hash,
            FrameworkVersion.state == VersionState.PUBLISHED,
            FrameworkVersion.id != version.id,
        )
        .order_by(col(FrameworkVersion.number).desc())
    ).first()
    return found or 0


def words_of_levels(session: Session, version_id: int) -> dict[str, dict[str, str]] | None:
    """What a published version calls its levels, where that is not 优秀, 合格, 不合格: one query."""
    point = CompetencyPoint
    row = session.exec(
        select(point).where(point.framework_version_id == version_id).order_by(col(point.id)).limit(1)
    ).first()
    return row.level_words if row is not None else None


def freeze(
    session: Session, version: FrameworkVersion, by_id: int | None, now: datetime, *, under_banner: bool
) -> list[tuple[EvidenceRequirement, dict[str, Any]]]:
    """Publishes: writes points and requirements, gives each requirement with its criteria data (rubrics are made by
    the caller). `under_banner` (the demo) publishes a 参考稿 unconfirmed; it then keeps its banner.

    Raises Refused `framework.unconfirmed` with the codes that nobody has vouched for.
    """
    if version.state is VersionState.PUBLISHED:
        return []
    waiting = unconfirmed(version)
    if waiting and not under_banner:
        raise Refused("framework.unconfirmed", points="、".join(waiting))
    if version.is_reference and not waiting:
        version.is_reference = False  # the curator's word has made it this district's own standard
    made: list[tuple[EvidenceRequirement, dict[str, Any]]] = []
    level_words = own_words(version.content["framework"]["levels"])
    for data in sorted(version.content["points"], key=lambda p: p["order"]):
        point = CompetencyPoint(
            framework_version_id=pk(version),
            code=data["code"],
            position=data["order"],
            name=languages.name_of(version.content, data),
            question=words(data, "question"),
            summary=words(data, "summary"),
            environment=data["environment"],
            dimension=data["dimension"],
            effort={**EffortDef().model_dump(), **data.get("effort", {})},
            level_words=level_words,
        )
        session.add(point)
        session.flush()
        for position, item in enumerate(data["evidence"], start=1):
            requirement = EvidenceRequirement(
                point_id=pk(point),
                key=item["key"],
                position=position,
                title=words(item, "title"),
                kind=item["kind"],
                alt_kinds=item.get("alt_kinds", []),
                accept=item["accept"],
                is_required=item["required"],
                is_core=item["core"],
                is_proposed=item.get("proposed", True),
                source=str(item.get("source", ""))[:500],
                limits=item.get("limits", {}),
                checks=item.get("checks", []),
            )
            session.add(requirement)
            made.append((requirement, item))
    version.state = VersionState.PUBLISHED
    version.published_at, version.published_by_id = now, by_id
    framework = get(session, CompetencyFramework, version.framework_id)
    framework.title = words(version.content["framework"], "title")  # the newest edition names it
    session.add_all([version, framework])
    session.flush()
    return made
