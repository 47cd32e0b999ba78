"""What a teacher hands in: choosing points, the window, immutable versions, withdrawing."""

import enum
import json
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import select as columns
from sqlmodel import Session, and_, col, func, select

from competencies.choosing import Effort, PointFacts
from competencies.decisions import level_that_stands
from competencies.drafts import Item, Piece, ReturnedWork, overrun_seconds
from competencies.levels import Level
from competencies.manifests import canonical_hash, hash_of, seal_names
from competencies.models import (
    Award,
    CompetencyPoint,
    Decision,
    Evidence,
    Programme,
    ProgrammeState,
    Selection,
    Submission,
    SubmissionState,
    SubmissionVersion,
)
from competencies.programmes import end_of_day, is_closed, start_of_day
from competencies.rules import Rules
from lms_plugin.db import pk
from lms_plugin.errors import Refused

EDITABLE = (SubmissionState.DRAFT, SubmissionState.RETURNED)
HANDED_IN = (SubmissionState.SUBMITTED, SubmissionState.LATE)
UPLOAD_GRACE = timedelta(hours=1)
"""An upload begun before the end may finish; this long after its last byte the work can still be handed in in time."""


def point_facts(point: CompetencyPoint) -> PointFacts:
    """What choosing needs to know of a point."""
    return PointFacts(point.code, point.dimension, point.environment, Effort(**point.effort))


class Tie(enum.Enum):
    """How firmly a chosen point is held: may it be given back for another one?"""

    FREE = "free"  # nothing handed in, or what was handed in did not pass in the end or came late and was not let in
    HANDED_IN = "handed_in"  # nobody has opened it, or decided where that is the rule: giving it back withdraws it
    OPENED = "opened"  # somebody is at it: it stays
    DECIDED = "decided"  # returned, decided or passed: it stays


def ties(
    session: Session, programme: Programme, person_ids: Collection[int], rules: Rules, now: datetime
) -> dict[int, Tie]:
    """The points that a human being has chosen under these rows, by id, with how firmly each is held: one query."""
    latest = (
        select(func.max(col(Decision.id)))
        .where(col(Decision.submission_id) == col(Submission.id))
        .correlate(Submission)
        .scalar_subquery()
    )
    statement: Any = (
        columns(col(Selection.point_id), Submission, SubmissionVersion, Decision, Award)
        .join(
            Submission,
            and_(
                col(Submission.programme_id) == col(Selection.programme_id),
                col(Submission.person_id) == col(Selection.person_id),
                col(Submission.point_id) == col(Selection.point_id),
            ),
            isouter=True,
        )
        .join(SubmissionVersion, col(SubmissionVersion.id) == col(Submission.current_version_id), isouter=True)
        .join(Decision, col(Decision.id) == latest, isouter=True)
        .join(Award, (col(Award.decision_id) == col(Decision.id)) & ~col(Award.is_replaced), isouter=True)
        .where(
            col(Selection.programme_id) == pk(programme),
            col(Selection.person_id).in_(person_ids),
            col(Selection.dropped_at).is_(None),
        )
    )
    found: dict[int, Tie] = {}
    for point, work, version, decision, award in session.exec(statement):
        tie = _tie(work, version, decision, award, rules, now)
        found[point] = max(tie, found.get(point, tie), key=list(Tie).index)  # chosen under two rows: the firmer one
    return found


def _tie(
    work: Submission | None,
    version: SubmissionVersion | None,
    decision: Decision | None,
    award: Award | None,
    rules: Rules,
    now: datetime,
) -> Tie:
    if work is None:
        return Tie.FREE
    if decision is not None and level_that_stands(decision, award) is not Level.FAIL:
        return Tie.DECIDED
    if version is not None and version.declined_at is not None and work.state is SubmissionState.LATE:
        return Tie.FREE
    if work.state in HANDED_IN:
        may_change = rules.choice.change_until == "decided" or can_withdraw(work, version, rules, now)
        return Tie.HANDED_IN if may_change else Tie.OPENED
    return Tie.FREE


