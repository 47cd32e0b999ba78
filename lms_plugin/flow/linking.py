"""往课程里放链接: what a trainer chooses to put into a host's course (Deep Linking 2.0)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlmodel import Session, col, select

import competencies
import lti
from lms_plugin.access import Actor, Permission, Scope, require
from lms_plugin.db import find, get, pk
from lms_plugin.errors import Forbidden, Invalid, NotFound, Refused
from lms_plugin.flow import column_words, courses
from lms_plugin.flow.links import POINT, PROGRAMME, VIEW, Target, View, review_of, target_of
from lms_plugin.flow.report import column_name
from lms_plugin.people import Course, LinkRequest, Tenant

GOOD_FOR = timedelta(hours=1)  # hosts keep their dialogue about as long
MOST_ITEMS = 40


@dataclass(frozen=True)
class Offer:
    """One programme with what can be linked to: its points by dimension."""

    uuid: str
    title: str
    points: tuple[tuple[Mapping[str, str], tuple[tuple[str, str, Mapping[str, str]], ...]], ...]


@dataclass(frozen=True)
class Picker:
    """The page: programmes on offer. `binds`: the course runs none yet, and choosing says which. `names_course`: the
    host says which course it is; where it does not, choosing binds nothing."""

    uuid: str
    course: str
    takes_many: bool
    takes_column: bool
    binds: bool
    names_course: bool
    offers: tuple[Offer, ...]
    return_url: str


@dataclass(frozen=True)
class Answer:
    """What the browser posts to the host."""

    return_url: str
    token: str
    titles: tuple[str, ...]


def _request(session: Session, actor: Actor, uuid: str) -> tuple[LinkRequest, Course]:
    """The actor's own question. Raises NotFound for somebody else's, Forbidden for who is no trainer there any more."""
    row = find(session, LinkRequest, actor.tenant_id, uuid)
    course = get(session, Course, row.course_id)
    require(actor, Permission.LINK_CHOOSE, Scope(row.tenant_id, row.person_id, course_ids=frozenset({row.course_id})))
    return row, course


def is_open(session: Session, actor: Actor, uuid: str, now: datetime) -> bool:
    """Whether this question of the actor still waits for an answer."""
    try:
        row, _course = _request(session, actor, uuid)
    except (NotFound, Forbidden):
        return False
    return row.answered_at is None and now - row.created_at < GOOD_FOR


def picker(session: Session, actor: Actor, uuid: str, now: datetime) -> Picker:
    """What can be put into the course. Raises Refused `link.answered`, `link.expired`."""
    row, course = _request(session, actor, uuid)
    _must_be_open(row, now)
    return Picker(
        uuid=row.uuid,
        course=course.title,
        takes_many=row.takes_many,
        takes_column=row.takes_column,
        binds=_waits(course),
        names_course=lti.is_course(course.context_id),
        offers=offers(session, _programmes(session, actor, course)),
        return_url=row.return_url,
    )


def offers(session: Session, programmes: Collection[competencies.Programme]) -> tuple[Offer, ...]:
    """What there is in each of these programmes, without the points that its rules leave to nobody: three queries."""
    versions = [one.framework_version_id for one in programmes]
    points = session.exec(
        select(competencies.CompetencyPoint)
        .where(col(competencies.CompetencyPoint.framework_version_id).in_(versions))
        .order_by(col(competencies.CompetencyPoint.position))
    ).all()
    contents = {
        pk(version): version.content["framework"]["dimensions"]
        for version in session.exec(
            select(competencies.FrameworkVersion).where(col(competencies.FrameworkVersion.id).in_(versions))
        )
    }
    choices = {
        policy.programme_id: _choices(competencies.Rules.model_validate(policy.rules))
        for policy in session.exec(
            select(competencies.ProgrammePolicy).where(
                col(competencies.ProgrammePolicy.id).in_([one.policy_id for one in programmes])
            )
        )
    }
    return tuple(
        Offer(
            one.uuid,
            one.title,
            tuple(
                (
                    {name: part[name] for name in ("zh", "en") if part.get(name)},
                    tuple(
                        (point.code, Target(one.uuid, View.POINT, point.code).key, point.question)
                        for point in points
                        if point.framework_version_id == one.framework_version_id
                        and point.dimension == part["code"]
                        and _is_left(choices.get(pk(one), ()), point)
                    ),
                )
                for part in contents[one.framework_version_id]
            ),
        )
        for one in programmes
    )


def _choices(rules: competencies.Rules) -> "list[competencies.ChoiceRule]":
    """How everybody chooses, and how each category does that has a rule of its own."""
    whose = (None, *(one.category for one in rules.categories))
    return [competencies.choice_rule(rules.for_category(category)) for category in whose]


def _is_left(choices: "Collection[competencies.ChoiceRule]", point: competencies.CompetencyPoint) -> bool:
    """Whether there is anybody who may choose the point; so it is where no rule says otherwise."""
    facts = competencies.point_facts(point)
    return not choices or any(competencies.allowed(rule, facts, "") for rule in choices)


def _must_be_open(row: LinkRequest, now: datetime) -> None:
    if row.answered_at is not None:
        raise Refused("link.answered")
    if now - row.created_at >= GOOD_FOR:
        raise Refused("link.expired")


def _waits(course: Course) -> bool:
    """Whether the host named a course, and nobody has said yet which programme it runs."""
    return course.programme_id is None and lti.is_course(course.context_id)


def _programmes(session: Session, actor: Actor, course: Course) -> list[competencies.Programme]:
    """The course's programme; for a course that has none yet, or is not named, those that the actor may let one run."""
    if course.programme_id is not None and lti.is_course(course.context_id):
        return [get(session, competencies.Programme, course.programme_id)]
    return courses.offered(session, actor)


