"""培训材料: photos, the scanned sign-in sheet and the plan of a training, which show that it was held."""

import enum
from datetime import datetime

from sqlalchemy import UniqueConstraint
from sqlmodel import Field, Session, col, select

from competencies.models import StoredFile
from lms_plugin.db import Owned, choice


class TrainingFileKind(enum.Enum):
    PHOTO = "photo"
    SHEET = "sheet"  # the sign-in sheet, scanned
    PLAN = "plan"  # what was planned, slides, handouts
    OTHER = "other"


MOST_FILES = 20  # of one kind at one training


class TrainingFile(Owned, table=True):
    """A file of a training. `removed_at` set = taken out after the training was closed; row and bytes stay, since an
    auditor may have seen them. What is taken out before is gone."""

    __tablename__ = "training_file"
    __table_args__ = (UniqueConstraint("tenant_id", "id"),)
    id: int | None = Field(default=None, primary_key=True)
    training_id: int = Field(foreign_key="training.id", index=True)
    kind: TrainingFileKind = Field(sa_type=choice(TrainingFileKind))
    stored_file_id: int = Field(foreign_key="stored_file.id", index=True)
    added_by_id: int = Field(foreign_key="person.id")
    added_at: datetime
    removed_by_id: int | None = Field(default=None, foreign_key="person.id")
    removed_at: datetime | None = None


def files_of(session: Session, training_id: int) -> list[tuple[TrainingFile, StoredFile]]:
    """All files of a training, those taken out too, in the order in which they came. One query."""
    return list(
        session.exec(
            select(TrainingFile, StoredFile)
            .join(StoredFile, col(StoredFile.id) == col(TrainingFile.stored_file_id))
            .where(TrainingFile.training_id == training_id)
            .order_by(col(TrainingFile.id))
        )
    )
