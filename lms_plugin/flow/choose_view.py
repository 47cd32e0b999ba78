"""What the page for choosing points shows."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session, and_, col, select

import competencies
from lms_plugin.access import Actor, Permission, own, require
from lms_plugin.db import get, pk
from lms_plugin.flow import drafts, submit
from lms_plugin.flow.submit_views import Round, Text, enrolled_programme
from lms_plugin.people import Tenant


@dataclass(frozen=True)
class ChoiceRow:
    """One point of the framework to choose from. `is_fixed`: it had a decision, so it stays chosen."""

    code: str
    name: Text
    question: Text
    summary: Text
    effort: competencies.Effort
    environment: str
    dimension: str
    is_picked: bool
    is_fixed: bool
    is_allowed: bool


@dataclass(frozen=True)
class Choosing:
    """选能力点."""

    round: Round
    rows: tuple[ChoiceRow, ...]
    sets: tuple[tuple[str, ...], ...]
    picked: tuple[str, ...]
    state: competencies.ChoiceState
    min_dimensions: int
    dimensions: Mapping[str, Text]
    environments: Mapping[str, Text]
    is_reference: bool


def choosing(
    session: Session,
    actor: Actor,
    programme_uuid: str,
    now: datetime,
    *,
    environment: str = "",
    dimension: str = "",
    no_video: bool = False,
    picked: Collection[str] = (),
) -> Choosing:
    """The points to choose from: five queries. `picked`: codes to tick instead of the saved choice.

    Points that are ticked are always shown, whatever the filters say.
    """
    require(actor, Permission.POINTS_CHOOSE, own(actor))
    programme, rules = enrolled_programme(session, actor, programme_uuid)
    timezone = get(session, Tenant, actor.tenant_id).timezone
    framework = get(session, competencies.FrameworkVersion, programme.framework_version_id)
    described = framework.content["framework"]
    points = session.exec(
        select(competencies.CompetencyPoint)
        .where(competencies.CompetencyPoint.framework_version_id == pk(framework))
        .order_by(col(competencies.CompetencyPoint.position))
    ).all()
    held = session.exec(
        select(competencies.Selection.point_id, competencies.Decision.id)
        .join(
            competencies.Submission,
            and_(
                col(competencies.Submission.programme_id) == col(competencies.Selection.programme_id),
                col(competencies.Submission.person_id) == col(competencies.Selection.person_id),
                col(competencies.Submission.point_id) == col(competencies.Selection.point_id),
            ),
            isouter=True,
        )
        .join(
            competencies.Decision,
            col(competencies.Decision.submission_id) == col(competencies.Submission.id),
            isouter=True,
        )
        .where(
            competencies.Selection.programme_id == pk(programme),
            competencies.Selection.person_id == actor.person_id,
            col(competencies.Selection.dropped_at).is_(None),
        )
    ).all()
    chosen, fixed = {key for key, _ in held}, {key for key, decision in held if decision is not None}
    known = {point.code for point in points}
    ticked = {code for code in picked if code in known} | {point.code for point in points if pk(point) in fixed}
    if not picked:
        ticked |= {point.code for point in points if pk(point) in chosen}
    school = drafts.school_of(session, actor, actor.person_id)
    declared = school.environment if school is not None else ""
    rule = submit.choice_rule(session, actor, rules)
    facts = [competencies.point_facts(point) for point in points]
    rows = tuple(
        ChoiceRow(
            code=point.code,
            name=point.name,
            question=point.question,
            summary=point.summary,
            effort=fact.effort,
            environment=point.environment,
            dimension=point.dimension,
            is_picked=point.code in ticked,
            is_fixed=pk(point) in fixed,
            is_allowed=competencies.allowed(rule, fact, declared),
        )
        for point, fact in zip(points, facts, strict=True)
        if point.code in ticked
        or (
            (not environment or point.environment == environment)
            and (not dimension or point.dimension == dimension)
            and not (no_video and fact.effort.video)
        )
    )
    defaults = described.get("selection_defaults") or {}
    return Choosing(
        round=Round.of(programme, rules, timezone, now),
        rows=tuple(sorted(rows, key=lambda row: not row.is_picked)),
        sets=competencies.fitting_sets(rule, defaults.get("suggested_sets", []), facts, declared),
        picked=tuple(fact.code for fact in facts if fact.code in ticked),
        state=competencies.missing(rule, [fact for fact in facts if fact.code in ticked], declared, facts),
        min_dimensions=rule.min_dimensions,
        dimensions={one["code"]: _told(one) for one in described.get("dimensions", [])},
        environments={one["code"]: _told(one) for one in described.get("environments", [])},
        is_reference=framework.is_reference,
    )


def _told(entry: Mapping[str, Any]) -> Text:
    return {"zh": str(entry.get("zh", "")), "en": str(entry.get("en", ""))}
