"""结果是怎么来的: for the author of a work whose result is out: by criterion what reviewers said, and what was decided.

Levels, reasons and counts, never a score: under 2.0 a level is a minimum.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlmodel import Session, col, select

import competencies
import rubrics
from competencies import Award, Decision, Outcome, Submission
from lms_plugin.access import Actor, Permission, Scope, require
from lms_plugin.db import find
from lms_plugin.errors import NotFound
from lms_plugin.flow import marking, review_names


@dataclass(frozen=True)
class Line:
    """One criterion: how many reviewers gave each level (the best first), and what was decided, with the reason."""

    item: Mapping[str, str]
    asks: Mapping[str, str]
    is_core: bool
    is_validity: bool
    counts: Mapping[int, int]
    level: int | None
    reason: str
    share: int | None  # of its item, in percent; None where the lowest criterion decides


@dataclass(frozen=True)
class ResultPage:
    """A result and what it rests on. `level` is None where the work was returned; `reviews`: how many are in."""

    submission: str
    code: str
    name: Mapping[str, str]
    level_words: Mapping[str, Mapping[str, str]] | None
    level: int | None
    reviews: int
    reviewers: tuple[str, ...] | None  # who they were, where the rules tell authors
    is_by_rule: bool  # all reviewers said so, and the programme's rules asked nobody else
    lines: tuple[Line, ...]


def result_page(session: Session, actor: Actor, uuid: str) -> ResultPage:
    """The actor's own work. Raises NotFound where nothing was told yet (a return is at once, a result when released)
    and where the award was taken back."""
    work = find(session, Submission, actor.tenant_id, uuid)
    require(actor, Permission.SUBMISSION_SUBMIT, Scope(work.tenant_id, owner_id=work.person_id))
    decision = session.exec(
        select(Decision).where(
            Decision.submission_id == work.id, col(Decision.submission_version_id) == work.current_version_id
        )
    ).one_or_none()
    if decision is None or (decision.released_at is None and decision.outcome is not Outcome.RETURNED):
        raise NotFound
    award = session.exec(select(Award).where(Award.decision_id == decision.id, ~col(Award.is_replaced))).one_or_none()
    if award is not None and award.revoked_at is not None:
        raise NotFound  # what was decided holds no more: the point's page says why
    version = decision.submission_version_id
    point, reviewers = review_names.for_author(session, work, version)
    reviews, drafts = rubrics.submitted_reviews(session, [version])
    lines = []
    for item in marking.sheet(session, version, work.point_id).items:
        shares = rubrics.shares(item.criteria)
        for criterion in item.criteria if item.pieces else ():
            key = rubrics.MarkKey(item.key, criterion.key)
            given = [mark.level for marks in drafts.values() if (mark := marks.get(key)) and mark.level is not None]
            decided = decision.marks.get(item.key, {}).get(criterion.key, {})
            lines.append(
                Line(
                    item=item.requirement.title,
                    asks=criterion.texts[min(criterion.texts)] if criterion.texts else {},
                    is_core=item.requirement.is_core,
                    is_validity=criterion.is_validity,
                    counts={level: given.count(level) for level in sorted(set(given), reverse=True)},
                    level=decided.get("level"),
                    reason=decided.get("reason", ""),
                    share=shares.get(criterion.key),
                )
            )
    return ResultPage(
        submission=work.uuid,
        code=point.code,
        name=point.name,
        level_words=point.level_words,
        level=decision.point_level if decision.outcome is competencies.Outcome.DECIDED else None,
        reviews=len(reviews),
        reviewers=reviewers,
        is_by_rule=decision.by_policy_id is not None,
        lines=tuple(lines),
    )
