"""一条记录的凭据: everything one entry of the ledger rests on, for an auditor. Reads, and notes that it was opened."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import and_, func, or_
from sqlalchemy import select as columns
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

import competencies
import lti
import rubrics
from competencies import Award, CreditEntry, Decision, FileState, StoredFile, Submission, SubmissionVersion
from lms_plugin.access import Actor, Permission, require
from lms_plugin.db import as_it_stands, pk
from lms_plugin.flow import audit, humans
from lms_plugin.flow.stuck import Cell, cell_of, is_lost
from lms_plugin.people import Course, OrgUnit, Person

BY_POINTS = frozenset({"award", "rule", "reversal", "merge", "unmerge"})
"""Reasons of entries that follow what points the person held."""


@dataclass(frozen=True)
class FileProof:
    """One piece of what was handed in. `state`: "kept", "gone" (its bytes are deleted) or "inside" (typed text or a
    link, which the version itself holds)."""

    name: str
    kind: str
    sha256: str
    size_bytes: int
    state: str


@dataclass(frozen=True)
class ReviewProof:
    """One reviewer's part. `level` None: nothing handed in (yet)."""

    name: str
    state: str
    level: int | None
    submitted_at: datetime | None
    is_third: bool


@dataclass(frozen=True)
class WorkProof:
    """A point that the person held when the entry was made, from the material to the release.

    `is_basis`: the award that the entry itself names. `hash_holds`: what was handed in still has its hash.
    """

    submission: str
    code: str
    name: Mapping[str, str]
    level: int
    is_basis: bool
    version_number: int
    submitted_at: datetime
    is_late: bool
    school: str
    content_hash: str
    hash_holds: bool
    files: tuple[FileProof, ...]
    reviews: tuple[ReviewProof, ...]
    decided_by: str
    decided_at: datetime
    reason: str
    released_at: datetime | None
    revoked_at: datetime | None
    revoked_reason: str


@dataclass(frozen=True)
class RuleProof:
    """The rule version that the entry names. `hash_holds`: its rules still have the hash that was kept with them;
    `rules` None: they are such that they cannot be read any more."""

    number: int
    made_at: datetime
    made_by: str
    content_hash: str
    hash_holds: bool
    rules: competencies.Rules | None


@dataclass(frozen=True)
class Delivery:
    """A score of the person in a gradebook."""

    course: str
    platform: str
    kind: str
    cell: Cell


@dataclass(frozen=True)
class Related:
    """Another entry that has to do with this one. `how`: "reverses" (this one takes it back), "reversed" (it takes
    this one back), "award" (of the same award)."""

    how: str
    number: int
    hundredths: int
    reason: str
    source: str
    entered_at: datetime
    decided_by: str


@dataclass(frozen=True)
class Said:
    """What an auditor did with the entry."""

    kind: str
    remark: str
    by: str
    at: datetime


@dataclass(frozen=True)
class EntryFacts:
    """The entry itself. `number`: its id, as seals name it."""

    number: int
    uuid: str
    kind: str
    hundredths: int
    reason: str
    source: str
    earned_on: date | None
    entered_at: datetime
    import_key: str
    programme: str
    programme_uuid: str
    person: str
    person_uuid: str
    staff_number: str
    school: str
    decided_by: str


@dataclass(frozen=True)
class ProofPage:
    """The page of one drawn entry. `entry` None: it was deleted past the product."""

    draw: str
    position: int
    count: int
    proof: competencies.EntryProof
    entry: EntryFacts | None
    rule: RuleProof | None
    works: tuple[WorkProof, ...]
    deliveries: tuple[Delivery, ...]
    related: tuple[Related, ...]
    history: tuple[Said, ...]
    finding: str
    remark: str
    may_find: bool

    @property
    def lost_files(self) -> int:
        """How many pieces of what was handed in have lost their bytes."""
        return sum(file.state == "gone" for work in self.works for file in work.files)


def proof_page(session: Session, actor: Actor, uuid: str, position: int, now: datetime) -> ProofPage:
    """Everything about one drawn entry, and a note that it was opened. Nine queries. Raises NotFound, Forbidden."""
    found = audit.draw_of(session, actor, uuid)
    entry_id = audit.entry_id_of(found, position)
    require(actor, Permission.LEDGER_AUDIT, audit.scope_of(actor, found.unit_path))
    with as_it_stands(session):
        proof = competencies.prove_entry(session, actor.tenant_id, entry_id)
    page: dict[str, Any] = {"entry": None, "rule": None, "works": (), "deliveries": (), "related": ()}
    may_find = True
    if proof.is_there:
        entry, rows, page["entry"], page["rule"] = _entry(session, actor, entry_id)
        may_find = audit.may_find(actor, found, entry.person_id)
        if entry.award_id is not None or entry.reason in BY_POINTS:
            page["works"] = _works(session, entry, rows)
        page["deliveries"] = _deliveries(session, entry, rows)
        page["related"] = _related(session, entry)
    audit.opened(session, actor, found, position, now)
    stands = found.finding_of(position)
    return ProofPage(
        draw=found.row.uuid,
        position=position,
        count=len(found.row.entry_ids),
        proof=proof,
        history=tuple(Said(event.kind, event.remark, name, event.at) for event, name in found.events_of(position)),
        finding=stands[0].kind if stands is not None else "",
        remark=stands[0].remark if stands is not None else "",
        may_find=may_find,
        **page,
    )


