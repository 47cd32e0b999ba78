"""What the pages of 项目 show: frameworks with their drafts, programmes with their rules."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlmodel import Session, col, func, select

import competencies
from competencies import FrameworkVersion, Programme, ProgrammePolicy, Rules, VersionState
from lms_plugin.access import Actor, Permission, Scope, can, require, somewhere
from lms_plugin.db import find, get, owned, pk
from lms_plugin.flow import rounds, schools, succession
from lms_plugin.flow.curate import is_chosen_from, points_unlike_paper, programme_unit_scope
from lms_plugin.people import Course, OrgUnit, Tenant


@dataclass(frozen=True)
class VersionLine:
    """One edition of a framework."""

    uuid: str
    title: dict[str, str]
    number: int
    is_draft: bool
    is_reference: bool
    points: int
    confirmed: int
    published_at: datetime | None
    level_words: dict[str, dict[str, str]] | None  # what it calls its levels, if not as usual


@dataclass(frozen=True)
class ProgrammeLine:
    """One round."""

    uuid: str
    title: str
    unit: str
    state: str
    opens_on: date
    submit_by_on: date
    closes_on: date
    courses: int


@dataclass(frozen=True)
class CurateHome:
    """项目: all frameworks and rounds of the district, those put away apart. `packs`: shipped ones that are not loaded
    yet. `may_edit`: whether the reader sets up rounds, or only reads; `may_curate`: whether frameworks come in."""

    versions: tuple[VersionLine, ...]
    programmes: tuple[ProgrammeLine, ...]
    archived: tuple[ProgrammeLine, ...]
    packs: tuple[str, ...]
    may_edit: bool
    may_curate: bool


def home(session: Session, actor: Actor) -> CurateHome:
    """Newest first."""
    require(actor, Permission.PROGRAMME_READ, somewhere(actor))
    versions = _versions(session, actor.tenant_id)
    courses = dict(
        session.exec(
            select(col(Course.programme_id), func.count())
            .where(Course.tenant_id == actor.tenant_id, col(Course.programme_id).is_not(None))
            .group_by(col(Course.programme_id))
        ).all()
    )
    rows = session.exec(
        select(Programme, OrgUnit.name)
        .join(OrgUnit, col(OrgUnit.id) == col(Programme.org_unit_id))
        .where(Programme.tenant_id == actor.tenant_id)
        .order_by(col(Programme.created_at).desc(), col(Programme.id).desc())
    ).all()
    lines: dict[bool, list[ProgrammeLine]] = {True: [], False: []}
    for row, unit in rows:
        line = ProgrammeLine(
            row.uuid,
            row.title,
            unit,
            row.state.value,
            row.opens_on,
            row.submit_by_on,
            row.closes_on,
            courses.get(pk(row), 0),
        )
        lines[row.archived_at is not None].append(line)
    return CurateHome(
        versions=tuple(versions),
        programmes=tuple(lines[False]),
        archived=tuple(lines[True]),
        packs=competencies.packs.names() if not versions and _may_curate(actor) else (),
        may_edit=can(actor, Permission.PROGRAMME_EDIT, somewhere(actor)),
        may_curate=_may_curate(actor),
    )


def _may_curate(actor: Actor) -> bool:
    return can(actor, Permission.FRAMEWORK_CURATE, Scope(actor.tenant_id))


def _versions(session: Session, tenant_id: int) -> list[VersionLine]:
    rows = session.exec(
        owned(FrameworkVersion, tenant_id).order_by(
            col(FrameworkVersion.created_at).desc(), col(FrameworkVersion.id).desc()
        )
    ).all()
    return [_version_line(row) for row in rows]


def _version_line(row: FrameworkVersion) -> VersionLine:
    """By the name that this edition gives itself: the next one may be called otherwise."""
    return VersionLine(
        row.uuid,
        competencies.frameworks.words(row.content["framework"], "title"),
        row.number,
        row.state is VersionState.DRAFT,
        row.is_reference,
        len(row.content["points"]),
        len(row.confirmed_points),
        row.published_at,
        competencies.frameworks.own_words(row.content["framework"]["levels"]),
    )


@dataclass(frozen=True)
class CriterionView:
    """One line of a standard with where it comes from."""

    passes: dict[str, str]
    excels: dict[str, str]
    is_proposed: bool
    source: str
    weight: int | None


@dataclass(frozen=True)
class ItemView:
    """One piece of evidence of a point."""

    key: str
    title: dict[str, str]
    kind: str
    is_core: bool
    is_required: bool
    is_proposed: bool
    source: str
    criteria: tuple[CriterionView, ...]
    validity: dict[str, str]


@dataclass(frozen=True)
class PointView:
    """One point as a curator reads it before vouching for it."""

    code: str
    name: dict[str, str]
    question: dict[str, str]
    dimension: dict[str, str]
    environment: dict[str, str]
    items: tuple[ItemView, ...]
    is_confirmed: bool
    proposed: int
    lines: int
    edition: str  # names its words: what a curator vouches for


@dataclass(frozen=True)
class FrameworkView:
    """A framework version with every line of it. `may_curate`: whether the reader confirms and publishes it.

    `same_as`: number of the published version of which a draft is still the copy, 0 for none. `levels`: what it calls
    its levels, by code. `has_before`: there is a version that it may have come from.
    """

    line: VersionLine
    notice: dict[str, str]
    points: tuple[PointView, ...]
    sources: tuple[tuple[str, str], ...]
    may_curate: bool
    same_as: int
    levels: dict[str, dict[str, str]]
    has_before: bool
    content_hash: str
    languages: tuple[str, ...]  # besides Chinese and English


def framework(session: Session, actor: Actor, uuid: str) -> FrameworkView:
    """A version, point by point, each line with its source."""
    version = find(session, FrameworkVersion, actor.tenant_id, uuid)
    require(actor, Permission.PROGRAMME_READ, somewhere(actor))
    head: dict[str, Any] = version.content["framework"]
    names = {
        kind: {part["code"]: competencies.frameworks.words(part) for part in head[kind]}
        for kind in ("dimensions", "environments")
    }
    return FrameworkView(
        line=_version_line(version),
        notice=competencies.frameworks.words(head, "notice"),
        points=tuple(
            _point(point, names, version) for point in sorted(version.content["points"], key=lambda one: one["order"])
        ),
        sources=_sources(head.get("sources")),
        may_curate=_may_curate(actor),
        same_as=competencies.same_as(session, version) if version.state is VersionState.DRAFT else 0,
        levels={level["code"]: competencies.frameworks.words(level) for level in head["levels"]},
        content_hash=version.content_hash,
        languages=competencies.languages.languages_of(version.content),
        has_before=_may_curate(actor) and (version.number > 1 or succession.is_begun_from_another(session, version)),
    )


def _sources(told: Any) -> tuple[tuple[str, str], ...]:
    """What a pack's short marks of sources stand for; packs of other makers may say it in another shape, or not."""
    return tuple(sorted((str(key), str(text)) for key, text in told.items())) if isinstance(told, dict) else ()


