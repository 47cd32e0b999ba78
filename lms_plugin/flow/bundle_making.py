"""打包: the worker prints the papers that an officer asked for in one ZIP.

One run of the job prints for less than a minute and asks for the next one: a job of an hour would hold up scores, and
outlive its lease. What is printed lies in the storage, so a run that breaks off loses ten pages at most.
"""

import tempfile
import zipfile
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.orm import sessionmaker
from sqlmodel import Session, col, select

import competencies
from lms_plugin import media, outbox
from lms_plugin.db import get, pk, transaction
from lms_plugin.errors import NotFound, Refused
from lms_plugin.flow import humans, paper_kinds, sheets
from lms_plugin.flow.certificate_bundles import KEPT, current, of_bundle
from lms_plugin.flow.paper_kinds import PaperKind
from lms_plugin.people import OrgMembership, OrgUnit, Tenant
from lms_plugin.storage import Storage

domain = competencies.bundles
AT_ONCE = 10
"""Papers that are printed together: a process of its own reads the fonts once for them."""
RUN = timedelta(seconds=40)
"""So long a run of the job goes on printing; the last ten may take `media.on_papers` as long again, and some."""
LIST = "目录.xlsx"
NO_SCHOOL = "没有学校"
_COLUMNS = (
    *(sheets.Column("学校", 24), sheets.Column("姓名", 12), sheets.Column("工号", 14), sheets.Column("编号", 14)),
    sheets.Column("核验码", 18),
)


@dataclass(frozen=True)
class _Part:
    """The next papers: pages to print by id, and up to which one they were looked at."""

    pages: dict[int, str]
    looked_at: int
    last_id: int


class _Over(Exception):
    """It was cancelled, or is ended otherwise."""


def make(
    sessions: "sessionmaker[Session]",
    storage: Storage,
    public_url: str,
    ids: dict[str, int],
    clock: Callable[[], datetime],
) -> None:
    """One run of the job: prints for `RUN` and asks for the next one, or puts all into the ZIP. Run twice it does no
    harm: a page is printed under the name of its paper."""
    until = clock() + RUN
    key = ""
    try:
        while clock() < until:
            with transaction(sessions) as session:
                bundle = _open(session, ids["bundle_id"])
                key, bundle.state = bundle.storage_key, domain.BundleState.MAKING
                session.add(bundle)
                session.flush()
                part = _next(session, bundle, public_url)
            _make_room(storage, key)
            if not part.looked_at:
                return _finish(sessions, storage, ids["bundle_id"], clock)
            lost = _print(storage, key, part.pages)
            with transaction(sessions) as session:
                bundle = _open(session, ids["bundle_id"])
                bundle.done += part.looked_at
                bundle.left_out += part.looked_at - len(part.pages) + lost
                bundle.last_id = part.last_id
                session.add(bundle)
        with transaction(sessions) as session:
            bundle = _open(session, ids["bundle_id"])
            outbox.put(session, bundle.tenant_id, outbox.BUNDLE, str(pk(bundle)), ids, clock())
    except _Over:
        clear(sessions, storage, ids["bundle_id"])
    except Refused as refused:
        if not refused.code.startswith("paper."):
            raise
        _fail(sessions, ids["bundle_id"], refused.code, clock())
        clear(sessions, storage, ids["bundle_id"])


def _open(session: Session, bundle_id: int) -> domain.CertificateBundle:
    """The bundle, locked; raises _Over where it is not to be gone on with."""
    bundle = session.get(domain.CertificateBundle, bundle_id, with_for_update=True, populate_existing=True)
    if bundle is None or bundle.state not in domain.OPEN:
        raise _Over
    return bundle


def _make_room(storage: Storage, key: str) -> None:
    """The folder in which the pages lie."""
    try:
        storage.size(key)
    except NotFound:
        storage.create(key)


