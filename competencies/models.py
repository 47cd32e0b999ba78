"""WHAT was learned: frameworks, programmes, submissions, decisions, awards, and the ledger of credit hours (学时)."""

import enum
from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, Column, Index, Text, UniqueConstraint, text
from sqlmodel import Field

from lms_plugin.db import Model, Owned, Versioned, choice


def _json(nullable: bool = False) -> Any:
    return Column(JSON(none_as_null=nullable), nullable=nullable)


class VersionState(enum.Enum):
    DRAFT = "draft"
    PUBLISHED = "published"


class CompetencyFramework(Owned, table=True):
    """A set of competency points under one name in one district (CASE CFDocument without its version)."""

    __tablename__ = "competency_framework"
    __table_args__ = (UniqueConstraint("tenant_id", "code"), UniqueConstraint("tenant_id", "id"))
    id: int | None = Field(default=None, primary_key=True)
    code: str = Field(max_length=100)
    title: dict[str, str] = Field(sa_column=_json())
    created_at: datetime


class FrameworkVersion(Owned, table=True):
    """One immutable edition of a framework once PUBLISHED. `content` is the whole pack, `content_hash` its SHA-256.

    `is_reference`: a 参考稿. In a real district publishing needs every point in `confirmed_points`
    ({code: {"by": person id, "at": iso}}); the demo publishes under a banner (`is_reference` stays true).
    """

    __tablename__ = "framework_version"
    __table_args__ = (UniqueConstraint("framework_id", "number"), UniqueConstraint("tenant_id", "id"))
    id: int | None = Field(default=None, primary_key=True)
    framework_id: int = Field(foreign_key="competency_framework.id")
    number: int
    state: VersionState = Field(default=VersionState.DRAFT, sa_type=choice(VersionState))
    content: dict[str, Any] = Field(sa_column=_json())
    content_hash: str = Field(max_length=64)
    is_reference: bool
    confirmed_points: dict[str, Any] = Field(default_factory=dict, sa_column=_json())
    published_at: datetime | None = None
    published_by_id: int | None = Field(default=None, foreign_key="person.id")
    created_at: datetime


class CompetencyPoint(Model, table=True):
    """能力点 (CASE CFItem): what a teacher chooses. `question` is the plain one; `effort` what it costs."""

    __tablename__ = "competency_point"
    __table_args__ = (UniqueConstraint("framework_version_id", "code"),)
    id: int | None = Field(default=None, primary_key=True)
    framework_version_id: int = Field(foreign_key="framework_version.id")
    code: str = Field(max_length=32)
    position: int
    name: dict[str, str] = Field(sa_column=_json())
    question: dict[str, str] = Field(sa_column=_json())
    summary: dict[str, str] = Field(sa_column=_json())
    environment: str = Field(max_length=32)
    dimension: str = Field(max_length=32)
    effort: dict[str, Any] = Field(sa_column=_json())
    # What its framework calls the levels, where that is not 优秀, 合格, 不合格 (`levels.own_words`)
    level_words: dict[str, dict[str, str]] | None = Field(default=None, sa_column=_json(nullable=True))


class EvidenceRequirement(Model, table=True):
    """One thing to hand in for a point (佐证材料项). Core items are graded by `rubric_version_id`; others 有效/无效."""

    __tablename__ = "evidence_requirement"
    __table_args__ = (UniqueConstraint("point_id", "key"),)
    id: int | None = Field(default=None, primary_key=True)
    point_id: int = Field(foreign_key="competency_point.id", index=True)
    key: str = Field(max_length=64)
    position: int
    title: dict[str, str] = Field(sa_column=_json())
    kind: str = Field(max_length=32)
    alt_kinds: list[str] = Field(sa_column=_json())
    accept: list[str] = Field(sa_column=_json())
    is_required: bool
    is_core: bool
    is_proposed: bool
    source: str = Field(default="", max_length=500)
    limits: dict[str, Any] = Field(sa_column=_json())
    checks: list[dict[str, Any]] = Field(sa_column=_json())
    rubric_version_id: int | None = Field(default=None, foreign_key="rubric_version.id")


class ProgrammeState(enum.Enum):
    DRAFT = "draft"
    OPEN = "open"
    CLOSED = "closed"