def _point(data: dict[str, Any], names: dict[str, dict[str, dict[str, str]]], version: FrameworkVersion) -> PointView:
    items = tuple(
        ItemView(
            key=item["key"],
            title=competencies.frameworks.words(item, "title"),
            kind=item["kind"],
            is_core=item["core"],
            is_required=item["required"],
            is_proposed=item["proposed"],
            source=str(item.get("source") or ""),
            criteria=tuple(
                CriterionView(
                    passes=competencies.languages.said(one, "pass"),
                    excels=competencies.languages.said(one, "excellent"),
                    is_proposed=one["proposed"],
                    source=str(one.get("source") or ""),
                    weight=one.get("weight"),
                )
                for one in item.get("criteria", [])
            ),
            validity=competencies.languages.said(item, "validity"),
        )
        for item in data["evidence"]
    )
    flags = [item.is_proposed for item in items] + [one.is_proposed for item in items for one in item.criteria]
    return PointView(
        code=data["code"],
        name=competencies.frameworks.words(data, "name"),
        question=competencies.frameworks.words(data, "question"),
        dimension=names["dimensions"][data["dimension"]],
        environment=names["environments"][data["environment"]],
        items=items,
        is_confirmed=data["code"] in version.confirmed_points,
        proposed=sum(flags),
        lines=len(flags),
        edition=competencies.edition(competencies.editing.vouched(data)),
    )


