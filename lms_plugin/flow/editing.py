"""改标准: a curator begins a draft from what stands and changes it on pages. What is published is never touched."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, func, select

import competencies
from competencies import CompetencyFramework, FrameworkVersion, VersionState
from lms_plugin.access import Actor, Permission, Scope, require
from lms_plugin.db import find, hold, owned, pk
from lms_plugin.errors import Conflict, Invalid, NotFound
from lms_plugin.flow import crosswalk, curators, succession

Content = dict[str, Any]
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,99}")


@dataclass(frozen=True)
class Base:
    """What a draft may begin from: a published version (`uuid`), or a pack that ships (`pack`)."""

    uuid: str
    pack: str
    title: dict[str, str]
    number: int


def bases(session: Session, actor: Actor) -> tuple[Base, ...]:
    """Published versions, newest first, then shipped packs."""
    require(actor, Permission.FRAMEWORK_CURATE, Scope(actor.tenant_id))
    rows = session.exec(
        select(FrameworkVersion.uuid, CompetencyFramework.title, FrameworkVersion.number)
        .join(CompetencyFramework, col(CompetencyFramework.id) == col(FrameworkVersion.framework_id))
        .where(
            FrameworkVersion.tenant_id == actor.tenant_id,
            CompetencyFramework.tenant_id == actor.tenant_id,
            FrameworkVersion.state == VersionState.PUBLISHED,
        )
        .order_by(col(FrameworkVersion.published_at).desc(), col(FrameworkVersion.id).desc())
    ).all()
    shipped = tuple((name, competencies.packs.load(name).framework) for name in competencies.packs.names())
    return (
        *(Base(uuid, "", dict(title), number) for uuid, title, number in rows),
        *(Base("", name, competencies.frameworks.words(one.model_dump(), "title"), 0) for name, one in shipped),
    )


def begin_next(session: Session, actor: Actor, uuid: str, now: datetime) -> FrameworkVersion:
    """The next version of a published one, as a draft that begins as its copy. Where its framework has a draft
    already, that one: two curators work on one draft, and a second click makes no second one."""
    version = find(session, FrameworkVersion, actor.tenant_id, uuid)
    require(actor, Permission.FRAMEWORK_CURATE, Scope(actor.tenant_id))
    if version.state is not VersionState.PUBLISHED:
        return version
    framework = session.exec(
        owned(CompetencyFramework, actor.tenant_id)
        .where(CompetencyFramework.id == version.framework_id)
        .with_for_update()
    ).one()
    open_draft = session.exec(
        owned(FrameworkVersion, actor.tenant_id)
        .where(FrameworkVersion.framework_id == pk(framework), FrameworkVersion.state == VersionState.DRAFT)
        .order_by(col(FrameworkVersion.number).desc())
    ).first()
    if open_draft is not None:
        return open_draft
    last = session.exec(
        select(func.max(col(FrameworkVersion.number))).where(FrameworkVersion.framework_id == pk(framework))
    ).one()
    made = competencies.editing.begin_draft(
        session, framework, version.content, last + 1, version.confirmed_points, now
    )
    succession.begun_from(session, version, made, actor.person_id, now)
    return made


def begin_own(
    session: Session, actor: Actor, base: str, code: str, title: Mapping[str, str], now: datetime
) -> FrameworkVersion:
    """A standard of the district's own, begun from `base` (uuid of a published version, or the name of a shipped pack).

    The same code with an untouched draft of the same base gives that draft. Raises Invalid at "base", "title_zh",
    "title_en", "code" (`framework.bad_id`, `framework.id_taken`).
    """
    require(actor, Permission.FRAMEWORK_CURATE, Scope(actor.tenant_id))
    content, version = _base(session, actor, base)
    wrong: dict[str, str | tuple[str, dict[str, Any]]] = {}
    if not title.get("zh"):
        wrong["title_zh"] = "form.required"
    if not _ID.fullmatch(code):
        wrong["code"] = "framework.bad_id"
    wrong |= {f"title_{key}": ("form.too_long", {"longest": 500}) for key, text in title.items() if len(text) > 500}
    if wrong:
        raise Invalid(wrong)
    curators.in_turn(session, actor.tenant_id)
    new = competencies.editing.of_its_own(content, code, title)
    taken = session.exec(owned(CompetencyFramework, actor.tenant_id).where(CompetencyFramework.code == code)).first()
    if taken is not None:
        same = session.exec(
            owned(FrameworkVersion, actor.tenant_id)
            .where(
                FrameworkVersion.framework_id == pk(taken),
                FrameworkVersion.state == VersionState.DRAFT,
                FrameworkVersion.content_hash == competencies.content_hash(competencies.load_pack(new)),
            )
            .order_by(col(FrameworkVersion.id))
        ).first()
        if same is None:
            raise Invalid({"code": "framework.id_taken"})
        return same
    framework = CompetencyFramework(
        tenant_id=actor.tenant_id, code=code, title={key: one for key, one in title.items() if one}, created_at=now
    )
    session.add(framework)
    session.flush()
    confirmed = version.confirmed_points if version is not None else {}
    made = competencies.editing.begin_draft(session, framework, new, 1, confirmed, now)
    if version is not None:
        succession.begun_from(session, version, made, actor.person_id, now)
        crosswalk.carry(session, version, made, now)
    return made


def _base(session: Session, actor: Actor, base: str) -> tuple[Content, FrameworkVersion | None]:
    """The content to begin from, and the version that it is of where it is none that ships."""
    if base in competencies.packs.names():
        return competencies.packs.load(base).as_dict(), None
    try:
        version = find(session, FrameworkVersion, actor.tenant_id, base)
    except NotFound as error:
        raise Invalid({"base": "form.choose"}) from error
    if version.state is not VersionState.PUBLISHED:
        raise Invalid({"base": "form.choose"})
    return version.content, version


@dataclass(frozen=True)
class Draft:
    """A draft as its forms show it."""

    uuid: str
    number: int
    content: Content
    content_hash: str

    @property
    def title(self) -> dict[str, str]:
        """Its name."""
        return competencies.frameworks.words(self.content["framework"], "title")


def draft(session: Session, actor: Actor, uuid: str) -> Draft:
    """A draft for its forms. Raises Conflict `framework.published` for what can be changed no more."""
    version = find(session, FrameworkVersion, actor.tenant_id, uuid)
    require(actor, Permission.FRAMEWORK_CURATE, Scope(version.tenant_id))
    return Draft(version.uuid, version.number, _open(version).content, version.content_hash)


def discard(session: Session, actor: Actor, uuid: str, seen: str, now: datetime) -> None:
    """Throws a draft away, and the framework with it where it has no other version; what is published stays. Noted in
    标准的经过; a second click finds it gone and changes nothing.

    `seen`: the content hash that the page showed. Raises Conflict `framework.changed` where somebody has changed the
    draft since, `framework.published`.
    """
    require(actor, Permission.FRAMEWORK_CURATE, Scope(actor.tenant_id))
    try:
        version = _held(session, actor, uuid)
    except NotFound:
        if crosswalk.was_discarded(session, actor.tenant_id, uuid):
            return
        raise
    if version.content_hash != seen:
        raise Conflict("framework.changed")
    framework = session.exec(
        owned(CompetencyFramework, actor.tenant_id)
        .where(CompetencyFramework.id == version.framework_id)
        .with_for_update()
    ).one()
    details = {"uuid": version.uuid, "number": version.number, "hash": version.content_hash}
    competencies.references.note(session, actor.tenant_id, framework.code, "discarded", actor.person_id, now, **details)
    succession.forget(session, version)
    session.delete(version)
    session.flush()
    others = session.exec(
        select(FrameworkVersion.id).where(FrameworkVersion.framework_id == pk(framework)).limit(1)
    ).first()
    if others is None:
        crosswalk.forget(session, framework)
        session.delete(framework)
    session.flush()


def change_head(session: Session, actor: Actor, uuid: str, head: Mapping[str, Any], seen: str) -> None:
    """Name, notice, environments, dimensions, words of levels. `seen`: `competencies.edition` of what the form was made
    from. Raises Conflict `framework.changed` where it says something else by now, Invalid as `put_head`."""
    version = _held(session, actor, uuid)
    _put(
        session,
        version,
        seen,
        competencies.editing.head_words,
        lambda content: competencies.editing.put_head(content, head),
    )


def change_point(
    session: Session, actor: Actor, uuid: str, code: str, words: Mapping[str, Any], seen: str, now: datetime
) -> None:
    """A point's own words; a new code is noted in 新旧对照. Raises as `change_head`, and Invalid as `put_point`."""
    version = _held(session, actor, uuid)
    if code not in {one["code"] for one in version.content["points"]}:
        # A second click after the code was changed: what it would do has been done.
        if competencies.editing.own_words(competencies.editing.point_of(version.content, words["code"])) == dict(words):
            return
        raise NotFound
    _put(
        session,
        version,
        seen,
        lambda content: competencies.editing.own_words(competencies.editing.point_of(content, code)),
        lambda content: competencies.editing.put_point(content, code, words),
    )
    if words["code"] != code:
        succession.renamed(session, version, code, words["code"], actor.person_id, now)
        crosswalk.renamed(session, version, code, words["code"], now)


