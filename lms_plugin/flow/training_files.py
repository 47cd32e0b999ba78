"""培训材料: whoever holds a training adds photos, sign-in sheet and plan; those in charge of the unit see them."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

import competencies
from competencies import FileState, Training, TrainingState
from lms_plugin.access import Actor, Permission, require
from lms_plugin.db import find, pk
from lms_plugin.errors import Conflict, NotFound, Refused
from lms_plugin.flow import plan_papers, trainings
from lms_plugin.people import Person

domain = competencies.training_files
ACCEPTED = [*plan_papers.ACCEPTED_FILES, "heic", "webp"]
FILE_TYPE = "training.file_type"


@dataclass(frozen=True)
class Shown:
    """A file as pages show it. `is_late`: it came after the training was closed; `is_kept`: its bytes are there."""

    uuid: str
    file_uuid: str
    kind: str
    name: str
    size_bytes: int
    sha256: str
    is_kept: bool
    is_late: bool
    added_by: str
    added_at: datetime
    removed_by: str
    removed_at: datetime | None


def shown(session: Session, actor: Actor, training: Training) -> tuple[Shown, ...]:
    """The files of a training, those taken out too, for whoever may look at it. Two queries."""
    require(actor, Permission.TRAINING_READ, trainings.scope_of(session, training))
    return told(session, training)


def told(session: Session, training: Training) -> tuple[Shown, ...]:
    """The same for who has asked for permission already. One query."""
    adder, remover = aliased(Person), aliased(Person)
    rows = session.exec(
        select(domain.TrainingFile, competencies.StoredFile, adder.name, remover.name)
        .join(competencies.StoredFile, col(competencies.StoredFile.id) == col(domain.TrainingFile.stored_file_id))
        .join(adder, col(adder.id) == col(domain.TrainingFile.added_by_id))
        .join(remover, col(remover.id) == col(domain.TrainingFile.removed_by_id), isouter=True)
        .where(domain.TrainingFile.training_id == pk(training))
        .order_by(col(domain.TrainingFile.id))
    )
    closed_at = training.ended_at if training.state is TrainingState.CLOSED else None
    return tuple(
        Shown(
            uuid=row.uuid,
            file_uuid=file.uuid,
            kind=row.kind.value,
            name=file.filename,
            size_bytes=file.size_bytes,
            sha256=file.sha256,
            is_kept=file.state is FileState.READY,
            is_late=closed_at is not None and row.added_at > closed_at,
            added_by=by,
            added_at=row.added_at,
            removed_by=without or "",
            removed_at=row.removed_at,
        )
        for row, file, by, without in rows
    )


def may_add(session: Session, actor: Actor, uuid: str, kind: domain.TrainingFileKind) -> None:
    """Asked before a file is taken in. Raises as `add`."""
    _room(session, trainings.held(session, actor, uuid), kind)


def _room(
    session: Session, training: Training, kind: domain.TrainingFileKind
) -> list[tuple[domain.TrainingFile, competencies.StoredFile]]:
    if training.state is TrainingState.CANCELLED:
        raise Conflict("training.is_over")
    there = [
        (row, file)
        for row, file in domain.files_of(session, pk(training))
        if row.kind is kind and row.removed_at is None
    ]
    if len(there) >= domain.MOST_FILES:
        raise Refused("training.files_many", most=domain.MOST_FILES)
    return there


def add(
    session: Session,
    actor: Actor,
    uuid: str,
    kind: domain.TrainingFileKind,
    file: plan_papers.PaperFile,
    now: datetime,
) -> domain.TrainingFile:
    """A file of a training, also after it was closed; the very same one twice stays one. Raises Conflict for a training
    that was cancelled, Refused `training.files_many`."""
    training = trainings.held(session, actor, uuid)
    for row, stored in _room(session, training, kind):
        if (stored.sha256, stored.filename) == (file.sha256, file.filename):
            return row
    made = domain.TrainingFile(
        tenant_id=actor.tenant_id,
        training_id=pk(training),
        kind=kind,
        stored_file_id=pk(plan_papers.keep(session, actor, file, now)),
        added_by_id=actor.person_id,
        added_at=now,
    )
    session.add(made)
    session.flush()
    return made


def remove(session: Session, actor: Actor, uuid: str, file_uuid: str, now: datetime) -> None:
    """Takes a file out; of a closed training it stays to be seen, with who took it out. Twice is harmless."""
    training = trainings.held(session, actor, uuid)
    try:
        row = find(session, domain.TrainingFile, actor.tenant_id, file_uuid)
    except NotFound:  # the other click was a moment sooner, and left no row
        return
    if row.training_id != pk(training):
        raise NotFound
    if training.state is not TrainingState.CLOSED:
        session.delete(row)
    elif row.removed_at is None:
        row.removed_at, row.removed_by_id = now, actor.person_id
        session.add(row)
    session.flush()