def choose(
    session: Session,
    actor: Actor,
    uuid: str,
    keys: Collection[str],
    now: datetime,
    *,
    launch_url: str,
    icon_url: str,
    secret_key: str,
    language: str,
    words_of_none: tuple[str, str],
) -> Answer:
    """Answers the host with what was chosen; no keys = nothing (取消). In a course that runs no programme yet, what is
    chosen says which one; a host that names no course (Open edX) asks for any, and nothing is bound.
    `words_of_none`: what the host shows its person where none was chosen, and where there is none to choose.

    The same choice again within the hour is answered again (a double click, a browser that lost the page); another one
    is Refused `link.answered`. Raises Invalid with field `item`.
    """
    row, course = _request(session, actor, uuid)
    session.refresh(row, with_for_update=True)
    chosen = list(dict.fromkeys(keys))
    if now - row.created_at >= GOOD_FOR:
        raise Refused("link.expired")
    if row.answered_at is not None and chosen != row.items:
        raise Refused("link.answered")
    targets = [target_of(key) for key in chosen]
    wrong = _fault(row, targets)
    if wrong:
        raise Invalid({"item": wrong})
    known = {one.uuid: one for one in _programmes(session, actor, course)}
    items = []
    for target in targets:
        if target is None or target.programme not in known:
            raise Invalid({"item": "form.choose"})
        item = _item(session, known[target.programme], target, row, launch_url, language)
        items.append(replace(item, icon_url=icon_url, targets=tuple(row.targets)))
    if items and _waits(course) and targets[0] is not None and courses.may_bind(session, actor, course):
        courses.bind_course(session, actor, course.uuid, targets[0].programme, now)
    row.items, row.answered_at = chosen, row.answered_at or now
    session.add(row)
    session.flush()
    cancelled, empty = words_of_none
    token = lti.answer_deep_linking(
        session,
        row.deployment_id,
        items,
        data=row.data,
        secret_key=secret_key,
        now=now,
        message=cancelled if known and not items else "",
        error=("", "") if known else (empty, "no programme"),
    )
    return Answer(row.return_url, token, tuple(item.title for item in items))


def _fault(row: LinkRequest, targets: list[Target | None]) -> str:
    """What is wrong with a choice, as an error code; "" = nothing."""
    if len(targets) > 1 and not row.takes_many:
        return "link.only_one"
    if len(targets) > MOST_ITEMS:
        return "link.too_many"
    if None in targets:
        return "form.choose"
    return "link.one_programme" if len({target.programme for target in targets if target is not None}) > 1 else ""


def _item(
    session: Session,
    programme: competencies.Programme,
    target: Target,
    row: LinkRequest,
    launch_url: str,
    language: str,
) -> "lti.ContentItem":
    custom = {PROGRAMME: programme.uuid, VIEW: target.view.value}
    title, text = programme.title, ""
    column = None
    if target.view is View.POINT:
        point = session.exec(
            select(competencies.CompetencyPoint).where(
                competencies.CompetencyPoint.framework_version_id == programme.framework_version_id,
                competencies.CompetencyPoint.code == target.point,
            )
        ).one_or_none()
        if point is None:
            raise Invalid({"item": "form.choose"})
        custom[POINT] = point.code
        title = f"{point.code} {point.name.get(language) or point.name['zh']}"
        text = point.question.get(language) or point.question["zh"]
    elif target.view is View.RECORD:
        title = "My training record" if language == "en" else "我的研修档案"
    elif target.view is View.REVIEWS:
        title = "My peer reviews" if language == "en" else "我的互评任务"
    elif row.takes_column:
        required = competencies.rules_of(session, programme).choice.required_points
        name = column_name(programme, lti.LineItemKind.POINTS)
        label = column_words.label(programme.title, lti.LineItemKind.POINTS, language)
        column = lti.LinkColumn(label, required, name, name, review_of(programme, launch_url))
    takes_work = target.view in (View.HOME, View.POINT)
    taken = _taken(session, programme) if takes_work else None
    return lti.ContentItem(title, text, launch_url, custom, column, taken)


def _taken(session: Session, programme: competencies.Programme) -> tuple[datetime, datetime]:
    """From when until when work is handed in; the last second belongs to the day that people know."""
    timezone = get(session, Tenant, programme.tenant_id).timezone
    ends_at = competencies.end_of_day(programme.submit_by_on, timezone)
    return competencies.start_of_day(programme.opens_on, timezone), ends_at - timedelta(seconds=1)