_Today, _Decider, _Maker = aliased(Person), aliased(Person), aliased(Person)


def _entry(
    session: Session, actor: Actor, entry_id: int
) -> tuple[CreditEntry, tuple[int, ...], EntryFacts, RuleProof | None]:
    """The entry with the names around it and all rows of its person: one query."""
    policy = competencies.ProgrammePolicy
    statement: Any = (
        columns(
            CreditEntry, competencies.Programme, policy, _Today, col(OrgUnit.name), col(_Decider.name), col(_Maker.name)
        )
        .join(competencies.Programme, col(competencies.Programme.id) == col(CreditEntry.programme_id))
        .join(policy, col(policy.id) == col(CreditEntry.policy_id), isouter=True)
        .join(Person, col(Person.id) == col(CreditEntry.person_id))
        .join(_Today, col(_Today.id) == func.coalesce(col(Person.merged_into_id), col(Person.id)))
        .join(OrgUnit, col(OrgUnit.id) == col(CreditEntry.org_unit_id), isouter=True)
        .join(_Decider, col(_Decider.id) == col(CreditEntry.decided_by_id), isouter=True)
        .join(_Maker, col(_Maker.id) == col(policy.made_by_id), isouter=True)
        .where(col(CreditEntry.tenant_id) == actor.tenant_id, col(CreditEntry.id) == entry_id)
    )
    entry, programme, rules, today, school, decider, maker = session.exec(statement).one()
    facts = EntryFacts(
        number=entry_id,
        uuid=entry.uuid,
        kind=entry.kind.value,
        hundredths=entry.credit_hundredths,
        reason=entry.reason,
        source=entry.source,
        earned_on=entry.earned_on,
        entered_at=entry.entered_at,
        import_key=entry.import_key or "",
        programme=programme.title,
        programme_uuid=programme.uuid,
        person=today.name,
        person_uuid=today.uuid,
        staff_number=today.staff_number,
        school=school or "",
        decided_by=decider or "",
    )
    rule = None
    if rules is not None:
        rule = RuleProof(
            number=rules.number,
            made_at=rules.made_at,
            made_by=maker or "",
            content_hash=rules.content_hash,
            hash_holds=competencies.hash_of_rules(rules.rules) == rules.content_hash,
            rules=_readable(rules.rules),
        )
    return entry, humans.rows_of(today), facts, rule


def _readable(rules: dict[str, Any]) -> competencies.Rules | None:
    try:
        return competencies.Rules.model_validate(rules)
    except ValueError:  # changed past the product into what are no rules
        return None


def _works(session: Session, entry: CreditEntry, rows: Sequence[int]) -> tuple[WorkProof, ...]:
    """The points held when the entry was made, the one that it names first: three queries."""
    point = competencies.CompetencyPoint
    statement: Any = (
        columns(Award, Decision, SubmissionVersion, col(Submission.uuid), point, col(_Decider.name), col(OrgUnit.name))
        .join(Decision, col(Decision.id) == col(Award.decision_id))
        .join(SubmissionVersion, col(SubmissionVersion.id) == col(Decision.submission_version_id))
        .join(Submission, col(Submission.id) == col(SubmissionVersion.submission_id))
        .join(point, col(point.id) == col(Award.point_id))
        .join(_Decider, col(_Decider.id) == col(Decision.decided_by_id), isouter=True)
        .join(OrgUnit, col(OrgUnit.id) == col(SubmissionVersion.org_unit_id), isouter=True)
        .where(
            col(Award.programme_id) == entry.programme_id,
            or_(
                col(Award.id) == entry.award_id,
                and_(
                    col(Award.person_id).in_(rows),
                    col(Award.awarded_at) <= entry.entered_at,
                    col(Award.revoked_at).is_(None) | (col(Award.revoked_at) >= entry.entered_at),
                ),
            ),
        )
        .order_by(col(Award.id))
    )
    found: list[Any] = sorted(session.exec(statement).all(), key=lambda row: row[0].id != entry.award_id)
    versions = [row[2] for row in found]
    reviews = _reviews(session, [pk(version) for version in versions])
    files = _files(session, entry.tenant_id, versions)
    return tuple(
        WorkProof(
            submission=submission,
            code=point_row.code,
            name=point_row.name,
            level=award.level,
            is_basis=award.id == entry.award_id,
            version_number=version.number,
            submitted_at=version.submitted_at,
            is_late=version.is_late,
            school=school or "",
            content_hash=version.content_hash,
            hash_holds=competencies.canonical_hash(version.manifest) == version.content_hash,
            files=tuple(_pieces(version, files)),
            reviews=tuple(reviews.get(pk(version), ())),
            decided_by=decider or "",
            decided_at=decision.decided_at,
            reason=decision.reason,
            released_at=decision.released_at,
            revoked_at=award.revoked_at,
            revoked_reason=award.revoked_reason,
        )
        for award, decision, version, submission, point_row, decider, school in found
    )