class Programme(Owned, Versioned, table=True):
    """One round of a district's training. Dates are days in the tenant's time zone; a last day ends at 24:00."""

    __tablename__ = "programme"
    __table_args__ = (UniqueConstraint("tenant_id", "id"), UniqueConstraint("tenant_id", "title"))
    id: int | None = Field(default=None, primary_key=True)
    framework_version_id: int = Field(foreign_key="framework_version.id")
    title: str = Field(max_length=200)
    org_unit_id: int = Field(foreign_key="org_unit.id")
    state: ProgrammeState = Field(default=ProgrammeState.DRAFT, sa_type=choice(ProgrammeState))
    opens_on: date
    submit_by_on: date
    review_by_on: date
    closes_on: date
    policy_id: int | None = None  # programme_policy.id; the foreign key stands on the other side (no circle of tables)
    allotted_at: datetime | None = None
    weighed_at: datetime | None = None  # when it was last worked out over all marks which works are uncertain
    passed_at: datetime | None = None  # when clear works were last asked to pass by themselves
    make_up: int = Field(default=0)  # how many make-up rounds (补训) there were; the dates above are the last one's
    extended_until_on: date | None = None  # the latest day that an extension (延期) gives anybody; None = there is none
    archived_at: datetime | None = None  # since when it is put away: out of the lists, read as before
    panel_decides: bool = Field(default=False)  # as the rules of now say (`set_rules`): the schools' 考核小组 decide
    goes_by_batch: bool = Field(default=False)  # likewise: results go by school batches (`batches`)
    school_confirms: bool = Field(default=False)  # likewise: choices wait for their schools (`choice_confirmations`)
    passes_clear: bool = Field(default=False)  # likewise: clear works pass without a trainer (`flow.clear_passes`)
    created_at: datetime


class ProgrammePolicy(Model, table=True):
    """The rule version: immutable rules of a programme. A change is a new row; entries name the row they rest on."""

    __tablename__ = "programme_policy"
    __table_args__ = (UniqueConstraint("programme_id", "number"),)
    id: int | None = Field(default=None, primary_key=True)
    programme_id: int = Field(foreign_key="programme.id")
    number: int
    rules: dict[str, Any] = Field(sa_column=_json())
    content_hash: str = Field(max_length=64)
    made_at: datetime
    made_by_id: int | None = Field(default=None, foreign_key="person.id")


class Selection(Model, table=True):
    """A person chose a point in a programme; `dropped_at` set = chosen no more."""

    __tablename__ = "selection"
    __table_args__ = (UniqueConstraint("programme_id", "person_id", "point_id"),)
    id: int | None = Field(default=None, primary_key=True)
    programme_id: int = Field(foreign_key="programme.id", index=True)
    person_id: int = Field(foreign_key="person.id", index=True)
    point_id: int = Field(foreign_key="competency_point.id")
    chosen_at: datetime
    dropped_at: datetime | None = None


class SubmissionState(enum.Enum):
    DRAFT = "draft"  # the teacher works on it (also after a withdrawal)
    SUBMITTED = "submitted"  # handed in; reviewers and the trainer have it
    RETURNED = "returned"  # 退回修改: the teacher works on the failed items
    LATE = "late"  # handed in after the window: waits for a trainer to let it in
    DECIDED = "decided"  # a decision stands, not yet released
    RELEASED = "released"  # 发布: award, ledger, score


class Submission(Owned, Versioned, table=True):
    """One point of one person in one programme, over all its versions. `self_marks` is the draft of the 自评.

    `self_marks`: {requirement key: {criterion key: level 0..2, or for a non-core item "is_valid": 0/1}}.
    `ticks`: {requirement key: [keys of the pack's checks that the teacher ticked, or "length_over"]}.
    """

    __tablename__ = "submission"
    __table_args__ = (
        UniqueConstraint("programme_id", "person_id", "point_id"),
        UniqueConstraint("tenant_id", "id"),
        Index("ix_submission_programme_state", "programme_id", "state"),
    )
    id: int | None = Field(default=None, primary_key=True)
    programme_id: int = Field(foreign_key="programme.id")
    person_id: int = Field(foreign_key="person.id", index=True)
    point_id: int = Field(foreign_key="competency_point.id")
    state: SubmissionState = Field(default=SubmissionState.DRAFT, sa_type=choice(SubmissionState))
    self_marks: dict[str, Any] = Field(default_factory=dict, sa_column=_json())
    ticks: dict[str, Any] = Field(default_factory=dict, sa_column=_json())
    current_version_id: int | None = None  # submission_version.id; the foreign key stands on the other side
    trainer_id: int | None = Field(default=None, foreign_key="person.id")  # who returned it gets it back
    batch_id: int | None = None  # school_batch.id: the batch under way that holds it (no circle of tables)
    created_at: datetime
    changed_at: datetime


