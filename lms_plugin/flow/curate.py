"""Frameworks and programmes: publish a version, set up a round, open and close it."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from sqlmodel import Session, col, select

import competencies
import rubrics
from competencies import FrameworkVersion, Programme, ProgrammeState, Rules, Selection, VersionState
from lms_plugin.access import Actor, Permission, Scope, require, somewhere
from lms_plugin.db import find, get, hold, owned, pk
from lms_plugin.errors import Conflict, Invalid, NotFound, Refused
from lms_plugin.flow import booking, curators, report, units
from lms_plugin.people import OrgUnit, Tenant


def publish_framework(session: Session, actor: Actor, version: FrameworkVersion, now: datetime) -> None:
    """Makes a version immutable. A 参考稿 needs every point confirmed first (Refused `framework.unconfirmed`), and a
    copy of what is published already has to say something else (`framework.nothing_changed`)."""
    require(actor, Permission.FRAMEWORK_CURATE, Scope(tenant_id=version.tenant_id))
    hold(session, version)  # nobody changes it while it is made of what it says
    number = competencies.same_as(session, version)
    if number and version.state is VersionState.DRAFT:
        raise Refused("framework.nothing_changed", number=number)
    publish(session, version, actor.person_id, now, under_banner=False)


def publish(
    session: Session, version: FrameworkVersion, by_id: int | None, now: datetime, *, under_banner: bool
) -> None:
    """Publishes points, requirements and one rubric a requirement. The operator's way in (demo, `nengli` command)."""
    for requirement, item in competencies.freeze(session, version, by_id, now, under_banner=under_banner):
        rubric = rubrics.publish_rubric(session, version.tenant_id, requirement.title, criteria_of(item), now)
        requirement.rubric_version_id = pk(rubric)
        session.add(requirement)
    session.flush()


def criteria_of(item: dict[str, Any]) -> Any:
    """What the pack says of one item, in every language: its criteria, or of an item that is not core its one validity
    statement."""
    told = competencies.languages.spoken(item)
    return told["criteria"] if item["core"] else told["validity"]


def publish_version(session: Session, actor: Actor, uuid: str, now: datetime, seen: str = "") -> FrameworkVersion:
    """The curator's button under a draft that has been confirmed point by point; a second click changes nothing.

    `seen`: the content hash that the page showed. Raises Conflict `framework.changed` where it is another one by now.
    """
    version = find(session, FrameworkVersion, actor.tenant_id, uuid)
    require(actor, Permission.FRAMEWORK_CURATE, Scope(tenant_id=version.tenant_id))
    hold(session, version)
    if seen and seen != version.content_hash:
        raise Conflict("framework.changed")
    publish_framework(session, actor, version, now)
    return version


def load_pack(session: Session, actor: Actor, name: str, now: datetime) -> FrameworkVersion:
    """Loads a shipped pack as a draft of this district; the same pack again gives the same draft."""
    require(actor, Permission.FRAMEWORK_CURATE, Scope(tenant_id=actor.tenant_id))
    curators.in_turn(session, actor.tenant_id)
    return competencies.draft_from_pack(session, actor.tenant_id, competencies.packs.load(name), now)


def confirm_points(
    session: Session, actor: Actor, uuid: str, codes: Sequence[str], now: datetime, seen: str = ""
) -> FrameworkVersion:
    """A curator has read these points beside the local paper and vouches for them.

    `seen`: the edition of the one point that the page showed. Raises Conflict `framework.changed` where somebody has
    changed its words since: nobody vouches for what they have not read.
    """
    version = find(session, FrameworkVersion, actor.tenant_id, uuid)
    require(actor, Permission.FRAMEWORK_CURATE, Scope(tenant_id=version.tenant_id))
    hold(session, version)
    editions = {
        point["code"]: competencies.edition(competencies.editing.vouched(point)) for point in version.content["points"]
    }
    if seen and any(editions.get(code) != seen for code in codes):
        raise Conflict("framework.changed")
    competencies.confirm_points(session, version, codes, actor.person_id, now)
    return version


@dataclass(frozen=True)
class ProgrammeForm:
    """What an officer says of a programme; every rule that was left alone has its default."""

    title: str
    framework_version: str  # uuid of a published version
    unit: str  # uuid of an org unit
    opens_on: date
    submit_by_on: date
    review_by_on: date
    closes_on: date
    rules: Rules


