"""Bytes that nothing needs any more: files that no draft and no version holds go after a time of grace, for good.

Marked (transaction) → gone (transaction) → bytes deleted → row deleted (transaction). Every upload has bytes of its
own: the same content uploaded once more is never touched. A crash between two steps is made up for by the next run.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, exists, or_, update
from sqlmodel import Session, col, select

import competencies
from competencies import Evidence, FileState, StoredFile

MOST_AT_ONCE = 500

_HOLDERS = (
    col(Evidence.stored_file_id),
    col(competencies.plans.PlanPaper.stored_file_id),
    col(competencies.training_files.TrainingFile.stored_file_id),
    col(competencies.transfers.TransferFile.stored_file_id),
)
_IS_HELD = or_(*(exists().where(holder == col(StoredFile.id)) for holder in _HOLDERS))


def mark_unused(session: Session, now: datetime) -> None:
    """Notes since when nothing holds a file, whatever its state: drafts, versions handed in, plans and trainings do."""
    mark, is_gone = col(StoredFile.unused_since_at), col(StoredFile.state) == FileState.GONE
    session.execute(update(StoredFile).where(mark.is_not(None), _IS_HELD).values(unused_since_at=None))
    session.execute(update(StoredFile).where(mark.is_(None), ~is_gone, ~_IS_HELD).values(unused_since_at=now))


def let_go(session: Session, now: datetime, grace: timedelta) -> list[str]:
    """Files that nothing has held for that long are gone from now on; the keys of all whose bytes may go.

    Whoever takes a file into a draft at this moment has its row or waits for ours: they find it held or gone.
    """
    due = session.exec(
        select(StoredFile)
        .where(col(StoredFile.unused_since_at) <= now - grace, StoredFile.state != FileState.GONE, ~_IS_HELD)
        .order_by(col(StoredFile.id))
        .limit(MOST_AT_ONCE)
        .with_for_update(skip_locked=True)
    ).all()
    ours = [file.id for file in due]  # asked again, now that the rows are ours
    held = {key for holder in _HOLDERS for key in session.exec(select(holder).where(holder.in_(ours)))}
    for file in due:
        if file.id not in held:
            file.state = FileState.GONE
            session.add(file)
    session.flush()
    gone = select(StoredFile.storage_key).where(StoredFile.state == FileState.GONE, ~_IS_HELD)
    return list(session.exec(gone.order_by(col(StoredFile.id)).limit(MOST_AT_ONCE)).all())


def forget(session: Session, keys: Collection[str]) -> None:
    """The bytes of these are deleted: so are their rows."""
    session.execute(
        delete(StoredFile).where(
            col(StoredFile.storage_key).in_(keys), col(StoredFile.state) == FileState.GONE, ~_IS_HELD
        )
    )


def unknown(session: Session, keys: Sequence[str]) -> list[str]:
    """Those of these keys that belong to no file: an upload whose beginning was never kept."""
    known: set[str] = set()
    for at in range(0, len(keys), MOST_AT_ONCE):
        some = keys[at : at + MOST_AT_ONCE]
        for key in (col(StoredFile.storage_key), col(competencies.bundles.CertificateBundle.storage_key)):
            known |= set(session.exec(select(key).where(key.in_(some))))
    return sorted(set(keys) - known)
