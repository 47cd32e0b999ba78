"""Files on their way in: begun, received in parts, looked into, ready or refused; and names struck out of them.

The slow steps (streaming, hashing, looking into a file) are methods of values and need no database, so that the edge
can end its transaction before them and open the next one afterwards.
"""

import tempfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlmodel import Session, col, select

import competencies
from lms_plugin import media
from lms_plugin.access import Actor, Permission, Scope, require
from lms_plugin.db import find, get, pk
from lms_plugin.errors import Conflict, NotFound, Refused
from lms_plugin.flow import drafts
from lms_plugin.storage import Storage, new_key

MB = 1024 * 1024
FILMS = frozenset({"mp4", "mov", "m4v", "3gp", "webm"})


class TooLarge(Refused):
    """More bytes than the requirement or the installation takes."""

    status = 413


@dataclass(frozen=True)
class Examined:
    """What a complete file turned out to be. `problem`: the code of why it is refused, "" = it is ready."""

    sha256: str
    kind: str
    mime: str
    extension: str
    pages: int | None = None
    duration_ms: int | None = None
    problem: str = ""
    findings: list[dict[str, Any]] = field(default_factory=list)
    left_out: int = 0


@dataclass(frozen=True)
class Incoming:
    """An upload as the database knows it, with what looking into the file needs. Bytes count from `storage_key`."""

    uuid: str
    storage_key: str
    filename: str
    size_bytes: int
    is_open: bool
    accept: tuple[str, ...]
    traits: drafts.Traits

    def received(self, storage: Storage) -> int:
        """How many bytes have arrived."""
        return self.size_bytes if not self.is_open else storage.size(self.storage_key)

    def examine(self, storage: Storage) -> Examined:
        """Closes the file and looks into it: its type by content, pages or length, and where it names its author."""
        sha256 = storage.commit(self.storage_key)
        path = storage.path(self.storage_key)
        found = media.inspect(path, self.filename)
        problem = found.problem
        if not problem and media.accepts(found, list(self.accept)) is None:
            problem = "file.type_not_taken"
        findings: list[dict[str, Any]] = []
        left_out = 0
        if not problem:
            try:
                text = media.document_text(path, found.mime)
                left_out = media.left_out(path, found.mime)
            except Refused as error:
                text, problem = "", error.code
            findings = self._named(text, found.properties)
        seconds = found.duration_seconds
        return Examined(
            sha256=sha256,
            kind=found.kind,
            mime=found.mime,
            extension=found.extension,
            pages=found.pages,
            duration_ms=round(seconds * 1000) if seconds is not None else None,
            problem=problem,
            findings=findings,
            left_out=left_out,
        )

    def _named(self, text: str, properties: Mapping[str, str]) -> list[dict[str, Any]]:
        return [asdict(finding) for finding in self.traits.found_in(text, self.filename, properties)]


