"""A framework leaves as a file, and comes in as a draft: checked first, taken in on the curator's word."""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, select

import competencies
from competencies import CompetencyFramework, FrameworkVersion, ReferenceVersion, VersionState
from lms_plugin.access import Actor, Permission, Scope, require, somewhere
from lms_plugin.db import find, get
from lms_plugin.errors import NotFound, Refused
from lms_plugin.flow import crosswalk, curators, framework_files
from lms_plugin.people import Tenant

MOST_SHOWN = 200
"""Items of a long reference framework that its check lists."""


@dataclass(frozen=True)
class Download:
    """A file on its way out."""

    filename: str
    mime: str
    data: bytes


@dataclass(frozen=True)
class Check:
    """What a file would bring. With `problems` nothing of it can be taken in and the rest is empty.

    `number`: which edition of its framework the draft would be; `same_as`: uuid of the edition that has the very same
    content already, "" for none. `listed`: it is a 参照框架, with so many items, of which `points` are the first ones.
    """

    problems: tuple[competencies.PackProblem, ...] = ()
    title: str = ""
    code: str = ""
    points: tuple[tuple[str, str], ...] = ()  # code, name
    items: int = 0
    criteria: int = 0
    number: int = 1
    same_as: str = ""
    is_reference: bool = False
    notice: str = ""
    listed: int = 0
    licence: str = ""
    languages: tuple[str, ...] = ()  # besides Chinese and English


def download(session: Session, actor: Actor, uuid: str, form: str) -> Download:
    """A version as a file of one of the forms. Raises NotFound for a form that does not exist."""
    version = find(session, FrameworkVersion, actor.tenant_id, uuid)
    require(actor, Permission.PROGRAMME_READ, somewhere(actor))
    return file_of(session, version, form)


def file_of(session: Session, version: FrameworkVersion, form: str) -> Download:
    """The file of a version, for whoever may have it; the operator's way out (`nengli` command)."""
    if form not in framework_files.FORMS:
        raise NotFound
    ending, mime = framework_files.FORMS[form]
    framework = get(session, CompetencyFramework, version.framework_id)
    data = framework_files.write(
        competencies.load_pack(version.content),
        form,
        get(session, Tenant, version.tenant_id).name,
        version.published_at or version.created_at,
        is_draft=version.state is VersionState.DRAFT,
        links=crosswalk.out_links(session, version) if form == "case" else (),
    )
    return Download(f"{framework.code}_v{version.number}.{ending}", mime, data)


def may_import(actor: Actor) -> None:
    """Raises Forbidden for whoever may not bring a framework in."""
    require(actor, Permission.FRAMEWORK_CURATE, Scope(actor.tenant_id))


def check(session: Session, actor: Actor, data: bytes) -> Check:
    """Reads a file and says what it would bring; writes nothing.

    Raises Refused `pack.…` or `sheet.…` where it is no file of a framework; faults within one come back.
    """
    require(actor, Permission.FRAMEWORK_CURATE, Scope(actor.tenant_id))
    try:
        pack = framework_files.read(data)
    except Refused as refused:
        if refused.code != "pack.invalid":
            raise
        return Check(problems=tuple(refused.params["problems"]))
    if isinstance(pack, competencies.Reference):
        return _check_reference(session, actor, pack)
    items = [item for point in pack.points for item in point.evidence]
    editions = session.exec(
        select(FrameworkVersion.number, FrameworkVersion.content_hash, FrameworkVersion.uuid)
        .join(CompetencyFramework)
        .where(
            FrameworkVersion.tenant_id == actor.tenant_id,
            CompetencyFramework.tenant_id == actor.tenant_id,
            CompetencyFramework.code == pack.framework.id,
        )
    ).all()
    content_hash = competencies.content_hash(pack)
    return Check(
        title=pack.framework.title_zh,
        code=pack.framework.id,
        points=tuple((point.code, point.name_zh) for point in sorted(pack.points, key=lambda one: one.order)),
        items=len(items),
        criteria=sum(len(item.criteria) for item in items),
        number=max((number for number, _hash, _uuid in editions), default=0) + 1,
        same_as=next((uuid for _number, known, uuid in editions if known == content_hash), ""),
        is_reference=pack.framework.status == "reference",
        notice=pack.framework.notice_zh or "",
        languages=tuple(pack.framework.languages),
    )


def _check_reference(session: Session, actor: Actor, reference: competencies.Reference) -> Check:
    head, row = reference.framework, ReferenceVersion
    editions = session.exec(
        select(row.number, row.content_hash, row.uuid).where(row.tenant_id == actor.tenant_id, row.code == head.id)
    ).all()
    content_hash = competencies.content_hash(reference)
    return Check(
        title=head.title_zh or head.title_en or "",
        code=head.id,
        points=tuple((item.code, item.zh or item.en or "") for item in reference.items[:MOST_SHOWN]),
        number=max((number for number, _hash, _uuid in editions), default=0) + 1,
        same_as=next((uuid for _number, known, uuid in editions if known == content_hash), ""),
        notice=head.notice_zh or "",
        listed=len(reference.items),
        licence=head.licence or "",
    )


def commit(session: Session, actor: Actor, data: bytes, now: datetime) -> FrameworkVersion | ReferenceVersion:
    """Takes a file in: a standard as a draft, with the links of its points that the file carries as proposals; a
    reference framework as it is. The same content again gives the edition that is there. Raises Refused as reading."""
    require(actor, Permission.FRAMEWORK_CURATE, Scope(actor.tenant_id))
    pack = framework_files.read(data)
    curators.in_turn(session, actor.tenant_id)
    if isinstance(pack, competencies.Reference):
        return competencies.references.take_in(session, actor.tenant_id, pack, actor.person_id, now)
    version = competencies.draft_from_pack(session, actor.tenant_id, pack, now)
    crosswalk.take_links(session, version, competencies.exchange.read_links(data), actor.person_id, now)
    return version
