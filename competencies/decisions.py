"""A trainer's act on one submitted version, and what it makes of the point. Peers advise, the trainer decides."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import func
from sqlmodel import Session, col, select

from competencies.levels import ItemResult, Level, item_level, point_level
from competencies.models import (
    Award,
    Decision,
    Outcome,
    Submission,
    SubmissionState,
    SubmissionVersion,
)
from lms_plugin.db import pk
from lms_plugin.errors import Conflict, Invalid, Refused

VALID = "is_valid"
"""The key under which marks say 有效 (1) or 无效 (0) of an item that is not core."""

OPEN_TO_DECISION = frozenset({SubmissionState.SUBMITTED, SubmissionState.DECIDED, SubmissionState.RETURNED})
LONGEST_REASON = 4000

Marks = Mapping[str, Mapping[str, int | None]]
"""{requirement key: {criterion key: level}}; an item that is not core has the one key "is_valid"."""


@dataclass(frozen=True, slots=True)
class ItemSheet:
    """What computing a level needs to know of one evidence item of a point, and whether it was handed in. `weights` by
    criterion, where the rubric has them."""

    key: str
    is_core: bool
    is_required: bool
    is_present: bool
    criteria: tuple[str, ...] = ()
    excellent_only: frozenset[str] = frozenset()
    weights: Mapping[str, int] = field(default_factory=dict)

    @property
    def keys(self) -> tuple[str, ...]:
        """The criteria to be marked: none of an item that is not there."""
        if not self.is_present:
            return ()
        return self.criteria if self.is_core else (VALID,)


@dataclass(frozen=True, slots=True)
class Computed:
    """What marks make of a point.

    `item_levels`: 0, 1, 2 of a core item; 0 or 1 (无效, 有效) of another; None while a mark is missing.
    `point_level`: None while a mark that can matter is missing. `failed`: the items that keep the point from a pass.
    """

    item_levels: Mapping[str, int | None]
    point_level: int | None
    failed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a trainer says: a level and a reason per criterion, and a word on the whole."""

    marks: Mapping[str, Mapping[str, tuple[int | None, str]]]
    reason: str = ""
    levels: Marks = field(init=False)

    def __post_init__(self) -> None:
        levels = {item: {key: mark[0] for key, mark in marks.items()} for item, marks in self.marks.items()}
        object.__setattr__(self, "levels", levels)

    @property
    def reasons(self) -> dict[str, str]:
        """Every reason by its field: "item.criterion", and "reason" for the word on the whole."""
        found = {f"{item}.{key}": mark[1] for item, marks in self.marks.items() for key, mark in marks.items()}
        return {**found, "reason": self.reason}

    def stored(self, items: Sequence[ItemSheet]) -> dict[str, dict[str, dict[str, Any]]]:
        """As the decision keeps it: the criteria of the items that were handed in, nothing else."""
        return {
            item.key: {
                key: {"level": mark[0], "reason": mark[1].strip()[:LONGEST_REASON]}
                for key in item.keys
                if (mark := self.marks.get(item.key, {}).get(key, (None, "")))[0] is not None or mark[1].strip()
            }
            for item in items
            if item.is_present
        }


def compute(items: Sequence[ItemSheet], marks: Marks) -> Computed:
    """The levels of items and point from marks: a minimum, never a sum; by weights within an item that has them."""
    results = [_result(item, marks.get(item.key, {})) for item in items]
    levels = {one.key: one.level if one.is_core else _validity(one) for one in results if one.is_present}
    failed = [
        one.key
        for one in results
        if (one.is_required and not one.is_present)
        or (one.is_present and one.is_core and one.level == Level.FAIL)
        or (one.is_present and not one.is_core and one.is_required and one.is_valid is False)
    ]
    level = point_level(results)
    return Computed(
        item_levels={key: None if value is None else int(value) for key, value in levels.items()},
        point_level=None if level is None else int(level),
        failed=tuple(failed),
    )


def _result(item: ItemSheet, marks: Mapping[str, int | None]) -> ItemResult:
    level: Level | None = None
    is_valid: bool | None = None
    if item.is_present and item.is_core:
        given = {key: Level(value) for key, value in marks.items() if value is not None}
        level = item_level(given, item.criteria, item.excellent_only, item.weights)
    elif item.is_present:
        validity = marks.get(VALID)
        is_valid = None if validity is None else bool(validity)
    return ItemResult(item.key, item.is_core, item.is_required, item.is_present, level, is_valid)


def _validity(result: ItemResult) -> int | None:
    return None if result.is_valid is None else int(result.is_valid)


