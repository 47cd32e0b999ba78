"""What changed from one edition of a framework to another."""

from dataclasses import dataclass

from sqlmodel import Session, col

import competencies
from competencies import CompetencyFramework, FrameworkVersion
from lms_plugin.access import Actor, Permission, require, somewhere
from lms_plugin.db import find, get, owned
from lms_plugin.errors import NotFound


@dataclass(frozen=True)
class Changes:
    """Two editions side by side. `since_uuid` is "" where there is no other edition.

    `others`: uuid and number of the editions to compare with, newest first.
    """

    uuid: str
    title: dict[str, str]
    number: int
    since_uuid: str
    since_number: int
    others: tuple[tuple[str, int], ...]
    head: competencies.Difference | None
    points: tuple[competencies.Difference, ...]


def changes(session: Session, actor: Actor, uuid: str, since: str = "") -> Changes:
    """An edition against `since`, or against the one before it. Raises NotFound for an edition of another framework."""
    version = find(session, FrameworkVersion, actor.tenant_id, uuid)
    require(actor, Permission.PROGRAMME_READ, somewhere(actor))
    others = session.exec(
        owned(FrameworkVersion, actor.tenant_id)
        .where(FrameworkVersion.framework_id == version.framework_id, FrameworkVersion.id != version.id)
        .order_by(col(FrameworkVersion.number).desc())
    ).all()
    if since:
        chosen = next((one for one in others if one.uuid == since), None)
        if chosen is None:
            raise NotFound
    else:
        chosen = next((one for one in others if one.number < version.number), others[-1] if others else None)
    return Changes(
        uuid=version.uuid,
        title=get(session, CompetencyFramework, version.framework_id).title,
        number=version.number,
        since_uuid=chosen.uuid if chosen is not None else "",
        since_number=chosen.number if chosen is not None else 0,
        others=tuple((one.uuid, one.number) for one in others),
        head=competencies.head_changes(chosen.content, version.content) if chosen is not None else None,
        points=competencies.differences(chosen.content, version.content) if chosen is not None else (),
    )