def add_point(session: Session, actor: Actor, uuid: str, words: Mapping[str, Any], like: str) -> None:
    """A new point, with the evidence of `like` to begin from; the same one again changes nothing."""
    version = _held(session, actor, uuid)
    known = {one["code"]: one for one in version.content["points"]}
    if like not in known:
        raise Invalid({"like": "form.choose"})
    if words["code"] in known and competencies.editing.own_words(known[words["code"]]) == dict(words):
        return
    competencies.editing.keep_draft(session, version, competencies.editing.add_point(version.content, words, like))


def drop_point(session: Session, actor: Actor, uuid: str, code: str, seen: str) -> None:
    """Takes a point out; one that is gone is no fault. `seen`: the edition of the whole point. Raises Conflict
    `framework.changed` where somebody changed it meanwhile, Refused `framework.last_point`."""
    version = _held(session, actor, uuid)
    found = next((one for one in version.content["points"] if one["code"] == code), None)
    if found is None:
        return
    if competencies.edition(found) != seen:
        raise Conflict("framework.changed")
    competencies.editing.keep_draft(session, version, competencies.editing.drop_point(version.content, code))


def shift_point(session: Session, actor: Actor, uuid: str, code: str, by: int) -> None:
    """Moves a point one place in the order."""
    version = _held(session, actor, uuid)
    competencies.editing.keep_draft(session, version, competencies.editing.shift_point(version.content, code, by))