def problems(items: Sequence[ItemSheet], judgement: Judgement) -> dict[str, str | tuple[str, dict[str, Any]]]:
    """What keeps a judgement from being a decision, by field "item.criterion"; empty when nothing does."""
    wrong: dict[str, str | tuple[str, dict[str, Any]]] = {}
    for item in items:
        for key in item.keys:
            level, reason = judgement.marks.get(item.key, {}).get(key, (None, ""))
            allowed = (0, 1) if not item.is_core else (1, 2) if key in item.excellent_only else (0, 1, 2)
            if level is None:
                wrong[f"{item.key}.{key}"] = "decision.level_missing"
            elif level not in allowed:
                wrong[f"{item.key}.{key}"] = "decision.level_unknown"
            elif level == 0 and not reason.strip():
                wrong[f"{item.key}.{key}"] = "decision.reason_missing"
    return wrong


def decision_of(session: Session, submission_version_ids: Collection[int]) -> dict[int, Decision]:
    """The decisions of these versions, by version id, as they are now: one query. Who holds the work sees what was
    decided while they waited for it, also of a decision that they had read before."""
    if not submission_version_ids:
        return {}
    rows = session.exec(
        select(Decision)
        .where(col(Decision.submission_version_id).in_(set(submission_version_ids)))
        .execution_options(populate_existing=True)
    )
    return {row.submission_version_id: row for row in rows}


def decide(
    session: Session,
    submission: Submission,
    version: SubmissionVersion,
    items: Sequence[ItemSheet],
    judgement: Judgement,
    person_id: int,
    base: int,
    now: datetime,
    standing: Decision | None,
) -> Decision:
    """Decides the point, or decides it anew while nothing is released.

    `standing` is the version's decision as it is now, `base` the `version` of the decision that the trainer saw (0 =
    none). Raises Invalid naming the criteria without a level or reason, Conflict `decision.changed` when somebody else
    decided meanwhile, Refused where the work is not open to a decision.
    """
    _must_be_open(submission, version, standing, base)
    wrong = problems(items, judgement)
    if wrong:
        raise Invalid(wrong)
    computed = compute(items, judgement.levels)
    if computed.point_level is None:
        raise Refused("decision.nothing_to_judge")
    row = _row(submission, version, standing, person_id, now)
    row.outcome = Outcome.DECIDED
    row.marks, row.item_levels = judgement.stored(items), dict(computed.item_levels)
    row.point_level, row.reason = computed.point_level, judgement.reason.strip()[:LONGEST_REASON]
    submission.state, submission.changed_at = SubmissionState.DECIDED, now
    session.add(row)
    session.add(submission)
    session.flush()
    return row


def return_work(
    session: Session,
    submission: Submission,
    version: SubmissionVersion,
    items: Sequence[ItemSheet],
    judgement: Judgement,
    person_id: int,
    base: int,
    now: datetime,
    standing: Decision | None,
) -> Decision:
    """退回修改: the teacher gets the reasons at once and mends the failed items; it comes back to this trainer.

    What fails is said by a mark below pass: such an item needs new material, one that passed stands, one without marks
    may be changed. Raises Invalid without a reason (at a criterion or on the whole) and where no item is below pass;
    otherwise as `decide`. A late work may be returned too, also one that was declined.
    """
    _must_be_open(submission, version, standing, base, also=SubmissionState.LATE)
    stored = judgement.stored(items)
    has_reason = judgement.reason.strip() or any(mark["reason"] for marks in stored.values() for mark in marks.values())
    if not has_reason:
        raise Invalid({"reason": "decision.return_reason_missing"})
    below = _below_pass(items, judgement.levels)
    if not below:
        raise Invalid({"reason": "decision.return_nothing_below"})
    computed = compute(items, judgement.levels)
    row = _row(submission, version, standing, person_id, now)
    row.outcome, row.point_level = Outcome.RETURNED, None
    row.marks = stored
    # One mark below pass settles an item, whatever else is still open.
    row.item_levels = {key: 0 if key in below else level for key, level in computed.item_levels.items()}
    row.reason = judgement.reason.strip()[:LONGEST_REASON]
    submission.state, submission.trainer_id, submission.changed_at = SubmissionState.RETURNED, person_id, now
    version.declined_at, version.declined_reason = None, ""  # its author is asked for more: that is the last word now
    session.add(row)
    session.add_all([submission, version])
    session.flush()
    return row