class SubmissionVersion(Model, table=True):
    """What was handed in at one moment, never changed afterwards. `manifest` lists items with each file's SHA-256.
    `declined_at`, `declined_reason`: a late one that a trainer did not let in, and why; it may still be let in."""

    __tablename__ = "submission_version"
    __table_args__ = (
        UniqueConstraint("submission_id", "number"),
        Index("ix_submission_version_unit", "org_unit_id"),
    )
    id: int | None = Field(default=None, primary_key=True)
    submission_id: int = Field(foreign_key="submission.id")
    number: int
    org_unit_id: int | None = Field(default=None, foreign_key="org_unit.id")  # the school of that day
    manifest: dict[str, Any] = Field(sa_column=_json())
    content_hash: str = Field(max_length=64)
    self_marks: dict[str, Any] = Field(sa_column=_json())
    is_late: bool = Field(default=False)
    submitted_at: datetime
    withdrawn_at: datetime | None = None
    opened_at: datetime | None = None  # first opened by a reviewer or trainer: no withdrawal after it
    declined_at: datetime | None = None
    declined_reason: str = Field(default="", max_length=4000)


class FileState(enum.Enum):
    UPLOADING = "uploading"
    READY = "ready"
    REFUSED = "refused"
    GONE = "gone"


class StoredFile(Owned, table=True):
    """Bytes that somebody uploaded. `received_bytes` of `size_bytes` have arrived (tus offset)."""

    __tablename__ = "stored_file"
    __table_args__ = (UniqueConstraint("tenant_id", "id"),)
    id: int | None = Field(default=None, primary_key=True)
    person_id: int = Field(foreign_key="person.id", index=True)
    state: FileState = Field(default=FileState.UPLOADING, sa_type=choice(FileState))
    filename: str = Field(max_length=200)
    storage_key: str = Field(max_length=64, unique=True)
    size_bytes: int
    received_bytes: int = Field(default=0)
    sha256: str = Field(default="", max_length=64)
    kind: str = Field(default="", max_length=32)  # document, slides, sheet, image, video …
    mime: str = Field(default="", max_length=150)
    extension: str = Field(default="", max_length=16)
    pages: int | None = None
    duration_ms: int | None = None
    problem: str = Field(default="", max_length=64)  # code of why it was refused
    findings: list[dict[str, Any]] = Field(default_factory=list, sa_column=_json())  # own name … found in it
    findings_waived: bool = Field(default=False)  # "就这样提交"
    started_at: datetime
    completed_at: datetime | None = None
    left_out: int = Field(default=0)  # objects inside it that no anonymous copy can hold (an old workbook, slides)
    unused_since_at: datetime | None = None  # since when no draft and no version holds it


class Evidence(Model, table=True):
    """One piece for one requirement: a file, typed text, or a link.

    `version_id` empty = the draft; set = part of that snapshot and never changed. `parts` of typed text: {criterion
    key: what was written for it}; `text` is all of it joined. `findings_waived`: the author hands the text in although
    it names them ("就这样提交").
    """

    __tablename__ = "evidence"
    __table_args__ = (Index("ix_evidence_draft", "submission_id", "version_id", "requirement_id"),)
    id: int | None = Field(default=None, primary_key=True)
    submission_id: int = Field(foreign_key="submission.id")
    version_id: int | None = Field(default=None, foreign_key="submission_version.id")
    requirement_id: int = Field(foreign_key="evidence_requirement.id")
    kind: str = Field(max_length=16)  # "file" | "text" | "link"
    position: int = Field(default=0)
    stored_file_id: int | None = Field(default=None, foreign_key="stored_file.id", index=True)
    text: str = Field(default="")
    parts: dict[str, Any] = Field(default_factory=dict, sa_column=_json())
    findings_waived: bool = Field(default=False)
    url: str = Field(default="", max_length=2000)
    version: int = Field(default=1)  # counts edits of typed text: two tabs get a 409
    changed_at: datetime


class Outcome(enum.Enum):
    DECIDED = "decided"
    RETURNED = "returned"


class Decision(Owned, Versioned, table=True):
    """A trainer's act on one submitted version. Peers advise, the trainer decides.

    `marks`: {requirement key: {criterion key: {"level": 0..2, "reason": str}}}; of a non-core item the criterion key
    is "is_valid" and the level 0 or 1.
    `item_levels` and `point_level` are computed from it. Changeable until `released_at`. `by_policy_id`: the rule
    version that passed it without anybody looking (`decided_by_id` is then who set that rule); None = a human being.
    """

    __tablename__ = "decision"
    __table_args__ = (UniqueConstraint("submission_version_id"), UniqueConstraint("tenant_id", "id"))
    id: int | None = Field(default=None, primary_key=True)
    submission_id: int = Field(foreign_key="submission.id", index=True)
    submission_version_id: int = Field(foreign_key="submission_version.id")
    decided_by_id: int = Field(foreign_key="person.id")
    outcome: Outcome = Field(sa_type=choice(Outcome))
    marks: dict[str, Any] = Field(sa_column=_json())
    item_levels: dict[str, Any] = Field(sa_column=_json())
    point_level: int | None = None  # 0 不合格, 1 合格, 2 优秀; empty when returned
    reason: str = Field(default="", max_length=4000)
    by_policy_id: int | None = Field(default=None, foreign_key="programme_policy.id")
    decided_at: datetime
    released_at: datetime | None = None
    retake_opened_at: datetime | None = None  # 再给一次机会: beyond the number that the rules give
    retake_opened_by_id: int | None = Field(default=None, foreign_key="person.id")
    retake_reason: str = Field(default="", max_length=300)


