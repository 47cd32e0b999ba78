"""The papers of a school's plan: files under the names that the county asked for."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlmodel import Session

import competencies
from competencies import StoredFile
from lms_plugin import media
from lms_plugin.access import Actor, Permission, require
from lms_plugin.db import find, pk
from lms_plugin.errors import Conflict, NotFound, Refused
from lms_plugin.flow import plans
from lms_plugin.storage import Storage, new_key

domain = competencies.plans
MB = 1024 * 1024
PAPER_MB = 50
ACCEPTED_FILES = ["docx", "doc", "wps", "pdf", "xlsx", "xls", "pptx", "ppt", "jpg", "jpeg", "png"]


@dataclass(frozen=True)
class PaperFile:
    """A file that lies in the storage and was looked into."""

    storage_key: str
    filename: str
    size_bytes: int
    sha256: str
    kind: str
    mime: str
    extension: str
    pages: int | None


def may_add(session: Session, actor: Actor, programme_uuid: str, unit_uuid: str, paper: str, now: datetime) -> None:
    """Asked before a file is taken in. Raises as `add_paper`."""
    found = plans.held(session, actor, programme_uuid, unit_uuid, now)
    require(actor, Permission.PLAN_EDIT, plans.scope_of(found.place))
    _require_room(found, paper)


def _require_room(found: plans.Held, paper: str) -> None:
    if not found.call.is_open and found.state is not domain.PlanState.RETURNED:
        raise Conflict("plan.not_asked")
    if found.state not in domain.OPEN_PLANS:
        raise Conflict("plan.handed_in")
    if paper not in found.call.papers:
        raise Conflict("plan.paper_gone", name=paper[:60])
    if sum(row.paper == paper for row, _file in found.papers) >= domain.MOST_FILES:
        raise Refused("plan.files_many", most=domain.MOST_FILES)


def taken_in(
    storage: Storage,
    source: Path,
    filename: str,
    accepted: list[str] = ACCEPTED_FILES,
    file_type: str = "plan.file_type",
) -> PaperFile:
    """Puts a file that lies here into the storage and looks into it; needs no database.

    Raises Refused `file.empty`, `upload.too_large`, `file_type` for one that is not accepted, or what is wrong inside
    it; then nothing is kept.
    """
    name, size = media.clean_filename(filename), source.stat().st_size
    if size == 0:
        raise Refused("file.empty", name=name)
    if size > PAPER_MB * MB:
        raise Refused("upload.too_large", most=PAPER_MB, size=-(-size // MB))
    found = media.inspect(source, name)
    if found.problem:
        raise Refused(found.problem, name=name)
    if media.accepts(found, accepted) is None:
        raise Refused(file_type, name=name)
    key = new_key()
    storage.create(key)
    with source.open("rb") as stream:
        storage.write_part(key, 0, stream, size)
    return PaperFile(key, name, size, storage.commit(key), found.kind, found.mime, found.extension, found.pages)


def add_paper(
    session: Session,
    actor: Actor,
    programme_uuid: str,
    unit_uuid: str,
    paper: str,
    file: PaperFile,
    now: datetime,
) -> domain.PlanPaper:
    """A file under a paper of the plan; the very same file twice stays one. Raises NotFound for a paper that is not
    asked for, Conflict while the county has the plan, Refused `plan.files_many`."""
    found = plans.to_fill_in(session, actor, programme_uuid, unit_uuid, now)
    _require_room(found, paper)
    for row, stored in found.papers:
        if (row.paper, stored.sha256, stored.filename) == (paper, file.sha256, file.filename):
            return row
    stored = keep(session, actor, file, now)
    plan = plans.plan_of(found)
    row = domain.PlanPaper(
        tenant_id=actor.tenant_id,
        plan_id=pk(plan),
        paper=paper,
        stored_file_id=pk(stored),
        added_by_id=actor.person_id,
        added_at=now,
    )
    session.add(row)
    session.flush()
    return row


def keep(session: Session, actor: Actor, file: PaperFile, now: datetime) -> StoredFile:
    """The row of a file that lies in the storage; called after `require`."""
    stored = StoredFile(
        tenant_id=actor.tenant_id,
        person_id=actor.person_id,
        state=competencies.FileState.READY,
        filename=file.filename,
        storage_key=file.storage_key,
        size_bytes=file.size_bytes,
        received_bytes=file.size_bytes,
        sha256=file.sha256,
        kind=file.kind,
        mime=file.mime,
        extension=file.extension,
        pages=file.pages,
        started_at=now,
        completed_at=now,
    )
    session.add(stored)
    session.flush()
    return stored


def remove_paper(
    session: Session, actor: Actor, programme_uuid: str, unit_uuid: str, paper_uuid: str, now: datetime
) -> None:
    """Takes a file out of the plan; what the county has seen once stays in its history. Twice is harmless."""
    found = plans.to_fill_in(session, actor, programme_uuid, unit_uuid, now)
    try:
        row = find(session, domain.PlanPaper, actor.tenant_id, paper_uuid)
    except NotFound:  # the other click was a moment sooner, and left no row
        return
    if row.plan_id != pk(plans.plan_of(found)):
        raise NotFound
    if row.removed_at is None:
        if domain.was_handed_in(session, row.plan_id):
            row.removed_at = now
            session.add(row)
        else:
            session.delete(row)
        session.flush()
