"""收下: the operator has the worker take in a district's archive, and whoever has its address sees how far it is.

There is no district yet, so nobody has a role in it: only who can run commands on the server begins. The address that
the command prints holds a code; it shows how far it is, stops it and lets it go on, and nothing of what is in it.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path

from sqlmodel import Session, col, select

from lms_plugin import leaving, outbox
from lms_plugin.db import pk
from lms_plugin.errors import NotFound
from lms_plugin.flow import archive_import
from lms_plugin.leaving import ArchiveIntake, IntakeState

SHOWN = timedelta(days=30)
"""So long after its end the address still says what became of it."""


@dataclass(frozen=True)
class IntakePage:
    """How far an archive is taken in. `worker_lives`: somebody works on it."""

    intake: ArchiveIntake
    worker_lives: bool

    @property
    def is_open(self) -> bool:
        """Whether it goes on by itself."""
        return self.intake.state in leaving.BEING_TAKEN_IN

    @property
    def may_stop(self) -> bool:
        """All records are written at once: that is not stopped in the middle."""
        return self.is_open and self.intake.state is not IntakeState.RECORDS


def begin(session: Session, path: Path, expected: str, now: datetime, *, with_faults: bool) -> tuple[str, str]:
    """Asks the worker to take in the archive at that path; gives the district's name and the code of the page. Asked
    again for the same archive, what was begun goes on, and the new code takes the place of the old one.

    Raises Refused `parcel.…`, `archive.…` for what is seen at once.
    """
    hashed, name = archive_import.glance(session, path, expected)
    code = secrets.token_urlsafe(24)
    known = session.exec(
        select(ArchiveIntake)
        .where(ArchiveIntake.manifest_hash == hashed, col(ArchiveIntake.state) != IntakeState.DONE)
        .order_by(col(ArchiveIntake.id).desc())
        .limit(1)
        .with_for_update()
    ).first()
    intake = known or ArchiveIntake(manifest_hash=hashed, name=name, code_hash="", path="", asked_at=now)
    intake.code_hash, intake.path, intake.with_faults = _hash(code), str(path.resolve()), with_faults
    _ask(session, intake, now)
    return name, code


def page(session: Session, code: str, now: datetime) -> IntakePage:
    """What the page of that code shows; two queries. Raises NotFound."""
    beat = outbox.last_beat(session)
    return IntakePage(_of(session, code, now), beat is not None and now - beat < timedelta(minutes=5))


def stop(session: Session, code: str, now: datetime) -> None:
    """Nothing more of it is taken in; the worker takes away what there is. Twice is harmless."""
    found = _of(session, code, now)
    session.refresh(found, with_for_update=True)
    if IntakePage(found, True).may_stop:
        found.state, found.ended_at = IntakeState.CANCELLED, now
        session.add(found)
        _put(session, found, now)


def go_on(session: Session, code: str, now: datetime) -> None:
    """What was stopped, or failed, is tried again; what has been looked at need not be looked at again."""
    found = _of(session, code, now)
    session.refresh(found, with_for_update=True)
    if found.state in {IntakeState.CANCELLED, IntakeState.FAILED}:
        _ask(session, found, now)


def _ask(session: Session, intake: ArchiveIntake, now: datetime) -> None:
    if intake.state not in leaving.BEING_TAKEN_IN:
        if intake.problem != leaving.BROKEN:  # who stops or refuses it takes its files away; a fault leaves them
            intake.files = 0
        intake.state, intake.ended_at, intake.problem, intake.problem_params = IntakeState.WAITING, None, "", {}
    session.add(intake)
    session.flush()
    _put(session, intake, now)


def _put(session: Session, intake: ArchiveIntake, now: datetime) -> None:
    outbox.put(session, None, outbox.INTAKE, str(pk(intake)), {"intake_id": pk(intake)}, now)


def _of(session: Session, code: str, now: datetime) -> ArchiveIntake:
    found = session.exec(select(ArchiveIntake).where(ArchiveIntake.code_hash == _hash(code))).one_or_none()
    if found is None or (found.ended_at is not None and found.ended_at + SHOWN < now):
        raise NotFound
    return found


def _hash(code: str) -> str:
    return sha256(code.encode()).hexdigest()