def create_programme(session: Session, actor: Actor, form: ProgrammeForm, now: datetime) -> Programme:
    """A new round, in preparation: teachers see it once it is opened. Raises Invalid naming the field."""
    require(actor, Permission.PROGRAMME_EDIT, _tenant_scope(session, actor, form.unit))
    unit, version = _unit(session, actor, form.unit), _version(session, actor, form.framework_version)
    form = _as_spelt(form, version)
    programme = Programme(
        tenant_id=actor.tenant_id,
        framework_version_id=pk(version),
        title=_title(session, actor, form.title, None),
        org_unit_id=pk(unit),
        opens_on=form.opens_on,
        submit_by_on=form.submit_by_on,
        review_by_on=form.review_by_on,
        closes_on=form.closes_on,
        created_at=now,
    )
    _check(session, programme, form)
    session.add(programme)
    session.flush()
    competencies.set_rules(session, programme, form.rules, actor.person_id, now)
    return programme


def edit_programme(
    session: Session, actor: Actor, uuid: str, form: ProgrammeForm, seen_version: int, now: datetime
) -> Programme:
    """Changes a round; changed rules become a new rule version. What is in the ledger stays; where the new rules give
    more, a job books the difference and sends scores again.

    Raises Conflict `programme.changed` where somebody else changed it since the page was read, Refused
    `programme.framework_in_use` once teachers have chosen points of its framework, `programme.archived`.
    """
    programme = find(session, Programme, actor.tenant_id, uuid)
    require(actor, Permission.PROGRAMME_EDIT, programme_unit_scope(session, programme))
    if programme.version != seen_version:
        raise Conflict("programme.changed")
    unit, version = _unit(session, actor, form.unit), _version(session, actor, form.framework_version)
    require(actor, Permission.PROGRAMME_EDIT, Scope(actor.tenant_id, unit_paths=(unit.path,)))
    form = _as_spelt(form, version)
    if pk(version) != programme.framework_version_id and is_chosen_from(session, programme):
        raise Refused("programme.framework_in_use")
    if programme.archived_at is not None:
        raise Refused("programme.archived")
    title, days = _title(session, actor, form.title, programme), competencies.days_of(programme)
    programme.title, programme.framework_version_id, programme.org_unit_id = title, pk(version), pk(unit)
    programme.opens_on, programme.submit_by_on = form.opens_on, form.submit_by_on
    programme.review_by_on, programme.closes_on = form.review_by_on, form.closes_on
    with session.no_autoflush:
        _check(session, programme, form)
    session.add(programme)
    session.flush()
    if days != competencies.days_of(programme):
        moved = {"before": days, "after": competencies.days_of(programme)}
        competencies.note_event(session, programme, "dates", actor.person_id, now, details=moved)
    before = competencies.rules_of(session, programme)
    if programme.allotted_at is not None and form.rules.review.blind != before.review.blind:
        raise Invalid({"blind": "programme.blind_fixed"})  # reviewers wrote, or read names, by what they were told
    competencies.set_rules(session, programme, form.rules, actor.person_id, now)
    if report.maxima(form.rules) != report.maxima(before):
        report.queue_columns(session, programme, now)
    booking.rules_changed(session, programme, before, now)
    return programme


def set_state(session: Session, actor: Actor, uuid: str, state: ProgrammeState, now: datetime) -> Programme:
    """Opens a round for teachers, closes it (results then read 合格 or 不合格), or opens it again.

    Raises Refused `programme.no_way_back` for a round that teachers have seen and that should be a draft again, and
    `programme.over` for one whose last day is past: opened, it would be closed at once; `programme.archived`;
    `programme.points_unnamed` and `programme.points_lacking` where it does not have the points of its paper.
    """
    programme = find(session, Programme, actor.tenant_id, uuid)
    require(actor, Permission.PROGRAMME_EDIT, programme_unit_scope(session, programme))
    if programme.state is state:
        return programme
    if state is ProgrammeState.DRAFT:
        raise Refused("programme.no_way_back")
    if programme.archived_at is not None:
        raise Refused("programme.archived")
    timezone = get(session, Tenant, programme.tenant_id).timezone
    if state is ProgrammeState.OPEN:
        if now >= competencies.end_of_day(programme.closes_on, timezone):
            raise Refused("programme.over")
        wrong = points_unlike_paper(session, programme, competencies.rules_of(session, programme))
        if wrong is not None:
            raise Refused(wrong[0], **wrong[1])
    programme.state = state
    session.add(programme)
    kind = "opened" if state is ProgrammeState.OPEN else "closed"
    competencies.note_event(session, programme, kind, actor.person_id, now)
    return programme


def points_unlike_paper(session: Session, programme: Programme, rules: Rules) -> tuple[str, dict[str, int]] | None:
    """Why a round does not have as many points as the local paper (code and numbers); None where it does, or where
    nobody said how many that has. Henan's has 29: until the dropped one is named, nobody can choose rightly."""
    return _unlike_paper(get(session, FrameworkVersion, programme.framework_version_id).content["points"], rules)


def _unlike_paper(points: Sequence[dict[str, Any]], rules: Rules) -> tuple[str, dict[str, int]] | None:
    said = rules.choice.points_in_paper
    codes = {point["code"] for point in points}
    offered = len(codes - set(rules.choice.not_offered))
    if not said or said == offered:
        return None
    numbers = {"said": said, "offered": offered, "left": abs(offered - said)}
    return "programme.points_unnamed" if offered > said else "programme.points_lacking", numbers


