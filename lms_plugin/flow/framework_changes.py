"""What changed from one edition of a framework to another."""

from dataclasses import dataclass

from sqlmodel import Session, col, select

import competencies
from competencies import FrameworkVersion
from lms_plugin.access import Actor, Permission, require, somewhere
from lms_plugin.db import find
from lms_plugin.errors import NotFound


@dataclass(frozen=True)
class Changes:
    """Two editions side by side. `since_uuid` is "" where there is no other edition.

    `others`: uuid and number of the editions to compare with, newest first.
    `levels`: what it calls its levels, if not as usual.
    """

    uuid: str
    title: dict[str, str]
    number: int
    since_uuid: str
    since_number: int
    others: tuple[tuple[str, int], ...]
    levels: dict[str, dict[str, str]] | None
    head: competencies.Difference | None
    points: tuple[competencies.Difference, ...]


def changes(session: Session, actor: Actor, uuid: str, since: str = "") -> Changes:
    """An edition against `since`, or against the one before it. Raises NotFound for an edition of another framework."""
    version = find(session, FrameworkVersion, actor.tenant_id, uuid)
    require(actor, Permission.PROGRAMME_READ, somewhere(actor))
    others = session.exec(
        select(FrameworkVersion.uuid, FrameworkVersion.number)
        .where(
            FrameworkVersion.tenant_id == actor.tenant_id,
            FrameworkVersion.framework_id == version.framework_id,
            FrameworkVersion.id != version.id,
        )
        .order_by(col(FrameworkVersion.number).desc())
    ).all()
    if since and since not in {known for known, _number in others}:
        raise NotFound
    before = [known for known, number in others if number < version.number] or [known for known, _ in others[-1:]]
    wanted = since or (before[0] if before else "")
    chosen = find(session, FrameworkVersion, actor.tenant_id, wanted) if wanted else None
    return Changes(
        uuid=version.uuid,
        title=competencies.frameworks.words(version.content["framework"], "title"),
        number=version.number,
        since_uuid=chosen.uuid if chosen is not None else "",
        since_number=chosen.number if chosen is not None else 0,
        others=tuple(others),
        levels=competencies.frameworks.own_words(version.content["framework"]["levels"]),
        head=competencies.head_changes(chosen.content, version.content) if chosen is not None else None,
        points=competencies.differences(chosen.content, version.content) if chosen is not None else (),
    )
