"""What becomes of points, and of what people have chosen, when a round goes over to another version of its standard."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import JSON, Column, UniqueConstraint
from sqlmodel import Field, Session, col, select

from competencies.models import CompetencyPoint, Programme
from competencies.programmes import ProgrammeEvent
from lms_plugin.db import Owned, Versioned, pk


class FrameworkSuccession(Owned, Versioned, table=True):
    """新旧对照: what became of the points of one version in a later one, or in a framework that was begun from it.

    `points`: {old code: new code, "" for a point that is no more}. A point whose code the new version has too is the
    same point, whatever stands here; one that is neither there nor here is not decided yet.
    """

    __tablename__ = "framework_succession"
    __table_args__ = (UniqueConstraint("old_version_id", "new_version_id"), UniqueConstraint("tenant_id", "id"))
    id: int | None = Field(default=None, primary_key=True)
    old_version_id: int = Field(foreign_key="framework_version.id")
    new_version_id: int = Field(foreign_key="framework_version.id", index=True)
    points: dict[str, str] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    decided_by_id: int | None = Field(default=None, foreign_key="person.id")
    decided_at: datetime


MOVED = "version"
"""The kind of `ProgrammeEvent` that says that a round went over. Its details: `image` (old code: new code), numbers."""


def image(decided: Mapping[str, str], old: Iterable[str], new: Collection[str]) -> dict[str, str]:
    """What each old code is called in the new version, "" for a point that is no more. Codes that nobody has decided
    on, or whose new point is gone again, are missing.

    The same code is the same point (competency.md: "points of the same framework code 1:1").
    """
    found = {}
    for code in old:
        if code in new:
            found[code] = code
        elif decided.get(code) == "" or decided.get(code) in new:
            found[code] = decided[code]
    return found


@dataclass(frozen=True, slots=True)
class Chosen:
    """One choice of a round. `human`: whoever it is, over all their rows; `is_bound`: handed in once, or begun with
    material for which the new version has no place: it stays with the version it was made under."""

    key: int
    human: int
    code: str
    is_bound: bool


@dataclass(slots=True)
class Fate:
    """What becomes of the choices of a round, each in exactly one of these.

    `moves`: key and new code. `merged`: two chosen points became one, or the other one is handed in; the person has
    that one and a place to fill. `vanishes`: the point is no more.
    """

    stays: list[int] = field(default_factory=list)
    moves: dict[int, str] = field(default_factory=dict)
    merged: list[int] = field(default_factory=list)
    vanishes: list[int] = field(default_factory=list)


def carry(choices: Sequence[Chosen], images: Mapping[str, str]) -> Fate:
    """What becomes of each choice. Nobody loses a point that lives on, nobody gets one twice. Of two that become one,
    the one that keeps its code is kept, then the one that was chosen first (the order of `choices`)."""
    fate = Fate()
    has: set[tuple[int, str]] = set()
    for one in choices:
        if one.is_bound:
            fate.stays.append(one.key)
            has.add((one.human, images.get(one.code, one.code)))
    for one in sorted(choices, key=lambda one: images.get(one.code) != one.code):
        if one.is_bound:
            continue
        becomes = images[one.code]
        if not becomes:
            fate.vanishes.append(one.key)
        elif (one.human, becomes) in has:
            fate.merged.append(one.key)
        else:
            fate.moves[one.key] = becomes
            has.add((one.human, becomes))
    return fate


def with_held(
    session: Session, programme: Programme, points: Sequence[CompetencyPoint], held: Collection[int]
) -> list[CompetencyPoint]:
    """The points to choose from for somebody who holds these (ids): those of the round's version, and in the place of
    the one that an older point became, that older point itself, with which they began. Asks the database only where
    somebody holds one."""
    older = set(held) - {pk(point) for point in points}
    if not older:
        return list(points)
    kept = session.exec(
        select(CompetencyPoint).where(col(CompetencyPoint.id).in_(older)).order_by(col(CompetencyPoint.id).desc())
    ).all()
    moves = moves_of(session, programme)
    covered = {became(point, moves) for point in kept} | {point.code for point in kept}
    return sorted(
        [*(point for point in points if point.code not in covered), *kept],
        key=lambda point: (point.position, point.code, pk(point)),
    )


def became(point: CompetencyPoint, moves: Sequence[ProgrammeEvent]) -> str:
    """What a point is called after these moves of its round, "" where it is no more."""
    code, since = point.code, False
    for move in moves:
        since = since or move.details["before_id"] == point.framework_version_id
        if since and code:
            code = move.details["image"].get(code, "")
    return code


def moves_of(session: Session, programme: Programme) -> Sequence[ProgrammeEvent]:
    """When the round went over to other versions, oldest first."""
    return session.exec(
        select(ProgrammeEvent)
        .where(ProgrammeEvent.programme_id == pk(programme), ProgrammeEvent.kind == MOVED)
        .order_by(col(ProgrammeEvent.id))
    ).all()
