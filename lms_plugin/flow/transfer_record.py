"""What a package holds besides its summary: the person, the works with their marks and decisions, the ledger.

Nobody but the person is named: not who reviewed, not who decided.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import select as columns
from sqlmodel import Session, col, select

import competencies
import rubrics
from competencies import Award, CompetencyPoint, CreditEntry, Decision, Programme, Submission
from lms_plugin.db import by_id, pk
from lms_plugin.flow import transfer_marks
from lms_plugin.flow.scopes import BY_PANEL
from lms_plugin.people import OrgMembership, OrgUnit, Person, Tenant


def person(session: Session, whose: Person, rows: Collection[int]) -> dict[str, Any]:
    """Who it is, and the schools of their time."""
    schools = session.exec(
        select(col(OrgUnit.name), col(OrgMembership.starts_on), col(OrgMembership.ends_on))
        .join(OrgUnit, col(OrgUnit.id) == col(OrgMembership.org_unit_id))
        .where(col(OrgMembership.person_id).in_(rows))
        .order_by(col(OrgMembership.starts_on), col(OrgMembership.id))
    )
    return {
        "name": whose.name,
        "staff_number": whose.staff_number,
        "stage": whose.stage.value if whose.stage is not None else "",
        "subject": whose.subject,
        "schools": [
            {"name": name, "from": begins.isoformat(), "until": ends.isoformat() if ends else None}
            for name, begins, ends in schools
        ],
    }


def record(session: Session, rows: Collection[int], programmes: Mapping[int, Programme]) -> list[dict[str, Any]]:
    """A line for each programme with its choice and rules, and one for each work whose result was released: versions
    with their hashes, marks without who gave them, the decision and the award."""
    lines: list[dict[str, Any]] = []
    chosen: dict[int, list[str]] = defaultdict(list)
    for programme_id, code in session.exec(
        select(competencies.Selection.programme_id, CompetencyPoint.code)
        .join(CompetencyPoint, col(CompetencyPoint.id) == col(competencies.Selection.point_id))
        .where(col(competencies.Selection.person_id).in_(rows), col(competencies.Selection.dropped_at).is_(None))
        .order_by(col(CompetencyPoint.position), col(competencies.Selection.id))
    ):
        chosen[programme_id].append(code)
    rules: dict[int, list[competencies.ProgrammePolicy]] = {}
    for key in sorted(programmes):
        programme = programmes[key]
        rules[key] = list(
            session.exec(
                select(competencies.ProgrammePolicy)
                .where(competencies.ProgrammePolicy.programme_id == key)
                .order_by(col(competencies.ProgrammePolicy.number))
            )
        )
        version = by_id(session, competencies.FrameworkVersion, [programme.framework_version_id])
        lines += [
            {
                "programme": programme.uuid,
                "title": programme.title,
                "opens_on": programme.opens_on.isoformat(),
                "closes_on": programme.closes_on.isoformat(),
                "chosen": chosen[key],
                "standard_sha256": next(iter(version.values())).content_hash if version else "",
                "rules": [
                    {"number": policy.number, "sha256": policy.content_hash, "rules": policy.rules}
                    for policy in rules[key]
                ],
            }
        ]
    statement: Any = (
        columns(
            *(Submission, competencies.SubmissionVersion, Decision, Award, CompetencyPoint, col(OrgUnit.name)), BY_PANEL
        )
        .join(competencies.SubmissionVersion, col(competencies.SubmissionVersion.submission_id) == col(Submission.id))
        .join(Decision, col(Decision.submission_version_id) == col(competencies.SubmissionVersion.id))
        .join(CompetencyPoint, col(CompetencyPoint.id) == col(Submission.point_id))
        .join(Award, competencies.revisions.AWARD_OF_DECISION, isouter=True)
        .join(OrgUnit, col(OrgUnit.id) == col(competencies.SubmissionVersion.org_unit_id), isouter=True)
        .where(col(Submission.person_id).in_(rows), col(Decision.released_at).is_not(None))
        .order_by(col(Submission.id), col(competencies.SubmissionVersion.number))
    )
    works: list[Any] = list(session.exec(statement).all())
    marks = _marks(session, [pk(row[1]) for row in works])
    texts = _texts(session, [pk(row[1]) for row in works])
    names = transfer_marks.names(session, {pk(row[1]): pk(row[4]) for row in works})
    for work, version_row, decision, award, point, school, by_panel in works:
        lines.append(
            {
                "programme": programmes[work.programme_id].uuid,
                "point": point.code,
                "name": point.name,
                "version": version_row.number,
                "submitted_at": version_row.submitted_at.isoformat(),
                "is_late": version_row.is_late,
                "school": school or "",
                "sha256": version_row.content_hash,
                "handed_in": version_row.manifest,
                "texts": texts.get(pk(version_row), {}),
                "self_marks": version_row.self_marks,
                "reviews": marks.get(pk(version_row), []),
                "items": names.get(pk(version_row), []),
                **({"level_words": point.level_words} if point.level_words else {}),
                "decision": {
                    "marks": decision.marks,
                    "item_levels": decision.item_levels,
                    "point_level": decision.point_level,
                    "reason": decision.reason,
                    "decided_at": decision.decided_at.isoformat(),
                    "released_at": decision.released_at.isoformat(),
                    "by": "rule" if decision.by_policy_id is not None else "panel" if by_panel else "trainer",
                    **_rule(rules[work.programme_id], decision),
                },
                "award": {
                    "level": award.level,
                    "awarded_at": award.awarded_at.isoformat(),
                    "revoked_at": award.revoked_at.isoformat() if award.revoked_at else None,
                    "revoked_reason": award.revoked_reason,
                }
                if award is not None
                else None,
            }
        )
    return lines


def _rule(policies: Sequence[competencies.ProgrammePolicy], decision: Decision) -> dict[str, Any]:
    """Which version of the programme's rules held when it was decided, or passed it by itself."""
    of_then = [one for one in policies if one.made_at <= decision.decided_at] or policies[:1]
    named = [one for one in policies if one.id == decision.by_policy_id] or of_then
    return {"rule": {"number": named[-1].number, "sha256": named[-1].content_hash}} if named else {}