def change_item(session: Session, actor: Actor, uuid: str, code: str, item: Mapping[str, Any], seen: str) -> None:
    """One item of evidence with its criteria. Raises as `change_head`, and Invalid as `put_item`."""
    version = _held(session, actor, uuid)
    _put(
        session,
        version,
        seen,
        lambda content: competencies.editing.item_words(
            competencies.editing.item_of(competencies.editing.point_of(content, code), item["key"])
        ),
        lambda content: competencies.editing.put_item(content, code, item),
    )


def add_item(session: Session, actor: Actor, uuid: str, code: str, item: Mapping[str, Any]) -> str:
    """A new item of evidence at the end; gives its key. The same one again changes nothing; a key that somebody else
    took meanwhile makes way for another."""
    version = _held(session, actor, uuid)
    point = competencies.editing.point_of(version.content, code)
    known = {one["key"]: one for one in point["evidence"]}
    if known.get(item["key"]) == dict(item):
        return str(item["key"])
    key = item["key"] if item["key"] not in known else competencies.editing.next_key("item", list(known))
    competencies.editing.keep_draft(
        session, version, competencies.editing.put_item(version.content, code, {**item, "key": key})
    )
    return str(key)


def drop_item(session: Session, actor: Actor, uuid: str, code: str, key: str, seen: str) -> None:
    """Takes an item of evidence out; one that is gone is no fault. Raises Conflict `framework.changed`, Invalid as
    `put_item`."""
    version = _held(session, actor, uuid)
    found = next(
        (one for one in competencies.editing.point_of(version.content, code)["evidence"] if one["key"] == key), None
    )
    if found is None:
        return
    if competencies.edition(found) != seen:
        raise Conflict("framework.changed")
    competencies.editing.keep_draft(session, version, competencies.editing.drop_item(version.content, code, key))


