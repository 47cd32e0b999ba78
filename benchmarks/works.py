"""One submission of the benchmarks' district, in any state."""

import hashlib
from datetime import datetime, timedelta
from typing import Any, Protocol

from rows import Rows, Standard

import competencies
from competencies import FileState, Outcome
from competencies import SubmissionState as S
from lms_plugin.db import new_uuid, pk
from lms_plugin.people import OrgUnit, Person

WHY_NOT = "目的和工具对不上，请补一段说明。"
JUDGED = (S.RETURNED, S.DECIDED, S.RELEASED)
TYPED = "学生对分数的意义理解不一，先用三道题了解已有基础，再按结果分组；工具用问卷，结果导出后用于备课。" * 6


class Setting(Protocol):
    """Where a work lies: the district's rows, standard, programme, trainer and schools."""

    rows: Rows
    standard: Standard
    programme: competencies.Programme
    trainer: Person
    tenant_id: int
    now: datetime

    def school(self, index: int) -> OrgUnit:
        """The school of the teacher of that number."""


class Work:
    """One submission with its evidence and, as far as its state says, a version, a decision and an award."""

    def __init__(
        self,
        district: Setting,
        index: int,
        person: int,
        point: competencies.CompetencyPoint,
        state: S,
        turn: int,
    ) -> None:
        self.district, self.person, self.point, self.state = district, person, point, state
        self.rows, self.now = district.rows, district.now
        self.award: int | None = None
        self.index, self.turn = index, turn
        standard, uuid = district.standard, new_uuid()
        own_marks = standard.marks(pk(point), 1)
        self.id = self.rows.add(
            competencies.Submission,
            uuid=uuid,
            tenant_id=district.tenant_id,
            programme_id=pk(district.programme),
            person_id=person,
            point_id=pk(point),
            state=state,
            self_marks=own_marks,
            ticks={},
            trainer_id=pk(district.trainer) if state is S.RETURNED else None,
            created_at=self.now,
            changed_at=self.now,
        )
        row = self.rows.tables[competencies.Submission][-1]
        drafts = [
            self._evidence(requirement, number) for number, requirement in enumerate(standard.requirements[pk(point)])
        ]
        version = None
        if state is not S.DRAFT:
            version = row["current_version_id"] = self._version(uuid, own_marks, drafts)
        if state in JUDGED:
            self._decide(version)
        self.facts = {
            "id": self.id,
            "uuid": uuid,
            "index": index,
            "person": person,
            "point": pk(point),
            "state": state,
            "version": version,
        }

    def _evidence(self, requirement: competencies.EvidenceRequirement, number: int) -> dict[str, Any]:
        """The draft's piece for one requirement: typed text for every second one that takes it, else a file."""
        common = {"submission_id": self.id, "requirement_id": pk(requirement), "position": 1, "changed_at": self.now}
        lines = self.district.standard.lines(requirement)
        if "text" in {requirement.kind, *requirement.alt_kinds} and (self.turn + number) % 2 == 0:
            parts = {line.key: TYPED for line in lines}
            self.rows.add(competencies.Evidence, kind="text", parts=parts, text="\n".join(parts.values()), **common)
        else:
            state = FileState.READY
            if self.state is S.DRAFT and number and self.index % 3:
                state = FileState.UPLOADING if self.index % 2 else FileState.REFUSED
            self.rows.add(competencies.Evidence, kind="file", stored_file_id=self._file(requirement, state), **common)
        return self.rows.tables[competencies.Evidence][-1]

    def _file(self, requirement: competencies.EvidenceRequirement, state: FileState) -> int:
        uuid, extension = new_uuid(), requirement.accept[0]
        size = 200_000_000 if requirement.kind == "video" else 800_000
        return self.rows.add(
            competencies.StoredFile,
            uuid=uuid,
            tenant_id=self.district.tenant_id,
            person_id=self.person,
            state=state,
            filename=f"佐证材料.{extension}",
            storage_key=uuid,
            size_bytes=size,
            received_bytes=size // 2 if state is FileState.UPLOADING else size,
            sha256=hashlib.sha256(uuid.encode()).hexdigest(),
            kind=requirement.kind,
            mime="video/mp4" if requirement.kind == "video" else "application/octet-stream",
            extension=extension,
            pages=4 if requirement.kind == "document" else None,
            duration_ms=280_000 if requirement.kind == "video" else None,
            problem="upload.type_not_taken" if state is FileState.REFUSED else "",
            started_at=self.now,
            completed_at=None if state is FileState.UPLOADING else self.now,
        )

    def _version(self, uuid: str, own_marks: dict[str, Any], drafts: list[dict[str, Any]]) -> int:
        """The snapshot with copies of the draft's pieces."""
        needed = self.district.standard.requirements[pk(self.point)]
        manifest = {
            "submission": uuid,
            "number": 1,
            "submitted_at": self.now.isoformat(),
            "is_late": self.state is S.LATE,
            "items": [{"requirement": row.key, "pieces": [], "change": "new", "stands": False} for row in needed],
            "ticks": {},
            "self_marks": own_marks,
        }
        version = self.rows.add(
            competencies.SubmissionVersion,
            submission_id=self.id,
            number=1,
            org_unit_id=pk(self.district.school(self.index)),
            manifest=manifest,
            content_hash=competencies.manifests.canonical_hash(manifest),
            self_marks=own_marks,
            is_late=self.state is S.LATE,
            submitted_at=self.now - timedelta(days=1),
            opened_at=self.now,
        )
        for piece in drafts:
            values = {name: value for name, value in piece.items() if name != "id"}
            self.rows.add(competencies.Evidence, **{**values, "version_id": version})
        return version

    def _decide(self, version: int | None) -> None:
        level = 0 if self.state is S.RETURNED else 2 if self.index % 5 == 0 else 1
        standard, point = self.district.standard, pk(self.point)
        judgement = competencies.Judgement(
            {
                item: {
                    key: (value, "目的和工具对不上，请补一段说明。" if value == 0 else "")
                    for key, value in marks.items()
                }
                for item, marks in standard.marks(point, level).items()
            }
        )
        sheets = standard.sheets(point)
        computed = competencies.compute(sheets, judgement.levels)
        is_out = self.state is S.RELEASED
        decision = self.rows.add(
            competencies.Decision,
            tenant_id=self.district.tenant_id,
            submission_id=self.id,
            submission_version_id=version,
            decided_by_id=pk(self.district.trainer),
            outcome=Outcome.RETURNED if self.state is S.RETURNED else Outcome.DECIDED,
            marks=judgement.stored(sheets),
            item_levels=dict(computed.item_levels),
            point_level=None if self.state is S.RETURNED else computed.point_level,
            reason="请补一段说明。" if self.state is S.RETURNED else "",
            decided_at=self.now,
            released_at=self.now if is_out else None,
        )
        if is_out:
            self.award = self.rows.add(
                competencies.Award,
                tenant_id=self.district.tenant_id,
                programme_id=pk(self.district.programme),
                person_id=self.person,
                point_id=point,
                decision_id=decision,
                level=computed.point_level,
                org_unit_id=pk(self.district.school(self.index)),
                awarded_at=self.now,
            )
