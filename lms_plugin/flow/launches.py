"""进入记录: IT and officers of the whole district see what became of each login, launch and registration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlmodel import Session, col, select

import lti
from lms_plugin.access import Actor, Permission, Scope, require
from lms_plugin.db import find, get, owned, pk
from lms_plugin.errors import NotFound
from lms_plugin.people import Course

PAGE = 50
MOST_COURSES = 200  # in the filter, the latest first


@dataclass(frozen=True)
class Entry:
    """One row. `way`: whose checks these are (login | launch | register | notice). `platform` and `course` are what
    pages call them, "" where the row names none of the district's."""

    reference: str
    at: datetime
    outcome: str
    way: str
    is_refused: bool
    steps: "list[lti.Step]"
    mender: "lti.Mender | None"
    issuer: str = ""
    client_id: str = ""
    detail: str = ""
    platform: str = ""
    platform_uuid: str = ""
    course: str = ""
    claims: Mapping[str, str] = field(default_factory=dict)

    @property
    def failed(self) -> str:
        """The check that refused, "" where none did."""
        return next((step.check for step in self.steps if step.result is lti.Result.FAILED), "")

    @property
    def params(self) -> dict[str, str]:
        """The words for the sentence of the refusal: the log keeps the one that matters."""
        words = ("target", "words", "message", "version", "deployment", "claim", "clients", "host")
        seconds = self.detail.removesuffix(" s")
        found = {"issuer": self.issuer, "client_id": self.client_id, "seconds": seconds}
        return {**dict.fromkeys(words, self.detail), **found, "name": self.platform or self.issuer}


@dataclass(frozen=True)
class Choice:
    """A platform or course that the list can be narrowed to."""

    uuid: str
    title: str


@dataclass(frozen=True)
class Listing:
    """One page of the list. `total` is counted to `lti.MOST_COUNTED`."""

    entries: list[Entry]
    total: int
    platforms: list[Choice]
    courses: list[Choice]


def listing(
    session: Session, actor: Actor, page: int, *, refused: bool = False, platform: str = "", course: str = ""
) -> Listing:
    """The district's rows, the newest first; `platform` and `course` are uuids of the district or "".

    Raises NotFound for another's.
    """
    require(actor, Permission.PLATFORM_MANAGE, Scope(actor.tenant_id))
    platforms = {pk(row): row for row in lti.platforms(session, actor.tenant_id)}
    courses = session.exec(
        owned(Course, actor.tenant_id).order_by(col(Course.seen_at).desc(), col(Course.id).desc()).limit(MOST_COURSES)
    ).all()
    platform_id, context_id = None, None
    if platform:
        platform_id = pk(find(session, lti.Platform, actor.tenant_id, platform))
    if course:
        row = find(session, Course, actor.tenant_id, course)
        deployment = get(session, lti.Deployment, row.deployment_id)
        platform_id, context_id = deployment.platform_id, row.context_id
    wanted = lti.Wanted(actor.tenant_id, refused, platform_id, context_id)
    rows = lti.launch_rows(session, wanted, (page - 1) * PAGE, PAGE)
    titles = _titles(session, actor.tenant_id, rows)
    return Listing(
        [_entry(row, platforms.get(row.platform_id or 0), titles) for row in rows],
        lti.count_launches(session, wanted),
        [Choice(row.uuid, row.name or row.issuer) for row in platforms.values()],
        [Choice(row.uuid, row.title or row.context_id) for row in courses],
    )


def one(session: Session, actor: Actor, reference: str) -> Entry:
    """The row of a reference, however it was typed. Raises NotFound, also for a row of another district or of none."""
    require(actor, Permission.PLATFORM_MANAGE, Scope(actor.tenant_id))
    row = lti.launch_row(session, actor.tenant_id, lti.reference_of(reference))
    if row is None:
        raise NotFound
    platform = get(session, lti.Platform, row.platform_id) if row.platform_id is not None else None
    return _entry(row, platform, _titles(session, actor.tenant_id, [row]))


def entry_of(session: Session, row: "lti.LaunchLog") -> Entry:
    """The same for the operator's command: a row of any district or of none."""
    return _entry(row, session.get(lti.Platform, row.platform_id) if row.platform_id is not None else None, {})


Titles = dict[tuple[int, str], str]


def _titles(session: Session, tenant_id: int, rows: "Sequence[lti.LaunchLog]") -> Titles:
    """What the courses of these rows are called, by platform and the host's id."""
    named = {row.context_id for row in rows if row.context_id}
    if not named:
        return {}
    found = session.exec(
        select(lti.Deployment.platform_id, Course.context_id, Course.title)
        .join(lti.Deployment, col(lti.Deployment.id) == col(Course.deployment_id))
        .where(col(Course.tenant_id) == tenant_id, col(Course.context_id).in_(named))
        .order_by(col(Course.id))
    )
    return {(platform_id, context_id): title for platform_id, context_id, title in found}


def _entry(row: "lti.LaunchLog", platform: "lti.Platform | None", titles: Titles) -> Entry:
    return Entry(
        reference=row.reference,
        at=row.at,
        outcome=row.outcome,
        way=lti.way_of(row.outcome, row.checks),
        is_refused=lti.is_refused(row.outcome),
        steps=lti.steps(row.outcome, row.checks),
        mender=lti.MENDS.get(row.outcome),
        issuer=row.issuer,
        client_id=row.client_id,
        detail=row.detail,
        platform=(platform.name or platform.issuer) if platform is not None else "",
        platform_uuid=platform.uuid if platform is not None else "",
        course=titles.get((row.platform_id or 0, row.context_id)) or row.context_id,
        claims=row.claims,
    )