def _next(session: Session, bundle: domain.CertificateBundle, public_url: str) -> _Part:
    """The next papers as pages, without those that hold no more: ten queries at most."""
    lot, kind = of_bundle(session, bundle), paper_kinds.KINDS[bundle.kind]
    unit, paper = get(session, OrgUnit, bundle.org_unit_id), kind.tables.paper
    found: Sequence[Any] = session.exec(
        current(kind, lot, unit).where(col(paper.id) > bundle.last_id).order_by(col(paper.id)).limit(AT_ONCE)
    ).all()
    if not found:
        return _Part({}, 0, bundle.last_id)
    return _Part(kind.pages(session, lot, found, public_url), len(found), pk(found[-1]))


def _print(storage: Storage, key: str, pages: dict[int, str]) -> int:
    """Puts the pages on paper; gives how many could not be printed, each for itself."""
    if not pages:
        return 0
    lost = 0
    try:
        papers = dict(zip(pages, media.on_papers(list(pages.values())), strict=True))
    except Refused as refused:
        if refused.code.startswith("paper."):
            raise
        if len(pages) == 1:
            return 1
        for paper_id, page in pages.items():
            lost += _print(storage, key, {paper_id: page})
        return lost
    for paper_id, paper in papers.items():
        with storage.replacing(key, _page_name(paper_id)) as draft:
            draft.write_bytes(paper)
    return lost


def _page_name(paper_id: int) -> str:
    return f"page-{paper_id:012d}.pdf"


def _finish(sessions: "sessionmaker[Session]", storage: Storage, bundle_id: int, clock: Callable[[], datetime]) -> None:
    """All pages into one file of the storage, which takes the place of the folder with the pages."""
    with sessions() as session:
        bundle = get(session, domain.CertificateBundle, bundle_id)
        old, tenant_id, kind = bundle.storage_key, bundle.tenant_id, paper_kinds.KINDS[bundle.kind]
        timezone = get(session, Tenant, tenant_id).timezone
        sealed = _sealed(competencies.head(session, tenant_id), timezone)
    folder = storage.derived(old, _page_name(0)).parent
    new = _new_key(old)
    with tempfile.TemporaryFile(dir=folder) as target:
        _write(target, folder, kind, _rows(sessions, folder, kind, tenant_id, timezone), sealed)
        size = target.seek(0, 2)
        target.seek(0)
        storage.delete(new)  # of a run that broke off here
        storage.create(new)
        storage.write_part(new, 0, target, size)
    digest = storage.commit(new)
    try:
        with transaction(sessions) as session:
            bundle = _open(session, bundle_id)
            bundle.state, bundle.ended_at = domain.BundleState.READY, clock()
            bundle.storage_key, bundle.size_bytes, bundle.sha256 = new, size, digest
            session.add(bundle)
    except _Over:
        storage.delete(new)
        raise
    storage.delete(old)


def _new_key(old: str) -> str:
    """The key of the ZIP follows from that of its pages: what a run left behind is found by the next."""
    return "".join("0123456789abcdef"[15 - int(digit, 16)] for digit in old)


@dataclass(frozen=True)
class _Row:
    """One paper of the ZIP: its line of the list, and where its page lies."""

    line: tuple[Any, ...]
    page: Path


def _rows(
    sessions: "sessionmaker[Session]", folder: Path, kind: PaperKind, tenant_id: int, timezone: str
) -> Iterator[_Row]:
    """The papers whose pages lie in the folder, in the order of their numbers."""
    pages, paper = sorted(folder.glob("page-*.pdf")), kind.tables.paper
    for start in range(0, len(pages), 200):
        some = {int(page.stem.removeprefix("page-")): page for page in pages[start : start + 200]}
        with sessions() as session:
            found = session.exec(
                select(paper).where(paper.tenant_id == tenant_id, col(paper.id).in_(some)).order_by(col(paper.id))
            ).all()
            schools = _schools(session, {one.person_id for one in found})
        for one in found:
            number = kind.number_of(one, timezone)
            school = schools.get(one.person_id) or one.school or NO_SCHOOL
            file = f"{media.clean_filename(school)}/{media.clean_filename(f'{one.name}_{number}.pdf')}"
            code = competencies.certificates.code_as_printed(one.code)
            who = (school, one.name, one.staff_number, number, code)
            yield _Row((*who, *kind.counted(one), file), some[pk(one)])