def _below_pass(items: Sequence[ItemSheet], marks: Marks) -> set[str]:
    """The items in which a mark is below pass, and those that had to be handed in and were not."""
    return {
        item.key
        for item in items
        if (item.is_required and not item.is_present)
        or any(marks.get(item.key, {}).get(key) == 0 for key in set(item.keys) - item.excellent_only)
    }


def accept_late(session: Session, submission: Submission, version: SubmissionVersion, now: datetime) -> None:
    """Lets a late work in, also one that was declined: from now on it is like any other. Raises Refused
    `decision.not_late`."""
    if submission.state is not SubmissionState.LATE:
        raise Refused("decision.not_late")
    submission.state, submission.changed_at = SubmissionState.SUBMITTED, now
    version.declined_at, version.declined_reason = None, ""
    session.add_all([submission, version])
    session.flush()


def decline_late(
    session: Session, submission: Submission, version: SubmissionVersion, reason: str, now: datetime
) -> None:
    """Does not let a late work in; its author reads why. Raises Refused `decision.not_late`, Invalid `declined` without
    a reason."""
    if submission.state is not SubmissionState.LATE:
        raise Refused("decision.not_late")
    reason = reason.strip()
    if not reason:
        raise Invalid({"declined": "decision.decline_reason_missing"})
    if len(reason) > LONGEST_REASON:
        raise Invalid({"declined": ("form.too_long", {"longest": LONGEST_REASON})})
    version.declined_at, version.declined_reason = now, reason
    submission.changed_at = now
    session.add_all([submission, version])
    session.flush()


def level_that_stands(decision: Decision | None, award: Award | None) -> Level | None:
    """The level by the latest released decision of a work and its award: 不合格 also where the award was taken back.

    None while nothing was released.
    """
    if decision is None or decision.released_at is None:
        return None
    if award is not None and award.revoked_at is not None:
        return Level.FAIL
    return Level(decision.point_level or 0)


def failings(decision: Decision | None) -> tuple[str, ...]:
    """Why a point failed, in the words of who decided: on the whole, then of each criterion not reached."""
    if decision is None:
        return ()
    of_marks = [
        mark.get("reason", "") for marks in decision.marks.values() for mark in marks.values() if mark.get("level") == 0
    ]
    return tuple(dict.fromkeys(reason for reason in [decision.reason, *of_marks] if reason))


def released_levels(session: Session, programme_id: int, person_ids: Collection[int]) -> dict[int, dict[int, Level]]:
    """The points that these people hold: {person: {point id: level}}, awards that were not revoked, one query."""
    found: dict[int, dict[int, Level]] = {person: {} for person in person_ids}
    if found:
        for person, point, level in session.exec(
            select(Award.person_id, Award.point_id, Award.level)
            .where(
                Award.programme_id == programme_id,
                col(Award.person_id).in_(found),
                col(Award.revoked_at).is_(None),
            )
            .order_by(col(Award.id))
        ):
            found[person][point] = Level(level)
    return found


def last_submitted_at(session: Session, programme_id: int, person_ids: Collection[int]) -> datetime | None:
    """When the last of the work came in for which these rows of a person hold points; None where they hold none."""
    return session.exec(
        select(func.max(SubmissionVersion.submitted_at))
        .join(Decision, col(Decision.submission_version_id) == col(SubmissionVersion.id))
        .join(Award, col(Award.decision_id) == col(Decision.id))
        .where(
            Award.programme_id == programme_id,
            col(Award.person_id).in_(person_ids),
            col(Award.revoked_at).is_(None),
        )
    ).one()


def _must_be_open(
    submission: Submission,
    version: SubmissionVersion,
    standing: Decision | None,
    base: int,
    also: SubmissionState | None = None,
) -> None:
    if standing is not None and standing.released_at is not None:
        raise Refused("decision.released")
    if pk(version) != submission.current_version_id:
        raise Conflict("decision.newer_version")
    if (standing.version if standing is not None else 0) != base:
        raise Conflict("decision.changed")
    if submission.state is SubmissionState.LATE and also is not SubmissionState.LATE:
        raise Refused("decision.late_first")
    if submission.state not in OPEN_TO_DECISION and submission.state is not also:
        raise Refused("decision.not_open")


def _row(
    submission: Submission, version: SubmissionVersion, standing: Decision | None, person_id: int, now: datetime
) -> Decision:
    row = standing or Decision(
        tenant_id=submission.tenant_id,
        submission_id=pk(submission),
        submission_version_id=pk(version),
        decided_by_id=person_id,
        outcome=Outcome.DECIDED,
        marks={},
        item_levels={},
        decided_at=now,
    )
    row.decided_by_id, row.by_policy_id, row.decided_at = person_id, None, now
    return row