def shift_item(session: Session, actor: Actor, uuid: str, code: str, key: str, by: int) -> None:
    """Moves an item one place."""
    version = _held(session, actor, uuid)
    competencies.editing.keep_draft(session, version, competencies.editing.shift_item(version.content, code, key, by))


def add_language(session: Session, actor: Actor, uuid: str, tag: str, title: str) -> str:
    """A further language, with what the standard is called in it; gives its tag. The same one again changes nothing.
    Raises Invalid as `competencies.editing.add_language`."""
    version = _held(session, actor, uuid)
    known = competencies.languages.tag_of(tag)
    stands = competencies.frameworks.words(version.content["framework"], "title")
    if known and title and stands.get(known) == title:
        return known
    new = competencies.editing.add_language(version.content, tag, title)
    competencies.editing.keep_draft(session, version, new)
    return known


def drop_language(session: Session, actor: Actor, uuid: str, tag: str, seen: str) -> None:
    """Takes a language out with all its texts; one that is gone is no fault. `seen`: the content hash that the page
    showed. Raises Conflict `framework.changed` where somebody changed the draft meanwhile."""
    version = _held(session, actor, uuid)
    if tag not in competencies.languages.languages_of(version.content):
        return
    if version.content_hash != seen:
        raise Conflict("framework.changed")
    competencies.editing.keep_draft(session, version, competencies.editing.drop_language(version.content, tag))


def translate(
    session: Session, actor: Actor, uuid: str, tag: str, code: str, texts: Mapping[str, str], seen: str
) -> None:
    """The texts of a language of one point, or with code "" of the standard itself. `seen`: edition of
    `competencies.languages.sheet` of that part. Raises NotFound, Conflict `framework.changed`."""
    version = _held(session, actor, uuid)
    if code:
        competencies.editing.point_of(version.content, code)
    _put(
        session,
        version,
        seen,
        lambda content: competencies.languages.sheet(content, tag, code),
        lambda content: competencies.editing.translate(content, tag, code, texts),
    )


def _held(session: Session, actor: Actor, uuid: str) -> FrameworkVersion:
    """The draft, kept for this transaction: who saves at the same moment waits, then sees what was saved."""
    version = find(session, FrameworkVersion, actor.tenant_id, uuid)
    require(actor, Permission.FRAMEWORK_CURATE, Scope(version.tenant_id))
    hold(session, version)
    return _open(version)


def _open(version: FrameworkVersion) -> FrameworkVersion:
    if version.state is not VersionState.DRAFT:
        raise Conflict("framework.published")
    return version


def _put(
    session: Session,
    version: FrameworkVersion,
    seen: str,
    part: Callable[[Mapping[str, Any]], Content],
    change: Callable[[Mapping[str, Any]], Content],
) -> None:
    """Changes the draft where the part that a form was made from still says the same. Nothing is to be done where it
    says already what was typed."""
    new = change(version.content)
    if new == version.content:
        return
    if competencies.edition(part(version.content)) != seen:
        raise Conflict("framework.changed")
    competencies.editing.keep_draft(session, version, new)