def begin(
    session: Session,
    actor: Actor,
    storage: Storage,
    submission_uuid: str,
    key: str,
    filename: str,
    size_bytes: int,
    most_bytes: int,
    now: datetime,
    *,
    is_first: bool = True,
    replacing: Collection[str] = (),
) -> competencies.StoredFile:
    """Opens an upload for a requirement of the actor's draft; the same unfinished file again goes on where it was.

    A new choice takes the place of what was refused before; the other files of the same choice (not `is_first`) leave
    standing what was said of those before them. `replacing`: pieces (`Piece.ref`) whose place the new file will take.
    Raises Refused `file.empty`, TooLarge `upload.too_large` (413), `evidence.too_many`, `submit.programme_over`.
    """
    work = drafts.load_work(session, actor, submission_uuid, to_change=True)
    item = work.open_item(key)
    competencies.require_open(work.programme, work.timezone, now)
    name = media.clean_filename(filename)
    if size_bytes <= 0:
        raise Refused("file.empty", name=name)
    # By its ending; a wrong one does not help: what is inside is looked into when it has arrived.
    is_film = name.rpartition(".")[2].lower() in FILMS
    most = min(item.most_mb(is_film) * MB or most_bytes, most_bytes)
    if size_bytes > most:
        raise TooLarge("upload.too_large", most=most // MB, size=-(-size_bytes // MB))
    kept = []
    for piece in item.pieces:
        file = piece.file
        if file is not None and file.state is competencies.FileState.REFUSED:
            if is_first:
                session.delete(piece.evidence)  # told already; the next try takes its place
            continue
        if file is not None and file.state is competencies.FileState.UPLOADING:
            if (file.filename, file.size_bytes) == (name, size_bytes):
                return file
            if file.received_bytes == 0 and len(item.pieces) >= item.most_pieces:
                session.delete(piece.evidence)
                continue
        if piece.ref not in replacing:
            kept.append(piece)
    file = competencies.StoredFile(
        tenant_id=actor.tenant_id,
        person_id=work.submission.person_id,
        filename=name,
        storage_key=new_key(),
        size_bytes=size_bytes,
        started_at=now,
    )
    session.add(file)
    session.flush()
    rest = replace(item, pieces=tuple(kept))
    drafts.attach(session, actor, work, rest, now, kind="file", stored_file_id=pk(file))
    storage.create(file.storage_key)
    return file


def incoming(session: Session, actor: Actor, file_uuid: str) -> Incoming:
    """The actor's own upload. Raises NotFound for anybody else's."""
    file = _own_file(session, actor, file_uuid)
    accept: set[str] = set()
    for requirement, programme in session.exec(
        select(competencies.EvidenceRequirement, competencies.Programme)
        .join(
            competencies.Evidence,
            col(competencies.Evidence.requirement_id) == col(competencies.EvidenceRequirement.id),
        )
        .join(competencies.Submission, col(competencies.Submission.id) == col(competencies.Evidence.submission_id))
        .join(competencies.Programme, col(competencies.Programme.id) == col(competencies.Submission.programme_id))
        .where(competencies.Evidence.stored_file_id == pk(file))
    ):
        files = competencies.rules_of(session, programme).files
        accept |= set(competencies.Item(requirement, files=files).accept)
    return Incoming(
        uuid=file.uuid,
        storage_key=file.storage_key,
        filename=file.filename,
        size_bytes=file.size_bytes,
        is_open=file.state is competencies.FileState.UPLOADING,
        accept=tuple(sorted(accept)),
        traits=drafts.own_traits(session, actor),
    )


def _own_file(session: Session, actor: Actor, file_uuid: str) -> competencies.StoredFile:
    file = find(session, competencies.StoredFile, actor.tenant_id, file_uuid)
    if not actor.is_author(file.person_id):
        raise NotFound
    require(actor, Permission.EVIDENCE_EDIT, Scope(tenant_id=file.tenant_id, owner_id=file.person_id))
    return file


def note_progress(session: Session, actor: Actor, file_uuid: str, received_bytes: int) -> competencies.StoredFile:
    """Keeps how far the upload got, for the page; the bytes on disk are the truth."""
    file = _own_file(session, actor, file_uuid)
    file.received_bytes = received_bytes
    session.add(file)
    return file


def finish(
    session: Session, actor: Actor, file_uuid: str, examined: Examined, now: datetime
) -> competencies.StoredFile:
    """The file is ready, or refused with its problem beside its place; nothing else changes. Twice is harmless."""
    file = _own_file(session, actor, file_uuid)
    if file.state is not competencies.FileState.UPLOADING:
        return file
    file.received_bytes, file.sha256 = file.size_bytes, examined.sha256
    file.kind, file.mime, file.extension = examined.kind, examined.mime, examined.extension
    file.pages, file.duration_ms = examined.pages, examined.duration_ms
    file.problem, file.findings, file.left_out = examined.problem, examined.findings, examined.left_out
    file.state = competencies.FileState.REFUSED if examined.problem else competencies.FileState.READY
    file.completed_at = now
    session.add(file)
    session.flush()
    return file


def cancel(session: Session, actor: Actor, file_uuid: str) -> str | None:
    """Gives an unfinished upload up; its storage key, to be deleted after commit. None when it was finished."""
    file = _own_file(session, actor, file_uuid)
    if file.state is not competencies.FileState.UPLOADING:
        return None
    for row in session.exec(select(competencies.Evidence).where(competencies.Evidence.stored_file_id == pk(file))):
        session.delete(row)
    file.state = competencies.FileState.GONE
    session.add(file)
    session.flush()
    return file.storage_key


@dataclass(frozen=True)
class Redaction:
    """A file out of which its author's name is to be struck."""

    file: competencies.StoredFile
    needles: list[str]

    def make(self, storage: Storage) -> tuple[Path, str, str]:
        """Writes the copy to a temporary file; gives it with its new name and extension.

        Raises Refused `media.redact_unsupported` for words in a PDF, an old doc or a picture.
        """
        places = {str(finding["where"]) for finding in self.file.findings}
        source = storage.path(self.file.storage_key)
        with tempfile.NamedTemporaryFile(prefix="nengli-", delete=False) as made:
            target = Path(made.name)
        try:
            if "text" in places:
                copy = media.redact_document(source, target, self.file.mime, self.needles)
            elif places - {"filename"}:
                copy = media.reviewer_copy(source, target, self.file.mime, self.file.extension)
            else:
                target.write_bytes(source.read_bytes())
                copy = media.Copy(self.file.mime, self.file.extension)
        except BaseException:
            target.unlink(missing_ok=True)
            raise
        name = self.file.filename
        if "filename" in places:
            name = media.mask(name, self.needles)
        return target, name, copy.extension


def redaction(session: Session, actor: Actor, submission_uuid: str, key: str, ref: str) -> Redaction:
    """The actor's own file with what is to be struck out of it. Raises NotFound, Conflict once handed in."""
    work = drafts.load_work(session, actor, submission_uuid)
    piece = work.open_item(key).piece(ref)
    if piece.file is None or piece.file.state is not competencies.FileState.READY:
        raise NotFound
    needles = [str(finding["needle"]) for finding in piece.file.findings]
    return Redaction(piece.file, list(dict.fromkeys([*needles, *drafts.own_traits(session, actor).needles])))


def photos_to_join(
    session: Session, actor: Actor, submission_uuid: str, key: str, refs: Sequence[str]
) -> list[competencies.StoredFile]:
    """The photos of the draft that shall become the pages of one PDF, in that order. Raises NotFound for others."""
    work = drafts.load_work(session, actor, submission_uuid)
    item = work.open_item(key)
    found = [item.piece(ref).file for ref in refs]
    ready = competencies.FileState.READY
    photos = [file for file in found if file is not None and file.kind == "image" and file.state is ready]
    if len(photos) != len(refs):
        raise NotFound
    return photos


def replace_files(
    session: Session,
    actor: Actor,
    submission_uuid: str,
    key: str,
    refs: Sequence[str],
    file_uuid: str,
    now: datetime,
) -> None:
    """The new file takes the place of the old ones in the draft; versions handed in and other points keep them.

    It was begun when they were: striking out one's name or joining photos makes nobody late.
    """
    work = drafts.load_work(session, actor, submission_uuid, to_change=True)
    item = work.open_item(key)
    new = item.piece(file_uuid)
    if new.file is None or new.file.state is not competencies.FileState.READY:
        raise Conflict("upload.refused_copy")
    old = [item.piece(ref) for ref in refs]
    new.evidence.position = min(piece.evidence.position for piece in old)
    new.evidence.changed_at = max(piece.evidence.changed_at for piece in old)
    new.file.started_at = max((piece.file.started_at for piece in old if piece.file is not None), default=now)
    session.add_all([new.evidence, new.file])
    for ref in refs:
        drafts.remove_piece(session, actor, submission_uuid, key, ref, now)


def redact_text(session: Session, actor: Actor, submission_uuid: str, key: str, now: datetime) -> None:
    """Strikes the author's own name, number and school out of a typed text; it counts as typed when it was."""
    work = drafts.load_work(session, actor, submission_uuid)
    piece = work.open_item(key).piece("text")
    needles = drafts.own_traits(session, actor).needles
    parts = {name: media.mask(str(text), needles) for name, text in piece.evidence.parts.items()}
    typed_at = piece.evidence.changed_at
    row = drafts.save_text(session, actor, submission_uuid, key, parts, piece.evidence.version, now)
    row.changed_at = typed_at
    session.add(row)


def waive_findings(session: Session, actor: Actor, submission_uuid: str, key: str, ref: str, now: datetime) -> None:
    """就这样提交: the author knows that the piece names them, and hands it in so."""
    work = drafts.load_work(session, actor, submission_uuid, to_change=True)
    piece = work.open_item(key).piece(ref)
    if piece.file is not None:
        file = get(session, competencies.StoredFile, pk(piece.file))
        file.findings_waived = True
        session.add(file)
    else:
        piece.evidence.findings_waived = True
        session.add(piece.evidence)
    work.submission.changed_at = now
    session.add(work.submission)
    session.flush()