def _schools(session: Session, person_ids: Collection[int]) -> dict[int, str]:
    """The units that these people belong to now, of several the latest: two queries."""
    rows = humans.rows_by_row(session, person_ids)
    found = dict(
        session.exec(
            select(OrgMembership.person_id, OrgUnit.name)
            .join(OrgUnit, col(OrgUnit.id) == col(OrgMembership.org_unit_id))
            .where(
                col(OrgMembership.person_id).in_({theirs[0] for theirs in rows.values()}),
                col(OrgMembership.ends_on).is_(None),
            )
            .order_by(col(OrgMembership.starts_on), col(OrgMembership.id))
        ).all()
    )
    return {row: found[theirs[0]] for row, theirs in rows.items() if theirs[0] in found}


def _sealed(head: competencies.Head | None, timezone: str) -> sheets.Page:
    """Up to where the ledger was sealed when they were packed: the last page of the list."""
    columns = [sheets.Column("学时台账封存到第几次", 12, "number"), sheets.Column("封存时间", 18)]
    rows = []
    if head is not None:
        rows.append((head.number, f"{head.sealed_at.astimezone(ZoneInfo(timezone)):%Y-%m-%d %H:%M}", head.hash))
    return sheets.Page("台账封存", [*columns, sheets.Column("校验值（SHA-256）", 70)], rows)


def _write(target: Any, folder: Path, kind: PaperKind, rows: Iterable[_Row], sealed: sheets.Page) -> None:
    """The ZIP: a folder for each school, and the list of all. PDFs are packed already, so they go in as they are."""
    with zipfile.ZipFile(target, "w") as archive, tempfile.TemporaryFile(dir=folder) as book:

        def lines() -> Iterator[tuple[Any, ...]]:
            for row in rows:
                archive.write(row.page, row.line[-1])
                yield row.line

        columns = (*_COLUMNS, *kind.columns, sheets.Column("文件", 40))
        sheets.write(book, [sheets.Page("目录", columns, lines()), sealed])
        archive.writestr(LIST, _all_of(book))


def _all_of(book: Any) -> bytes:
    book.seek(0)
    content: bytes = book.read()
    return content


def _fail(sessions: "sessionmaker[Session]", bundle_id: int, code: str, now: datetime) -> None:
    with transaction(sessions) as session:
        bundle = _open(session, bundle_id)
        bundle.state, bundle.problem, bundle.ended_at = domain.BundleState.FAILED, code, now
        session.add(bundle)


def clear(sessions: "sessionmaker[Session]", storage: Storage, bundle_id: int) -> None:
    """Deletes the bytes of one that ended without a file, or whose file is not needed any more."""
    with sessions() as session:
        bundle = session.get(domain.CertificateBundle, bundle_id)
        key = bundle.storage_key if bundle is not None and bundle.state not in domain.OPEN else ""
        if bundle is not None and bundle.state is domain.BundleState.READY:
            key = ""
    if not key:
        return
    storage.delete(key)
    storage.delete(_new_key(key))
    with transaction(sessions) as session:
        bundle = get(session, domain.CertificateBundle, bundle_id)
        bundle.storage_key = ""
        session.add(bundle)


def clear_old(sessions: "sessionmaker[Session]", storage: Storage, now: datetime) -> int:
    """Deletes files that were made `KEPT` ago, and those of which another one was asked for; gives how many."""
    kind, states = domain.CertificateBundle, domain.BundleState
    with transaction(sessions) as session:
        for bundle in session.exec(
            select(domain.CertificateBundle)
            .where(kind.state == states.READY, col(kind.ended_at) <= now - KEPT)
            .order_by(col(kind.id))
        ):
            bundle.state = states.GONE
            session.add(bundle)
        session.flush()
        gone = session.exec(
            select(kind.id)
            .where(col(kind.state).in_([states.GONE, states.CANCELLED, states.FAILED]), kind.storage_key != "")
            .order_by(col(kind.id))
        ).all()
    for bundle_id in gone:
        if bundle_id is not None:
            clear(sessions, storage, bundle_id)
    return len(gone)