class Award(Owned, table=True):
    """认定: this person holds this point at this level; made from one decision, at release or after an appeal."""

    __tablename__ = "award"
    __table_args__ = (
        Index(
            "uq_award_decision",
            "decision_id",
            unique=True,
            sqlite_where=text("NOT is_replaced"),
            postgresql_where=text("NOT is_replaced"),
        ),
        UniqueConstraint("tenant_id", "id"),
    )
    id: int | None = Field(default=None, primary_key=True)
    programme_id: int = Field(foreign_key="programme.id", index=True)
    person_id: int = Field(foreign_key="person.id", index=True)
    point_id: int = Field(foreign_key="competency_point.id")
    decision_id: int = Field(foreign_key="decision.id")
    level: int
    org_unit_id: int | None = Field(default=None, foreign_key="org_unit.id")
    awarded_at: datetime
    revoked_at: datetime | None = None
    revoked_reason: str = Field(default="", max_length=300)  # why it was taken back, for the person to read
    is_replaced: bool = Field(default=False)  # the decision was appealed, and another award of it stands since


class CreditKind(enum.Enum):
    PRACTICE = "practice"  # 实践应用
    ONLINE = "online"  # 网络研修
    OFFLINE = "offline"  # 集中培训
    SCHOOL_BASED = "school_based"  # 校本研修


class CreditEntry(Owned, table=True):
    """One line of the ledger 学时台账. Append-only: never updated, never deleted (triggers refuse both).

    `credit_hundredths`: hundredths of one 学时, negative in a reversal (`reverses_id`).
    """

    __tablename__ = "credit_entry"
    __table_args__ = (
        Index("ix_credit_person", "programme_id", "person_id"),
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "import_key"),
    )
    id: int | None = Field(default=None, primary_key=True)
    programme_id: int = Field(foreign_key="programme.id")
    person_id: int = Field(foreign_key="person.id", index=True)
    kind: CreditKind = Field(sa_type=choice(CreditKind))
    credit_hundredths: int
    # "award" | "held" | "rule" | "import" | "training" | "reversal" | "merge" | "unmerge"
    # | "transfer_in", "_out", "_back"
    reason: str = Field(max_length=32)
    policy_id: int = Field(foreign_key="programme_policy.id")
    award_id: int | None = Field(default=None, foreign_key="award.id")
    reverses_id: int | None = Field(default=None, foreign_key="credit_entry.id", unique=True)
    decided_by_id: int | None = Field(default=None, foreign_key="person.id")
    org_unit_id: int | None = Field(default=None, foreign_key="org_unit.id")
    source: str = Field(default="", max_length=300)  # of imported hours: where they were earned
    earned_on: date | None = None
    import_key: str | None = Field(default=None, max_length=64)  # what came in names itself: it comes in once
    entered_at: datetime


class LedgerSeal(Model, table=True):
    """封存: a batch of ledger entries under one hash, chained to the district's batch before (`seals`). Append-only.

    `entries`: what it seals, in the order of ids: `id:SHA-256,id:SHA-256,…`. `hash` covers every other column.
    """

    __tablename__ = "ledger_seal"
    tenant_id: int = Field(foreign_key="tenant.id", primary_key=True)
    number: int = Field(primary_key=True, sa_column_kwargs={"autoincrement": False})  # within the district, from 1
    form: int  # which columns of an entry are hashed, and how: `seals.FORMS`
    first_entry_id: int = Field(foreign_key="credit_entry.id")
    last_entry_id: int = Field(foreign_key="credit_entry.id")
    entry_count: int
    entries: str = Field(sa_type=Text)
    previous_hash: str = Field(max_length=64)  # "" in a district's first
    hash: str = Field(max_length=64)
    sealed_at: datetime


class LedgerUnsealed(Model, table=True):
    """An entry that waits for its seal. The database itself writes the row with the entry; the seal deletes it."""

    __tablename__ = "ledger_unsealed"
    entry_id: int = Field(foreign_key="credit_entry.id", primary_key=True, sa_column_kwargs={"autoincrement": False})
