"""What the page for choosing points shows."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

import competencies
from lms_plugin.access import Actor, Permission, own, require
from lms_plugin.db import get, pk
from lms_plugin.flow import categories, drafts, extensions
from lms_plugin.flow.round_view import Round
from lms_plugin.flow.submit_views import Text, enrolled_programme
from lms_plugin.people import Tenant

STAYS = (competencies.Tie.OPENED, competencies.Tie.DECIDED)


@dataclass(frozen=True)
class ChoiceRow:
    """One point of the framework to choose from. `tie`: how firmly it is held ("" = not chosen; `competencies.Tie`)."""

    code: str
    name: Text
    question: Text
    summary: Text
    effort: competencies.Effort
    environment: str
    dimension: str
    is_picked: bool
    tie: str
    is_allowed: bool


@dataclass(frozen=True)
class Choosing:
    """选能力点. `given_up`: points that were handed in and are not ticked any more.

    `lost`: points that the person had to give up when the round went over to another version of its standard, and what
    became of each ("" = no more); told while places are to be filled.
    """

    round: Round
    rows: tuple[ChoiceRow, ...]
    sets: tuple[tuple[str, ...], ...]
    picked: tuple[str, ...]
    state: competencies.ChoiceState
    min_dimensions: int
    dimensions: Mapping[str, Text]
    environments: Mapping[str, Text]
    declared: tuple[str, ...]  # the environments that hold for the person; () = none declared, or any allowed
    is_own_environment: bool  # theirs alone, not the school's
    not_for: competencies.Category | None  # their category, where the programme is for others
    concerns: tuple[competencies.Category, ...]  # whom it is for; () = everybody
    only: tuple[str, ...]  # what is left to choose from (codes); () = all
    given_up: tuple[str, ...]
    lost: tuple[tuple[str, Text, str], ...]  # code, name, what it is called now
    is_reference: bool
    languages: tuple[str, ...]  # in which the standard can be read besides Chinese and English


def choosing(
    session: Session,
    actor: Actor,
    programme_uuid: str,
    now: datetime,
    *,
    environment: str = "",
    dimension: str = "",
    no_video: bool = False,
    picked: Collection[str] | None = None,
) -> Choosing:
    """The points to choose from: six queries, one more each where the programme has extensions or does not treat all
    alike. `picked`: codes to tick
    instead of the saved choice; those that stay chosen are ticked in any case.

    Points that are ticked are always shown, whatever the filters say.
    """
    require(actor, Permission.POINTS_CHOOSE, own(actor))
    programme, rules, not_for = enrolled_programme(session, actor, programme_uuid)
    timezone = get(session, Tenant, actor.tenant_id).timezone
    framework = get(session, competencies.FrameworkVersion, programme.framework_version_id)
    described = framework.content["framework"]
    points = session.exec(
        select(competencies.CompetencyPoint)
        .where(competencies.CompetencyPoint.framework_version_id == pk(framework))
        .order_by(col(competencies.CompetencyPoint.position))
    ).all()
    held = competencies.ties(session, programme, actor.person_ids, rules, now)
    points = competencies.succession.with_held(session, programme, points, held)
    stays = {point.code for point in points if held.get(pk(point)) in STAYS}
    known = {point.code for point in points}
    saved = {point.code for point in points if pk(point) in held}
    ticked = stays | (saved if picked is None else known & set(picked))
    school = drafts.school_of(session, actor)
    declared = categories.environment_of(session, actor.person_ids, school)
    rule = competencies.choice_rule(rules)
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
            tie=held[pk(point)].value if pk(point) in held else "",
            is_allowed=point.code in stays or competencies.allowed(rule, fact, declared),
        )
        for point, fact in zip(points, facts, strict=True)
        if point.code in ticked
        or (
            competencies.allowed(rule, fact, "")
            and (not environment or point.environment == environment)
            and (not dimension or point.dimension == dimension)
            and not (no_video and fact.effort.video)
        )
    )
    state = competencies.missing(rule, [fact for fact in facts if fact.code in ticked], declared, facts, stays)
    defaults = described.get("selection_defaults") or {}
    return Choosing(
        round=Round.of(programme, rules, timezone, now, extensions.own_extension(session, actor, programme)),
        rows=tuple(sorted(rows, key=lambda row: not row.is_picked)),
        sets=competencies.fitting_sets(rule, defaults.get("suggested_sets", []), facts, declared),
        picked=tuple(fact.code for fact in facts if fact.code in ticked),
        state=state,
        min_dimensions=rule.min_dimensions,
        dimensions={one["code"]: competencies.languages.words(one) for one in described.get("dimensions", [])},
        environments={one["code"]: competencies.languages.words(one) for one in described.get("environments", [])},
        declared=tuple(declared.split()) if rule.environment_rule != competencies.EnvironmentRule.FREE else (),
        is_own_environment=school is None or declared != school.environment,
        not_for=not_for,
        concerns=rules.concerns,
        only=rules.choice.only,
        given_up=tuple(
            point.code
            for point in points
            if held.get(pk(point)) is competencies.Tie.HANDED_IN and point.code not in ticked
        ),
        lost=_lost(session, actor, programme) if state.points_missing else (),
        is_reference=framework.is_reference,
        languages=competencies.languages.languages_of(framework.content),
    )


def _lost(session: Session, actor: Actor, programme: competencies.Programme) -> tuple[tuple[str, Text, str], ...]:
    """Points that the person had chosen and that went when the round went over. One query where it never did."""
    moves = competencies.succession.moves_of(session, programme)
    if not moves:
        return ()
    points = session.exec(
        select(competencies.CompetencyPoint)
        .join(competencies.Selection, col(competencies.Selection.point_id) == col(competencies.CompetencyPoint.id))
        .where(
            competencies.Selection.programme_id == pk(programme),
            col(competencies.Selection.person_id).in_(actor.person_ids),
            col(competencies.Selection.dropped_at).in_([move.at for move in moves]),
        )
        .order_by(col(competencies.CompetencyPoint.position))
    ).all()
    return tuple((point.code, point.name, competencies.succession.became(point, moves)) for point in points)