def _reviews(session: Session, versions: Sequence[int]) -> dict[int, list[ReviewProof]]:
    found: dict[int, list[ReviewProof]] = {}
    if versions:
        rows = session.exec(
            select(rubrics.Review, Person.name)
            .join(Person, col(Person.id) == col(rubrics.Review.reviewer_id))
            .where(col(rubrics.Review.submission_version_id).in_(versions))
            .order_by(col(rubrics.Review.id))
        )
        for row, name in rows:
            found.setdefault(row.submission_version_id, []).append(
                ReviewProof(name, row.state.value, row.point_level, row.submitted_at, row.is_third)
            )
    return found


def _files(session: Session, tenant_id: int, versions: Sequence[SubmissionVersion]) -> set[str]:
    """The uuids of files of these versions whose bytes are there."""
    wanted = {piece["file"] for version in versions for piece in _listed(version) if "file" in piece}
    if not wanted:
        return set()
    rows = session.exec(
        select(StoredFile.uuid).where(
            StoredFile.tenant_id == tenant_id,
            col(StoredFile.uuid).in_(wanted),
            col(StoredFile.state) == FileState.READY,
        )
    )
    return set(rows)


def _listed(version: SubmissionVersion) -> list[dict[str, Any]]:
    return [piece for item in version.manifest.get("items", []) for piece in item.get("pieces", [])]


def _pieces(version: SubmissionVersion, there: set[str]) -> list[FileProof]:
    return [
        FileProof(
            name=str(piece.get("name", "")),
            kind=str(piece.get("kind", "")),
            sha256=str(piece.get("sha256", "")),
            size_bytes=int(piece.get("size_bytes", 0)),
            state="inside" if "file" not in piece else "kept" if piece["file"] in there else "gone",
        )
        for piece in _listed(version)
    ]


def _deliveries(session: Session, entry: CreditEntry, rows: Sequence[int]) -> tuple[Delivery, ...]:
    """What was sent of this person's scores of the programme, to which platform, and what it said: one query."""
    statement: Any = (
        columns(lti.ScoreDelivery, lti.LineItem, col(Course.title), lti.Platform)
        .join(lti.LineItem, col(lti.LineItem.id) == col(lti.ScoreDelivery.line_item_id))
        .join(Course, col(Course.id) == col(lti.LineItem.course_id))
        .join(lti.Deployment, col(lti.Deployment.id) == col(Course.deployment_id))
        .join(lti.Platform, col(lti.Platform.id) == col(lti.Deployment.platform_id))
        .where(
            col(lti.ScoreDelivery.tenant_id) == entry.tenant_id,
            col(lti.LineItem.programme_id) == entry.programme_id,
            col(lti.ScoreDelivery.person_id).in_(rows),
        )
        .order_by(col(Course.title), col(lti.ScoreDelivery.id))
    )
    return tuple(
        Delivery(title, platform.name or platform.issuer, column.kind.value, cell_of(row, is_lost(column)))
        for row, column, title, platform in session.exec(statement)
    )


def _related(session: Session, entry: CreditEntry) -> tuple[Related, ...]:
    """What takes this entry back, what it takes back, and what else its award brought: one query."""
    ways: list[Any] = [col(CreditEntry.reverses_id) == pk(entry)]
    if entry.reverses_id is not None:
        ways.append(col(CreditEntry.id) == entry.reverses_id)
    if entry.award_id is not None:
        ways.append(col(CreditEntry.award_id) == entry.award_id)
    statement: Any = (
        columns(CreditEntry, col(_Decider.name))
        .join(_Decider, col(_Decider.id) == col(CreditEntry.decided_by_id), isouter=True)
        .where(col(CreditEntry.tenant_id) == entry.tenant_id, col(CreditEntry.id) != pk(entry), or_(*ways))
        .order_by(col(CreditEntry.id))
    )
    return tuple(
        Related(
            how="reversed" if row.reverses_id == pk(entry) else "reverses" if pk(row) == entry.reverses_id else "award",
            number=pk(row),
            hundredths=row.credit_hundredths,
            reason=row.reason,
            source=row.source,
            entered_at=row.entered_at,
            decided_by=decider or "",
        )
        for row, decider in session.exec(statement)
    )