@dataclass(frozen=True)
class ProgrammeView:
    """One round with its rules, rule versions and what became of it. `may_edit`: whether the reader sets it up, or only
    reads; `is_past`: its last day is over; `make_up`: how many make-up rounds there were."""

    uuid: str
    title: str
    state: str
    version: int
    unit_uuid: str
    unit: str
    framework_uuid: str
    framework: VersionLine
    opens_on: date
    submit_by_on: date
    review_by_on: date
    closes_on: date
    rules: Rules
    rule_versions: tuple[tuple[int, datetime], ...]
    courses: tuple[tuple[str, str], ...]  # uuid, title
    is_chosen_from: bool
    undeclared: int  # schools that have declared no environment, where the rule looks at it
    may_edit: bool
    is_past: bool
    is_archived: bool
    make_up: int
    events: tuple[rounds.EventLine, ...]
    names: dict[str, dict[str, str]]  # of the environments and dimensions of its framework, by code
    unlike_paper: tuple[str, dict[str, int]] | None  # why it does not have the points of the local paper: a refusal


def programme(session: Session, actor: Actor, uuid: str, now: datetime, *, with_events: bool = False) -> ProgrammeView:
    """For the page of a round, which tells what became of it, and for its form, which does not."""
    row = find(session, Programme, actor.tenant_id, uuid)
    scope = programme_unit_scope(session, row)
    require(actor, Permission.PROGRAMME_READ, scope)
    unit = get(session, OrgUnit, row.org_unit_id)
    version, undeclared = session.exec(
        select(FrameworkVersion, schools.count_undeclared(row.tenant_id, unit.path)).where(
            FrameworkVersion.id == row.framework_version_id
        )
    ).one()
    policies = session.exec(
        select(ProgrammePolicy.number, ProgrammePolicy.made_at)
        .where(ProgrammePolicy.programme_id == pk(row))
        .order_by(col(ProgrammePolicy.number).desc())
    ).all()
    courses = session.exec(
        select(Course.uuid, Course.title)
        .where(Course.tenant_id == actor.tenant_id, Course.programme_id == pk(row))
        .order_by(col(Course.id))
    ).all()
    rules = competencies.rules_of(session, row)
    return ProgrammeView(
        uuid=row.uuid,
        title=row.title,
        state=row.state.value,
        version=row.version,
        unit_uuid=unit.uuid,
        unit=unit.name,
        framework_uuid=version.uuid,
        framework=_version_line(version),
        opens_on=row.opens_on,
        submit_by_on=row.submit_by_on,
        review_by_on=row.review_by_on,
        closes_on=row.closes_on,
        rules=rules,
        rule_versions=tuple((number, made_at) for number, made_at in policies),
        courses=tuple(courses),
        is_chosen_from=is_chosen_from(session, row),
        undeclared=undeclared if rules.choice.environment_rule != "free" else 0,
        may_edit=can(actor, Permission.PROGRAMME_EDIT, scope),
        is_past=now >= competencies.end_of_day(row.closes_on, get(session, Tenant, row.tenant_id).timezone),
        is_archived=row.archived_at is not None,
        make_up=row.make_up,
        events=rounds.events_of(session, actor, row) if with_events else (),
        names={
            part["code"]: competencies.frameworks.words(part)
            for kind in ("environments", "dimensions")
            for part in version.content["framework"][kind]
        },
        unlike_paper=points_unlike_paper(session, row, rules),
    )


@dataclass(frozen=True)
class FormChoices:
    """What the form of a round offers."""

    versions: tuple[VersionLine, ...]
    units: tuple[tuple[str, str, int], ...]  # uuid, name, depth


def form_choices(session: Session, actor: Actor) -> FormChoices:
    """Published framework versions, and the units that the officer's roles reach."""
    require(actor, Permission.PROGRAMME_EDIT, somewhere(actor))
    units = session.exec(owned(OrgUnit, actor.tenant_id).order_by(col(OrgUnit.path))).all()
    return FormChoices(
        versions=tuple(line for line in _versions(session, actor.tenant_id) if not line.is_draft),
        units=tuple(
            (unit.uuid, unit.name, unit.path.count("/") - 2)
            for unit in units
            if can(actor, Permission.PROGRAMME_EDIT, Scope(actor.tenant_id, unit_paths=(unit.path,)))
        ),
    )
