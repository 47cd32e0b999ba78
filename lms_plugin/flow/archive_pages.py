"""The pages of an archive that anybody can open by a double click: the district, its schools, each person.

They say in Chinese and English what the tables hold; nothing on them leads out of the archive, and nothing depends on
the day of packing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from markupsafe import Markup
from sqlalchemy import Row, select
from sqlmodel import Session, col

from competencies import (
    Award,
    Certificate,
    CompetencyPoint,
    CreditEntry,
    Decision,
    Evidence,
    Programme,
    StoredFile,
    Submission,
    SubmissionVersion,
)
from lms_plugin import parcel
from lms_plugin.db import pk
from lms_plugin.people import OrgMembership, OrgUnit, Person, Tenant

_AT_ONCE = 40  # people whose pages are put together at a time
_STYLE = (
    "body{font:16px/1.6 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}table{border-collapse:collapse;"
    "width:100%}td,th{border:1px solid #bbb;padding:.3rem .5rem;text-align:left;vertical-align:top}code{word-break:"
    "break-all}.text{white-space:pre-wrap}"
)
_PAGE = Markup(
    '<!doctype html><html lang="zh-Hans"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width, initial-scale=1"><title>{title}</title><style>{style}</style>'
    "</head><body>{back}<h1>{title}</h1>\n{body}</body></html>\n"
)
_LEVELS = {0: "不合格 / not passed", 1: "合格 / passed", 2: "优秀 / excellent"}
_KINDS = {
    "practice": "实践应用 / practice",
    "online": "网络研修 / online",
    "offline": "集中培训 / offline",
    "school_based": "校本研修 / school-based",
}
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
            packing.text(f"pages/person-{person.uuid}.html", _page(name, body, f"school-{school}.html"))
            link = Markup('<a href="person-{}.html">{}</a>').format(person.uuid, name)
            schools.setdefault(school, []).append(_line(link, person.staff_number, person.subject))
    listed = []
    for school, lines in sorted(schools.items()):
        name = units.get(school, "没有单位 / no unit")
        head = _line("姓名 / Name", "工号 / Staff no.", "学科 / Subject", is_head=True)
        packing.text(f"pages/school-{school}.html", _page(name, _table([head, *lines]), "../index.html"))
        listed.append(_line(Markup('<a href="pages/school-{}.html">{}</a>').format(school, name), len(lines)))
    packing.text("index.html", _page(tenant.name, _index(facts, listed), ""))


def _index(facts: Mapping[str, Any], schools: Sequence[Markup]) -> Markup:
    rows = [_line(Markup("<code>data/{}.jsonl</code>").format(name), count) for name, count in facts["rows"].items()]
    ledger = facts["ledger"]
    return Markup(
        "<p>这里是本区县在系统里的全部数据：人员、选点、材料、评审、学时台账和能力点框架。先把压缩包全部解压，再打开本页；"
        "看这些页面不需要任何软件。<br>Everything that the district has in the system. Unpack the whole archive first; "
        "these pages need no software.</p>"
        "<h2>人员 / People</h2>{}"
        "<h2>台账 / Ledger</h2><p>封存到第 {} 次，校验值 / sealed up to number {}, hash: <code>{}</code></p>"
        "<h2>数据文件 / Data files</h2><p>每行一条记录（JSON Lines，UTF-8）。<code>contents.jsonl</code> "
        "列出每个文件的 SHA-256，<code>manifest.json</code> 写着这份列表的 SHA-256。<br>One record a line (JSON Lines, "
        "UTF-8). contents.jsonl lists the SHA-256 of every file, manifest.json holds that of the list.</p>{}"
    ).format(
        _table([_line("单位 / Unit", "人数 / People", is_head=True), *schools]),
        ledger["seals"],
        ledger["seals"],
        ledger["hash"],
        _table([_line("文件 / File", "条数 / Records", is_head=True), *rows]),
    )


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
                col(Programme.title),
            )
            .join(Programme, col(Programme.id) == col(CreditEntry.programme_id))
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

    def school_of(self, person_id: int) -> int:
        """The unit of today, 0 for none."""
        rows = self._schools.get(person_id, [])
        return int(rows[0].org_unit_id) if rows and rows[0].ends_on is None else 0

    def page(self, person: Row[Any]) -> Markup:
        """What is known of somebody."""
        key = person.id
        schools = [
            _line(self._units.get(row.org_unit_id, "–"), row.starts_on, row.ends_on or "")
            for row in self._schools.get(key, [])
        ]
        hours = [
            _line(
                row.id,
                self._when(row.entered_at),
                row.title,
                _KINDS[row.kind.value],
                f"{row.credit_hundredths / 100:.2f}",
                f"{row.reason} {row.source}".strip(),
            )
            for row in self._hours.get(key, [])
        ]
        awards = [
            _line(row.code, _LEVELS.get(row.level, row.level), self._when(row.awarded_at), self._when(row.revoked_at))
            for row in self._awards.get(key, [])
        ]
        papers = [
            _line(row.number, row.code, row.title, self._when(row.issued_at)) for row in self._papers.get(key, [])
        ]
        parts = [
            Markup("<p>工号 / Staff no.: {} · 学科 / Subject: {}</p>").format(person.staff_number, person.subject),
            _part("单位 / Units", ("单位 / Unit", "从 / From", "到 / Until"), schools),
            _part("认定 / Awards", ("能力点 / Point", "等级 / Level", "认定 / Awarded", "撤回 / Taken back"), awards),
            _part(
                "学时台账 / Ledger of hours",
                ("编号 / No.", "时间 / When", "项目 / Programme", "类别 / Kind", "学时 / Hours", "依据 / Basis"),
                hours,
            ),
            _part(
                "学时证明 / Certificates", ("编号 / No.", "核验码 / Code", "项目 / Programme", "日期 / Date"), papers
            ),
            *(self._work(row) for row in self._works.get(key, [])),
        ]
        return Markup("\n").join(parts)

    def _work(self, work: Row[Any]) -> Markup:
        name = work.point.get("zh") or next(iter(work.point.values()), "")
        lines = [self._version(row) for row in self._versions.get(work.id, [])]
        drafts = self._pieces.get((work.id, None), [])
        if drafts:
            lines.append(Markup("<h3>草稿 / Draft</h3>{}").format(_list(drafts)))
        return Markup("<h2>{} {} · {} · {}</h2>{}").format(
            work.code, name, work.title, _STATES[work.state.value], Markup("").join(lines)
        )

    def _version(self, row: Row[Any]) -> Markup:
        said = Markup("")
        if row.decided_at is not None:
            level = _LEVELS.get(row.point_level, "退回修改 / returned")
            said = Markup('<p>评定 / Decision: {} · {}</p><p class="text">{}</p>').format(
                level, self._when(row.decided_at), row.reason
            )
        return Markup("<h3>第 {} 版 / Version {} · {}</h3>{}{}").format(
            row.number,
            row.number,
            self._when(row.submitted_at),
            _list(self._pieces.get((row.submission_id, row.id), [])),
            said,
        )

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
            )
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
            )
            .outerjoin(Decision, col(Decision.submission_version_id) == col(SubmissionVersion.id))
            .where(col(SubmissionVersion.submission_id).in_(works))
            .order_by(col(SubmissionVersion.number), col(SubmissionVersion.id))
        ):
            versions.setdefault(row.submission_id, []).append(row)
        return pieces, versions

    def _by(self, statement: Any, kind: Any) -> dict[int, list[Any]]:
        made: dict[int, list[Any]] = {}
        for row in self._session.execute(statement.where(kind.person_id.in_(self._ids))):
            made.setdefault(row.person_id, []).append(row)
        return made

    def _when(self, at: datetime | None) -> str:
        return f"{at.astimezone(self._zone):%Y-%m-%d %H:%M}" if at is not None else ""


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
    if row.kind == "file" and row.sha256:
        return Markup('<a href="../{}">{}</a>').format(parcel.file_name(row.sha256, row.extension), row.filename)
    if row.kind == "link" and row.url.startswith(("https://", "http://")):
        return Markup('<a href="{}" rel="noreferrer">{}</a>').format(row.url, row.url)
    return Markup('<span class="text">{}</span>').format(row.text or row.url or row.filename or "")


def _page(title: str, body: Markup, back: str) -> str:
    way = Markup('<p><a href="{}">← 返回 / Back</a></p>').format(back) if back else ""
    return str(_PAGE.format(title=title, style=_STYLE, back=way, body=body))


def _part(title: str, heads: Sequence[str], lines: Sequence[Markup]) -> Markup:
    if not lines:
        return Markup("")
    return Markup("<h2>{}</h2>{}").format(title, _table([_line(*heads, is_head=True), *lines]))


def _table(lines: Sequence[Markup]) -> Markup:
    return Markup("<table>{}</table>").format(Markup("\n").join(lines))


def _line(*values: Any, is_head: bool = False) -> Markup:
    cell = Markup("<th>{}</th>") if is_head else Markup("<td>{}</td>")
    cells = Markup("").join(cell.format(value) for value in values)
    return Markup("<tr>{}</tr>").format(cells)


def _list(items: Sequence[Markup]) -> Markup:
    return Markup("<ul>{}</ul>").format(Markup("").join(Markup("<li>{}</li>").format(one) for one in items))