def programme_unit_scope(session: Session, programme: Programme) -> Scope:
    """The scope of a round as its officers see it: the unit it is for."""
    return Scope(programme.tenant_id, unit_paths=(get(session, OrgUnit, programme.org_unit_id).path,))


def is_chosen_from(session: Session, programme: Programme) -> bool:
    """Whether any teacher has chosen a point in it."""
    return (
        session.exec(select(Selection.id).where(Selection.programme_id == pk(programme)).limit(1)).first() is not None
    )


def _tenant_scope(session: Session, actor: Actor, unit_uuid: str) -> Scope:
    """The unit's scope; of an unknown unit the district's own, so that the form can name the field."""
    unit = session.exec(owned(OrgUnit, actor.tenant_id).where(OrgUnit.uuid == unit_uuid)).one_or_none()
    if unit is not None:
        return Scope(actor.tenant_id, unit_paths=(unit.path,))
    return somewhere(actor)


def _unit(session: Session, actor: Actor, uuid: str) -> OrgUnit:
    try:
        return find(session, OrgUnit, actor.tenant_id, uuid)
    except NotFound as error:
        raise Invalid({"unit": "form.choose"}) from error


def _version(session: Session, actor: Actor, uuid: str) -> FrameworkVersion:
    try:
        version = find(session, FrameworkVersion, actor.tenant_id, uuid)
    except NotFound as error:
        raise Invalid({"framework_version": "form.choose"}) from error
    if version.state is not VersionState.PUBLISHED:
        raise Invalid({"framework_version": "programme.framework_draft"})
    return version


def _title(session: Session, actor: Actor, title: str, own: Programme | None) -> str:
    title = " ".join(title.split())
    if not title:
        raise Invalid({"title": "form.required"})
    if len(title) > 200:
        raise Invalid({"title": ("form.too_long", {"longest": 200})})
    if not title.isprintable():
        raise Invalid({"title": "form.unprintable"})
    other = session.exec(owned(Programme, actor.tenant_id).where(Programme.title == title)).first()
    if other is not None and (own is None or pk(other) != pk(own)):
        raise Invalid({"title": "programme.title_taken"})
    return title


def _as_spelt(form: ProgrammeForm, version: FrameworkVersion) -> ProgrammeForm:
    return replace(form, rules=competencies.rules.as_spelt(form.rules, version.content))


def _check(session: Session, programme: Programme, form: ProgrammeForm) -> None:
    """Dates of this age and in order, and rules that this framework's points can satisfy."""
    for name in ("opens_on", "submit_by_on", "review_by_on", "closes_on"):
        if not competencies.EARLIEST <= getattr(programme, name) <= competencies.LATEST:
            years = {"first": competencies.EARLIEST.year, "last": competencies.LATEST.year}
            raise Invalid({name: ("programme.day_of_no_term", years)})
    for earlier, later in (
        ("opens_on", "submit_by_on"),
        ("submit_by_on", "review_by_on"),
        ("review_by_on", "closes_on"),
    ):
        if getattr(programme, earlier) > getattr(programme, later):
            raise Invalid({later: "programme.dates_order"})
    check_rules(session, programme, form.rules, get(session, FrameworkVersion, programme.framework_version_id))


OF_CATEGORY = {"required_points": "points", "compulsory": "points", "min_dimensions": "dimensions", "only": "only"}
"""Where the form of a round says of a category what it says of everybody: `points_principal`."""


def check_rules(session: Session, programme: Programme, rules: Rules, version: FrameworkVersion) -> None:
    """Raises Invalid naming the rule that the points of this version cannot satisfy, for everybody or for the people of
    one category."""
    points = version.content["points"]
    unlike = _unlike_paper(points, rules)
    declared = _declared(session, programme)
    _check_for(rules, points, declared)
    if unlike is not None and programme.state is ProgrammeState.OPEN:
        raise Invalid({"not_offered": unlike})
    for own in rules.categories:
        try:
            _check_for(rules.for_category(own.category), points, declared)
        except Invalid as invalid:
            names = {**OF_CATEGORY, "practice_need": "practice"}
            told = {f"{names.get(name, name)}_{own.category.value}": said for name, said in invalid.fields.items()}
            raise Invalid(told) from invalid


def _declared(session: Session, programme: Programme) -> list[str]:
    """What schools of the programme's unit declare (codes, a blank between), each once."""
    unit = get(session, OrgUnit, programme.org_unit_id)
    return list(
        session.exec(
            select(OrgUnit.environment)
            .where(OrgUnit.tenant_id == unit.tenant_id, col(OrgUnit.path).startswith(unit.path, autoescape=True))
            .where(OrgUnit.environment != "")
            .distinct()
            .order_by(OrgUnit.environment)
        )
    )


