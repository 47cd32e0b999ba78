"""The pages of an archive that anybody can open by a double click: the district, its schools, each person.

They say in Chinese and English what the tables hold; nothing on them leads out of the archive, and nothing depends on
the day of packing.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from markupsafe import Markup
from sqlalchemy import Row, select
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

import rubrics
from competencies import (
    Award,
    Certificate,
    CompetencyPoint,
    CreditEntry,
    Decision,
    Evidence,
    EvidenceRequirement,
    Programme,
    StoredFile,
    Submission,
    SubmissionVersion,
)
from lms_plugin import parcel
from lms_plugin.db import pk
from lms_plugin.flow import archive_html as html
from lms_plugin.flow import archive_overview
from lms_plugin.people import OrgMembership, OrgUnit, Person, Tenant

_Other = aliased(Person)  # who decided
_AT_ONCE = 15  # people whose pages are put together at a time, each perhaps with hundreds of entries
_STATES = {
    "draft": "准备中 / being prepared",
    "submitted": "已提交 / handed in",
    "returned": "退回修改 / returned",
    "late": "逾期 / late",
    "decided": "已评定，未发布 / decided, not released",
    "released": "已发布 / released",
}


def write(
    session: Session,
    tenant: Tenant,
    facts: Mapping[str, Any],
    packing: parcel.Packing,
    between: Callable[[], None],
) -> None:
    """Writes `index.html` and `pages/…` into the parcel, by what stands in the session's moment."""
    zone = ZoneInfo(tenant.timezone)
    overview = archive_overview.write(session, pk(tenant), zone, packing, between)
    units = dict(
        session.execute(select(col(OrgUnit.id), col(OrgUnit.name)).where(col(OrgUnit.tenant_id) == pk(tenant))).all()
    )
    schools: dict[int, list[Markup]] = {}
    for people in _some(session, pk(tenant)):
        between()
        pages = _People(session, [one.id for one in people], units, zone)
        for person in people:
            name = person.name or "未填姓名 / no name"
            school = pages.school_of(person.id)
            body = pages.page(person)
            packing.text(f"pages/person-{person.uuid}.html", html.page(name, body, f"school-{school}.html"))
            link = html.link(f"person-{person.uuid}.html", name)
            schools.setdefault(school, []).append(html.line(link, person.staff_number, person.subject))
    listed = []
    for school, lines in sorted(schools.items()):
        name = units.get(school, "没有单位 / no unit")
        listing = html.table(("姓名 / Name", "工号 / Staff no.", "学科 / Subject"), lines)
        packing.text(f"pages/school-{school}.html", html.page(name, listing, "../index.html"))
        listed.append(html.line(html.link(f"pages/school-{school}.html", name), len(lines)))
    packing.text("index.html", html.page(tenant.name, _index(facts, listed, overview), ""))


MISSING = "pages/missing.html"
_INDEX = Markup("""
<p>这里是本区县在系统里的全部数据：人员、选点、材料、评审、学时台账和能力点框架。先把压缩包全部解压，再打开本页；看这些页面不需要任何软件。<br>
Everything that the district has in the system. Unpack the whole archive first; these pages need no software.</p>
<h2>人员 / People</h2>{schools}{overview}
<h2>台账的校验值 / The hash of the ledger</h2>
<p>封存到第 {number} 次，校验值 / sealed up to number {number}, hash: <code>{hash}</code></p>
<p>不用任何软件也能核对：<code>data/credit_entry.jsonl</code> 每一行（不含换行）的 SHA-256，就是
<code>data/ledger_seal.jsonl</code> 的 <code>entries</code> 里那一条写着的值；每次封存去掉 <code>hash</code>，
按同样的写法（UTF-8，键按字母排，没有空格）算 SHA-256，
就是它的 <code>hash</code>，也是下一次的 <code>previous_hash</code>。<br>
To check it yourself: the SHA-256 of each line of credit_entry.jsonl (without its line feed) stands in
<code>entries</code> of ledger_seal.jsonl; that of a seal without its <code>hash</code>, written the
same way (UTF-8, keys sorted, no blanks), is its <code>hash</code> and the next one's <code>previous_hash</code>.</p>
<h2>数据文件 / Data files</h2><p>每行一条记录（JSON Lines，UTF-8）。<code>contents.jsonl</code> 列出每个文件的 SHA-256，
<code>manifest.json</code> 写着这份列表的 SHA-256。<br>One record a line (JSON Lines, UTF-8). contents.jsonl lists the
SHA-256 of every file, manifest.json holds that of the list.</p>
<details><summary>{count} 个 / {count}</summary>{members}</details>
<p><a href="pages/missing.html">服务器上找不到、没有放进来的文件 / Files that are missing</a></p>
""")