def select_points(
    session: Session,
    programme: Programme,
    person_ids: Sequence[int],
    points: Collection[CompetencyPoint],
    now: datetime,
) -> list[Submission]:
    """Makes exactly these points the choice of a human being, each with a draft; gives the submissions that were
    dropped. `person_ids`: their rows, that of today first: it takes what is new. What was chosen under another row
    stays there, with its work.
    """
    held: dict[int, list[Selection]] = {}
    for row in session.exec(
        select(Selection)
        .where(Selection.programme_id == pk(programme), col(Selection.person_id).in_(person_ids))
        .order_by(col(Selection.id))
    ):
        held.setdefault(row.point_id, []).append(row)
    works = {
        (work.person_id, work.point_id): work
        for work in session.exec(
            select(Submission).where(
                Submission.programme_id == pk(programme), col(Submission.person_id).in_(person_ids)
            )
        )
    }
    wanted = {pk(point) for point in points}
    gone = [row for key, rows in held.items() for row in rows if row.dropped_at is None and key not in wanted]
    dropped = [works[(row.person_id, row.point_id)] for row in gone if (row.person_id, row.point_id) in works]
    for row in gone:
        row.dropped_at = now
        session.add(row)
    for key in wanted:
        known = sorted(held.get(key, ()), key=lambda row: (row.dropped_at is not None, person_ids.index(row.person_id)))
        if known and known[0].dropped_at is not None:
            known[0].dropped_at, known[0].chosen_at = None, now
            session.add(known[0])
        owner = known[0].person_id if known else person_ids[0]
        if not known:
            session.add(Selection(programme_id=pk(programme), person_id=owner, point_id=key, chosen_at=now))
        if (owner, key) not in works:
            session.add(
                Submission(
                    tenant_id=programme.tenant_id,
                    programme_id=pk(programme),
                    person_id=owner,
                    point_id=key,
                    created_at=now,
                    changed_at=now,
                )
            )
    session.flush()
    return dropped


def is_chosen(session: Session, submission: Submission) -> bool:
    """Whether the person still has the point chosen."""
    return (
        session.exec(
            select(Selection.id).where(
                Selection.programme_id == submission.programme_id,
                Selection.person_id == submission.person_id,
                Selection.point_id == submission.point_id,
                col(Selection.dropped_at).is_(None),
            )
        ).first()
        is not None
    )


def last_day(programme: Programme, is_returned: bool, extended_until: date | None = None) -> date:
    """The last day for handing in; for returned work that of reviewing. An extension makes either later, never earlier,
    and nothing goes on after the programme's own last day."""
    usual = programme.review_by_on if is_returned else programme.submit_by_on
    return max(usual, min(extended_until or usual, programme.closes_on))


def work_ends_at(
    programme: Programme, timezone: str, is_returned: bool, extended_until: date | None = None
) -> datetime:
    """When handing in ends: at 24:00 of `last_day`."""
    return end_of_day(last_day(programme, is_returned, extended_until), timezone)


def require_open(programme: Programme, timezone: str, now: datetime) -> None:
    """Raises Refused when the programme has not begun or is over; late work is still taken while it runs."""
    if now < start_of_day(programme.opens_on, timezone):
        raise Refused("submit.not_open_yet", day=programme.opens_on.isoformat())
    if programme.state is ProgrammeState.DRAFT:
        raise Refused("submit.not_begun")
    if is_closed(programme, timezone, now):
        raise Refused("submit.programme_over", day=programme.closes_on.isoformat())


def is_late(items: Sequence[Item], ends_at: datetime, now: datetime) -> bool:
    """Whether handing in now is late.

    An upload begun before the end may finish and counts as in time, provided that nothing else was begun afterwards
    and that the work follows within `UPLOAD_GRACE` of its last byte.
    """
    if now < ends_at:
        return False
    finished: list[datetime] = []
    for piece in (piece for item in items for piece in item.usable):
        begun = piece.evidence.changed_at  # of a file: since when it has been in this place
        if piece.file is not None:
            begun = max(begun, piece.file.started_at)
        if begun >= ends_at:
            return True
        if piece.file is not None and piece.file.completed_at is not None and piece.file.completed_at >= ends_at:
            finished.append(piece.file.completed_at)
    return not finished or now > max(finished) + UPLOAD_GRACE


def edition(content: Any) -> str:
    """Names what a draft's marks or ticks hold, so that a page can say what it was made from; "" for nothing yet."""
    return canonical_hash(content)[:16] if content else ""