def _check_for(rules: Rules, points: Sequence[dict[str, Any]], declared: Sequence[str]) -> None:
    choice = rules.choice
    rule, facts = competencies.choice_rule(rules), _facts(points)
    known = {name for one in facts for name in (one.code, one.environment, one.dimension)}
    if strange := [one for one in choice.only if one not in known]:
        raise Invalid({"only": ("programme.range_unknown", {"found": "、".join(strange)})})
    left = [one for one in facts if competencies.allowed(rule, one, "")]
    if choice.required_points > len(left):
        raise Invalid({"required_points": ("programme.points_too_many", {"most": len(left)})})
    if choice.min_dimensions > len({one.dimension for one in left}):
        raise Invalid({"min_dimensions": "programme.dimensions_too_many"})
    for name in ("compulsory", "not_offered"):
        unknown = set(getattr(choice, name)) - {point["code"] for point in points}
        if unknown:
            raise Invalid({name: ("framework.point_unknown", {"point": "、".join(sorted(unknown))})})
    if len(choice.compulsory) > choice.required_points:
        raise Invalid({"compulsory": ("choice.compulsory_too_many", {"most": choice.required_points})})
    _check_choice(rule, facts, declared)
    _check_hours(rules)


def _check_choice(
    rule: competencies.ChoiceRule, facts: Sequence[competencies.PointFacts], declared: Sequence[str]
) -> None:
    """In a school of any of these environments somebody must be able to choose what is asked."""
    if competencies.most_possible(rule, facts, "")[1] < rule.min_dimensions:
        raise Invalid({"compulsory": "programme.compulsory_one_sided"})
    for environment in declared:
        short = _short_of(rule, facts, environment)
        if short is not None:
            field, code, most = short
            raise Invalid({field: (f"programme.{code}_{environment.split()[-1]}", {"most": most})})


def _short_of(
    rule: competencies.ChoiceRule, facts: Sequence[competencies.PointFacts], environment: str
) -> tuple[str, str, int] | None:
    """What a school of that environment has too little of to meet the rule: field, code, and how much there is."""
    most_points, most_dimensions = competencies.most_possible(rule, facts, environment)
    if most_points < rule.required_points:
        return "required_points", "few_points", most_points
    if most_dimensions < rule.min_dimensions:
        return "min_dimensions", "few_dimensions", most_dimensions
    return None


def require_met(session: Session, tenant_id: int, paths: Collection[str], environment: str, now: datetime) -> None:
    """A school declares environments (codes, a blank between): the programmes that run above it must leave a
    way to choose there.

    `paths`: of these schools, or of the unit that they stand under. Raises Invalid `unit.programme_unmet` at
    "environment", naming the programmes. Two queries.
    """
    if not environment or not set(environment.split()) <= set(units.ENVIRONMENTS):
        return
    timezone = get(session, Tenant, tenant_id).timezone
    unmet = []
    for programme, version, policy, above in session.exec(
        select(Programme, FrameworkVersion, competencies.ProgrammePolicy, OrgUnit.path)
        .join(FrameworkVersion, col(FrameworkVersion.id) == col(Programme.framework_version_id))
        .join(competencies.ProgrammePolicy, col(competencies.ProgrammePolicy.id) == col(Programme.policy_id))
        .join(OrgUnit, col(OrgUnit.id) == col(Programme.org_unit_id))
        .where(Programme.tenant_id == tenant_id)
        .order_by(col(Programme.id))
    ).all():
        is_over = competencies.is_closed(programme, timezone, now) or programme.archived_at is not None
        if is_over or not any(path.startswith(above) for path in paths):
            continue
        rules, facts = Rules.model_validate(policy.rules), _facts(version.content["points"])
        ways = [rules, *(rules.for_category(own.category) for own in rules.categories)]
        if any(_short_of(competencies.choice_rule(one), facts, environment) is not None for one in ways):
            unmet.append(programme.title)
    if unmet:
        raise Invalid({"environment": ("unit.programme_unmet", {"programmes": "、".join(unmet)})})


def _facts(points: Sequence[dict[str, Any]]) -> list[competencies.PointFacts]:
    return [competencies.PointFacts(one["code"], one["dimension"], one["environment"]) for one in points]


def _check_hours(rules: Rules) -> None:
    """Where hours are needed for 合格, the best that anybody can do must reach the need."""
    if not rules.result.needs_hours:
        return
    rule = competencies.hours_rule(rules)
    most = competencies.practice_total(rule, [competencies.Level.EXCELLENT] * rule.required_points)
    if most < rule.practice_need_hundredths:
        raise Invalid({"practice_need": ("programme.need_out_of_reach", {"most": f"{most / 100:g}"})})