def _index(facts: Mapping[str, Any], schools: Sequence[Markup], overview: Markup) -> Markup:
    rows = [
        html.line(Markup("<code>data/{}.jsonl</code>").format(name), count) for name, count in facts["rows"].items()
    ]
    return _INDEX.format(
        schools=html.table(("单位 / Unit", "人数 / People"), schools),
        overview=overview,
        number=facts["ledger"]["seals"],
        hash=facts["ledger"]["hash"],
        count=len(rows),
        members=html.table(("文件 / File", "条数 / Records"), rows),
    )


def write_missing(packing: parcel.Packing, count: int, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes the page of so many files whose bytes are missing, by their rows; few of them are in memory."""
    body = Markup("<p>共 {} 个 / {} in all</p><ul>\f</ul>").format(count, count)
    head, foot = html.page("找不到的文件 / Missing files", body, "../index.html").split("\f")
    with packing.member(MISSING) as target:
        target.write(head.encode())
        for row in rows:
            words = Markup("<li>{} · <code>{}</code></li>\n").format(row["filename"], row["sha256"])
            target.write(words.encode())
        target.write(foot.encode())


class _People:
    """Some people with all that stands on their pages: a few queries for all of them."""

    def __init__(self, session: Session, ids: Sequence[int], units: Mapping[int, str], zone: ZoneInfo) -> None:
        self._session, self._ids, self._units, self._zone = session, ids, units, zone
        self._schools = self._by(
            select(
                col(OrgMembership.person_id),
                col(OrgMembership.org_unit_id),
                col(OrgMembership.starts_on),
                col(OrgMembership.ends_on),
            ).order_by(col(OrgMembership.ends_on).is_not(None), col(OrgMembership.starts_on), col(OrgMembership.id)),
            OrgMembership,
        )
        self._works = self._by(
            select(
                col(Submission.person_id),
                col(Submission.id),
                col(Submission.state),
                col(CompetencyPoint.code),
                col(CompetencyPoint.name).label("point"),
                col(CompetencyPoint.level_words),
                col(Programme.title),
            )
            .join(CompetencyPoint, col(CompetencyPoint.id) == col(Submission.point_id))
            .join(Programme, col(Programme.id) == col(Submission.programme_id))
            .order_by(col(Submission.id)),
            Submission,
        )
        self._awards = self._by(
            select(
                col(Award.person_id),
                col(Award.level),
                col(Award.awarded_at),
                col(Award.revoked_at),
                col(CompetencyPoint.code),
                col(CompetencyPoint.name).label("point"),
                col(CompetencyPoint.level_words),
            )
            .join(CompetencyPoint, col(CompetencyPoint.id) == col(Award.point_id))
            .order_by(col(Award.id)),
            Award,
        )
        self._hours = self._by(
            select(
                col(CreditEntry.person_id),
                col(CreditEntry.id),
                col(CreditEntry.entered_at),
                col(CreditEntry.kind),
                col(CreditEntry.credit_hundredths),
                col(CreditEntry.reason),
                col(CreditEntry.source),
                col(CreditEntry.reverses_id),
                col(Programme.title),
                col(_Other.name).label("decider"),
            )
            .join(Programme, col(Programme.id) == col(CreditEntry.programme_id))
            .outerjoin(_Other, col(_Other.id) == col(CreditEntry.decided_by_id))
            .order_by(col(CreditEntry.id)),
            CreditEntry,
        )
        self._papers = self._by(
            select(
                col(Certificate.person_id),
                col(Certificate.number),
                col(Certificate.code),
                col(Certificate.title),
                col(Certificate.issued_at),
            ).order_by(col(Certificate.id)),
            Certificate,
        )
        works = [row.id for rows in self._works.values() for row in rows]
        self._pieces, self._versions = self._of_works(works)
        self._reviews = self._of_reviewers(works)

    def school_of(self, person_id: int) -> int:
        """The unit of today, 0 for none."""
        rows = self._schools.get(person_id, [])
        return int(rows[0].org_unit_id) if rows and rows[0].ends_on is None else 0

    def page(self, person: Row[Any]) -> Markup:
        """What is known of somebody."""
        key = person.id
        schools = [
            html.line(self._units.get(row.org_unit_id, "–"), row.starts_on, row.ends_on or "")
            for row in self._schools.get(key, [])
        ]
        hours = [
            html.line(
                *(row.id, self._when(row.entered_at), row.title, html.KINDS[row.kind.value]),
                *(html.hours(row.credit_hundredths), html.basis(row), row.decider or ""),
            )
            for row in self._hours.get(key, [])
        ]
        if hours:
            total = sum(row.credit_hundredths for row in self._hours[key])
            hours.append(html.line("", "", "合计 / Total", "", html.hours(total), "", ""))
        awards = [
            html.line(
                *(f"{row.code} {html.words_of(row.point)}", html.level(row.level, row.level_words)),
                *(self._when(row.awarded_at), self._when(row.revoked_at)),
            )
            for row in self._awards.get(key, [])
        ]
        papers = [
            html.line(row.number, row.code, row.title, self._when(row.issued_at)) for row in self._papers.get(key, [])
        ]
        parts = [
            Markup("<p>工号 / Staff no.: {} · 学科 / Subject: {}</p>").format(person.staff_number, person.subject),
            html.part("单位 / Units", ("单位 / Unit", "从 / From", "到 / Until"), schools),
            html.part(
                "认定 / Awards", ("能力点 / Point", "等级 / Level", "认定 / Awarded", "撤回 / Taken back"), awards
            ),
            html.part(
                "学时台账 / Ledger of hours",
                (
                    "编号 / No.",
                    "时间 / When",
                    "项目 / Programme",
                    "类别 / Kind",
                    "学时 / Hours",
                    "依据 / Basis",
                    "决定人 / Decided by",
                ),
                hours,
            ),
            html.part(
                "学时证明 / Certificates", ("编号 / No.", "核验码 / Code", "项目 / Programme", "日期 / Date"), papers
            ),
            *(self._work(row) for row in self._works.get(key, [])),
        ]
        return Markup("\n").join(parts)

    def _work(self, work: Row[Any]) -> Markup:
        name = html.words_of(work.point)
        lines = [self._version(row, work.level_words) for row in self._versions.get(work.id, [])]
        drafts = self._pieces.get((work.id, None), [])
        if drafts and work.state.value in {"draft", "returned"}:  # of others it is what was handed in
            lines.append(Markup("<h3>草稿 / Draft</h3>{}").format(html.listed(drafts)))
        return Markup("<h2>{} {} · {} · {}</h2>{}").format(
            work.code, name, work.title, _STATES[work.state.value], Markup("").join(lines)
        )

    def _version(self, row: Row[Any], own: html.LevelWords) -> Markup:
        said = self._reviewed(row.id, own)
        if row.decided_at is not None:
            level = "退回修改 / returned" if row.point_level is None else html.level(row.point_level, own)
            said += Markup('<p>评定 / Decision: {} · {} · {}</p><p class="text">{}</p>').format(
                level, row.decider or "", self._when(row.decided_at), row.reason
            )
        return Markup("<h3>第 {} 版 / Version {} · {}</h3>{}{}").format(
            row.number,
            row.number,
            self._when(row.submitted_at),
            html.listed(self._pieces.get((row.submission_id, row.id), [])),
            said,
        )

    def _reviewed(self, version_id: int, own: html.LevelWords) -> Markup:
        found = self._reviews.get(version_id, [])
        if not found:
            return Markup("")
        said = [
            Markup("{} · {} · {}").format(
                row.reviewer or "未填姓名 / no name",
                html.level(row.point_level, own),
                self._when(row.submitted_at),
            )
            for row in found
        ]
        return Markup("<p>互评 / Reviews:</p>{}").format(html.listed(said))

    def _of_works(self, works: list[int]) -> tuple[dict[tuple[int, int | None], list[Markup]], dict[int, list[Any]]]:
        pieces: dict[tuple[int, int | None], list[Markup]] = {}
        found = self._session.execute(
            select(
                col(Evidence.submission_id),
                col(Evidence.version_id),
                col(Evidence.kind),
                col(Evidence.text),
                col(Evidence.url),
                col(StoredFile.filename),
                col(StoredFile.sha256),
                col(StoredFile.extension),
                col(EvidenceRequirement.title).label("wanted"),
            )
            .join(EvidenceRequirement, col(EvidenceRequirement.id) == col(Evidence.requirement_id))
            .outerjoin(StoredFile, col(StoredFile.id) == col(Evidence.stored_file_id))
            .where(col(Evidence.submission_id).in_(works))
            .order_by(col(Evidence.requirement_id), col(Evidence.position), col(Evidence.id))
        )
        for row in found:
            pieces.setdefault((row.submission_id, row.version_id), []).append(_piece(row))
        versions: dict[int, list[Any]] = {}
        for row in self._session.execute(
            select(
                col(SubmissionVersion.id),
                col(SubmissionVersion.submission_id),
                col(SubmissionVersion.number),
                col(SubmissionVersion.submitted_at),
                col(Decision.point_level),
                col(Decision.reason),
                col(Decision.decided_at),
                col(_Other.name).label("decider"),
            )
            .outerjoin(Decision, col(Decision.submission_version_id) == col(SubmissionVersion.id))
            .outerjoin(_Other, col(_Other.id) == col(Decision.decided_by_id))
            .where(col(SubmissionVersion.submission_id).in_(works))
            .order_by(col(SubmissionVersion.number), col(SubmissionVersion.id))
        ):
            versions.setdefault(row.submission_id, []).append(row)
        return pieces, versions

    def _of_reviewers(self, works: list[int]) -> dict[int, list[Any]]:
        """What reviewers handed in, by the version that they looked at. Marks and reasons stand in the data."""
        found: dict[int, list[Any]] = {}
        kind = rubrics.Review
        for row in self._session.execute(
            select(
                *(col(kind.submission_version_id), col(kind.point_level), col(kind.submitted_at)),
                col(Person.name).label("reviewer"),
            )
            .join(Person, col(Person.id) == col(kind.reviewer_id))
            .where(col(kind.submission_id).in_(works), col(kind.submitted_at).is_not(None))
            .order_by(col(kind.submitted_at), col(kind.id))
        ):
            found.setdefault(row.submission_version_id, []).append(row)
        return found

    def _by(self, statement: Any, kind: Any) -> dict[int, list[Any]]:
        made: dict[int, list[Any]] = {}
        for row in self._session.execute(statement.where(kind.person_id.in_(self._ids))):
            made.setdefault(row.person_id, []).append(row)
        return made

    def _when(self, at: datetime | None) -> str:
        return archive_overview.when(at, self._zone)


def _some(session: Session, tenant_id: int) -> Iterator[Sequence[Row[Any]]]:
    """The people of a district, some at a time."""
    after = 0
    while True:
        people = session.execute(
            select(col(Person.id), col(Person.uuid), col(Person.name), col(Person.staff_number), col(Person.subject))
            .where(col(Person.tenant_id) == tenant_id, col(Person.id) > after)
            .order_by(col(Person.id))
            .limit(_AT_ONCE)
        ).all()
        if not people:
            return
        yield people
        after = people[-1].id


def _piece(row: Row[Any]) -> Markup:
    return Markup("<b>{}</b><br>{}").format(html.words_of(row.wanted), _content(row))


def _content(row: Row[Any]) -> Markup:
    if row.kind == "file" and row.sha256:
        return html.file_link(row.sha256, row.extension, row.filename)
    if row.kind == "link" and row.url.startswith(("https://", "http://")):
        return Markup('<a href="{}" rel="noreferrer">{}</a>').format(row.url, row.url)
    return Markup('<span class="text">{}</span>').format(row.text or row.url or row.filename or "")