def take_snapshot(
    session: Session,
    submission: Submission,
    items: Sequence[Item],
    returned: ReturnedWork | None,
    *,
    org_unit_id: int | None,
    late: bool,
    now: datetime,
) -> SubmissionVersion:
    """Hands the draft in: an immutable version with copies of its pieces; the draft stays for later changes."""
    last = session.exec(
        select(func.max(col(SubmissionVersion.number))).where(SubmissionVersion.submission_id == pk(submission))
    ).one()
    before = returned.before if returned is not None else {}
    manifest: dict[str, Any] = {
        "submission": submission.uuid,
        "number": (last or 0) + 1,
        "submitted_at": now.isoformat(),
        "is_late": late,
        "items": [
            {
                "requirement": item.requirement.key,
                "pieces": [_entry(item, piece) for piece in item.usable],
                "change": _change(item, before) if returned is not None else "new",
                "stands": returned is not None and item.requirement.key in returned.standing,
            }
            for item in items
        ],
        "ticks": submission.ticks,
        "self_marks": submission.self_marks,
    }
    manifest = seal_names(manifest)
    version = SubmissionVersion(
        submission_id=pk(submission),
        number=manifest["number"],
        org_unit_id=org_unit_id,
        manifest=manifest,
        content_hash=hash_of(manifest),
        self_marks=json.loads(json.dumps(submission.self_marks)),
        is_late=late,
        submitted_at=now,
    )
    session.add(version)
    session.flush()
    for item in items:
        for position, piece in enumerate(item.usable, start=1):
            row = piece.evidence
            session.add(
                Evidence(
                    submission_id=row.submission_id,
                    version_id=pk(version),
                    requirement_id=row.requirement_id,
                    kind=row.kind,
                    position=position,
                    stored_file_id=row.stored_file_id,
                    text=row.text,
                    parts=dict(row.parts),
                    findings_waived=row.findings_waived,
                    url=row.url,
                    version=row.version,
                    changed_at=row.changed_at,
                )
            )
    submission.current_version_id = pk(version)
    submission.state = SubmissionState.LATE if late else SubmissionState.SUBMITTED
    submission.changed_at = now
    session.add(submission)
    session.flush()
    return version


def _entry(item: Item, piece: Piece) -> dict[str, Any]:
    entry: dict[str, Any] = {"kind": piece.evidence.kind, "sha256": piece.fingerprint}
    if piece.file is not None:
        over, _too_long = overrun_seconds(item, piece.file)
        entry |= {
            "file": piece.file.uuid,
            "name": piece.file.filename,
            "size_bytes": piece.file.size_bytes,
            "media": piece.file.kind,
            "over_seconds": over,
        }
    elif piece.evidence.kind == "link":
        entry["url"] = piece.evidence.url
    else:
        entry["characters"] = len(piece.evidence.text)
    return entry


def _change(item: Item, before: Mapping[str, frozenset[str]]) -> str:
    was, holds = before.get(item.requirement.key, frozenset()), item.fingerprints
    if was == holds:
        return "same"
    return "new" if not was else "changed"


def withdraw_ends_at(version: SubmissionVersion, rules: Rules) -> datetime:
    """Until when a version can be withdrawn whatever happens (the guaranteed time after handing in)."""
    return version.submitted_at + timedelta(minutes=rules.review.withdraw_minutes)


def can_withdraw(submission: Submission, version: SubmissionVersion | None, rules: Rules, now: datetime) -> bool:
    """Whether the version may be withdrawn: until somebody opened it, and in any case in the guaranteed time."""
    return (
        submission.state in HANDED_IN
        and version is not None
        and version.withdrawn_at is None
        and (version.opened_at is None or now < withdraw_ends_at(version, rules))
    )


def has_retake(rules: Rules, decision: Decision | None, earlier: Sequence[Decision], award: Award | None) -> bool:
    """Whether a released 不合格 (`decision`) may be prepared again by the number that the rules give; `earlier`:
    decisions on the versions before it. What an officer took back (冲销), or opened once more, may always."""
    if rules.result.retakes is None or (award is not None and award.revoked_at is not None):
        return True
    if decision is not None and decision.retake_opened_at is not None:
        return True
    return sum(one.released_at is not None for one in earlier) < rules.result.retakes


def prepare_again(session: Session, submission: Submission, decision: Decision, now: datetime) -> None:
    """重新准备: the work can be edited like a returned one; what comes next goes to who decided. The released decision
    stays what holds until the next one is released."""
    submission.state, submission.trainer_id, submission.changed_at = (
        SubmissionState.RETURNED,
        decision.decided_by_id,
        now,
    )
    session.add(submission)
    session.flush()


def take_back(session: Session, submission: Submission, version: SubmissionVersion, now: datetime) -> None:
    """Withdraws the version: the work is a draft again, or work that came back where a decision came before."""
    version.withdrawn_at = now
    session.add(version)
    earlier = session.exec(
        select(SubmissionVersion, Decision)
        .join(Decision, col(Decision.submission_version_id) == col(SubmissionVersion.id), isouter=True)
        .where(
            SubmissionVersion.submission_id == pk(submission),
            col(SubmissionVersion.withdrawn_at).is_(None),
            SubmissionVersion.id != version.id,
        )
        .order_by(col(SubmissionVersion.number).desc())
    ).first()
    was_returned = earlier is not None and earlier[1] is not None
    submission.current_version_id = earlier[0].id if earlier is not None else None
    submission.state = SubmissionState.RETURNED if was_returned else SubmissionState.DRAFT
    submission.changed_at = now
    session.add(submission)
    session.flush()
