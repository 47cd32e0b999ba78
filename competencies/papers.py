"""What official papers have in common, 学时证明 and 工作量证明: each is made out once under a number and a code; that
it counts no more, and that a seal was put on it, are rows of their own.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_
from sqlmodel import Session, col, func, select

from competencies.certificate_models import UnitSeal
from lms_plugin.db import pk


@dataclass(frozen=True)
class Kind:
    """The tables of a kind of paper. `key`: the column of `end` and `use` that names the paper."""

    paper: Any
    end: Any
    use: Any
    key: str

    def ended(self) -> Any:
        """The paper that an end names."""
        return col(getattr(self.end, self.key))

    def used(self) -> Any:
        """The paper that a use of the seal names."""
        return col(getattr(self.use, self.key))

    def given(self) -> Any:
        """A select of papers, each with its end or None."""
        return select(self.paper, self.end).join(self.end, self.ended() == col(self.paper.id), isouter=True)

    def is_bare(self) -> ColumnElement[bool]:
        """The condition by which a paper has no end and no seal, for selects that join both outside."""
        return and_(self.ended().is_(None), self.used().is_(None))

    def joined(self, statement: Any) -> Any:
        """A select with papers in it, joined to their ends and seals from outside."""
        with_ends = statement.join(self.end, self.ended() == col(self.paper.id), isouter=True)
        return with_ends.join(self.use, self.used() == col(self.paper.id), isouter=True)


def of_code(session: Session, kind: Kind, code: str) -> Any:
    """The paper of that code (as `certificates.code_as_kept` gives it) and its end, whatever district it is of; None
    for none. One query."""
    return session.exec(kind.given().where(kind.paper.code == code)).one_or_none() if code else None


def of_people(
    session: Session, kind: Kind, of: ColumnElement[bool], person_ids: Collection[int] | None = None
) -> list[tuple[Any, Any]]:
    """The papers of a programme or a cycle (`of` says which), or those of these people among them, each with its end,
    the newest first. One query."""
    statement = kind.given().where(of).order_by(col(kind.paper.number).desc())
    if person_ids is not None:
        statement = statement.where(col(kind.paper.person_id).in_(person_ids))
    return list(session.exec(statement))


def next_number(session: Session, kind: Kind, tenant_id: int) -> int:
    """The number of the district's next paper of that kind; the caller holds the district's row."""
    last = session.exec(select(func.max(kind.paper.number)).where(kind.paper.tenant_id == tenant_id)).one()
    return (last or 0) + 1


def seal_on(session: Session, kind: Kind, paper: Any) -> UnitSeal | None:
    """The seal that was put on a paper. One query."""
    return session.exec(
        select(UnitSeal).join(kind.use, col(kind.use.unit_seal_id) == col(UnitSeal.id)).where(kind.used() == pk(paper))
    ).one_or_none()


def seals_on(session: Session, kind: Kind, paper_ids: Collection[int]) -> dict[int, bytes]:
    """Paper → the picture of the seal that was put on it. One query."""
    rows: Any = session.exec(
        select(kind.used(), UnitSeal.image)
        .join(UnitSeal, col(UnitSeal.id) == col(kind.use.unit_seal_id))
        .where(kind.used().in_(paper_ids))
    )
    return dict(rows.all())


def end(
    session: Session,
    kind: Kind,
    paper_id: int,
    ended_by_id: int,
    now: datetime,
    *,
    reason: str = "",
    followed_by_id: int | None = None,
) -> None:
    """A paper counts no more."""
    session.add(
        kind.end(
            **{kind.key: paper_id},
            followed_by_id=followed_by_id,
            reason=reason,
            ended_by_id=ended_by_id,
            ended_at=now,
        )
    )