def _texts(session: Session, versions: Sequence[int]) -> dict[int, dict[str, str]]:
    """What was typed in these versions, by version and by the hash that its manifest says of it."""
    found: dict[int, dict[str, str]] = defaultdict(dict)
    if versions:
        for piece in session.exec(
            select(competencies.Evidence)
            .where(col(competencies.Evidence.version_id).in_(versions), competencies.Evidence.kind == "text")
            .order_by(col(competencies.Evidence.id))
        ):
            if piece.version_id is not None:
                found[piece.version_id][competencies.Piece(piece).fingerprint] = piece.text
    return found


def _marks(session: Session, versions: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    """What reviewers said of these versions, without who said it: by version, each review a list of marks."""
    found: dict[int, dict[int, dict[str, Any]]] = defaultdict(dict)
    if versions:
        for review, mark in session.exec(
            select(rubrics.Review, rubrics.CriterionMark)
            .join(rubrics.CriterionMark, col(rubrics.CriterionMark.review_id) == col(rubrics.Review.id))
            .where(
                col(rubrics.Review.submission_version_id).in_(versions), col(rubrics.Review.submitted_at).is_not(None)
            )
            .order_by(col(rubrics.Review.id), col(rubrics.CriterionMark.id))
        ):
            one = found[review.submission_version_id].setdefault(pk(review), {"level": review.point_level, "marks": []})
            one["marks"].append(
                {"item": mark.requirement_key, "criterion": mark.criterion_key, "level": mark.level}
                | ({"reason": mark.reason} if mark.reason else {})
            )
    return {version: list(reviews.values()) for version, reviews in found.items()}


def ledger(session: Session, tenant: Tenant, rows: Collection[int]) -> list[dict[str, Any]]:
    """The head of the district's chain, and every entry of the person as it stands."""
    head = competencies.head(session, pk(tenant))
    lines: list[dict[str, Any]] = [{"head": head.told() if head is not None else None}]
    statement: Any = (
        columns(CreditEntry, col(Programme.uuid), col(OrgUnit.name))
        .join(Programme, col(Programme.id) == col(CreditEntry.programme_id))
        .join(OrgUnit, col(OrgUnit.id) == col(CreditEntry.org_unit_id), isouter=True)
        .where(col(CreditEntry.person_id).in_(rows))
        .order_by(col(CreditEntry.id))
    )
    for entry, programme, school in session.exec(statement):
        lines.append(
            {
                "id": entry.uuid,
                "number": pk(entry),
                "programme": programme,
                "kind": entry.kind.value,
                "hundredths": entry.credit_hundredths,
                "reason": entry.reason,
                "source": entry.source,
                "school": school or "",
                "earned_on": entry.earned_on.isoformat() if entry.earned_on else None,
                "entered_at": entry.entered_at.isoformat(),
                "reverses": entry.reverses_id,
            }
        )
    return lines
